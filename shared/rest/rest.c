#include "rest/rest.h"

#include "rest/access.h"
#include "rest/aomi.h"
#include "rest/approval.h"
#include "rest/audit_query.h"
#include "rest/body.h"
#include "rest/contract.h"
#include "rest/cost.h"
#include "rest/login.h"
#include "rest/oidc.h"
#include "rest/query.h"
#include "rest/secret.h"
#include "rest/token.h"
#include "rest/webhook.h"
#include "schedule/schedule_json.h"
#include "task/task_json.h"

enum { AUTH_OPEN = AUTH_SCOPE_COUNT };

const struct rest_route rest_routes[REST_OP_COUNT] = {
#define X(verb, path, op, key, table, max, params, by, success, has, words)                        \
	[REST_OP_##op] = {                                                                         \
		.pattern = (path),                                                                 \
		.name = #op,                                                                       \
		.summary = (words),                                                                \
		.body = (table),                                                                   \
		.body_max = (max),                                                                 \
		.query = (params),                                                                 \
		.method = HTTP_##verb,                                                             \
		.scope = (enum auth_scope)AUTH_##key,                                              \
		.side = REST_##by,                                                                 \
		.status = (success),                                                               \
		.traits = (has),                                                                   \
		.open = (int)AUTH_##key == (int)AUTH_OPEN,                                         \
	},
#include "rest/routes.def"
#undef X
};

enum rate_class rest_class(const struct rest_route *route)
{
	if ((route->traits & REST_PROVES) != 0) {
		return RATE_AUTH;
	}
	if ((route->traits & (REST_STREAMS | REST_SOCKET)) != 0) {
		return RATE_STREAM;
	}
	return route->method == HTTP_GET || (route->traits & REST_READS) != 0 ? RATE_READ
	                                                                      : RATE_WRITE;
}

const char *rest_unkeyed(enum rest_op op)
{
	static const char *const reasons[REST_OP_COUNT] = {
#define X(name, reason) [REST_OP_##name] = (reason),
#include "rest/unkeyed.def"
#undef X
	};

	return reasons[op];
}

const char *rest_example(enum rest_op op)
{
	static const char *const examples[REST_OP_COUNT] = {
#define X(name, json) [REST_OP_##name] = (json),
#include "rest/examples.def"
#undef X
	};

	return examples[op];
}

static const char *body_type(const struct rest_route *route)
{
	if (route->body_max == 0 || (route->traits & REST_RAW) != 0) {
		return NULL;
	}
	return (route->traits & REST_FORM) != 0 ? "application/x-www-form-urlencoded"
	                                        : "application/json";
}

static unsigned flags_of(const struct rest_route *route)
{
	unsigned streams = REST_STREAMS | REST_SOCKET | REST_BYTES;

	return ((route->traits & streams) != 0 ? HTTP_ROUTE_STREAM : 0U) |
	       ((route->traits & REST_BYTES) != 0 ? HTTP_ROUTE_NO_DRAIN : 0U) |
	       ((route->traits & REST_RAW) != 0 ? HTTP_ROUTE_RAW : 0U);
}

size_t rest_http_routes(http_handler_fn *const handlers[REST_OP_COUNT], struct http_route *out)
{
	size_t count = 0;

	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];

		if (handlers[i] != NULL) {
			out[count++] = (struct http_route){
				.method = route->method,
				.pattern = route->pattern,
				.handler = handlers[i],
				.body_max = route->body_max,
				.body_type = body_type(route),
				.flags = flags_of(route),
				.facts = route,
			};
		}
	}
	return count;
}

struct str rest_pattern_param(const char *pattern, unsigned n)
{
	struct str rest = str_of(pattern);

	while (rest.p != NULL) {
		struct str segment = str_split(&rest, '/');

		if (segment.n > 2 && segment.p[0] == '{' && n-- == 0) {
			return str_make(segment.p + 1, segment.n - 2);
		}
	}
	return (struct str){ NULL, 0 };
}

static bool is_at(struct str pattern, struct str path)
{
	while (pattern.p != NULL && path.p != NULL) {
		struct str wanted = str_split(&pattern, '/'), segment = str_split(&path, '/');
		bool is_param = wanted.n > 2 && wanted.p[0] == '{';

		if (is_param ? segment.n == 0 : !str_eq(wanted, segment)) {
			return false;
		}
	}
	return pattern.p == NULL && path.p == NULL;
}

bool rest_streams_at(struct str path)
{
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];

		if ((route->traits & (REST_STREAMS | REST_SOCKET)) != 0 &&
		    is_at(str_of(route->pattern), path)) {
			return true;
		}
	}
	return false;
}
