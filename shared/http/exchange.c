#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "http/conn.h"
#include "http/reply.h"
#include "http/uri.h"

static const char cors_request_headers[] = "Authorization, Content-Type, Idempotency-Key, "
					   "If-Match, Last-Event-ID, X-API-Key, X-Request-Id";
static const char cors_reply_headers[] =
	"ETag, Idempotency-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, "
	"RateLimit-Reset, Retry-After, X-Request-Id, X-Stream-Id";

/* ---- life ---- */

struct http_exchange *http_exchange_new(struct http_conn *conn)
{
	struct http_exchange *exchange = mem_calloc(1, sizeof(*exchange));

	exchange->server = conn->server;
	exchange->conn = conn;
	exchange->began_us = clock_mono_us();
	http_parser_init(&exchange->parser);
	http_reply_init(&exchange->reply);
	buf_init(&exchange->head, HTTP_REPLY_HEAD_MAX);
	buf_init(&exchange->cors, HTTP_REPLY_HEADERS_MAX);
	buf_init(&exchange->body, 0);
	buf_init(&exchange->given, 0);
	fiber_signal_init(&exchange->more);
	exchange->req.arena = arena_new();
	exchange->req.app = conn->server->options.app;
	exchange->req.path = STR_LIT("");
	exchange->req.query = STR_LIT("");
	exchange->req.body = STR_LIT("");
	exchange->req.peer = arena_str(exchange->req.arena, str_of(conn->peer));
	return exchange;
}

void http_exchange_end(struct http_exchange *exchange)
{
	const struct http_options *options = &exchange->server->options;

	if (exchange->replied && options->done != NULL) {
		options->done(&exchange->req, exchange->reply.status,
		              clock_mono_us() - exchange->began_us);
	}
	http_parser_fini(&exchange->parser);
	http_reply_fini(&exchange->reply);
	buf_fini(&exchange->head);
	buf_fini(&exchange->cors);
	buf_fini(&exchange->body);
	buf_fini(&exchange->given);
	arena_free(exchange->req.arena);
	free(exchange);
}

/* ---- who asks ---- */

static bool is_sane_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool word =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!word && c != '-' && c != '_' && c != '.' && c != ':') {
			return false;
		}
	}
	return s.n > 0 && s.n <= HTTP_ID_MAX;
}

static void random_hex(struct http_server *server, char *out, size_t digits)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[16];

	http_server_random(server, bytes, digits / 2);
	for (size_t i = 0; i < digits; i++) {
		out[i] = hex[(i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2]) & 15];
	}
	out[digits] = '\0';
}

/* What is not valid is as if absent. */
static void take_trace(struct http_exchange *exchange)
{
	struct http_request *req = &exchange->req;
	struct traceparent from = { .sampled = false };

	if (!traceparent_parse(http_header(req, "traceparent"), &from)) {
		random_hex(exchange->server, from.trace, TRACE_ID_LEN);
	}
	memcpy(req->trace_id, from.trace, sizeof(req->trace_id));
	memcpy(req->parent_id, from.span, sizeof(req->parent_id));
	req->sampled = from.sampled;
}

static void take_request(struct http_exchange *exchange)
{
	const struct http_head *head = &exchange->parser.head;
	struct http_request *req = &exchange->req;
	struct str id;

	req->method = head->method;
	req->path = head->path;
	req->query = head->query.n > 0 ? head->query : STR_LIT("");
	req->headers = head->headers;
	req->header_count = head->header_count;
	id = http_header(req, "X-Request-Id");
	if (is_sane_id(id)) {
		(void)str_copy(req->request_id, sizeof(req->request_id), id);
	} else {
		(void)str_copy(req->request_id, sizeof(req->request_id), str_of(id_new().s));
	}
	take_trace(exchange);
	req->https = (exchange->conn != NULL && exchange->conn->tls != NULL) ||
	             http_peer_is_https(&exchange->server->proxies, req, req->peer);
	req->peer = http_peer_behind(&exchange->server->proxies, req, req->peer);
}

/* ---- CORS (Fetch standard, section "HTTP-network-or-cache fetch": CORS protocol) ---- */

static bool is_allowed_origin(const char *origins, struct str origin)
{
	struct str rest = str_of(origins), one;

	while (http_list_next(&rest, &one)) {
		if (str_eq(one, origin)) {
			return true;
		}
	}
	return false;
}

