#include "json/decode.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "json/write.h"

enum {
	NAME_SHOWN_MAX = 64, /* bytes of a peer's own member name in a path */
	TABLE_FIELDS_MAX = 64,
	PATH_MAX_BYTES = 4096,
};

/* Where decoding is: a chain through the callers' stacks, made into text only for a problem. */
struct place {
	const struct place *up; /* NULL: where decoding began; name is the path of that */
	struct str name;        /* p NULL: an item */
	size_t index;
};

struct decoder {
	struct arena *arena;
	struct json_problems *problems;
};

static bool is_full(const struct decoder *d)
{
	return d->problems->count == JSON_PROBLEMS_MAX;
}

static struct str shown_name(struct str name)
{
	struct str cut = { name.p, 0 };

	while (cut.n < name.n) {
		size_t step = str_utf8_step(str_make(name.p + cut.n, name.n - cut.n));

		if (step == 0 || cut.n + step > NAME_SHOWN_MAX) {
			break;
		}
		cut.n += step;
	}
	return cut;
}

static void add_path(struct buf *out, const struct place *place)
{
	if (place->up == NULL) {
		buf_add_str(out, place->name);
		return;
	}
	add_path(out, place->up);
	if (place->name.p == NULL) {
		buf_addf(out, "[%zu]", place->index);
		return;
	}
	if (out->len > 0) {
		buf_add_char(out, '.');
	}
	buf_add_str(out, shown_name(place->name));
}

static char *path_text(const struct decoder *d, const struct place *place)
{
	struct buf path;
	char *text;

	buf_init(&path, PATH_MAX_BYTES);
	add_path(&path, place);
	text = arena_strdup(d->arena, buf_str(&path));
	buf_fini(&path);
	return text;
}

static void problem_vadd(struct json_problems *problems, struct arena *arena, const char *field,
                         const char *fmt, va_list ap) PRINTF_LIKE(4, 0);

static void problem_vadd(struct json_problems *problems, struct arena *arena, const char *field,
                         const char *fmt, va_list ap)
{
	struct buf rule;

	buf_init(&rule, PATH_MAX_BYTES);
	buf_vaddf(&rule, fmt, ap);
	problems->items[problems->count++] = (struct json_problem){
		.field = field,
		.rule = arena_strdup(arena, buf_str(&rule)),
	};
	buf_fini(&rule);
}

void json_problem_add(struct json_problems *problems, struct arena *arena, const char *field,
                      const char *fmt, ...)
{
	va_list ap;

	if (problems->count == JSON_PROBLEMS_MAX) {
		return;
	}
	va_start(ap, fmt);
	problem_vadd(problems, arena, arena_strdup(arena, str_of(field)), fmt, ap);
	va_end(ap);
}

