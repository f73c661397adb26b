/*
 * JSON in: one table per body says what is accepted; it decodes, validates, renders the
 * JSON Schema of the OpenAPI document and feeds the fuzz corpus.
 *
 * Every problem of a body is reported, not only the first: a field path (JSON Pointer,
 * RFC 6901, without the leading slash and with dots: "repo.url", "agents[0].type") and
 * the rule that it broke.  Unknown fields are problems.  Numbers with fractions, duplicate keys,
 * NUL in strings, and nesting beyond 32 are refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum json_kind {
	JSON_STR,      /* struct str; min..max bytes */
	JSON_U64,      /* uint64_t; min..max */
	JSON_I64,      /* int64_t; min..max as signed */
	JSON_BOOL,     /* bool */
	JSON_ENUM,     /* unsigned: index into names */
	JSON_OBJECT,   /* struct of sub-table, in place */
	JSON_ARRAY,    /* struct json_list of structs of sub-table; min..max items */
	JSON_STRINGS,  /* struct json_list of struct str; min..max items, each 0..item_max bytes */
	JSON_MAP,      /* struct json_list of struct json_pair: object of strings; min..max members */
	JSON_RAW,      /* struct str: compact JSON text of any value, max bytes */
	JSON_CUSTOM,   /* decode(): for unions such as "string or array of blocks" */
};

enum { JSON_REQUIRED = 1, JSON_NULLABLE = 2 };

struct json_list {
	void *items; /* of the arena */
	size_t count;
};

struct json_pair {
	struct str name, value;
};

struct json_problem {
	char *field; /* of the arena; "" is the body itself */
	char *rule;
};

enum { JSON_PROBLEMS_MAX = 32 };

struct json_problems {
	size_t count;
	struct json_problem items[JSON_PROBLEMS_MAX];
};

struct json_table;
struct json_value; /* a parsed value, for JSON_CUSTOM only */

struct json_field {
	const char *name;
	enum json_kind kind;
	unsigned flags;
	size_t offset;        /* of the member in the struct */
	size_t present;       /* offset of a bool set true when the field was there; SIZE_MAX: none */
	uint64_t min, max;
	uint64_t item_max;                /* JSON_STRINGS, JSON_MAP: bytes of an item */
	const char *const *names;         /* JSON_ENUM, NULL-terminated */
	const struct json_table *table;   /* JSON_OBJECT, JSON_ARRAY */
	/* JSON_CUSTOM: fills out (at offset); reports with json_problem_add() */
	void (*decode)(const struct json_value *value, const char *path, void *out,
	               struct arena *arena, struct json_problems *problems);
	const char *schema;   /* JSON_CUSTOM: the JSON Schema text */
	const char *help;     /* one sentence for the API document */
};

struct json_table {
	const char *title;
	size_t size; /* of the struct */
	const struct json_field *fields;
	size_t count;
};

/* Decode text into out (zeroed first). ERR_INVALID: see problems. Everything it points at is in the arena. */
enum err_code json_decode(struct str text, const struct json_table *table, void *out,
                          struct arena *arena, struct json_problems *problems) MUST_CHECK;

void json_problem_add(struct json_problems *problems, struct arena *arena, const char *field,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The JSON Schema (2020-12 vocabulary of OpenAPI 3.1) of a table. */
void json_schema(const struct json_table *table, struct buf *out);

/* ---- for JSON_CUSTOM and for readers of our own stored JSON ---- */

enum json_type { JSON_T_NULL, JSON_T_BOOL, JSON_T_NUMBER, JSON_T_STRING, JSON_T_ARRAY, JSON_T_OBJECT };

/* Parse any value; it lives until json_value_free(). NULL and err on bad text. */
struct json_value *json_parse(struct str text, struct err *err) MUST_CHECK;
void json_value_free(struct json_value *value);
void json_value_cleanup(struct json_value **value);
enum json_type json_type_of(const struct json_value *value);
const struct json_value *json_get(const struct json_value *value, const char *name); /* NULL when absent */
size_t json_count(const struct json_value *value);
const struct json_value *json_at(const struct json_value *value, size_t i);
struct str json_as_str(const struct json_value *value); /* "" when not a string or NULL */
int64_t json_as_i64(const struct json_value *value);    /* 0 when not an integer or NULL */
bool json_as_bool(const struct json_value *value);
/* The i-th member of an object. */
const struct json_value *json_member(const struct json_value *value, size_t i, struct str *ret_name);
void json_format(const struct json_value *value, struct buf *out); /* compact */