static void take_origin(struct http_exchange *exchange)
{
	const char *origins = exchange->server->options.cors_origins;
	struct str origin = http_header(&exchange->req, "Origin");
	struct buf *out = &exchange->cors;

	if (origins == NULL || origins[0] == '\0') {
		return;
	}
	if (strcmp(origins, "*") == 0) {
		buf_add_cstr(out, "Access-Control-Allow-Origin: *\r\n");
	} else {
		buf_add_cstr(out, "Vary: Origin\r\n");
		if (!is_allowed_origin(origins, origin)) {
			return;
		}
		/* The only cookies are those of streams, which are asked for their origin anyway.
		 */
		buf_addf(out,
		         "Access-Control-Allow-Origin: %" STR_FMT "\r\n"
		         "Access-Control-Allow-Credentials: true\r\n",
		         STR_ARG(origin));
	}
	buf_addf(out, "Access-Control-Expose-Headers: %s\r\n", cors_reply_headers);
}

static void answer_options(struct http_exchange *exchange, const char *allow)
{
	struct http_reply *reply = &exchange->reply;

	exchange->answered = true;
	reply->status = 204;
	http_reply_header(reply, "Allow", "%s", allow);
	if (exchange->cors.len > 0 && http_header(&exchange->req, "Origin").n > 0 &&
	    http_header(&exchange->req, "Access-Control-Request-Method").n > 0) {
		http_reply_header(reply, "Access-Control-Allow-Methods", "%s", allow);
		http_reply_header(reply, "Access-Control-Allow-Headers", "%s",
		                  cors_request_headers);
		http_reply_header(reply, "Access-Control-Max-Age", "600");
	}
}

/* ---- decisions before the body ---- */

static void answer_problem(struct http_exchange *exchange, enum err_code code, const char *detail)
{
	exchange->answered = true;
	http_problem(&exchange->reply, &exchange->req, code, detail);
}

void http_exchange_refuse(struct http_exchange *exchange, enum err_code code, const char *detail)
{
	struct http_request *req = &exchange->req;

	/* The head may not have been understood: such a request has an id all the same. */
	req->method = exchange->parser.head.method;
	if (req->request_id[0] == '\0') {
		(void)str_copy(req->request_id, sizeof(req->request_id), str_of(id_new().s));
	}
	exchange->reply.close = true;
	answer_problem(exchange, code, detail);
}

/* RFC 9110 section 8.3: parameters do not matter, except a charset that is not UTF-8. */
static bool is_media_type(struct str value, const char *wanted)
{
	struct str type = str_trim(str_split(&value, ';'));

	while (value.p != NULL) {
		struct str charset = str_trim(str_split(&value, ';'));
		struct str name = str_trim(str_split(&charset, '='));

		charset = str_trim(charset);
		if (charset.n >= 2 && charset.p[0] == '"' && charset.p[charset.n - 1] == '"') {
			charset = str_make(charset.p + 1, charset.n - 2);
		}
		if (str_eq_nocase(name, STR_LIT("charset")) &&
		    !str_eq_nocase(charset, STR_LIT("utf-8"))) {
			return false;
		}
	}
	return str_eq_nocase(type, str_of(wanted));
}

static bool check_media_type(struct http_exchange *exchange, const char *wanted)
{
	size_t fields = 0;
	char detail[128];

	for (size_t i = 0; i < exchange->req.header_count; i++) {
		fields += str_eq_nocase(exchange->req.headers[i].name, STR_LIT("Content-Type"));
	}
	if (fields == 1 && is_media_type(http_header(&exchange->req, "Content-Type"), wanted)) {
		return true;
	}
	(void)snprintf(detail, sizeof(detail), "Content-Type has to be %s", wanted);
	answer_problem(exchange, ERR_MEDIA_TYPE, detail);
	http_reply_header(&exchange->reply, "Accept", "%s", wanted);
	return false;
}

static void check_body(struct http_exchange *exchange)
{
	const struct http_route *route = exchange->req.route;
	const struct http_head *head = &exchange->parser.head;

	exchange->body.cap = route->body_max;
	if (head->content_length == 0 && !head->chunked) {
		return;
	}
	if (head->content_length > route->body_max || route->body_max == 0) {
		exchange->reply.close = true;
		answer_problem(exchange, ERR_TOO_LARGE, NULL);
		return;
	}
	if (route->body_type != NULL) {
		(void)check_media_type(exchange, route->body_type);
	}
}

