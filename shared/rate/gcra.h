/*
 * The generic cell rate algorithm: so many units in a period, and so many at once.  One number is
 * kept for each limit: the time at which all that was taken would be paid for.
 *
 * lua/rate_take.lua is the same arithmetic in Redis.  All of it is in whole microseconds below
 * 2^53, so that both compute alike; a price is rounded up, so never more is given than was said.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GCRA_PRODUCT_MAX                                                                           \
	(UINT64_C(1) << 52) /* of period_us and burst, and of period_us and count */

struct gcra_limit {
	uint64_t count, period_us; /* count in period_us; count 0: no limit */
	uint64_t burst;            /* at once */
};

struct gcra_taken {
	uint64_t granted;  /* at least what was needed, or 0 */
	uint64_t left;     /* what could be taken now */
	uint64_t reset_us; /* until all of the burst can be taken */
	uint64_t retry_us; /* until what was needed can be; 0 when it was granted */
	uint64_t paid_us;  /* to be kept: when all is paid for */
};

/* Can it be computed, and does it let anything through? No limit is fine. */
bool gcra_limit_ok(const struct gcra_limit *limit);

/* Take between need and want, as many as there are; nothing when there are fewer than need. More
 * than the burst is needed by nobody: that counts as the burst. A time to be paid that is further
 * off than a burst's worth (the clock stepped back, the limit was lowered) counts as that. */
struct gcra_taken gcra_take(const struct gcra_limit *limit, uint64_t paid_us, uint64_t now_us,
                            uint64_t need, uint64_t want);
