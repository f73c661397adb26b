#include "ws/handshake.h"

#include "http/parse.h"

enum { KEY_SIZE = 24, KEY_DIGITS = 22, VERSION = 13, VERSION_MAX = 255 };

static bool refuse(struct ws_handshake *ret, int status, const char *reason)
{
	*ret = (struct ws_handshake){ .status = status, .reason = reason };
	return false;
}

/* The next field of that name from *at on. */
static bool next_field(const struct http_request *req, const char *name, size_t *at,
                       struct str *ret_value)
{
	while (*at < req->header_count) {
		const struct http_header *header = &req->headers[(*at)++];

		if (str_eq_nocase(header->name, str_of(name))) {
			*ret_value = header->value;
			return true;
		}
	}
	return false;
}

/* The value of a field that is there exactly once. */
static bool one_field(const struct http_request *req, const char *name, struct str *ret_value)
{
	struct str again;
	size_t at = 0;

	return next_field(req, name, &at, ret_value) && !next_field(req, name, &at, &again);
}

static bool lists(const struct http_request *req, const char *name, const char *token)
{
	struct str value, element;

	for (size_t at = 0; next_field(req, name, &at, &value);) {
		while (http_list_next(&value, &element)) {
			if (str_eq_nocase(element, str_of(token))) {
				return true;
			}
		}
	}
	return false;
}

static bool is_base64_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

/* Base64 of 16 bytes. The four bits left over may be set: an example of the RFC has them so. */
static bool is_key(struct str key)
{
	if (key.n != KEY_SIZE || key.p[KEY_DIGITS] != '=' || key.p[KEY_DIGITS + 1] != '=') {
		return false;
	}
	for (size_t i = 0; i < KEY_DIGITS; i++) {
		if (!is_base64_digit(key.p[i])) {
			return false;
		}
	}
	return true;
}

static bool check_upgrade(const struct http_request *req, struct ws_handshake *ret)
{
	struct str host;

	if (req->method != HTTP_GET) {
		return refuse(ret, 405, "a WebSocket begins with GET");
	}
	if (!lists(req, "Upgrade", "websocket") || !lists(req, "Connection", "upgrade")) {
		return refuse(ret, 426,
		              "this is a WebSocket: the request must ask for the upgrade");
	}
	/* An upgrade asked by HTTP/1.0 means nothing (RFC 9110 section 7.8); 1.1 has a Host. */
	return one_field(req, "Host", &host) && host.n > 0
	               ? true
	               : refuse(ret, 400, "the handshake has no Host");
}

static bool check_version(const struct http_request *req, struct ws_handshake *ret)
{
	struct str text;
	uint64_t version;

	/* RFC 6455 section 11.6: 0 to 255 without leading zeros. */
	if (!one_field(req, "Sec-WebSocket-Version", &text) ||
	    !parse_u64(text, VERSION_MAX, &version) || (text.n > 1 && text.p[0] == '0')) {
		return refuse(ret, 400, "Sec-WebSocket-Version must be there once and be a number");
	}
	return version == VERSION
	               ? true
	               : refuse(ret, 426,
	                        "this version of the WebSocket protocol is not spoken here");
}

static bool take_key(const struct http_request *req, struct ws_handshake *ret)
{
	struct str key;

	if (!one_field(req, "Sec-WebSocket-Key", &key) || !is_key(key)) {
		return refuse(ret, 400,
		              "Sec-WebSocket-Key must be there once and be 16 bytes in base64");
	}
	ws_accept(key, ret->accept);
	return true;
}

static const char *find_protocol(const struct ws_policy *policy, struct str name)
{
	for (const char *const *p = policy->protocols; p != NULL && *p != NULL; p++) {
		if (str_eq(name, str_of(*p))) {
			return *p;
		}
	}
	return NULL;
}

/* Tokens, each once, the client's favourite first (RFC 6455 section 4.1). */
static bool take_protocol(const struct http_request *req, const struct ws_policy *policy,
                          struct ws_handshake *ret)
{
	struct str seen[WS_PROTOCOLS_MAX], value, name;
	size_t count = 0;

	for (size_t at = 0; next_field(req, "Sec-WebSocket-Protocol", &at, &value);) {
		while (http_list_next(&value, &name)) {
			if (!http_is_token(name) || count == WS_PROTOCOLS_MAX) {
				return refuse(ret, 400,
				              "Sec-WebSocket-Protocol is not a list of few tokens");
			}
			for (size_t i = 0; i < count; i++) {
				if (str_eq(seen[i], name)) {
					return refuse(ret, 400, "a subprotocol is named twice");
				}
			}
			seen[count++] = name;
			if (ret->protocol == NULL) {
				ret->protocol = find_protocol(policy, name);
			}
		}
	}
	return true;
}

static bool take_extensions(const struct http_request *req, const struct ws_policy *policy,
                            struct ws_handshake *ret)
{
	struct str value;

	for (size_t at = 0; next_field(req, "Sec-WebSocket-Extensions", &at, &value);) {
		if (!ws_extension_offer(value, &policy->deflate, &ret->deflate)) {
			return refuse(ret, 400, "Sec-WebSocket-Extensions is malformed");
		}
	}
	return true;
}

void ws_handshake(const struct http_request *req, const struct ws_policy *policy,
                  struct ws_handshake *ret)
{
	*ret = (struct ws_handshake){ .status = 0 };
	if (check_upgrade(req, ret) && check_version(req, ret) && take_key(req, ret) &&
	    take_protocol(req, policy, ret) && take_extensions(req, policy, ret)) {
		ret->status = 101;
	}
}
