#include "scheduler/limits.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "limit/limit_store.h"
#include "log/log.h"
#include "redis/redis.h"
#include "scheduler/app.h"

enum { SWEEP_MS = 10000 };

static enum err_code apply(struct app *app, const struct limit *items, size_t count,
                           struct err *err)
{
	char names[QUEUE_LIMITS_MAX][QUEUE_NAME_MAX + 1];
	struct queue_limit limits[QUEUE_LIMITS_MAX];
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < count; i++) {
		limit_of_queue(&items[i], names[i], &limits[i]);
	}
	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(app->node->redis);
	     shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);

		code = queue_limit_set(&queue, limits, count, err);
	}
	return code;
}

enum err_code limits_turn(struct app *app, struct err *err)
{
	uint64_t connection = redis_connection(app->node->redis), now = clock_mono_ms();
	struct limit *items = mem_calloc(QUEUE_LIMITS_MAX, sizeof(*items));
	size_t count = QUEUE_LIMITS_MAX;
	enum err_code code = ERR_OK;

	if (app->limits_connection != connection || now >= app->limits_swept_ms + SWEEP_MS) {
		app->limits_version = 0;
		app->limits_connection = connection;
		app->limits_swept_ms = now;
	}
	while (code == ERR_OK && count == QUEUE_LIMITS_MAX) {
		code = limit_list(app->node->pg, app->limits_version, items, QUEUE_LIMITS_MAX,
		                  &count, err);
		if (code == ERR_OK && count > 0) {
			code = apply(app, items, count, err);
		}
		if (code == ERR_OK && count > 0) {
			app->limits_version = items[count - 1].version;
			log_debug("limits.applied", "count=%zu", count);
		}
	}
	free(items);
	return code;
}
