#include "rate/gcra.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* In microseconds, rounded up. */
static uint64_t price(const struct gcra_limit *limit, uint64_t units)
{
	return (units * limit->period_us + limit->count - 1) / limit->count;
}

/* How many can be paid with it. */
static uint64_t worth(const struct gcra_limit *limit, uint64_t us)
{
	return us * limit->count / limit->period_us;
}

bool gcra_limit_ok(const struct gcra_limit *limit)
{
	if (limit->count == 0) {
		return true;
	}
	return limit->period_us > 0 && limit->burst > 0 &&
	       limit->burst <= GCRA_PRODUCT_MAX / limit->period_us &&
	       limit->count <= GCRA_PRODUCT_MAX / limit->period_us &&
	       limit->count <= limit->period_us;
}

struct gcra_taken gcra_take(const struct gcra_limit *limit, uint64_t paid_us, uint64_t now_us,
                            uint64_t need, uint64_t want)
{
	uint64_t whole = price(limit, limit->burst);
	uint64_t owed = paid_us > now_us ? least(paid_us - now_us, whole) : 0;
	uint64_t there = least(worth(limit, whole - owed), limit->burst);
	struct gcra_taken taken = { .granted = 0 };

	need = least(need, limit->burst);
	want = want > need ? want : need;
	if (there >= need) {
		taken.granted = least(want, there);
		owed += price(limit, taken.granted);
	} else {
		taken.retry_us = price(limit, need) - (whole - owed);
	}
	taken.left = least(worth(limit, whole - owed), limit->burst);
	taken.reset_us = owed;
	taken.paid_us = now_us + owed;
	return taken;
}
