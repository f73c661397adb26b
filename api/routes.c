#include "api/handlers.h"

#define HANDLER_API(op)      serve_##op
#define HANDLER_STREAMER(op) serve_redirect
#define HANDLER_PREFIX(op)   NULL
#define HANDLER_EVERY(op)    NULL
#define HANDLER_NODE(op)     NULL

http_handler_fn *const api_handlers[REST_OP_COUNT] = {
#define X(method, pattern, op, scope, body, max, query, side, status, traits, summary)             \
	[REST_OP_##op] = HANDLER_##side(op),
#include "rest/routes.def"
#undef X
};
