/*
 * JSON in: one table per body says what is accepted; it decodes, validates, renders the
 * JSON Schema of the OpenAPI document and feeds the fuzz corpus.
 *
 * Every problem of a body is reported, not only the first: a field path (JSON Pointer,
 * RFC 6901, without the leading slash and with dots: "repo.url", "agents[0].type") and
 * the rule that it broke.  Unknown fields are problems.  Only JSON_RAW and JSON_CUSTOM take
 * numbers with fractions.  What json/value.h refuses about the text is a problem of field "",
 * which json_problems_format calls "body".
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
#include "json/value.h"

enum json_kind {
	JSON_STR,     /* struct str; min..max bytes */
	JSON_U64,     /* uint64_t; min..max, never above INT64_MAX */
	JSON_I64,     /* int64_t; min..max as signed */
	JSON_BOOL,    /* bool */
	JSON_ENUM,    /* unsigned: index into names */
	JSON_OBJECT,  /* struct of sub-table, in place */
	JSON_ARRAY,   /* struct json_list of structs of sub-table; min..max items */
	JSON_STRINGS, /* struct json_list of struct str; min..max items, each 0..item_max bytes */
	JSON_MAP,     /* struct json_list of struct json_pair: object of strings, each 0..item_max
	                 bytes; min..max members with names of 1..name_max bytes */
	JSON_RAW,     /* struct str: compact JSON text of any value, max bytes */
	JSON_CUSTOM,  /* decode(): for unions such as "string or array of blocks" */
};

/* JSON_NULLABLE: null is the same as absence. */
enum { JSON_REQUIRED = 1, JSON_NULLABLE = 2 };

/* For json_field.present: nobody asks whether the field was there. */
#define JSON_NO_PRESENT SIZE_MAX

struct json_list {
	void *items; /* of the arena */
	size_t count;
};

struct json_pair {
	struct str name, value;
};

struct json_problem {
	const char *field; /* of the arena; "" is the body itself */
	const char *rule;
};

enum { JSON_PROBLEMS_MAX = 32 };

struct json_problems {
	size_t count;
	struct json_problem items[JSON_PROBLEMS_MAX];
};

struct json_table;

struct json_field {
	const char *name;
	const char *alias; /* an older spelling that is accepted too, or NULL */
	enum json_kind kind;
	unsigned flags;
	size_t offset;     /* of the member in the struct */
	size_t present;    /* offset of a bool set true when the field was there; JSON_NO_PRESENT */
	uint64_t min, max; /* by kind; max 0: no bound of its own */
	uint64_t item_max; /* JSON_STRINGS, JSON_MAP: bytes of an item; 0: no bound of its own */
	uint64_t name_max; /* JSON_MAP: bytes of a member's name; 0: no bound of its own */
	const char *const *names;       /* JSON_ENUM, NULL-terminated */
	const struct json_table *table; /* JSON_OBJECT, JSON_ARRAY */
	/* JSON_CUSTOM: fills out (at offset); reports with json_problem_add() */
	void (*decode)(const struct json_value *value, const char *path, void *out,
	               struct arena *arena, struct json_problems *problems);
	const char *schema; /* JSON_CUSTOM: the JSON Schema text */
	const char *help;   /* one sentence for the API document */
};

struct json_table {
	const char *title;
	size_t size; /* of the struct */
	const struct json_field *fields;
	size_t count;
};

/* Decode text into out (zeroed first); problems is reset first. ERR_INVALID: see problems.
 * Everything it points at is in the arena. */
enum err_code json_decode(struct str text, const struct json_table *table, void *out,
                          struct arena *arena, struct json_problems *problems) MUST_CHECK;

/* One value by a table, for JSON_CUSTOM: a union decodes its parts this way. path comes before the
 * fields of problems; out is zeroed first. What was decoded before a problem stays. */
void json_decode_value(const struct json_value *value, const struct json_table *table,
                       const char *path, void *out, struct arena *arena,
                       struct json_problems *problems);

void json_problem_add(struct json_problems *problems, struct arena *arena, const char *field,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The problems as the "errors" member of a problem+json: {"repo.url":["is required"]}. */
void json_problems_format(const struct json_problems *problems, struct buf *out);

/* The JSON Schema (2020-12 vocabulary of OpenAPI 3.1) of a table. */
void json_schema(const struct json_table *table, struct buf *out);
