/*
 * What proxies say of where a request came from, read from the right, because each proxy adds to
 * the right and only what the nearest ones said can be believed: nothing that a client wrote
 * further left, however broken, changes what is read before it.  Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

struct http_hop {
	struct str address; /* without port and brackets; {NULL, 0}: none was told */
	struct str proto;   /* "https"; {NULL, 0}: not told */
};

/* The last element of a Forwarded field's value (RFC 7239 section 4); *rest is what is before it,
 * {NULL, 0} when nothing is. False: it is malformed, so nothing more can be read. */
bool http_forwarded_last(struct str *rest, struct http_hop *ret) MUST_CHECK;

/* The same of X-Forwarded-For, which has addresses only. */
bool http_x_forwarded_last(struct str *rest, struct http_hop *ret) MUST_CHECK;
