#include "http/proxy.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	V1_MAX = 107,
	V2_FIXED = 16,
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
	V2_INET = 0x11,
	V2_INET6 = 0x21
};
enum { V2_UNIX = 0x31, INET_SIZE = 12, INET6_SIZE = 36, UNIX_SIZE = 216 };

static const struct str v2_begins = { "\r\n\r\n\0\r\nQUIT\n", 12 };
static const struct str v1_begins = { "PROXY ", 6 };

/* As much as there is of both is the same. */
static bool may_begin(struct str bytes, struct str with)
{
	return memcmp(bytes.p, with.p, bytes.n < with.n ? bytes.n : with.n) == 0;
}

static enum http_proxy_parsed more(struct http_proxy_head *ret, size_t size)
{
	ret->size = size;
	return HTTP_PROXY_MORE;
}

/* ---- version 1: a line ---- */

/* An address of that family, written as we write it. */
static bool take_address(int family, struct str text, char out[HTTP_PEER_SIZE])
{
	struct in6_addr raw;

	return str_copy(out, HTTP_PEER_SIZE, text) && inet_pton(family, out, &raw) == 1 &&
	       inet_ntop(family, &raw, out, HTTP_PEER_SIZE) != NULL;
}

static bool is_port(struct str text)
{
	uint64_t port;

	return parse_u64(text, UINT16_MAX, &port);
}

/* "PROXY TCP4 source destination port port", between single spaces. */
static bool take_line(struct str line, struct http_proxy_head *ret)
{
	struct str kind, from, to, from_port;
	char destination[HTTP_PEER_SIZE];
	int family;

	(void)str_split(&line, ' ');
	kind = str_split(&line, ' ');
	if (str_eq(kind, STR_LIT("UNKNOWN"))) {
		return true;
	}
	from = str_split(&line, ' ');
	to = str_split(&line, ' ');
	from_port = str_split(&line, ' ');
	family = str_eq(kind, STR_LIT("TCP6")) ? AF_INET6 : AF_INET;
	ret->told = true;
	return (family == AF_INET6 || str_eq(kind, STR_LIT("TCP4"))) && from.p != NULL &&
	       to.p != NULL && line.p != NULL && take_address(family, from, ret->peer) &&
	       take_address(family, to, destination) && is_port(from_port) && is_port(line);
}

static enum http_proxy_parsed parse_v1(struct str bytes, struct http_proxy_head *ret)
{
	size_t most = bytes.n < V1_MAX ? bytes.n : V1_MAX;
	const char *end = memchr(bytes.p, '\n', most);

	if (end == NULL) {
		return most < V1_MAX ? more(ret, bytes.n + 1) : HTTP_PROXY_BAD;
	}
	ret->size = (size_t)(end - bytes.p) + 1;
	if (ret->size < 2 || end[-1] != '\r') {
		return HTTP_PROXY_BAD;
	}
	return take_line(str_make(bytes.p, ret->size - 2), ret) ? HTTP_PROXY_DONE : HTTP_PROXY_BAD;
}

/* ---- version 2: bytes ---- */

static bool take_block(unsigned char kind, struct str block, struct http_proxy_head *ret)
{
	int family = kind == V2_INET ? AF_INET : AF_INET6;

	if (kind != V2_INET && kind != V2_INET6) {
		return kind != V2_UNIX || block.n >= UNIX_SIZE;
	}
	ret->told = true;
	return block.n >= (kind == V2_INET ? INET_SIZE : INET6_SIZE) &&
	       inet_ntop(family, block.p, ret->peer, HTTP_PEER_SIZE) != NULL;
}

static enum http_proxy_parsed parse_v2(struct str bytes, struct http_proxy_head *ret)
{
	unsigned char command, kind;
	size_t size;

	if (bytes.n < V2_FIXED) {
		return more(ret, V2_FIXED);
	}
	command = (unsigned char)bytes.p[12];
	kind = (unsigned char)bytes.p[13];
	size = V2_FIXED + (size_t)((unsigned char)bytes.p[14] << 8 | (unsigned char)bytes.p[15]);
	if ((command != V2_LOCAL && command != V2_PROXY) || size > HTTP_PROXY_MAX) {
		return HTTP_PROXY_BAD;
	}
	if (bytes.n < size) {
		return more(ret, size);
	}
	ret->size = size;
	if (command == V2_LOCAL) {
		return HTTP_PROXY_DONE;
	}
	return take_block(kind, str_make(bytes.p + V2_FIXED, size - V2_FIXED), ret)
	               ? HTTP_PROXY_DONE
	               : HTTP_PROXY_BAD;
}

enum http_proxy_parsed http_proxy_parse(struct str bytes, struct http_proxy_head *ret)
{
	*ret = (struct http_proxy_head){ .told = false };
	if (bytes.n == 0) {
		return more(ret, 1);
	}
	if (may_begin(bytes, v2_begins)) {
		return parse_v2(bytes, ret);
	}
	if (!may_begin(bytes, v1_begins)) {
		return HTTP_PROXY_BAD;
	}
	return bytes.n < v1_begins.n ? more(ret, bytes.n + 1) : parse_v1(bytes, ret);
}
