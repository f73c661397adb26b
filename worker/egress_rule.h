/*
 * Which hosts an agent in a sandbox may reach, and what it asks the egress proxy for.  Pure.
 *
 * A rule is "host[:port]", "*.domain[:port]" (its subdomains) or "*", before which "tenant=" may
 * stand: it is for that tenant only.  Without a port it is for 80 and 443.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum { EGRESS_HEAD_MAX = 16384, EGRESS_HOST_MAX = 255 };

struct egress_target {
	char host[EGRESS_HOST_MAX + 1]; /* lower case, IPv6 without brackets */
	unsigned port;
};

bool egress_rule_fits(struct str rule, struct str tenant, const struct egress_target *target);
/* Whether one of a comma list does. */
bool egress_rules_fit(const char *rules, struct str tenant, const struct egress_target *target);

struct egress_request {
	struct egress_target target;
	bool connects; /* CONNECT: a tunnel (RFC 9110 section 9.3.6) */
};

/* head: up to and with its empty line. False: it is no request for a proxy. What the server of a
 * request that does not connect is to be sent in its place is added to ret_head. */
bool egress_parse(struct str head, struct egress_request *ret, struct buf *ret_head) MUST_CHECK;
