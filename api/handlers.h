/* A handler for every operation that API nodes answer: routes.def says which; one that is missing
 * fails the build. */
#pragma once

#include "http/http.h"
#include "rest/rest.h"

#define HANDLER_API(op)      http_handler_fn serve_##op;
#define HANDLER_STREAMER(op) /* redirected */
#define HANDLER_PREFIX(op)   /* never asked of an API node */
#define HANDLER_EVERY(op)    /* the node's own */
#define HANDLER_NODE(op)     /* nor this one */
#define X(method, pattern, op, scope, body, max, query, side, status, traits, summary)             \
	HANDLER_##side(op)
#include "rest/routes.def"
#undef X
#undef HANDLER_API
#undef HANDLER_STREAMER
#undef HANDLER_PREFIX
#undef HANDLER_EVERY
#undef HANDLER_NODE

http_handler_fn serve_redirect;

extern http_handler_fn *const api_handlers[REST_OP_COUNT];
