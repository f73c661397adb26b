#include "http/reply.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>

#include "http/parse.h"

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 499, "Client Closed Request" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
		if (phrases[i].status == status) {
			return phrases[i].phrase;
		}
	}
	return ""; /* RFC 9112 section 4: the phrase may be empty */
}

void http_reply_init(struct http_reply *reply)
{
	*reply = (struct http_reply){ .status = 200, .content_type = "application/json" };
	buf_init(&reply->body, HTTP_REPLY_MAX);
	buf_init(&reply->headers, HTTP_REPLY_HEADERS_MAX);
}

void http_reply_fini(struct http_reply *reply)
{
	buf_fini(&reply->body);
	buf_fini(&reply->headers);
}

void http_reply_header(struct http_reply *reply, const char *name, const char *fmt, ...)
{
	size_t start;
	va_list ap;

	assert(http_is_token(str_of(name)));
	buf_add_cstr(&reply->headers, name);
	buf_add_cstr(&reply->headers, ": ");
	start = reply->headers.len;
	va_start(ap, fmt);
	buf_vaddf(&reply->headers, fmt, ap);
	va_end(ap);
	for (size_t i = start; i < reply->headers.len; i++) {
		unsigned char c = (unsigned char)reply->headers.data[i];

		/* Whatever was put in cannot end the line: no response splitting. */
		if (c != '\t' && (c < ' ' || c == 0x7f)) {
			reply->headers.data[i] = ' ';
		}
	}
	buf_add_cstr(&reply->headers, "\r\n");
}

void http_retry_after(struct http_reply *reply, unsigned seconds)
{
	http_reply_header(reply, "Retry-After", "%u", seconds);
}

/* RFC 8259 section 7. */
static void add_json_string(struct buf *out, struct str s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)c);
		} else if (c < ' ') {
			buf_addf(out, "\\u%04x", c);
		} else {
			buf_add_char(out, (char)c);
		}
	}
	buf_add_char(out, '"');
}

/* NOT_FOUND is /errors/not-found. */
static void add_type(struct buf *out, enum err_code code)
{
	buf_add_cstr(out, "\"/errors/");
	for (const char *name = err_name(code); *name != '\0'; name++) {
		char c = (char)tolower((unsigned char)*name);

		if (c == '_') {
			c = '-';
		}
		buf_add_char(out, c);
	}
	buf_add_char(out, '"');
}

void http_problem_fields(struct http_reply *reply, const struct http_request *req,
                         enum err_code code, const char *detail, struct str errors_json)
{
	struct str text = str_of(detail != NULL ? detail : err_text(code));
	struct buf *body = &reply->body;

	reply->status = err_http_status(code);
	reply->content_type = "application/problem+json";
	buf_reset(body);
	buf_add_cstr(body, "{\"type\":");
	add_type(body, code);
	buf_add_cstr(body, ",\"title\":");
	add_json_string(body, str_of(err_text(code)));
	buf_addf(body, ",\"status\":%d,\"detail\":", reply->status);
	add_json_string(body, str_is_utf8(text) ? text : str_of(err_text(code)));
	if (req->request_id[0] != '\0') {
		buf_add_cstr(body, ",\"instance\":");
		add_json_string(body, str_of(req->request_id));
	}
	if (errors_json.n > 0) {
		buf_add_cstr(body, ",\"errors\":");
		buf_add_str(body, errors_json);
	}
	buf_add_char(body, '}');
}

void http_problem(struct http_reply *reply, const struct http_request *req, enum err_code code,
                  const char *detail)
{
	http_problem_fields(reply, req, code, detail, (struct str){ NULL, 0 });
}

/* Has the handler given this field? */
static bool gives(const struct http_reply *reply, struct str field)
{
	struct str rest = buf_str(&reply->headers);

	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n'), name = str_split(&line, ':');

		if (str_eq_nocase(name, field)) {
			return true;
		}
	}
	return false;
}

bool http_reply_has_body(const struct http_reply *reply, enum http_method method)
{
	return method != HTTP_HEAD && reply->status != 204 && reply->status != 304 &&
	       reply->status >= 200;
}

static void add_body_fields(const struct http_reply *reply, struct buf *out)
{
	bool silent = reply->status == 204 || reply->status == 304 || reply->status < 200;

	if (silent) {
		return;
	}
	if (reply->content_type != NULL && (reply->body.len > 0 || reply->stream_ops != NULL)) {
		buf_add_cstr(out, "Content-Type: ");
		buf_add_cstr(out, reply->content_type);
		buf_add_cstr(out, "\r\nX-Content-Type-Options: nosniff\r\n");
	}
	if (reply->stream_ops == NULL) {
		buf_add_cstr(out, "Content-Length: ");
		buf_add_u64(out, reply->body.len);
		buf_add_cstr(out, "\r\n");
	} else {
		/* nginx buffers streams unless it is told not to. */
		buf_add_cstr(out, "X-Accel-Buffering: no\r\n");
	}
	if (!gives(reply, STR_LIT("Cache-Control"))) {
		buf_add_cstr(out, reply->stream_ops != NULL ? "Cache-Control: no-cache\r\n"
		                                            : "Cache-Control: no-store\r\n");
	}
}

void http_reply_format(const struct http_reply *reply, const struct http_reply_facts *facts,
                       struct buf *out)
{
	buf_add_cstr(out, "HTTP/1.1 ");
	buf_add_u64(out, (uint64_t)reply->status);
	buf_add_char(out, ' ');
	buf_add_cstr(out, phrase_of(reply->status));
	buf_add_cstr(out, "\r\nDate: ");
	buf_add_cstr(out, facts->date);
	buf_add_cstr(out, "\r\n");
	if (facts->request_id[0] != '\0') {
		buf_add_cstr(out, "X-Request-Id: ");
		buf_add_cstr(out, facts->request_id);
		buf_add_cstr(out, "\r\n");
	}
	add_body_fields(reply, out);
	if (reply->status != 101) {
		if (facts->close) {
			buf_add_cstr(out, "Connection: close\r\n");
		} else if (facts->minor == 0) {
			buf_add_cstr(out, "Connection: keep-alive\r\n");
		}
	}
	buf_add_str(out, facts->cors);
	buf_add_str(out, buf_str(&reply->headers));
	buf_add_cstr(out, "\r\n");
}
