/*
 * The OpenAPI document from the tables.  Nothing here knows a route by name: whatever routes.def,
 * body.h and query.h say is in it, and nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "json/write.h"
#include "rest/query.h"
#include "rest/rest.h"

enum { SCHEMA_MAX = 256 * 1024 };

static const char id_schema[] =
	"{\"type\":\"string\",\"pattern\":\"^[0-9A-Za-z]{26}$\",\"description\":\"A ULID.\"}";

static const char problem_schema[] =
	"{\"type\":\"object\",\"description\":\"RFC 9457\",\"properties\":{"
	"\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
	"\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
	"\"instance\":{\"type\":\"string\",\"description\":\"The request's id.\"},"
	"\"expected\":{\"type\":\"integer\",\"description\":\"After a hole: the producer's next "
	"sequence.\"},"
	"\"epoch\":{\"type\":\"integer\",\"description\":\"When the epoch was another: the "
	"session's.\"},"
	"\"errors\":{\"type\":\"object\",\"description\":\"Of a request that is not valid: each "
	"field and the rules it breaks.\",\"additionalProperties\":{\"type\":\"array\","
	"\"items\":{\"type\":\"string\"}}}},\"required\":[\"type\",\"title\",\"status\"]}";

static void write_integer(struct jsonw *w, const struct rest_query_field *field)
{
	jsonw_cstr(w, "type", "integer");
	jsonw_u64(w, "minimum", field->min);
	jsonw_u64(w, "maximum", field->max);
	if (field->otherwise != 0) {
		jsonw_u64(w, "default", field->otherwise);
	}
}

static void write_enum(struct jsonw *w, const struct rest_query_field *field)
{
	jsonw_cstr(w, "type", "string");
	jsonw_array(w, "enum");
	for (unsigned i = 0; field->names(i) != NULL; i++) {
		jsonw_cstr(w, NULL, field->names(i));
	}
	jsonw_end_array(w);
}

static void write_words(struct jsonw *w, const struct rest_query_field *field)
{
	jsonw_cstr(w, "type", "array");
	jsonw_object(w, "items");
	write_enum(w, field);
	jsonw_end_object(w);
}

static void write_query_schema(struct jsonw *w, const struct rest_query_field *field)
{
	jsonw_object(w, "schema");
	switch (field->kind) {
	case REST_TEXT:
		jsonw_cstr(w, "type", "string");
		jsonw_u64(w, "minLength", (field->min + 3) / 4);
		jsonw_u64(w, "maxLength", field->max);
		break;
	case REST_NUMBER: write_integer(w, field); break;
	case REST_WORD: write_enum(w, field); break;
	case REST_WORDS: write_words(w, field); break;
	case REST_TIME:
		jsonw_cstr(w, "type", "string");
		jsonw_cstr(w, "format", "date-time");
		break;
	case REST_CURSOR:
		jsonw_cstr(w, "type", "string");
		jsonw_cstr(w, "pattern", "^[0-9]{1,14}-[0-9]{1,16}$");
		break;
	}
	jsonw_end_object(w);
}

static void write_query_field(struct jsonw *w, const struct rest_query_field *field)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "name", field->name);
	jsonw_cstr(w, "in", "query");
	jsonw_cstr(w, "description", field->help);
	if (field->kind == REST_WORDS) {
		jsonw_cstr(w, "style", "form");
		jsonw_bool(w, "explode", false);
	}
	write_query_schema(w, field);
	jsonw_end_object(w);
}

static void write_header(struct jsonw *w, const char *name, const char *help)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "name", name);
	jsonw_cstr(w, "in", "header");
	jsonw_cstr(w, "description", help);
	jsonw_object(w, "schema");
	jsonw_cstr(w, "type", "string");
	jsonw_end_object(w);
	jsonw_end_object(w);
}

static void write_headers(struct jsonw *w, const struct rest_route *route)
{
	if ((route->traits & REST_KEYED) != 0) {
		write_header(w, "Idempotency-Key",
		             "1 to 255 visible characters: the request is done once, and repeating "
		             "it within a day answers the same.");
	}
	if ((route->traits & REST_GUARDED) != 0) {
		write_header(w, "If-Match",
		             "\"<epoch>\": the epoch that the session must be in, else 412.");
	}
	if ((route->traits & REST_GUEST) != 0) {
		write_header(w, "X-Session-Id", "The client's own name of a chat.");
	}
	if ((route->traits & REST_STREAMS) != 0) {
		write_header(w, "Last-Event-ID", "The cursor after which a stream goes on.");
	}
}

static void write_parameters(struct jsonw *w, const struct rest_route *route)
{
	struct str name;

	jsonw_array(w, "parameters");
	for (unsigned i = 0; (name = rest_pattern_param(route->pattern, i)).p != NULL; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "name", name);
		jsonw_cstr(w, "in", "path");
		jsonw_bool(w, "required", true);
		jsonw_raw(w, "schema",
		          str_eq(name, STR_LIT("id")) ? str_of(id_schema)
		                                      : STR_LIT("{\"type\":\"string\"}"));
		jsonw_end_object(w);
	}
	for (size_t i = 0; route->query != NULL && i < route->query->count; i++) {
		write_query_field(w, &route->query->fields[i]);
	}
	write_headers(w, route);
	jsonw_end_array(w);
}

static void write_table(struct jsonw *w, const char *name, const struct json_table *table)
{
	struct buf schema;

	buf_init(&schema, SCHEMA_MAX);
	json_schema(table, &schema);
	jsonw_raw(w, name, buf_str(&schema));
	buf_fini(&schema);
}

static bool needs_a_field(const struct json_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if ((table->fields[i].flags & JSON_REQUIRED) != 0) {
			return true;
		}
	}
	return false;
}

/* OpenAPI 3.1 section 4.8.14.1: bytes have no schema. */
static void write_bytes(struct jsonw *w)
{
	jsonw_object(w, "*/*");
	jsonw_end_object(w);
}

