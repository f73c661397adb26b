/*
 * What routes take in their query string: one table per route says which parameters there are; it
 * decodes and validates them, and the API document is made from it.  Parameters that are not
 * in the table, given twice or malformed are problems, all of them reported at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "event/cursor.h"
#include "http/http.h"
#include "json/decode.h"

enum rest_kind {
	REST_TEXT,   /* struct str, min..max bytes, in the request's arena */
	REST_NUMBER, /* uint64_t, min..max */
	REST_WORD,   /* unsigned: 1 + index of the name; 0 when absent */
	REST_WORDS,  /* uint64_t: a comma list of names as a set of bits; 0 when absent */
	REST_TIME,   /* int64_t: microseconds; RFC 3339; 0 when absent */
	REST_CURSOR, /* struct cursor */
};

struct rest_query_field {
	const char *name;
	enum rest_kind kind;
	size_t offset;
	size_t present; /* offset of a bool, or JSON_NO_PRESENT */
	uint64_t min, max;
	uint64_t otherwise;               /* REST_NUMBER: when absent */
	const char *(*names)(unsigned i); /* REST_WORD, REST_WORDS: NULL beyond the last */
	const char *help;
};

struct rest_query_table {
	size_t size;
	const struct rest_query_field *fields;
	size_t count;
};

/* Decode the query into out (zeroed first); problems is reset first, ERR_INVALID: see there. A
 * table of NULL allows nothing, out is NULL then. */
enum err_code rest_query(const struct http_request *req, const struct rest_query_table *table,
                         void *out, struct json_problems *problems) MUST_CHECK;

/* 400 with each parameter and its rule. */
void rest_refuse(const struct http_request *req, struct http_reply *reply,
                 const struct json_problems *problems);

enum {
	REST_PER_PAGE = 20,
	REST_PER_PAGE_MAX = 200,
	REST_LINES = 100,
	REST_LINES_MAX = 1000,
	REST_PROCESS_LINES = 500,
	REST_PREVIEW = 10
};

struct rest_sessions {
	uint64_t states; /* set of session_bit(); 0: all */
	struct str project, tenant, agent, label, page;
	uint64_t per_page;
};
extern const struct rest_query_table rest_sessions_table;

struct rest_dead_letters {
	unsigned cause; /* 1 + index into session_causes; 0: any */
	uint64_t retried;
	struct str project, agent, label, page;
	uint64_t per_page;
};
extern const struct rest_query_table rest_dead_letters_table;

struct rest_session {
	uint64_t snapshot;
};
extern const struct rest_query_table rest_session_table;

struct rest_logs {
	bool has_tail, has_after;
	uint64_t tail, per_page;
	unsigned level; /* REST_WORD: the least that is shown */
	int64_t since_us;
	struct cursor after;
};
extern const struct rest_query_table rest_logs_table, rest_process_log_table;

/* Of the streamers, for both of their forms. */
struct rest_events {
	uint64_t types;                /* set of 1 << enum event_type; 0: all */
	unsigned profile, level, sort; /* profile: 1 + enum event_profile; 0: full */
	unsigned role;                 /* 1 + enum auth_part; 0: the credential's own */
	struct str ticket;             /* for shared/auth, which has taken it already */
	int64_t since_us, until_us;
	bool has_after, has_starting_after, has_page, has_limit, has_wait;
	struct cursor after;
	uint64_t starting_after, page, per_page, limit, wait;
};
extern const struct rest_query_table rest_events_table;

/* Of the native socket. */
struct rest_socket {
	struct str ticket; /* for shared/auth, which has taken it already */
};
extern const struct rest_query_table rest_socket_table;

/* Of the consumer's face. */
struct rest_consumer {
	unsigned profile; /* 1 + enum event_profile; 0: full */
	unsigned role;    /* 1 + enum auth_part; 0: what the key is */
	bool has_after, has_starting_after, has_last_seen;
	struct cursor after;
	uint64_t starting_after, last_seen;
	struct str consumer_id, ticket;
};
extern const struct rest_query_table rest_consumer_table;

struct rest_streams {
	uint64_t after, per_page;
	struct str session;
};
extern const struct rest_query_table rest_streams_table;

struct rest_page {
	struct str page; /* "": the first */
	uint64_t per_page;
};
extern const struct rest_query_table rest_page_table;

struct rest_upload {
	struct str name; /* "": none is given */
};
extern const struct rest_query_table rest_upload_table;

struct rest_preview {
	uint64_t count;
	int64_t after_us; /* 0: now */
};
extern const struct rest_query_table rest_preview_table;
