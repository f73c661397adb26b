/* docs/api.md from the tables. */
#include <stdio.h>

#include "base/buf.h"
#include "rest/query.h"
#include "rest/rest.h"

static const char intro[] =
	"# HTTP API\n\n"
	"<!-- Made from shared/rest/routes.def and the tables it names; run tools/docs-update to "
	"renew it. -->\n\n"
	"The same as an OpenAPI 3.1 document: `GET /api/v1/openapi.json`, and for people at "
	"`/api/docs`.\n\n"
	"A request says who it is with `Authorization: ApiKey <key>` or `X-API-Key: <key>`; a key "
	"has "
	"scopes. What a key may not see answers 404, as if it did not exist. Errors are "
	"problem+json ([errors.md](errors.md)); a request that is not valid gets 400 with every "
	"field and the rule it breaks in `errors`. Unknown fields and parameters are refused.\n\n"
	"`Idempotency-Key` makes repeating a POST safe: it is done once, and the answer is kept "
	"for a "
	"day. The same key with another request answers 422, while the first is still running "
	"409.\n\n"
	"HEAD works wherever GET does, OPTIONS everywhere.\n\n"
	"| Method | Path | Scope | |\n|---|---|---|---|\n";

static const char *const kinds[] = {
	[JSON_STR] = "string",   [JSON_U64] = "integer",           [JSON_I64] = "integer",
	[JSON_BOOL] = "boolean", [JSON_ENUM] = "one of",           [JSON_OBJECT] = "object",
	[JSON_ARRAY] = "array",  [JSON_STRINGS] = "array",         [JSON_MAP] = "object",
	[JSON_RAW] = "any",      [JSON_CUSTOM] = "see the schema",
};

static const char *const query_kinds[] = {
	[REST_TEXT] = "text",   [REST_NUMBER] = "integer", [REST_WORD] = "word",
	[REST_WORDS] = "words", [REST_TIME] = "time",      [REST_CURSOR] = "cursor",
};

static const char *scope_of(const struct rest_route *route)
{
	return route->open ? "none" : auth_scope_name(route->scope);
}

static void add_overview(struct buf *out)
{
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];

		buf_addf(out, "| %s | `%s` | %s | %s |\n", http_method_name(route->method),
		         route->pattern, scope_of(route), route->summary);
	}
}

static void add_query(struct buf *out, const struct rest_query_table *table)
{
	buf_add_cstr(out, "\n| Parameter | | |\n|---|---|---|\n");
	for (size_t i = 0; i < table->count; i++) {
		const struct rest_query_field *field = &table->fields[i];

		buf_addf(out, "| `%s` | %s", field->name, query_kinds[field->kind]);
		if (field->kind == REST_NUMBER) {
			buf_addf(out, ", %llu to %llu", (unsigned long long)field->min,
			         (unsigned long long)field->max);
		}
		if (field->otherwise != 0) {
			buf_addf(out, ", %llu unless given", (unsigned long long)field->otherwise);
		}
		buf_addf(out, " | %s |\n", field->help);
	}
}

static void add_field(struct buf *out, const struct json_field *field, const char *prefix)
{
	buf_addf(out, "| `%s%s` | %s", prefix, field->name, kinds[field->kind]);
	for (size_t i = 0; field->kind == JSON_ENUM && field->names[i] != NULL; i++) {
		buf_addf(out, "%s`%s`", i > 0 ? ", " : " ", field->names[i]);
	}
	buf_addf(out, "%s | %s%s%s", (field->flags & JSON_REQUIRED) != 0 ? " (required)" : "",
	         field->help != NULL ? field->help : "",
	         field->help != NULL && field->alias != NULL ? " " : "",
	         field->alias != NULL ? "Also spelled " : "");
	buf_addf(out, field->alias != NULL ? "`%s`. |\n" : "%s |\n",
	         field->alias != NULL ? field->alias : "");
}

/* One level of nesting is enough for a table; the schema has all of it. */
static void add_body(struct buf *out, const struct json_table *table)
{
	char prefix[64];

	buf_add_cstr(out, "\n| Field of the body | | |\n|---|---|---|\n");
	for (size_t i = 0; i < table->count; i++) {
		const struct json_field *field = &table->fields[i];

		add_field(out, field, "");
		if (field->kind != JSON_OBJECT && field->kind != JSON_ARRAY) {
			continue;
		}
		(void)snprintf(prefix, sizeof(prefix), "%s%s.", field->name,
		               field->kind == JSON_ARRAY ? "[]" : "");
		for (size_t k = 0; k < field->table->count; k++) {
			add_field(out, &field->table->fields[k], prefix);
		}
	}
}

static void add_route(struct buf *out, const struct rest_route *route)
{
	buf_addf(out, "\n## %s %s\n\n%s. Scope: %s. Answers %d.", http_method_name(route->method),
	         route->pattern, route->summary, scope_of(route), route->status);
	if (route->body_max > 0) {
		buf_addf(out, " The body has at most %zu bytes.", route->body_max);
	}
	if ((route->traits & REST_KEYED) != 0) {
		buf_add_cstr(out, " Takes `Idempotency-Key`.");
	} else if (rest_unkeyed((enum rest_op)(route - rest_routes)) != NULL) {
		buf_addf(out, " Needs no `Idempotency-Key`: %s.",
		         rest_unkeyed((enum rest_op)(route - rest_routes)));
	}
	if ((route->traits & REST_GUARDED) != 0) {
		buf_add_cstr(out, " Takes `If-Match: \"<epoch>\"`: 412 in another epoch.");
	}
	if ((route->traits & REST_GUEST) != 0) {
		buf_add_cstr(out, " Takes `X-Session-Id`; works without a key where a namespace is "
		                  "open ([aomi.md](aomi.md)).");
	} else if ((route->traits & REST_STREAMS) != 0) {
		buf_add_cstr(out, " With `Accept: text/event-stream` a stream (SSE), which goes on "
		                  "after `Last-Event-ID`; else a page.");
	}
	if ((route->traits & REST_SOCKET) != 0) {
		buf_add_cstr(out,
		             " The answer is a WebSocket (RFC 6455); 426 without the upgrade.");
	}
	buf_add_char(out, '\n');
	if (route->query != NULL) {
		add_query(out, route->query);
	}
	if (route->body != NULL) {
		add_body(out, route->body);
	}
	if (rest_example((enum rest_op)(route - rest_routes)) != NULL) {
		buf_addf(out, "\nFor example:\n\n```json\n%s\n```\n",
		         rest_example((enum rest_op)(route - rest_routes)));
	}
}

void rest_document(struct buf *out)
{
	buf_add_cstr(out, intro);
	add_overview(out);
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		add_route(out, &rest_routes[i]);
	}
}
