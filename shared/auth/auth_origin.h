/*
 * Which page a browser's request comes from.  Pure.
 *
 * Browsers send cookies by themselves and open WebSockets to anywhere, so who asks is told by
 * Origin (RFC 6454, RFC 6455 section 10.2).  On a GET to its own origin a browser sends no Origin
 * (Fetch standard, "append a request Origin header"): then Sec-Fetch-Site tells, or else Referer.
 */
#pragma once

#include <stdbool.h>

#include "http/http.h"

enum auth_site {
	AUTH_SITE_OURS, /* same origin, or one of the list */
	AUTH_SITE_ANY,  /* of the list "*": trusted with nothing that browsers send by themselves */
	AUTH_SITE_FOREIGN, /* another page, or it makes no sense */
	AUTH_SITE_UNTOLD,  /* no browser, or one that does not say */
};

/* origins: a comma list of those that are as good as ours, or "*". */
enum auth_site auth_site_of(const struct http_request *req, const char *origins);

/* Is this the origin of pages served as `host` (a Host field)? https: the client came by TLS, so
 * the page has to as well. */
bool auth_origin_same(struct str origin, struct str host, bool https);
