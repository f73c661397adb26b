/*
 * A parsed JSON value: for JSON_CUSTOM fields and for readers of JSON that we stored.
 * Bodies are decoded by tables (json/decode.h), not by walking values.
 *
 * Text is strict RFC 8259: UTF-8, no repeated names, no NUL in strings, integers within
 * int64_t, at most JSON_VALUE_DEPTH levels (checked before anything recurses).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct json_value;

enum { JSON_VALUE_DEPTH = 32 };

enum json_type {
	JSON_T_NULL,
	JSON_T_BOOL,
	JSON_T_NUMBER,
	JSON_T_STRING,
	JSON_T_ARRAY,
	JSON_T_OBJECT
};

/* Parse any value; it lives until json_value_free(). NULL and err on bad text: err->msg is a rule
 * fit for the client ("must be valid JSON (line 1, column 5)"), it repeats nothing of the text. */
struct json_value *json_parse(struct str text, struct err *err) MUST_CHECK;
void json_value_free(struct json_value *value); /* only what json_parse() gave, not its parts */
void json_value_cleanup(struct json_value **value);

/* All readers take NULL, and a value of another type, as absent. Views live as long as the value.
 */
enum json_type json_type_of(const struct json_value *value);
const struct json_value *json_get(const struct json_value *value, const char *name);
size_t json_count(const struct json_value *value); /* of an array or object */
const struct json_value *json_at(const struct json_value *value, size_t i);
bool json_is_int(const struct json_value *value);
struct str
json_as_str(const struct json_value *value);         /* "" when it is no string; NUL-terminated */
int64_t json_as_i64(const struct json_value *value); /* 0 when it is no integer */
double json_as_f64(const struct json_value *value);  /* 0 when it is no number */
bool json_as_bool(const struct json_value *value);

/* Visit an object in its order; start with *at = NULL; false at the end. */
bool json_next(const struct json_value *object, void **at, struct str *ret_name,
               const struct json_value **ret_value);

/* The object at i of an array gets a member more: ASCII that is too much to be parsed at once.
 * False: there is no object. */
bool json_add_str(struct json_value *array, size_t i, const char *name, struct str text) MUST_CHECK;

/* Compact; numbers as short as they can be and be read as the same. */
void json_format(const struct json_value *value, struct buf *out);
