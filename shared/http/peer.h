/* Who the client is when trusted proxies stand in between: the one place that says so to logs,
 * limits and the audit. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "http/http.h"

enum { HTTP_PEER_SIZE = INET6_ADDRSTRLEN, HTTP_PROXIES_MAX = 64 };

struct http_proxy {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;
};

/* Which field is believed: only one, since a proxy that writes one of them hands on the other as
 * the client wrote it. In the order of the words of http.forwarded_by. */
enum http_forwarded_by { HTTP_BY_X_FORWARDED_FOR, HTTP_BY_FORWARDED, HTTP_FORWARDED_BY_COUNT };

struct http_proxies {
	struct http_proxy list[HTTP_PROXIES_MAX];
	size_t count;
	bool local; /* "unix": whoever connects by a unix socket */
	enum http_forwarded_by by;
};

/* "127.0.0.1, 10.0.0.0/8, fd00::/8, unix" */
enum err_code http_proxies_parse(struct str text, struct http_proxies *ret,
                                 struct err *err) MUST_CHECK;

/* The textual address of a socket's other end; "unix" for a unix socket. */
void http_peer_of(const struct sockaddr_storage *address, char out[HTTP_PEER_SIZE]);

bool http_proxies_trust(const struct http_proxies *proxies, struct str peer);

/* The right-most address of X-Forwarded-For (or Forwarded) that is not a trusted proxy's own;
 * direct when the sender is not trusted. The result points into the request or is `direct`. */
struct str http_peer_behind(const struct http_proxies *proxies, const struct http_request *req,
                            struct str direct);

/* Does the sender, a trusted proxy, say that the client came by TLS (X-Forwarded-Proto: https, or
 * proto=https in Forwarded)? */
bool http_peer_is_https(const struct http_proxies *proxies, const struct http_request *req,
                        struct str direct);