static void write_body(struct jsonw *w, const struct rest_route *route)
{
	if ((route->traits & REST_RAW) != 0) {
		jsonw_object(w, "requestBody");
		jsonw_bool(w, "required", true);
		jsonw_object(w, "content");
		write_bytes(w);
		jsonw_end_object(w);
		jsonw_end_object(w);
		return;
	}
	if (route->body == NULL) {
		return;
	}
	jsonw_object(w, "requestBody");
	/* A body of which nothing is required may be left away. */
	jsonw_bool(w, "required", needs_a_field(route->body));
	jsonw_object(w, "content");
	jsonw_object(w, (route->traits & REST_FORM) != 0 ? "application/x-www-form-urlencoded"
	                                                 : "application/json");
	write_table(w, "schema", route->body);
	jsonw_end_object(w);
	jsonw_end_object(w);
	jsonw_end_object(w);
}

static void write_reply_header(struct jsonw *w, const char *name, const char *help)
{
	jsonw_object(w, name);
	jsonw_cstr(w, "description", help);
	jsonw_object(w, "schema");
	jsonw_cstr(w, "type", "string");
	jsonw_end_object(w);
	jsonw_end_object(w);
}

static void write_media(struct jsonw *w, const char *media, const char *type, const char *example)
{
	jsonw_object(w, media);
	jsonw_object(w, "schema");
	jsonw_cstr(w, "type", type);
	jsonw_end_object(w);
	if (example != NULL) {
		jsonw_raw(w, "example", str_of(example));
	}
	jsonw_end_object(w);
}

static void write_success(struct jsonw *w, const struct rest_route *route)
{
	char status[8];

	(void)snprintf(status, sizeof(status), "%d", route->status);
	jsonw_object(w, status);
	jsonw_cstr(w, "description", route->status == 204 ? "Done." : route->summary);
	if (route->status == 201) {
		jsonw_object(w, "headers");
		write_reply_header(w, "Location", "The first of what was made.");
		jsonw_end_object(w);
	}
	if (route->status != 204 && route->status != 101) {
		jsonw_object(w, "content");
		if ((route->traits & REST_PAGE) != 0) {
			write_media(w, "text/*", "string", NULL);
		} else if ((route->traits & REST_BYTES) != 0) {
			write_bytes(w);
		} else {
			write_media(w, "application/json", "object",
			            rest_example((enum rest_op)(route - rest_routes)));
		}
		if ((route->traits & REST_STREAMS) != 0) {
			write_media(w, "text/event-stream", "string", NULL);
		}
		jsonw_end_object(w);
	}
	jsonw_end_object(w);
}

static void write_refusal(struct jsonw *w, const char *status)
{
	jsonw_object(w, status);
	jsonw_cstr(w, "$ref", "#/components/responses/Problem");
	jsonw_end_object(w);
}

