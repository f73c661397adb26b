#include "json/value.h"

#include <assert.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* "-2.2250738585072014e-308" and the NUL, with room to spare. */
enum { REAL_SIZE = 40 };

/* A struct json_value is a json_t under a name that other folders may see. */
static const json_t *inner(const struct json_value *value)
{
	return (const json_t *)(const void *)value;
}

static const struct json_value *outer(const json_t *value)
{
	return (const struct json_value *)(const void *)value;
}

/* jansson's iterators take non-const objects although they change nothing. */
static json_t *iterated(const struct json_value *value)
{
	const union {
		const struct json_value *ours;
		json_t *theirs;
	} object = { .ours = value };

	return object.theirs;
}

/* Nesting of the text without parsing it: bounds the recursion of everything after. */
static bool too_deep(struct str text)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (quoted) {
			i += c == '\\';
			quoted = c != '"';
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_VALUE_DEPTH) {
				return true;
			}
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static const char *rule_of(const json_error_t *error)
{
	int code = (int)json_error_code(error);

	if (code == json_error_invalid_utf8) {
		return "must be UTF-8";
	}
	if (code == json_error_duplicate_key) {
		return "must not repeat a name within an object";
	}
	if (code == json_error_null_character || code == json_error_null_byte_in_key) {
		return "must not contain NUL";
	}
	if (code == json_error_numeric_overflow) {
		return "must not contain numbers beyond 64 bits";
	}
	return "must be valid JSON";
}

struct json_value *json_parse(struct str text, struct err *err)
{
	json_error_t error;
	json_t *value;

	if (too_deep(text)) {
		(void)err_set(err, ERR_INVALID, "must not be nested deeper than %d levels",
		              JSON_VALUE_DEPTH);
		return NULL;
	}
	value = json_loadb(text.n > 0 ? text.p : "", text.n,
	                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (value == NULL) {
		(void)err_set(err, ERR_INVALID, "%s (line %d, column %d)", rule_of(&error),
		              error.line > 0 ? error.line : 1, error.column > 0 ? error.column : 1);
	}
	return (struct json_value *)(void *)value;
}

void json_value_free(struct json_value *value)
{
	json_decref((json_t *)(void *)value);
}

void json_value_cleanup(struct json_value **value)
{
	json_value_free(*value);
}

enum json_type json_type_of(const struct json_value *value)
{
	if (value == NULL) {
		return JSON_T_NULL;
	}
	switch (json_typeof(inner(value))) {
	case JSON_OBJECT: return JSON_T_OBJECT;
	case JSON_ARRAY: return JSON_T_ARRAY;
	case JSON_STRING: return JSON_T_STRING;
	case JSON_INTEGER:
	case JSON_REAL: return JSON_T_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE: return JSON_T_BOOL;
	case JSON_NULL: return JSON_T_NULL;
	}
	return JSON_T_NULL;
}

const struct json_value *json_get(const struct json_value *value, const char *name)
{
	return outer(json_object_get(inner(value), name));
}

size_t json_count(const struct json_value *value)
{
	if (json_type_of(value) == JSON_T_OBJECT) {
		return json_object_size(inner(value));
	}
	return json_array_size(inner(value));
}

const struct json_value *json_at(const struct json_value *value, size_t i)
{
	return outer(json_array_get(inner(value), i));
}

bool json_is_int(const struct json_value *value)
{
	return value != NULL && json_typeof(inner(value)) == JSON_INTEGER;
}

struct str json_as_str(const struct json_value *value)
{
	const char *text = json_string_value(inner(value));

	return text != NULL ? str_make(text, json_string_length(inner(value))) : STR_LIT("");
}

int64_t json_as_i64(const struct json_value *value)
{
	return json_integer_value(inner(value));
}

double json_as_f64(const struct json_value *value)
{
	return json_number_value(inner(value));
}

bool json_as_bool(const struct json_value *value)
{
	return value != NULL && json_typeof(inner(value)) == JSON_TRUE;
}

bool json_next(const struct json_value *object, void **at, struct str *ret_name,
               const struct json_value **ret_value)
{
	json_t *o = iterated(object);

	if (json_type_of(object) != JSON_T_OBJECT) {
		return false;
	}
	*at = *at == NULL ? json_object_iter(o) : json_object_iter_next(o, *at);
	if (*at == NULL) {
		return false;
	}
	*ret_name = str_make(json_object_iter_key(*at), json_object_iter_key_len(*at));
	*ret_value = outer(json_object_iter_value(*at));
	return true;
}

static int append(const char *bytes, size_t n, void *arg)
{
	struct buf *out = arg;

	buf_add(out, bytes, n);
	return buf_failed(out) ? -1 : 0;
}

bool json_add_str(struct json_value *array, size_t i, const char *name, struct str text)
{
	json_t *object = json_array_get(iterated(array), i);

	return json_is_object(object) &&
	       json_object_set_new_nocheck(object, name, json_stringn_nocheck(text.p, text.n)) == 0;
}

static void add_whole(const json_t *value, struct buf *out)
{
	/* Only append() can fail, and the buf remembers that. */
	(void)json_dump_callback(value, append, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* The shortest that is read as the same number: 0.3, not 0.29999999999999999. */
static void add_real(const json_t *real, struct buf *out)
{
	double value = json_real_value(real), again;
	size_t digits = isnormal(value) ? DBL_DIG : 1, n;
	char text[REAL_SIZE];

	do {
		n = json_dumpb(real, text, sizeof(text) - 1,
		               JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
		assert(n < sizeof(text));
		text[n] = '\0';
		again = strtod(text, NULL);
	} while ((again < value || again > value) && ++digits <= DBL_DECIMAL_DIG);
	buf_add(out, text, n);
}

static bool has_real(const struct json_value *value)
{
	const struct json_value *member;
	void *at = NULL;
	struct str name;

	for (size_t i = 0; i < json_array_size(inner(value)); i++) {
		if (has_real(json_at(value, i))) {
			return true;
		}
	}
	while (json_next(value, &at, &name, &member)) {
		if (has_real(member)) {
			return true;
		}
	}
	return json_is_real(inner(value));
}

static void add_value(const struct json_value *value, struct buf *out);

static void add_object(const struct json_value *object, struct buf *out)
{
	const struct json_value *member;
	const char *before = "{";
	void *at = NULL;
	struct str name;

	while (json_next(object, &at, &name, &member)) {
		json_t *key = json_stringn_nocheck(name.p, name.n);

		buf_add_cstr(out, before);
		add_whole(key, out);
		json_decref(key);
		buf_add_char(out, ':');
		add_value(member, out);
		before = ",";
	}
	buf_add_char(out, '}');
}

/* Recursion is bounded by JSON_VALUE_DEPTH. What has no reals in it, nearly all, is for jansson. */
static void add_value(const struct json_value *value, struct buf *out)
{
	if (!has_real(value)) {
		add_whole(inner(value), out);
	} else if (json_is_object(inner(value))) {
		add_object(value, out);
	} else if (json_is_array(inner(value))) {
		for (size_t i = 0; i < json_array_size(inner(value)); i++) {
			buf_add_char(out, i == 0 ? '[' : ',');
			add_value(json_at(value, i), out);
		}
		buf_add_char(out, ']');
	} else {
		add_real(inner(value), out);
	}
}

void json_format(const struct json_value *value, struct buf *out)
{
	if (value == NULL) {
		buf_add_cstr(out, "null");
		return;
	}
	add_value(value, out);
}
