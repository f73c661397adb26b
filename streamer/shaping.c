#include "streamer/shaping.h"

#include "streamer/frame.h"

/* ---- reading ---- */

struct str shaping_text(const struct shaping *s, const char *name)
{
	return json_as_str(json_get(s->data, name));
}

/* The first of two spellings that is there. */
struct str shaping_text_or(const struct shaping *s, const char *name, const char *other)
{
	struct str text = shaping_text(s, name);

	return text.n > 0 ? text : shaping_text(s, other);
}

const struct json_value *shaping_value_or(const struct shaping *s, const char *name,
                                          const char *other)
{
	const struct json_value *value = json_get(s->data, name);

	return value != NULL ? value : json_get(s->data, other);
}

static bool is_number(const struct json_value *value)
{
	return json_type_of(value) == JSON_T_NUMBER;
}

/* ---- writing ---- */

void shaping_begin(struct shaping *s, const char *type)
{
	jsonw_init(&s->w, s->out);
	jsonw_object(&s->w, NULL);
	jsonw_cstr(&s->w, "type", type);
}

void shaping_add(struct shaping *s, const char *name, const struct json_value *value)
{
	struct buf text;

	buf_init(&text, FRAME_MAX);
	json_format(value, &text);
	if (buf_failed(&text)) {
		s->out->failed = true;
	} else {
		jsonw_raw(&s->w, name, buf_str(&text));
	}
	buf_fini(&text);
}

/* The member as it is, when it is there. */
void shaping_copy(struct shaping *s, const char *name)
{
	const struct json_value *value = json_get(s->data, name);

	if (value != NULL) {
		shaping_add(s, name, value);
	}
}

void shaping_add_number(struct shaping *s, const char *name, const struct json_value *value)
{
	if (is_number(value)) {
		shaping_add(s, name, value);
	} else {
		jsonw_u64(&s->w, name, 0);
	}
}

void shaping_add_text(struct shaping *s, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(&s->w, name, text);
	}
}

/* An object, whatever was there. */
void shaping_add_object(struct shaping *s, const char *name, const struct json_value *value)
{
	if (json_type_of(value) == JSON_T_OBJECT) {
		shaping_add(s, name, value);
	} else {
		jsonw_object(&s->w, name);
		if (value != NULL && json_type_of(value) != JSON_T_NULL) {
			shaping_add(s, "value", value);
		}
		jsonw_end_object(&s->w);
	}
}

void shaping_add_id(struct shaping *s, const char *name)
{
	char id[CURSOR_SIZE];

	cursor_format(&s->event->at, id);
	jsonw_cstr(&s->w, name, id);
}

void shaping_add_usage(struct shaping *s, const struct json_value *usage)
{
	const struct json_value *cached = json_get(usage, "cache_read_input_tokens");

	jsonw_object(&s->w, "usage");
	shaping_add_number(s, "input_tokens", json_get(usage, "input_tokens"));
	shaping_add_number(s, "output_tokens", json_get(usage, "output_tokens"));
	shaping_add_number(s, "cache_creation_input_tokens",
	                   json_get(usage, "cache_creation_input_tokens"));
	shaping_add_number(s, "cache_read_input_tokens",
	                   cached != NULL ? cached : json_get(usage, "cache_read_tokens"));
	jsonw_end_object(&s->w);
}

void shaping_add_parent(struct shaping *s)
{
	struct str parent = shaping_text(s, "parent_tool_use_id");

	if (parent.n > 0) {
		jsonw_str(&s->w, "parent_tool_use_id", parent);
	} else {
		jsonw_null(&s->w, "parent_tool_use_id");
	}
}
