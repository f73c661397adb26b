#include "http/peer.h"

#include <arpa/inet.h>
#include <string.h>

#include "http/forwarded.h"
#include "http/parse.h"

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

/* Without a port, and without brackets. */
static bool parse_address(struct str s, struct in6_addr *ret, unsigned *ret_offset)
{
	char text[HTTP_PEER_SIZE];
	struct in_addr v4;

	if (!str_copy(text, sizeof(text), s)) {
		return false;
	}
	if (inet_pton(AF_INET, text, &v4) == 1) {
		memcpy(ret->s6_addr, mapped, sizeof(mapped));
		memcpy(ret->s6_addr + sizeof(mapped), &v4, sizeof(v4));
		*ret_offset = 8 * sizeof(mapped);
		return true;
	}
	*ret_offset = 0;
	return inet_pton(AF_INET6, text, ret) == 1;
}

static bool parse_proxy(struct str element, struct http_proxy *ret)
{
	struct str bits = element, address = str_split(&bits, '/');
	unsigned offset;
	uint64_t n = 0;

	if (!parse_address(address, &ret->address, &offset)) {
		return false;
	}
	if (bits.p == NULL) {
		n = 128 - offset;
	} else if (!parse_u64(bits, 128 - offset, &n)) {
		return false;
	}
	ret->bits = offset + (unsigned)n;
	return true;
}

enum err_code http_proxies_parse(struct str text, struct http_proxies *ret, struct err *err)
{
	struct http_proxies proxies = { .count = 0 };
	struct str element;

	while (http_list_next(&text, &element)) {
		if (str_eq(element, STR_LIT("unix"))) {
			proxies.local = true;
			continue;
		}
		if (proxies.count == HTTP_PROXIES_MAX) {
			return err_set(err, ERR_INVALID, "more than %d trusted proxies",
			               HTTP_PROXIES_MAX);
		}
		if (!parse_proxy(element, &proxies.list[proxies.count++])) {
			return err_set(err, ERR_INVALID,
			               "trusted proxy \"%" STR_FMT "\" is no address",
			               STR_ARG(element));
		}
	}
	*ret = proxies;
	return ERR_OK;
}

static bool is_within(const struct http_proxy *proxy, const struct in6_addr *address)
{
	size_t whole = proxy->bits / 8;
	unsigned rest = proxy->bits % 8;

	if (memcmp(proxy->address.s6_addr, address->s6_addr, whole) != 0) {
		return false;
	}
	return rest == 0 ||
	       (proxy->address.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - rest) == 0;
}

bool http_proxies_trust(const struct http_proxies *proxies, struct str peer)
{
	struct in6_addr address;
	unsigned offset;

	if (str_eq(peer, STR_LIT("unix"))) {
		return proxies->local;
	}
	if (!parse_address(peer, &address, &offset)) {
		return false;
	}
	for (size_t i = 0; i < proxies->count; i++) {
		if (is_within(&proxies->list[i], &address)) {
			return true;
		}
	}
	return false;
}

void http_peer_of(const struct sockaddr_storage *address, char out[HTTP_PEER_SIZE])
{
	const void *raw = address;

	(void)str_copy(out, HTTP_PEER_SIZE, STR_LIT("unix"));
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = raw;

		(void)inet_ntop(AF_INET, &v4->sin_addr, out, HTTP_PEER_SIZE);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = raw;

		(void)inet_ntop(AF_INET6, &v6->sin6_addr, out, HTTP_PEER_SIZE);
	}
}

/* The name of the field that is believed, and how it is read. */
static const struct {
	const char *name;
	bool (*last)(struct str *rest, struct http_hop *ret);
} fields[HTTP_FORWARDED_BY_COUNT] = {
	[HTTP_BY_X_FORWARDED_FOR] = { "X-Forwarded-For", http_x_forwarded_last },
	[HTTP_BY_FORWARDED] = { "Forwarded", http_forwarded_last },
};

struct str http_peer_behind(const struct http_proxies *proxies, const struct http_request *req,
                            struct str direct)
{
	struct str peer = direct;
	struct in6_addr address;
	unsigned offset;

	for (size_t i = req->header_count; i-- > 0;) {
		struct str rest = req->headers[i].value;
		struct http_hop hop;

		if (!str_eq_nocase(req->headers[i].name, str_of(fields[proxies->by].name))) {
			continue;
		}
		while (rest.p != NULL) {
			if (!http_proxies_trust(proxies, peer) ||
			    !fields[proxies->by].last(&rest, &hop) ||
			    !parse_address(hop.address, &address, &offset)) {
				return peer;
			}
			peer = hop.address;
		}
	}
	return peer;
}

bool http_peer_is_https(const struct http_proxies *proxies, const struct http_request *req,
                        struct str direct)
{
	bool both = proxies->by == HTTP_BY_FORWARDED;
	const char *name = both ? "Forwarded" : "X-Forwarded-Proto";

	for (size_t i = req->header_count; i-- > 0;) {
		struct str rest = req->headers[i].value;
		struct http_hop hop = { .proto = { NULL, 0 } };

		if (!str_eq_nocase(req->headers[i].name, str_of(name))) {
			continue;
		}
		/* The last word is of the proxy that we trust. */
		if (both && !http_forwarded_last(&rest, &hop)) {
			return false;
		}
		if (!both) {
			const char *comma = rest.n > 0 ? memrchr(rest.p, ',', rest.n) : NULL;

			hop.proto = str_trim(
				comma == NULL ? rest
					      : str_make(comma + 1,
			                                 (size_t)(rest.p + rest.n - (comma + 1))));
		}
		return http_proxies_trust(proxies, direct) &&
		       str_eq_nocase(hop.proto, STR_LIT("https"));
	}
	return false;
}
