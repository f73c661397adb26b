#include "scheduler/promote.h"

#include "scheduler/app.h"

enum { KEEP_DONE_MS = 600000 };

enum err_code promote_turn(struct app *app, struct err *err)
{
	for (unsigned shard = 0; shard < QUEUE_SHARDS; shard++) {
		const struct queue queue = { app->node->redis, shard };
		uint64_t next_ms;
		size_t count;

		do {
			enum err_code code =
				queue_promote(&queue, KEEP_DONE_MS, &count, &next_ms, err);

			if (code != ERR_OK) {
				return code;
			}
		} while (count == QUEUE_BATCH_MAX);
	}
	return ERR_OK;
}
