/* What tokens cost, as this worker knows it: rows that schedulers keep in Redis, read now and
 * then. */
#pragma once

#include "cost/price.h"
#include "redis/redis.h"

struct prices {
	struct redis *redis;
	struct arena *arena; /* of known; NULL: none yet */
	struct cost_prices known;
};

void prices_fini(struct prices *prices);
void prices_run(void *arg); /* the body of a fiber */
