#include "aomi/aomi.h"

#include "json/value.h"

/* ---- ids ---- */

static bool has_variety(struct str id)
{
	bool seen[256] = { false };
	unsigned distinct = 0;

	for (size_t i = 0; i < id.n; i++) {
		unsigned char c = (unsigned char)id.p[i];

		if (c != '-' && c != '_' && !seen[c]) {
			seen[c] = true;
			distinct++;
		}
	}
	return distinct >= AOMI_GUEST_DISTINCT;
}

const char *aomi_check_id(struct str id, bool guest)
{
	if (id.n == 0) {
		return "is required";
	}
	for (size_t i = 0; i < id.n; i++) {
		if (id.p[i] <= ' ' || id.p[i] > '~') {
			return "must be visible ASCII characters";
		}
	}
	if (id.n > AOMI_ID_MAX) {
		return "must be at most 128 characters";
	}
	if (guest && (id.n < AOMI_GUEST_ID_MIN || !has_variety(id))) {
		return "must be hard to guess without a key: at least 16 characters, 8 of them "
		       "different; a random UUID is good";
	}
	return NULL;
}

/* ---- namespaces ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool aomi_namespace_of(struct str given, char out[AOMI_NAMESPACE_MAX + 1])
{
	struct str name = str_trim(given);

	if (!str_copy(out, AOMI_NAMESPACE_MAX + 1, name)) {
		return false;
	}
	for (size_t i = 0; i < name.n; i++) {
		out[i] = lower(out[i]);
		if (!is_name_char(out[i])) {
			out[0] = '\0';
			return false;
		}
	}
	return name.n > 0;
}

const char *aomi_namespace_pick(struct str namespace, struct str chatbot,
                                char out[AOMI_NAMESPACE_MAX + 1])
{
	static const char rule[] = "must be letters, digits, dots, dashes and underscores";
	char other[AOMI_NAMESPACE_MAX + 1] = "";

	out[0] = '\0';
	if (str_trim(namespace).n > 0 && !aomi_namespace_of(namespace, out)) {
		return rule;
	}
	if (str_trim(chatbot).n > 0 && !aomi_namespace_of(chatbot, other)) {
		return rule;
	}
	if (out[0] != '\0' && other[0] != '\0' && strcmp(out, other) != 0) {
		return "must not be given together with another chatbot";
	}
	if (out[0] == '\0') {
		(void)str_copy(out, AOMI_NAMESPACE_MAX + 1, str_of(other));
	}
	return NULL;
}

/* ---- titles ---- */

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

/* The word at the front of *rest, without the blanks before it. */
static struct str next_word(struct str *rest)
{
	size_t from = 0, to;

	while (from < rest->n && is_blank(rest->p[from])) {
		from++;
	}
	to = from;
	while (to < rest->n && !is_blank(rest->p[to])) {
		to++;
	}
	*rest = str_make(rest->p + to, rest->n - to);
	return str_make(rest->p - (to - from), to - from);
}

/* As much as fits, in whole characters. */
static struct str cut(struct str word, size_t max)
{
	size_t n = 0;

	while (n < word.n) {
		size_t step = str_utf8_step(str_make(word.p + n, word.n - n));

		if (step == 0 || n + step > max) {
			break;
		}
		n += step;
	}
	return str_make(word.p, n);
}

struct str aomi_title_of(struct str prompt, struct arena *arena)
{
	struct str rest = prompt, word;
	char title[AOMI_TITLE_BYTES + 1];
	size_t len = 0;

	for (unsigned words = 0; words < AOMI_TITLE_WORDS; words++) {
		size_t gap = len > 0 ? 1 : 0;

		word = next_word(&rest);
		if (word.n == 0 || (len > 0 && len + gap + word.n > AOMI_TITLE_BYTES)) {
			break;
		}
		word = cut(word, AOMI_TITLE_BYTES - len - gap);
		if (gap > 0) {
			title[len++] = ' ';
		}
		memcpy(title + len, word.p, word.n);
		len += word.n;
	}
	return len > 0 ? arena_str(arena, str_make(title, len)) : STR_LIT(AOMI_TITLE_NEW);
}

/* ---- the state of a client ---- */

static bool is_or_absent(const struct json_value *object, const char *name, enum json_type type)
{
	const struct json_value *value = json_get(object, name);

	return value == NULL || json_type_of(value) == JSON_T_NULL || json_type_of(value) == type;
}

bool aomi_state_ok(struct str json)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(json, &err);
	const struct json_value *chain = json_get(value, "chainId");

	return json_type_of(value) == JSON_T_OBJECT &&
	       is_or_absent(value, "address", JSON_T_STRING) &&
	       is_or_absent(value, "chainId", JSON_T_NUMBER) &&
	       is_or_absent(value, "isConnected", JSON_T_BOOL) &&
	       is_or_absent(value, "ensName", JSON_T_STRING) &&
	       (json_type_of(chain) != JSON_T_NUMBER ||
	        (json_is_int(chain) && json_as_i64(chain) >= 0));
}

/* ---- models ---- */

static const struct {
	struct aomi_model model;
	const char *shorthand;
} models[] = {
#define X(slug, label, shorthand, baml) { { (slug), (label), (baml) }, (shorthand) },
#include "aomi/model.def"
#undef X
};

const struct aomi_model *aomi_model_at(unsigned i)
{
	return i < ARRAY_LEN(models) ? &models[i].model : NULL;
}

static bool is_called(const char *name, struct str given)
{
	return name != NULL && str_eq_nocase(str_of(name), given);
}

const struct aomi_model *aomi_model_find(struct str given)
{
	struct str name = str_trim(given);

	for (size_t i = 0; i < ARRAY_LEN(models); i++) {
		const struct aomi_model *model = &models[i].model;

		if (is_called(model->slug, name) || is_called(model->label, name) ||
		    is_called(model->baml, name) || is_called(models[i].shorthand, name)) {
			return model;
		}
	}
	return NULL;
}

/* ---- cursors ---- */

void aomi_cursor_format(const struct aomi_cursor *cursor, char out[AOMI_CURSOR_SIZE])
{
	struct buf text;
	char at[CURSOR_SIZE];

	cursor_format(&cursor->at, at);
	buf_init(&text, AOMI_CURSOR_SIZE - 1);
	buf_add_u64(&text, cursor->part);
	buf_addf(&text, ".%s", at);
	(void)str_copy(out, AOMI_CURSOR_SIZE, buf_str(&text));
	buf_fini(&text);
}

bool aomi_cursor_parse(struct str text, struct aomi_cursor *ret)
{
	struct aomi_cursor cursor = { .part = 0 };
	struct str rest = text;
	struct str part = str_split(&rest, '.');

	if (rest.p == NULL || !parse_u64(part, INT32_MAX, &cursor.part) ||
	    !cursor_parse(rest, &cursor.at)) {
		return false;
	}
	*ret = cursor;
	return true;
}

bool aomi_cursor_before(const struct aomi_cursor *a, const struct aomi_cursor *b)
{
	return a->part != b->part ? a->part < b->part : a->at.n < b->at.n;
}
