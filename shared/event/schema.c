#include "event/schema.h"

#include <stdio.h>

#include "json/value.h"
#include "json/write.h"

enum kind {
	STRING = 1 << 0,
	INTEGER = 1 << 1,
	SIGNED = 1 << 2,
	NUMBER = 1 << 3,
	BOOLEAN = 1 << 4,
	OBJECT = 1 << 5,
	ARRAY = 1 << 6,
	NOTHING = 1 << 7
};

enum need { MAY, MUST };

struct member {
	enum event_type type;
	const char *name;
	unsigned kinds;
	enum need need;
	const char *words;
};

static const struct member members[] = {
#define X(type, name, kinds, need, words) { EVENT_TYPE_##type, name, kinds, need, words },
#include "event/member.def"
#undef X
};

/* As JSON Schema calls them. */
static const struct {
	unsigned kind;
	const char *name;
} names[] = {
	{ STRING, "string" },   { INTEGER, "integer" }, { SIGNED, "integer" }, { NUMBER, "number" },
	{ BOOLEAN, "boolean" }, { OBJECT, "object" },   { ARRAY, "array" },    { NOTHING, "null" },
};

/* ---- does it fit ---- */

static bool is_of(const struct json_value *value, unsigned kinds)
{
	switch (json_type_of(value)) {
	case JSON_T_STRING: return (kinds & STRING) != 0;
	case JSON_T_BOOL: return (kinds & BOOLEAN) != 0;
	case JSON_T_OBJECT: return (kinds & OBJECT) != 0;
	case JSON_T_ARRAY: return (kinds & ARRAY) != 0;
	case JSON_T_NULL: return (kinds & NOTHING) != 0;
	case JSON_T_NUMBER: break;
	}
	if ((kinds & NUMBER) != 0 || !json_is_int(value)) {
		return (kinds & NUMBER) != 0;
	}
	return (kinds & SIGNED) != 0 || ((kinds & INTEGER) != 0 && json_as_i64(value) >= 0);
}

static bool is_word(struct str value, const char *words)
{
	struct str rest = str_of(words);

	while (rest.n > 0) {
		if (str_eq(str_split(&rest, '|'), value)) {
			return true;
		}
	}
	return false;
}

static enum err_code check_member(const struct member *m, const struct json_value *value,
                                  struct err *err)
{
	const char *type = event_type_info(m->type)->name;

	if (!is_of(value, m->kinds)) {
		return err_set(err, ERR_INVALID, "%s of %s is of another type", m->name, type);
	}
	if (m->words[0] != '\0' && !is_word(json_as_str(value), m->words)) {
		return err_set(err, ERR_INVALID, "%s of %s must be %s", m->name, type, m->words);
	}
	return ERR_OK;
}

enum err_code event_schema_check(enum event_type type, const struct json_value *data,
                                 struct err *err)
{
	enum err_code code = ERR_OK;

	if (json_type_of(data) != JSON_T_OBJECT) {
		return err_set(err, ERR_INVALID, "the data of an event must be an object");
	}
	for (size_t i = 0; i < ARRAY_LEN(members) && code == ERR_OK; i++) {
		const struct member *m = &members[i];
		const struct json_value *value = json_get(data, m->name);

		if (m->type != type) {
			continue;
		}
		if (value != NULL) {
			code = check_member(m, value, err);
		} else if (m->need == MUST) {
			code = err_set(err, ERR_INVALID, "%s has no %s",
			               event_type_info(type)->name, m->name);
		}
	}
	return code;
}

/* ---- the document ---- */

static bool is_one(unsigned kinds)
{
	return (kinds & (kinds - 1)) == 0;
}

static void write_kinds(struct jsonw *w, unsigned kinds)
{
	if (!is_one(kinds)) {
		jsonw_array(w, "type");
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if ((kinds & names[i].kind) != 0) {
			jsonw_cstr(w, is_one(kinds) ? "type" : NULL, names[i].name);
		}
	}
	if (!is_one(kinds)) {
		jsonw_end_array(w);
	}
}

static void write_words(struct jsonw *w, const char *words)
{
	struct str rest = str_of(words);

	jsonw_array(w, "enum");
	while (rest.n > 0) {
		jsonw_str(w, NULL, str_split(&rest, '|'));
	}
	jsonw_end_array(w);
}

