/* What tokens cost, as this worker knows it: rows that schedulers keep in Redis, read now and then,
 * and what is built in. */
#pragma once

#include "cost/price.h"
#include "redis/redis.h"

struct prices {
	struct redis *redis;
	struct arena *arena; /* of own; NULL: none yet */
	struct cost_prices own;
};

void prices_fini(struct prices *prices);
void prices_run(void *arg); /* the body of a fiber */
