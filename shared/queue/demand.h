/* How much work there is, and will be soon, by what it needs of workers. */
#pragma once

#include "queue/queue.h"
#include "queue/queue_why.h"

/* What is ready. */
struct queue_demand {
	char needs[QUEUE_NEEDS_MAX + 1];
	uint64_t ready, oldest_ms; /* how many, and the age of the oldest */
	struct queue_spent spent;  /* by such sessions, lately */
};

/* From the first-th class on; demands has room for QUEUE_BATCH_MAX. */
enum err_code queue_demanded(const struct queue *queue, size_t first, struct queue_demand *demands,
                             size_t *ret_count, struct err *err) MUST_CHECK;

enum { QUEUE_SOON_MAX = 2 * QUEUE_BATCH_MAX };

/* One that will be ready, or want a slot again. */
struct queue_soon {
	char needs[QUEUE_NEEDS_MAX + 1];
	uint64_t in_ms;
	struct queue_spent spent; /* as above */
};

/* Those of the next within_ms of which that is known: delayed, and parked until a time. soon has
 * room for QUEUE_SOON_MAX. *ret_limited: sessions that are held for a limit. */
enum err_code queue_soon(const struct queue *queue, uint64_t within_ms, struct queue_soon *soon,
                         size_t *ret_count, uint64_t *ret_limited, struct err *err) MUST_CHECK;

/* Sessions of a tenant that wait for one limit. */
struct queue_limited {
	char tenant[QUEUE_NAME_MAX + 1];
	uint64_t sessions; /* more than there can be: all of the tenant */
};

/* Of the QUEUE_BATCH_MAX limits for which somebody waits longest; found has room for as many. */
enum err_code queue_limited(const struct queue *queue, struct queue_limited *found,
                            size_t *ret_count, struct err *err) MUST_CHECK;

/* ---- all shards together ---- */

enum { DEMAND_MAX = 512, DEMAND_SOON_MS = 600000 };

struct demand {
	char needs[QUEUE_NEEDS_MAX + 1];
	uint64_t ready, oldest_ms;
	uint64_t soon;    /* within DEMAND_SOON_MS */
	uint64_t next_ms; /* until the first of them; when soon > 0 */
	double mean_ms;   /* on a worker, 0: not known */
};

struct demands {
	struct demand *items; /* from mem_calloc(), DEMAND_MAX */
	size_t count;
	bool more;        /* there are further classes */
	uint64_t limited; /* sessions held for a limit */
};

enum err_code demand_read(struct redis *redis, struct demands *ret, struct err *err) MUST_CHECK;
void demand_fini(struct demands *demands);
