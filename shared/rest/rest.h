/*
 * The HTTP contract as data: routes.def is the table of routes, body.h and query.h what they
 * take.  Programs bind handlers to operations; the OpenAPI document and docs/api.md are made
 * from the same rows, so what is served and what is written cannot differ.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth/auth.h"
#include "http/http.h"
#include "json/decode.h"
#include "rate/limits.h"

struct rest_query_table;

enum rest_op {
#define X(method, pattern, op, scope, body, max, query, side, status, traits, summary) REST_OP_##op,
#include "rest/routes.def"
#undef X
	REST_OP_COUNT
};

enum rest_side { REST_API, REST_STREAMER, REST_PREFIX, REST_EVERY, REST_NODE };

enum rest_trait {
	REST_KEYED = 1,    /* takes Idempotency-Key */
	REST_GUARDED = 2,  /* takes If-Match with an epoch */
	REST_STREAMS = 4,  /* answers text/event-stream when that is accepted */
	REST_PAGE = 8,     /* answers something else than JSON */
	REST_ENDS = 16,    /* 410 once the session has ended */
	REST_SOCKET = 64,  /* becomes a WebSocket */
	REST_GUEST = 1024, /* works without a key where a namespace is open (aomi/aomi_door.h) */
	REST_RETRIED = 32, /* may answer 503 although it needs no key */
	REST_READS = 128,  /* changes nothing, whatever its method */
	REST_SECRET = 512, /* its answer shows a secret once: with REST_KEYED it is stored sealed */
	REST_PROVES = 256, /* is asked to prove who one is: a log-in, a code */
	REST_FORM = 2048,  /* its body is application/x-www-form-urlencoded */
	REST_RAW = 4096,   /* its body is bytes of any type, which its handler reads as they come */
	REST_BYTES = 8192, /* it answers with bytes of any type, as a stream */
};

struct rest_route {
	const char *pattern;
	const char *name; /* the operation: "task_create" */
	const char *summary;
	const struct json_table *body; /* NULL: none */
	size_t body_max;
	const struct rest_query_table *query; /* NULL: no parameters */
	enum http_method method;
	enum auth_scope scope;
	enum rest_side side;
	int status;
	unsigned traits;
	bool open; /* no key is asked for, scope means nothing */
};

extern const struct rest_route rest_routes[REST_OP_COUNT];

/* Of which limits it is: by its method unless its traits say more. */
enum rate_class rest_class(const struct rest_route *route);

/* Why a POST takes no Idempotency-Key (unkeyed.def); NULL: nobody said. */
const char *rest_unkeyed(enum rest_op op);

/* What an answer looks like, JSON; NULL: no example is kept. */
const char *rest_example(enum rest_op op);

/* Routes of the operations that have a handler, facts set to the row; out has room for
 * REST_OP_COUNT. Returns how many. */
size_t rest_http_routes(http_handler_fn *const handlers[REST_OP_COUNT], struct http_route *out);

/* The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0). */
void rest_openapi(struct buf *out, const char *version);

/* docs/api.md */
void rest_document(struct buf *out);

/* docs/permissions.md */
void rest_permissions(struct buf *out);

/* Does a route that streams answer there? Pure. */
bool rest_streams_at(struct str path);

/* The n-th parameter's name in a pattern, {NULL, 0} when there is none. Pure. */
struct str rest_pattern_param(const char *pattern, unsigned n);