static void write_refusals(struct jsonw *w, const struct rest_route *route)
{
	bool has_id = rest_pattern_param(route->pattern, 0).p != NULL;
	bool proves = (route->traits & REST_PROVES) != 0;
	bool changes = route->method != HTTP_GET && !route->open;
	const struct {
		bool may;
		const char *status;
	} all[] = {
		{ !route->open || route->body_max > 0, "400" },
		{ !route->open || proves, "401" },
		{ !route->open, "403" },
		{ has_id, "404" },
		{ changes, "409" },
		{ (route->traits & REST_ENDS) != 0, "410" },
		{ (route->traits & REST_GUARDED) != 0, "412" },
		{ route->body_max > 0, "413" },
		{ route->body_max > 0, "415" },
		{ (route->traits & REST_KEYED) != 0, "422" },
		{ (route->traits & REST_SOCKET) != 0, "426" },
		{ changes || proves, "429" },
		{ !route->open || proves || (route->traits & REST_RETRIED) != 0, "503" },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].may) {
			write_refusal(w, all[i].status);
		}
	}
}

static void write_security(struct jsonw *w, const struct rest_route *route)
{
	jsonw_array(w, "security");
	if (!route->open) {
		jsonw_object(w, NULL);
		jsonw_array(w, "ApiKey");
		jsonw_end_array(w);
		jsonw_end_object(w);
		jsonw_object(w, NULL);
		jsonw_array(w, "XApiKey");
		jsonw_end_array(w);
		jsonw_end_object(w);
		jsonw_object(w, NULL);
		jsonw_array(w, "Bearer");
		jsonw_end_array(w);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	if (!route->open) {
		jsonw_cstr(w, "x-scope", auth_scope_name(route->scope));
	}
}

static void write_operation(struct jsonw *w, const struct rest_route *route)
{
	static const char *const methods[HTTP_METHOD_COUNT] = {
		[HTTP_GET] = "get",         [HTTP_HEAD] = "head",   [HTTP_POST] = "post",
		[HTTP_PUT] = "put",         [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
		[HTTP_OPTIONS] = "options",
	};

	jsonw_object(w, methods[route->method]);
	jsonw_cstr(w, "operationId", route->name);
	jsonw_cstr(w, "summary", route->summary);
	write_security(w, route);
	write_parameters(w, route);
	write_body(w, route);
	jsonw_object(w, "responses");
	write_success(w, route);
	write_refusals(w, route);
	jsonw_end_object(w);
	jsonw_end_object(w);
}

static bool is_first_of_pattern(size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(rest_routes[k].pattern, rest_routes[i].pattern) == 0) {
			return false;
		}
	}
	return true;
}

static void write_paths(struct jsonw *w)
{
	jsonw_object(w, "paths");
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		if (!is_first_of_pattern(i)) {
			continue;
		}
		jsonw_object(w, rest_routes[i].pattern);
		for (size_t k = i; k < REST_OP_COUNT; k++) {
			if (strcmp(rest_routes[k].pattern, rest_routes[i].pattern) == 0) {
				write_operation(w, &rest_routes[k]);
			}
		}
		jsonw_end_object(w);
	}
	jsonw_end_object(w);
}

static void write_scheme(struct jsonw *w, const char *name, const char *header, const char *help)
{
	jsonw_object(w, name);
	jsonw_cstr(w, "type", "apiKey");
	jsonw_cstr(w, "in", "header");
	jsonw_cstr(w, "name", header);
	jsonw_cstr(w, "description", help);
	jsonw_end_object(w);
}

static void write_components(struct jsonw *w)
{
	jsonw_object(w, "components");
	jsonw_object(w, "securitySchemes");
	write_scheme(w, "ApiKey", "Authorization", "ApiKey, a space, the key.");
	write_scheme(w, "XApiKey", "X-API-Key", "The key.");
	write_scheme(w, "Bearer", "Authorization", "Bearer, a space, an access token.");
	jsonw_end_object(w);
	jsonw_object(w, "schemas");
	jsonw_raw(w, "Problem", str_of(problem_schema));
	jsonw_end_object(w);
	jsonw_object(w, "responses");
	jsonw_object(w, "Problem");
	jsonw_cstr(w, "description", "Refused or failed; Retry-After says when to come back.");
	jsonw_object(w, "content");
	jsonw_object(w, "application/problem+json");
	jsonw_object(w, "schema");
	jsonw_cstr(w, "$ref", "#/components/schemas/Problem");
	for (unsigned i = 0; i < 6; i++) {
		jsonw_end_object(w);
	}
}

void rest_openapi(struct buf *out, const char *version)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "openapi", "3.1.0");
	jsonw_object(&w, "info");
	jsonw_cstr(&w, "title", "Fairlead");
	jsonw_cstr(&w, "version", version);
	jsonw_cstr(&w, "description",
	           "Submit tasks, follow and steer the sessions of coding agents. Errors are "
	           "problem+json (RFC 9457).");
	jsonw_end_object(&w);
	jsonw_array(&w, "servers");
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "url", "/");
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	write_paths(&w);
	write_components(&w);
	jsonw_end_object(&w);
}
