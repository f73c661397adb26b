#include "http/head.h"

#include <string.h>

enum {
	TCHAR = 1, /* RFC 9110 section 5.6.2 */
	PCHAR = 2, /* RFC 3986 pchar without "%" */
	QCHAR = 4, /* of a query, without "%" */
	HCHAR = 8, /* of a host that is not an IP literal: sub-delims name no host */
	DIGIT = 16,
	HEX = 32,
};

#define ALPHA_BITS (TCHAR | PCHAR | QCHAR | HCHAR)
#define SUB_DELIM  (PCHAR | QCHAR)

/* In a query browsers leave some bytes unescaped that RFC 3986 would escape (WHATWG URL, query
 * percent-encode set): [ ] { } | ^ ` are taken there, and nowhere else. */
static const unsigned char classes[256] = {
	['0' ... '9'] = ALPHA_BITS | DIGIT | HEX,
	['a' ... 'f'] = ALPHA_BITS | HEX,
	['g' ... 'z'] = ALPHA_BITS,
	['A' ... 'F'] = ALPHA_BITS | HEX,
	['G' ... 'Z'] = ALPHA_BITS,
	['!'] = TCHAR | SUB_DELIM,
	['#'] = TCHAR,
	['$'] = TCHAR | SUB_DELIM,
	['%'] = TCHAR,
	['&'] = TCHAR | SUB_DELIM,
	['\''] = TCHAR | SUB_DELIM,
	['('] = SUB_DELIM,
	[')'] = SUB_DELIM,
	['*'] = TCHAR | SUB_DELIM,
	['+'] = TCHAR | SUB_DELIM,
	[','] = SUB_DELIM,
	['-'] = ALPHA_BITS,
	['.'] = ALPHA_BITS,
	['/'] = PCHAR | QCHAR,
	[':'] = PCHAR | QCHAR,
	[';'] = SUB_DELIM,
	['='] = SUB_DELIM,
	['?'] = QCHAR,
	['@'] = PCHAR | QCHAR,
	['['] = QCHAR,
	[']'] = QCHAR,
	['^'] = TCHAR | QCHAR,
	['_'] = ALPHA_BITS,
	['`'] = TCHAR | QCHAR,
	['{'] = QCHAR,
	['|'] = TCHAR | QCHAR,
	['}'] = QCHAR,
	['~'] = ALPHA_BITS,
};

static const char *const method_names[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
};

static bool is(char c, unsigned class)
{
	return (classes[(unsigned char)c] & class) != 0;
}

bool http_is_tchar(unsigned char c)
{
	return (classes[c] & TCHAR) != 0;
}

bool http_is_field_char(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

bool http_parse_fail(struct http_parser *parser, enum err_code code, const char *reason)
{
	parser->error = code;
	parser->reason = reason;
	return false;
}

static bool invalid(struct http_parser *parser, const char *reason)
{
	return http_parse_fail(parser, ERR_INVALID, reason);
}

const char *http_method_name(enum http_method method)
{
	return method < HTTP_METHOD_COUNT ? method_names[method] : "";
}

static bool method_of(struct str s, enum http_method *ret)
{
	for (enum http_method m = HTTP_GET; m < HTTP_METHOD_COUNT; m++) {
		if (str_eq(s, str_of(method_names[m]))) {
			*ret = m;
			return true;
		}
	}
	return false;
}

bool http_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is(s.p[i], TCHAR)) {
			return false;
		}
	}
	return s.n > 0;
}

bool http_list_next(struct str *rest, struct str *ret_element)
{
	while (rest->p != NULL) {
		struct str element = str_trim(str_split(rest, ','));

		if (element.n > 0) {
			*ret_element = element;
			return true;
		}
	}
	return false;
}

/* Bytes of a class, with well-formed escapes; %00 is never meant well. */
static bool is_escaped_text(struct str s, unsigned class)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is(s.p[i], class)) {
			continue;
		}
		if (s.p[i] != '%' || s.n - i < 3 || !is(s.p[i + 1], HEX) || !is(s.p[i + 2], HEX) ||
		    (s.p[i + 1] == '0' && s.p[i + 2] == '0')) {
			return false;
		}
		i += 2;
	}
	return true;
}

