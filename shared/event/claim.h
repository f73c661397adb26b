/*
 * A claim: one of several says that it does something now, and for how long at most.
 *
 * It saves work and nothing else: it may lapse while its holder goes on, so that what is done under
 * a claim must be harmless when two do it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct redis;

struct claim {
	const char *key;    /* in Redis */
	const char *holder; /* whose: an id that nobody else uses */
};

/* Take it, or keep it, for that long from now. *ret_mine false: somebody else has it. */
enum err_code claim_take(struct redis *redis, const struct claim *claim, uint64_t ms,
                         bool *ret_mine, struct err *err) MUST_CHECK;
/* Give it back if it is still ours; works in a cancelled fiber. When that fails it lapses. */
void claim_drop(struct redis *redis, const struct claim *claim);
