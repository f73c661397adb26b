/*
 * The PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): what a proxy says of a
 * connection before the connection's own bytes.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"
#include "http/peer.h"

/* Version 1 has at most 107 bytes; version 2 says how many, and this is the most we take. */
enum { HTTP_PROXY_MAX = 2048 };

enum http_proxy_parsed { HTTP_PROXY_MORE, HTTP_PROXY_DONE, HTTP_PROXY_BAD };

struct http_proxy_head {
	size_t size; /* of the header; MORE: it has at least as many bytes */
	bool told;   /* peer is set; else the connection is the proxy's own, or of no known kind */
	char peer[HTTP_PEER_SIZE];
};

/* The first bytes of a connection. */
enum http_proxy_parsed http_proxy_parse(struct str bytes, struct http_proxy_head *ret) MUST_CHECK;
