/*
 * How many requests of a tenant and of a key this node has under way: so that one of them, waiting
 * for something slow, does not take the room of all others.  Streams have limits of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "rate/limits.h"

struct inflight;

struct inflight_options {
	size_t tenant, key; /* most at the same time; 0: no limit */
};

struct inflight *inflight_new(const struct inflight_options *options) MUST_CHECK;
void inflight_free(struct inflight *inflight); /* NULL is a no-op */

/* Where a request was counted. */
struct inflight_taken {
	struct inflight_count *tenant, *key; /* NULL: nowhere */
};

/* key "": none. False: there are too many of *ret_kind, and this one is not counted. */
bool inflight_enter(struct inflight *inflight, const char *tenant, const char *key,
                    struct inflight_taken *ret, enum rate_kind *ret_kind) MUST_CHECK;
/* Once for each that was let in. */
void inflight_leave(struct inflight *inflight, const struct inflight_taken *taken);
