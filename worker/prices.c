#include "worker/prices.h"

#include "base/arena.h"
#include "cost/price_keys.h"
#include "log/log.h"

enum { READ_MS = 5000 };

static void take(struct prices *prices)
{
	struct arena *arena = arena_new();
	struct cost_prices known = { NULL, 0 };
	struct err err;

	if (cost_prices_read(prices->redis, arena, &known, &err) != ERR_OK) {
		log_debug("prices.unread", "%s", err.msg);
		arena_free(arena);
		return; /* those of before are good enough */
	}
	arena_free(prices->arena);
	prices->arena = arena;
	prices->known = known;
}

void prices_fini(struct prices *prices)
{
	arena_free(prices->arena);
	*prices = (struct prices){ .redis = NULL };
}

void prices_run(void *arg)
{
	struct prices *prices = arg;

	while (!fiber_cancelled()) {
		take(prices);
		(void)fiber_sleep(READ_MS);
	}
}