static bool take_params(struct http_exchange *exchange, const struct http_place *place)
{
	struct http_request *req = &exchange->req;
	struct str rest = req->path;

	while (rest.p != NULL) {
		if (http_uri_is_dots(str_split(&rest, '/'))) {
			return false;
		}
	}
	for (size_t i = 0; i < place->param_count; i++) {
		if (!http_uri_decode(req->arena, place->params[i], HTTP_URI_SEGMENT,
		                     &req->params[i])) {
			return false;
		}
	}
	return true;
}

/* The route, or an answer. */
static void find_route(struct http_exchange *exchange)
{
	struct http_request *req = &exchange->req;
	struct http_place place;
	const struct http_route *route;
	struct buf allow;

	if (!http_routes_find(exchange->server->routes, req->path, &place)) {
		answer_problem(exchange, ERR_NOT_FOUND, NULL);
		return;
	}
	if (!take_params(exchange, &place)) {
		answer_problem(exchange, ERR_INVALID, "the path has a segment that is not allowed");
		return;
	}
	route = place.by_method[req->method];
	if (route == NULL && req->method == HTTP_HEAD) {
		route = place.by_method[HTTP_GET];
	}
	req->route = route;
	if (route != NULL) {
		return;
	}
	buf_init(&allow, HTTP_REPLY_HEADERS_MAX);
	http_routes_allow(&place, &allow);
	if (req->method == HTTP_OPTIONS) {
		answer_options(exchange, buf_cstr(&allow));
	} else {
		answer_problem(exchange, ERR_METHOD, NULL);
		http_reply_header(&exchange->reply, "Allow", "%s", buf_cstr(&allow));
	}
	buf_fini(&allow);
}

void http_exchange_route(struct http_exchange *exchange)
{
	struct http_request *req = &exchange->req;

	take_request(exchange);
	take_origin(exchange);
	if (exchange->parser.head.expect_other) {
		exchange->reply.close = true;
		answer_problem(exchange, ERR_EXPECTATION, NULL);
		return;
	}
	if (str_eq(req->path, STR_LIT("*"))) {
		answer_options(exchange, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
		return;
	}
	find_route(exchange);
	if (!exchange->answered && exchange->server->draining &&
	    (req->route->flags & HTTP_ROUTE_STREAM) != 0 &&
	    (req->route->flags & HTTP_ROUTE_NO_DRAIN) == 0) {
		answer_problem(exchange, ERR_UNAVAILABLE, NULL);
		http_retry_after(&exchange->reply, 1);
	}
	if (!exchange->answered) {
		check_body(exchange);
	}
}

/* ---- the handler ---- */

/* Its caller is gone: nobody will ever read this reply. */
static void drop_reply(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;
	struct http_reply *reply = &exchange->reply;

	if (reply->stream_ops != NULL) {
		reply->stream_ops->closed(reply->stream);
	}
	reply->status = err_http_status(ERR_CANCELLED);
	exchange->replied = true;
	http_exchange_end(exchange);
	http_server_settled(server);
}

static void handle(void *arg)
{
	struct http_exchange *exchange = arg;
	struct http_request *req = &exchange->req;
	const struct http_options *options = &exchange->server->options;

	fiber_add_tag("request", req->request_id);
	if (!fiber_cancelled() &&
	    (options->admit == NULL || options->admit(req, &exchange->reply))) {
		req->route->handler(req, &exchange->reply);
	}
	exchange->fiber = NULL;
	if (exchange->conn == NULL) {
		drop_reply(exchange);
	} else {
		http_conn_reply(exchange->conn);
	}
}

void http_exchange_run(struct http_exchange *exchange)
{
	exchange->req.body = exchange->body.len > 0 ? buf_str(&exchange->body) : STR_LIT("");
	exchange->fiber = fiber_start(exchange->server->loop, &exchange->server->fibers,
	                              exchange->req.route->pattern, handle, exchange);
}

void http_exchange_format(struct http_exchange *exchange, bool close)
{
	struct http_reply *reply = &exchange->reply;
	struct http_reply_facts facts = {
		.method = exchange->req.method,
		.minor = exchange->parser.head.minor,
		.close = close,
		.request_id = exchange->req.request_id,
		.date = http_server_date(exchange->server),
		.cors = buf_str(&exchange->cors),
	};

	assert(reply->stream_ops == NULL || (exchange->req.route->flags & HTTP_ROUTE_STREAM) != 0);
	if (buf_failed(&reply->body) || buf_failed(&reply->headers)) {
		buf_reset(&reply->headers);
		http_problem(reply, &exchange->req, ERR_INTERNAL, NULL);
	}
	http_reply_format(reply, &facts, &exchange->head);
	exchange->replied = true;
}