static void report(const struct decoder *d, const struct place *place, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static void report(const struct decoder *d, const struct place *place, const char *fmt, ...)
{
	va_list ap;

	if (is_full(d)) {
		return;
	}
	va_start(ap, fmt);
	problem_vadd(d->problems, d->arena, path_text(d, place), fmt, ap);
	va_end(ap);
}

static bool within(uint64_t n, uint64_t min, uint64_t max)
{
	return n >= min && (max == 0 || n <= max);
}

enum { BOUNDS_SIZE = 64 };

/* " of 1 to 64 bytes", or "" without bounds. */
static void bounds_text(char out[BOUNDS_SIZE], uint64_t min, uint64_t max, const char *unit)
{
	if (min == 0 && max == 0) {
		out[0] = '\0';
	} else if (max == 0) {
		(void)snprintf(out, BOUNDS_SIZE, " of at least %" PRIu64 " %s", min, unit);
	} else if (min == max) {
		(void)snprintf(out, BOUNDS_SIZE, " of %" PRIu64 " %s", max, unit);
	} else if (min == 0) {
		(void)snprintf(out, BOUNDS_SIZE, " of at most %" PRIu64 " %s", max, unit);
	} else {
		(void)snprintf(out, BOUNDS_SIZE, " of %" PRIu64 " to %" PRIu64 " %s", min, max,
		               unit);
	}
}

struct bounds {
	uint64_t min, max;
};

static bool take_string(const struct decoder *d, const struct json_value *value,
                        const struct place *place, struct bounds bounds, struct str *out)
{
	struct str text = json_as_str(value);
	char of[BOUNDS_SIZE];

	if (json_type_of(value) != JSON_T_STRING || !within(text.n, bounds.min, bounds.max)) {
		bounds_text(of, bounds.min, bounds.max, "bytes");
		report(d, place, "must be a string%s", of);
		return false;
	}
	*out = arena_str(d->arena, text);
	return true;
}

typedef void(kind_fn)(const struct decoder *d, const struct json_field *field,
                      const struct json_value *value, const struct place *place, void *out);

static void decode_str(const struct decoder *d, const struct json_field *field,
                       const struct json_value *value, const struct place *place, void *out)
{
	(void)take_string(d, value, place, (struct bounds){ field->min, field->max }, out);
}

static void decode_u64(const struct decoder *d, const struct json_field *field,
                       const struct json_value *value, const struct place *place, void *out)
{
	int64_t number = json_as_i64(value);
	uint64_t max = field->max != 0 ? field->max : (uint64_t)INT64_MAX;

	if (!json_is_int(value) || number < 0 || !within((uint64_t)number, field->min, max)) {
		report(d, place, "must be an integer from %" PRIu64 " to %" PRIu64, field->min,
		       max);
		return;
	}
	*(uint64_t *)out = (uint64_t)number;
}

static void decode_i64(const struct decoder *d, const struct json_field *field,
                       const struct json_value *value, const struct place *place, void *out)
{
	bool bounded = field->min != 0 || field->max != 0;
	int64_t min = bounded ? (int64_t)field->min : INT64_MIN;
	int64_t max = bounded ? (int64_t)field->max : INT64_MAX;
	int64_t number = json_as_i64(value);

	if (!json_is_int(value) || number < min || number > max) {
		report(d, place, "must be an integer from %" PRId64 " to %" PRId64, min, max);
		return;
	}
	*(int64_t *)out = number;
}

static void decode_bool(const struct decoder *d, const struct json_field *field,
                        const struct json_value *value, const struct place *place, void *out)
{
	(void)field;
	if (json_type_of(value) != JSON_T_BOOL) {
		report(d, place, "must be true or false");
		return;
	}
	*(bool *)out = json_as_bool(value);
}

static void decode_enum(const struct decoder *d, const struct json_field *field,
                        const struct json_value *value, const struct place *place, void *out)
{
	struct buf names;

	if (json_type_of(value) == JSON_T_STRING) {
		for (unsigned i = 0; field->names[i] != NULL; i++) {
			if (str_eq(json_as_str(value), str_of(field->names[i]))) {
				*(unsigned *)out = i;
				return;
			}
		}
	}
	buf_init(&names, PATH_MAX_BYTES);
	for (size_t i = 0; field->names[i] != NULL; i++) {
		buf_addf(&names, "%s%s", i > 0 ? ", " : "", field->names[i]);
	}
	report(d, place, "must be one of: %s", buf_cstr(&names));
	buf_fini(&names);
}

/* Checks the type and the number of items; true when the items may be looked at. */
static bool take_list(const struct decoder *d, const struct json_field *field,
                      const struct json_value *value, const struct place *place, const char *unit)
{
	bool is_map = field->kind == JSON_MAP;
	enum json_type type = is_map ? JSON_T_OBJECT : JSON_T_ARRAY;
	char of[BOUNDS_SIZE];

	if (json_type_of(value) == type && within(json_count(value), field->min, field->max)) {
		return true;
	}
	bounds_text(of, field->min, field->max, unit);
	report(d, place, "must be an %s%s", is_map ? "object" : "array", of);
	return false;
}

static void decode_strings(const struct decoder *d, const struct json_field *field,
                           const struct json_value *value, const struct place *place, void *out)
{
	struct json_list *list = out;
	struct bounds bounds = { 0, field->item_max };
	struct str *items;

	if (!take_list(d, field, value, place, "strings")) {
		return;
	}
	list->count = json_count(value);
	list->items = items = arena_take(d->arena, list->count * sizeof(*items));
	for (size_t i = 0; i < list->count && !is_full(d); i++) {
		struct place item = { .up = place, .index = i };

		(void)take_string(d, json_at(value, i), &item, bounds, &items[i]);
	}
}

static void decode_map(const struct decoder *d, const struct json_field *field,
                       const struct json_value *value, const struct place *place, void *out)
{
	struct json_list *list = out;
	struct bounds bounds = { 0, field->item_max };
	const struct json_value *member;
	struct json_pair *pairs;
	struct str name;
	void *at = NULL;

	if (!take_list(d, field, value, place, "members")) {
		return;
	}
	list->items = pairs = arena_take(d->arena, json_count(value) * sizeof(*pairs));
	while (!is_full(d) && json_next(value, &at, &name, &member)) {
		struct place inside = { .up = place, .name = name };
		struct json_pair *pair = &pairs[list->count];
		char of[BOUNDS_SIZE];

		if (!within(name.n, 1, field->name_max)) {
			bounds_text(of, 1, field->name_max, "bytes");
			report(d, &inside, "must have a name%s", of);
		} else if (take_string(d, member, &inside, bounds, &pair->value)) {
			pair->name = arena_str(d->arena, name);
			list->count++;
		}
	}
}

static void decode_raw(const struct decoder *d, const struct json_field *field,
                       const struct json_value *value, const struct place *place, void *out)
{
	struct buf text;

	buf_init(&text, field->max != 0 ? (size_t)field->max : SIZE_MAX / 2);
	json_format(value, &text);
	if (buf_failed(&text)) {
		report(d, place, "must be at most %" PRIu64 " bytes of JSON", field->max);
	} else {
		*(struct str *)out = arena_str(d->arena, buf_str(&text));
	}
	buf_fini(&text);
}

static void decode_custom(const struct decoder *d, const struct json_field *field,
                          const struct json_value *value, const struct place *place, void *out)
{
	field->decode(value, path_text(d, place), out, d->arena, d->problems);
}

static kind_fn decode_object, decode_array;

static kind_fn *const kinds[] = {
	[JSON_STR] = decode_str,     [JSON_U64] = decode_u64,         [JSON_I64] = decode_i64,
	[JSON_BOOL] = decode_bool,   [JSON_ENUM] = decode_enum,       [JSON_OBJECT] = decode_object,
	[JSON_ARRAY] = decode_array, [JSON_STRINGS] = decode_strings, [JSON_MAP] = decode_map,
	[JSON_RAW] = decode_raw,     [JSON_CUSTOM] = decode_custom,
};

static const struct json_field *find_field(const struct json_table *table, struct str name)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct json_field *field = &table->fields[i];

		if (str_eq(name, str_of(field->name)) ||
		    (field->alias != NULL && str_eq(name, str_of(field->alias)))) {
			return field;
		}
	}
	return NULL;
}

