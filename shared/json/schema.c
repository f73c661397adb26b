
#include "json/decode.h"
#include "json/write.h"

static void write_table(struct jsonw *w, const struct json_table *table);

static const char *const type_names[] = {
	[JSON_STR] = "string",   [JSON_U64] = "integer",   [JSON_I64] = "integer",
	[JSON_BOOL] = "boolean", [JSON_ENUM] = "string",   [JSON_OBJECT] = "object",
	[JSON_ARRAY] = "array",  [JSON_STRINGS] = "array", [JSON_MAP] = "object",
	[JSON_RAW] = NULL,       [JSON_CUSTOM] = NULL,
};

static void write_type(struct jsonw *w, const struct json_field *field)
{
	const char *name = type_names[field->kind];

	if (name == NULL) {
		return;
	}
	if ((field->flags & JSON_NULLABLE) == 0) {
		jsonw_cstr(w, "type", name);
		return;
	}
	jsonw_array(w, "type");
	jsonw_cstr(w, NULL, name);
	jsonw_cstr(w, NULL, "null");
	jsonw_end_array(w);
}

static void write_bounds(struct jsonw *w, const char *min_name, const char *max_name, uint64_t min,
                         uint64_t max)
{
	if (min != 0) {
		jsonw_u64(w, min_name, min);
	}
	if (max != 0) {
		jsonw_u64(w, max_name, max);
	}
}

/* JSON Schema counts characters where we count bytes: a character is 1 to 4 bytes. */
static void write_lengths(struct jsonw *w, uint64_t min, uint64_t max)
{
	write_bounds(w, "minLength", "maxLength", (min + 3) / 4, max);
}

static void write_string_items(struct jsonw *w, const char *name, uint64_t max)
{
	jsonw_object(w, name);
	jsonw_cstr(w, "type", "string");
	write_lengths(w, 0, max);
	jsonw_end_object(w);
}

static void write_names(struct jsonw *w, const struct json_field *field)
{
	jsonw_array(w, "enum");
	for (size_t i = 0; field->names[i] != NULL; i++) {
		jsonw_cstr(w, NULL, field->names[i]);
	}
	if ((field->flags & JSON_NULLABLE) != 0) {
		jsonw_null(w, NULL);
	}
	jsonw_end_array(w);
}

static void write_integer(struct jsonw *w, const struct json_field *field)
{
	if (field->kind == JSON_U64) {
		jsonw_u64(w, "minimum", field->min);
		jsonw_u64(w, "maximum", field->max != 0 ? field->max : (uint64_t)INT64_MAX);
	} else if (field->min != 0 || field->max != 0) {
		jsonw_i64(w, "minimum", (int64_t)field->min);
		jsonw_i64(w, "maximum", (int64_t)field->max);
	}
}

static void write_details(struct jsonw *w, const struct json_field *field)
{
	switch (field->kind) {
	case JSON_STR: write_lengths(w, field->min, field->max); return;
	case JSON_U64:
	case JSON_I64: write_integer(w, field); return;
	case JSON_ENUM: write_names(w, field); return;
	case JSON_OBJECT: write_table(w, field->table); return;
	case JSON_ARRAY:
		write_bounds(w, "minItems", "maxItems", field->min, field->max);
		jsonw_object(w, "items");
		jsonw_cstr(w, "type", "object");
		write_table(w, field->table);
		jsonw_end_object(w);
		return;
	case JSON_STRINGS:
		write_bounds(w, "minItems", "maxItems", field->min, field->max);
		write_string_items(w, "items", field->item_max);
		return;
	case JSON_MAP:
		write_bounds(w, "minProperties", "maxProperties", field->min, field->max);
		jsonw_object(w, "propertyNames");
		write_lengths(w, 1, field->name_max);
		jsonw_end_object(w);
		write_string_items(w, "additionalProperties", field->item_max);
		return;
	case JSON_BOOL:
	case JSON_RAW:
	case JSON_CUSTOM: return;
	}
}

static void write_field(struct jsonw *w, const char *name, const struct json_field *field)
{
	if (field->kind == JSON_CUSTOM && field->schema != NULL) {
		jsonw_raw(w, name, str_of(field->schema));
		return;
	}
	jsonw_object(w, name);
	write_type(w, field);
	if (field->help != NULL) {
		jsonw_cstr(w, "description", field->help);
	}
	write_details(w, field);
	if (name != field->name) {
		jsonw_bool(w, "deprecated", true);
	}
	jsonw_end_object(w);
}

/* The members of a table's object schema but its type: the caller knows about null. */
static void write_table(struct jsonw *w, const struct json_table *table)
{
	bool any_required = false;

	if (table->title != NULL) {
		jsonw_cstr(w, "title", table->title);
	}
	jsonw_object(w, "properties");
	for (size_t i = 0; i < table->count; i++) {
		const struct json_field *field = &table->fields[i];

		write_field(w, field->name, field);
		if (field->alias != NULL) {
			write_field(w, field->alias, field);
		}
		any_required |= (field->flags & JSON_REQUIRED) != 0;
	}
	jsonw_end_object(w);
	if (any_required) {
		jsonw_array(w, "required");
		for (size_t i = 0; i < table->count; i++) {
			if ((table->fields[i].flags & JSON_REQUIRED) != 0) {
				jsonw_cstr(w, NULL, table->fields[i].name);
			}
		}
		jsonw_end_array(w);
	}
	jsonw_bool(w, "additionalProperties", false);
}

void json_schema(const struct json_table *table, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "object");
	write_table(&w, table);
	jsonw_end_object(&w);
}
