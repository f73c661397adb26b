/* How much is ready, and how busy workers are. */
#pragma once

#include "queue/queue.h"

/* What an incarnation has in this shard. */
struct queue_load {
	unsigned working, parked;
};
/* Of at most QUEUE_BATCH_MAX incarnations; *ret_ready: how many sessions are ready. */
enum err_code queue_loads(const struct queue *queue, const char *const *incarnations, size_t count,
                          struct queue_load *loads, uint64_t *ret_ready,
                          struct err *err) MUST_CHECK;