static void decode_field(const struct decoder *d, const struct json_field *field,
                         const struct json_value *value, const struct place *place, void *out)
{
	if (json_type_of(value) == JSON_T_NULL && (field->flags & JSON_NULLABLE) != 0) {
		return;
	}
	if (field->present != JSON_NO_PRESENT) {
		*(bool *)(void *)((char *)out + field->present) = true;
	}
	kinds[field->kind](d, field, value, place, (char *)out + field->offset);
}

static void decode_members(const struct decoder *d, const struct json_table *table,
                           const struct json_value *value, const struct place *place, void *out)
{
	const struct json_value *member;
	uint64_t seen = 0;
	struct str name;
	void *at = NULL;

	assert(table->count <= TABLE_FIELDS_MAX);
	if (json_type_of(value) != JSON_T_OBJECT) {
		report(d, place, "must be an object");
		return;
	}
	while (!is_full(d) && json_next(value, &at, &name, &member)) {
		const struct json_field *field = find_field(table, name);
		struct place inside = { .up = place, .name = name };
		uint64_t bit = field != NULL ? UINT64_C(1) << (field - table->fields) : 0;

		if (field == NULL) {
			report(d, &inside, "is not a known field");
		} else if ((seen & bit) != 0) {
			report(d, &inside, "is given twice: %s and %s are the same field",
			       field->name, field->alias);
		} else {
			seen |= bit;
			decode_field(d, field, member, &inside, out);
		}
	}
	for (size_t i = 0; i < table->count; i++) {
		const struct json_field *field = &table->fields[i];
		struct place inside = { .up = place, .name = str_of(field->name) };

		if ((field->flags & JSON_REQUIRED) != 0 && (seen & UINT64_C(1) << i) == 0) {
			report(d, &inside, "is required");
		}
	}
}

static void decode_object(const struct decoder *d, const struct json_field *field,
                          const struct json_value *value, const struct place *place, void *out)
{
	decode_members(d, field->table, value, place, out);
}

static void decode_array(const struct decoder *d, const struct json_field *field,
                         const struct json_value *value, const struct place *place, void *out)
{
	struct json_list *list = out;
	char *items;

	if (!take_list(d, field, value, place, "items")) {
		return;
	}
	list->count = json_count(value);
	list->items = items = arena_take(d->arena, list->count * field->table->size);
	for (size_t i = 0; i < list->count && !is_full(d); i++) {
		struct place item = { .up = place, .index = i };

		decode_members(d, field->table, json_at(value, i), &item,
		               items + i * field->table->size);
	}
}

enum err_code json_decode(struct str text, const struct json_table *table, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	struct decoder d = { .arena = arena, .problems = problems };
	const struct place body = { .name = STR_LIT("") };
	struct json_value *value;
	struct err err;

	problems->count = 0;
	memset(out, 0, table->size);
	value = json_parse(text, &err);
	if (value == NULL) {
		report(&d, &body, "%s", err.msg);
		return ERR_INVALID;
	}
	decode_members(&d, table, value, &body, out);
	json_value_free(value);
	return problems->count == 0 ? ERR_OK : ERR_INVALID;
}

void json_decode_value(const struct json_value *value, const struct json_table *table,
                       const char *path, void *out, struct arena *arena,
                       struct json_problems *problems)
{
	struct decoder d = { .arena = arena, .problems = problems };
	const struct place base = { .name = str_of(path) };

	memset(out, 0, table->size);
	decode_members(&d, table, value, &base, out);
}

static bool is_earlier(const struct json_problems *problems, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(problems->items[i].field, problems->items[at].field) == 0) {
			return true;
		}
	}
	return false;
}

void json_problems_format(const struct json_problems *problems, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	for (size_t i = 0; i < problems->count; i++) {
		const char *field = problems->items[i].field;

		if (is_earlier(problems, i)) {
			continue;
		}
		jsonw_array(&w, field[0] != '\0' ? field : "body");
		for (size_t k = i; k < problems->count; k++) {
			if (strcmp(problems->items[k].field, field) == 0) {
				jsonw_cstr(&w, NULL, problems->items[k].rule);
			}
		}
		jsonw_end_array(&w);
	}
	jsonw_end_object(&w);
}