/* RFC 3986 section 3.2, without userinfo, and a port that is one. */
static bool is_host(struct str s)
{
	size_t i = 0;
	uint64_t port;

	if (s.n > 0 && s.p[0] == '[') {
		for (i = 1; i < s.n && (is(s.p[i], HEX) || s.p[i] == ':' || s.p[i] == '.'); i++) {
		}
		if (i < 3 || i == s.n || s.p[i] != ']') {
			return false;
		}
		i++;
	} else {
		while (i < s.n && is(s.p[i], HCHAR)) {
			i++;
		}
		if (i == 0) {
			return false;
		}
	}
	if (i == s.n) {
		return true;
	}
	return s.p[i] == ':' && s.n - i <= 6 &&
	       parse_u64(str_make(s.p + i + 1, s.n - i - 1), UINT16_MAX, &port);
}

static struct http_span span_of(const struct http_parser *parser, struct str s)
{
	return (struct http_span){ s.n > 0 ? (uint16_t)(s.p - parser->bytes.data) : 0,
		                   (uint16_t)s.n };
}

static struct str span_str(const struct http_parser *parser, struct http_span span)
{
	return str_make(parser->bytes.data + span.at, span.n);
}

static bool take_path(struct http_parser *parser, struct str target)
{
	struct str path = str_split(&target, '?');

	if (!is_escaped_text(path, PCHAR) || !is_escaped_text(target, QCHAR)) {
		return invalid(parser,
		               "the request target has a byte or escape that is not allowed");
	}
	parser->path = span_of(parser, path);
	parser->query = span_of(parser, target);
	return true;
}

/* RFC 9112 section 3.2: origin-form, asterisk-form of OPTIONS, absolute-form. */
static bool take_target(struct http_parser *parser, struct str target)
{
	struct str http = STR_LIT("http://"), https = STR_LIT("https://");
	struct str head = str_make(target.p, target.n < http.n ? target.n : http.n);
	struct str secure = str_make(target.p, target.n < https.n ? target.n : https.n);
	size_t at, end;

	if (target.p[0] == '/') {
		return take_path(parser, target);
	}
	if (str_eq(target, STR_LIT("*"))) {
		parser->path = span_of(parser, target);
		return parser->head.method == HTTP_OPTIONS ||
		       invalid(parser, "only OPTIONS may ask for *");
	}
	if (!str_eq_nocase(head, http) && !str_eq_nocase(secure, https)) {
		return invalid(parser, "the request target is not a path");
	}
	at = str_eq_nocase(head, http) ? http.n : https.n;
	for (end = at; end < target.n && target.p[end] != '/' && target.p[end] != '?'; end++) {
	}
	parser->absolute = true;
	parser->authority = span_of(parser, str_make(target.p + at, end - at));
	return take_path(parser, str_make(target.p + end, target.n - end));
}

static bool take_version(struct http_parser *parser, struct str version)
{
	if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || !is(version.p[5], DIGIT) ||
	    version.p[6] != '.' || !is(version.p[7], DIGIT)) {
		return invalid(parser, "the request line does not end in an HTTP version");
	}
	if (version.p[5] != '1' || version.p[7] > '1') {
		return http_parse_fail(parser, ERR_HTTP_VERSION,
		                       "only HTTP/1.1 and HTTP/1.0 are spoken");
	}
	parser->head.minor = (unsigned)(version.p[7] - '0');
	return true;
}

bool http_head_request_line(struct http_parser *parser, struct str line)
{
	struct str rest = line, method = str_split(&rest, ' '), target = str_split(&rest, ' ');

	if (!http_is_token(method) || target.n == 0 || rest.p == NULL) {
		return invalid(parser, "the request line is not method, target, version");
	}
	if (!take_version(parser, rest)) {
		return false;
	}
	if (!method_of(method, &parser->head.method)) {
		return http_parse_fail(parser, ERR_UNSUPPORTED, "the method is not known");
	}
	return take_target(parser, target);
}

bool http_head_field_line(struct http_parser *parser, struct str line)
{
	struct str value = line, name = str_split(&value, ':');

	if (value.p == NULL || !http_is_token(name)) {
		return invalid(parser, "a header line is not name, colon, value");
	}
	if (parser->field_count == HTTP_HEADERS_MAX) {
		return http_parse_fail(parser, ERR_HEAD_LENGTH, "too many header fields");
	}
	parser->names[parser->field_count] = span_of(parser, name);
	parser->values[parser->field_count++] = span_of(parser, str_trim(value));
	return true;
}

static bool take_length(struct http_parser *parser, struct str value)
{
	struct http_head *head = &parser->head;

	if (head->has_length) {
		return invalid(parser, "Content-Length is given twice");
	}
	head->has_length = true;
	if ((value.n > 1 && value.p[0] == '0') ||
	    !parse_u64(value, INT64_MAX, &head->content_length)) {
		return invalid(parser, "Content-Length is not a number");
	}
	return true;
}

