#include "scheduler/sweep.h"

#include "log/log.h"
#include "queue/lease.h"
#include "redis/redis.h"
#include "scheduler/app.h"
#include "scheduler/retake.h"

enum { LOST_MAX = 16, ITEMS_MAX = 32 };

/* *ret_empty: nothing is left of this incarnation in the shard. */
static enum err_code empty_shard(struct app *app, const struct queue *queue,
                                 const char *incarnation, bool *ret_empty, struct err *err)
{
	struct queue_item items[ITEMS_MAX];
	struct queue_page page = { items, ITEMS_MAX, 0 };
	size_t taken = 0;
	enum err_code code;

	do {
		code = queue_of_worker(queue, incarnation, &page, err);
		taken = 0;
		for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
			code = retake_item(app, &items[i], RETAKE_LOST, err);
			taken += code == ERR_OK;
			if (code != ERR_OK) {
				code = duty_item_failed(items[i].sid.s, code, err);
			}
		}
	} while (code == ERR_OK && page.count > 0 && taken == page.count);
	*ret_empty = code == ERR_OK && page.count == 0;
	return code;
}

static enum err_code clear_worker(struct app *app, const struct lease_lost *lost, struct err *err)
{
	bool empty = true;

	log_info("worker.lost", "worker=%s incarnation=%s", lost->worker, lost->incarnation);
	for (unsigned shard = 0; shard < redis_shards(app->node->redis); shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);
		bool cleared;
		enum err_code code = empty_shard(app, &queue, lost->incarnation, &cleared, err);

		if (code != ERR_OK) {
			return code;
		}
		empty = empty && cleared;
	}
	return empty ? lease_forget(app->node->redis, lost->incarnation, err) : ERR_OK;
}

enum err_code sweep_turn(struct app *app, struct err *err)
{
	struct lease_lost lost[LOST_MAX];
	size_t count;
	enum err_code code = lease_sweep(app->node->redis, lost, LOST_MAX, &count, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		code = clear_worker(app, &lost[i], err);
	}
	return code;
}
