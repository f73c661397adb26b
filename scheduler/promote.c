#include "scheduler/promote.h"

#include "log/log.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "scheduler/app.h"

enum { KEEP_DONE_MS = 600000 };

enum err_code promote_turn(struct app *app, struct err *err)
{
	for (unsigned shard = 0; shard < redis_shards(app->node->redis); shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);
		struct queue_promoted promoted;

		do {
			enum err_code code = queue_promote(&queue, KEEP_DONE_MS, &promoted, err);

			if (code != ERR_OK) {
				return code;
			}
			if (promoted.drift > 0) {
				log_error("queue.drift", "shard=%u leases=%zu", shard,
				          promoted.drift);
				metric_add(METRIC_QUEUE_DRIFT, NULL, (double)promoted.drift);
			}
		} while (promoted.count == QUEUE_BATCH_MAX);
	}
	return ERR_OK;
}