/* RFC 9112 section 6.1: chunked, once and last; codings on top of it are not spoken here. */
static bool take_coding(struct http_parser *parser, struct str value)
{
	struct http_head *head = &parser->head;
	struct str element = { NULL, 0 };
	bool other = false;

	if (head->chunked) {
		return invalid(parser, "Transfer-Encoding is given twice");
	}
	if (str_eq_nocase(value, STR_LIT("chunked"))) {
		head->chunked = true;
		return true;
	}
	while (http_list_next(&value, &element)) {
		if (!http_is_token(element) || head->chunked) {
			return invalid(parser, "Transfer-Encoding is not valid");
		}
		head->chunked = str_eq_nocase(element, STR_LIT("chunked"));
		other = other || !head->chunked;
	}
	return other ? http_parse_fail(parser, ERR_UNSUPPORTED, "the transfer coding is not known")
	             : invalid(parser, "Transfer-Encoding is not valid");
}

static bool take_host(struct http_parser *parser, struct str value)
{
	if (parser->head.host.p != NULL) {
		return invalid(parser, "Host is given twice");
	}
	parser->head.host = value;
	return is_host(value) || invalid(parser, "Host is not valid");
}

static void take_connection(struct http_head *head, struct str value, bool *close)
{
	struct str option;

	while (http_list_next(&value, &option)) {
		if (str_eq_nocase(option, STR_LIT("close"))) {
			*close = true;
		} else if (str_eq_nocase(option, STR_LIT("keep-alive"))) {
			head->keep_alive = true;
		}
	}
}

static void take_expect(struct http_head *head, struct str value)
{
	/* RFC 9110 section 10.1.1: in HTTP/1.0 the expectation is ignored. */
	if (head->minor == 0) {
		return;
	}
	if (str_eq_nocase(value, STR_LIT("100-continue"))) {
		head->expect_continue = true;
	} else {
		head->expect_other = true;
	}
}

static bool take_fields(struct http_parser *parser)
{
	struct http_head *head = &parser->head;
	bool close = false;

	head->keep_alive = head->minor == 1;
	for (size_t i = 0; i < head->header_count; i++) {
		struct str name = head->headers[i].name, value = head->headers[i].value;

		if (str_eq_nocase(name, STR_LIT("Host"))) {
			if (!take_host(parser, value)) {
				return false;
			}
		} else if (str_eq_nocase(name, STR_LIT("Content-Length"))) {
			if (!take_length(parser, value)) {
				return false;
			}
		} else if (str_eq_nocase(name, STR_LIT("Connection"))) {
			take_connection(head, value, &close);
		} else if (str_eq_nocase(name, STR_LIT("Expect"))) {
			take_expect(head, value);
		}
	}
	head->keep_alive = head->keep_alive && !close;
	return true;
}

/* Transfer-Encoding comes after the rest, so that beside a length it is 400 whatever it says. */
static bool take_framing(struct http_parser *parser)
{
	struct http_head *head = &parser->head;

	for (size_t i = 0; i < head->header_count; i++) {
		if (!str_eq_nocase(head->headers[i].name, STR_LIT("Transfer-Encoding"))) {
			continue;
		}
		if (head->has_length) {
			return invalid(parser,
			               "Content-Length and Transfer-Encoding exclude each other");
		}
		if (head->minor == 0) {
			return invalid(parser, "HTTP/1.0 has no Transfer-Encoding");
		}
		if (!take_coding(parser, head->headers[i].value)) {
			return false;
		}
	}
	return true;
}

bool http_head_finish(struct http_parser *parser)
{
	struct http_head *head = &parser->head;

	head->path = span_str(parser, parser->path);
	head->query = span_str(parser, parser->query);
	head->header_count = parser->field_count;
	for (size_t i = 0; i < parser->field_count; i++) {
		head->headers[i].name = span_str(parser, parser->names[i]);
		head->headers[i].value = span_str(parser, parser->values[i]);
	}
	if (!take_fields(parser) || !take_framing(parser)) {
		return false;
	}
	if (head->host.p == NULL && head->minor == 1) {
		return invalid(parser, "Host is missing");
	}
	if (parser->absolute) {
		struct str authority = span_str(parser, parser->authority);

		if (!is_host(authority) ||
		    (head->host.p != NULL && !str_eq_nocase(authority, head->host))) {
			return invalid(parser, "the target's host is not that of Host");
		}
		head->host = authority;
		if (head->path.n == 0) {
			bool all = head->method == HTTP_OPTIONS && head->query.n == 0;

			head->path = all ? STR_LIT("*") : STR_LIT("/");
		}
	}
	return true;
}