static void write_member(struct jsonw *w, const struct member *m)
{
	jsonw_object(w, m->name);
	write_kinds(w, m->kinds);
	if (m->kinds == INTEGER) {
		jsonw_u64(w, "minimum", 0);
	}
	if (m->words[0] != '\0') {
		write_words(w, m->words);
	}
	jsonw_end_object(w);
}

static void write_envelope(struct jsonw *w, const char *type)
{
	static const char *const texts[] = { "ts", "sessionId", "id" };

	jsonw_object(w, "type");
	jsonw_cstr(w, "const", type);
	jsonw_end_object(w);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		jsonw_object(w, texts[i]);
		jsonw_cstr(w, "type", "string");
		jsonw_end_object(w);
	}
	jsonw_object(w, "seq");
	jsonw_cstr(w, "type", "integer");
	jsonw_end_object(w);
}

static void write_required(struct jsonw *w, enum event_type type)
{
	static const char *const envelope[] = { "type", "ts", "sessionId", "seq", "id" };

	jsonw_array(w, "required");
	for (size_t i = 0; i < ARRAY_LEN(envelope); i++) {
		jsonw_cstr(w, NULL, envelope[i]);
	}
	/* What outside producers append is not held to it. */
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (members[i].type == type && members[i].need == MUST) {
			jsonw_cstr(w, NULL, members[i].name);
		}
	}
	jsonw_end_array(w);
}

static const char *const lagging[] = {
	[EVENT_KIND_KEEP] = "keep",  [EVENT_KIND_PLAIN] = "keep", [EVENT_KIND_TEXT] = "join",
	[EVENT_KIND_LINES] = "join", [EVENT_KIND_LAST] = "last",
};

static const char *const readers[] = {
	[EVENT_SEE_ANY] = "all",
	[EVENT_SEE_PARTICIPANT] = "participants",
	[EVENT_SEE_ADMIN] = "administrators",
};

static void write_type(struct jsonw *w, enum event_type type)
{
	const struct event_type_info *info = event_type_info(type);

	jsonw_object(w, info->name);
	jsonw_cstr(w, "description", info->help);
	jsonw_cstr(w, "type", "object");
	jsonw_object(w, "properties");
	write_envelope(w, info->name);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (members[i].type == type) {
			write_member(w, &members[i]);
		}
	}
	jsonw_end_object(w);
	write_required(w, type);
	jsonw_cstr(w, "x-appended-by", info->who == EVENT_WHO_ANY ? "anyone" : "fairlead");
	jsonw_cstr(w, "x-lagging", lagging[info->kind]);
	jsonw_cstr(w, "x-seen-by", readers[info->see]);
	jsonw_cstr(w, "x-profile", event_profile_name(info->profile));
	jsonw_end_object(w);
}

void event_schema_write(struct buf *out)
{
	char ref[128];
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	jsonw_cstr(&w, "title", "An event of a session");
	jsonw_array(&w, "oneOf");
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		(void)snprintf(ref, sizeof(ref), "#/$defs/%s",
		               event_type_info((enum event_type)i)->name);
		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "$ref", ref);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_object(&w, "$defs");
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		write_type(&w, (enum event_type)i);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

static void add_kinds(struct buf *out, unsigned kinds)
{
	const char *before = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if ((kinds & names[i].kind) != 0) {
			buf_addf(out, "%s%s", before, names[i].name);
			before = ", ";
		}
	}
}

static void add_words(struct buf *out, const char *words)
{
	struct str rest = str_of(words);
	const char *before = ": ";

	while (rest.n > 0) {
		struct str word = str_split(&rest, '|');

		buf_addf(out, "%s`%" STR_FMT "`", before, STR_ARG(word));
		before = ", ";
	}
}

void event_schema_docs(struct buf *out)
{
	buf_add_cstr(out,
	             "\n## Members\n\n"
	             "`GET /api/v1/events/schema` has this as JSON Schema. What Fairlead appends "
	             "fits it; what others append is taken\nas it is. Members that are not named "
	             "here may come with any event.\n\n"
	             "| type | member | is | always |\n|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		buf_addf(out, "| `%s` | `%s` | ", event_type_info(members[i].type)->name,
		         members[i].name);
		add_kinds(out, members[i].kinds);
		add_words(out, members[i].words);
		buf_addf(out, " | %s |\n", members[i].need == MUST ? "yes" : "");
	}
}
