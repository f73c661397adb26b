#include "scheduler/refill.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/log.h"
#include "queue/queue_again.h"
#include "scheduler/app.h"
#include "steer/publish.h"

/* The first page is small: workers wait for it. */
enum { FIRST_PAGE = 256, PAGE = 1024, FIBERS = 4 };

/* Sessions of one shard that go in one script. */
struct portion {
	unsigned shard;
	struct queue_submit items[QUEUE_REFILL_MAX];
	int64_t since_ms[QUEUE_REFILL_MAX];
	size_t count;
};

struct filling {
	struct app *app;
	struct portion *portions;
	size_t count, next, added;
	enum err_code code;
	struct err err;
};

void refill_begin(struct refill *refill)
{
	*refill = (struct refill){ .walk = { .priority = QUEUE_PRIORITY_MAX + 1,
		                             .max = FIRST_PAGE } };
}

static struct queue_submit submit_of(const struct session *row, struct arena *arena)
{
	struct steer_publication p;

	steer_publication_of(row, arena, &p);
	return (struct queue_submit){ .sid = p.sid,
		                      .tenant = p.tenant,
		                      .user = p.user,
		                      .project = p.project,
		                      .agent = p.agent,
		                      .key = p.key,
		                      .first = p.first,
		                      .priority = p.priority,
		                      .needs = p.needs,
		                      .likes = p.likes,
		                      .not_before_ms = p.not_before_ms,
		                      .hold = p.hold };
}

/* Each shard's in the order of the rows. */
static void cut(struct filling *filling, const struct session_batch *rows, struct arena *arena)
{
	struct portion *open[QUEUE_SHARDS_MAX] = { NULL };

	filling->portions = mem_calloc(rows->count / QUEUE_REFILL_MAX + QUEUE_SHARDS_MAX,
	                               sizeof(*filling->portions));
	for (size_t i = 0; i < rows->count; i++) {
		const struct session *row = &rows->items[i];
		unsigned shard = app_queue(filling->app, row->tenant.p).shard;
		struct portion *portion = open[shard];

		if (portion == NULL || portion->count == QUEUE_REFILL_MAX) {
			portion = open[shard] = &filling->portions[filling->count++];
			portion->shard = shard;
		}
		portion->since_ms[portion->count] = row->created_us / 1000;
		portion->items[portion->count++] = submit_of(row, arena);
	}
}

static void fill(void *arg)
{
	struct filling *filling = arg;
	struct app *app = filling->app;

	while (filling->code == ERR_OK && filling->next < filling->count) {
		const struct portion *portion = &filling->portions[filling->next++];
		const struct queue queue = queue_at(app->node->redis, portion->shard);
		const struct queue_refill refill = { portion->items, portion->since_ms,
			                             portion->count,
			                             log_epoch_floor(&app->node->store) };
		size_t added = 0;
		struct err err;
		enum err_code code = queue_refill(&queue, &refill, &added, &err);

		filling->added += added;
		if (code != ERR_OK) {
			filling->code = code;
			filling->err = err;
		}
	}
}

static enum err_code fill_all(struct filling *filling, struct err *err)
{
	struct fiber_group children = { .count = 0 };
	enum err_code code;

	for (unsigned i = 0; i < FIBERS; i++) {
		(void)fiber_start(filling->app->node->loop, &children, "refill", fill, filling);
	}
	code = fiber_group_wait(&children, FIBER_NO_TIMEOUT);
	if (code != ERR_OK) {
		fiber_group_cancel(&children, ERR_CANCELLED);
		fiber_shield();
		(void)!fiber_group_wait(&children, FIBER_NO_TIMEOUT);
		fiber_unshield();
		return err_set(err, code, "refill");
	}
	if (filling->code != ERR_OK) {
		*err = filling->err;
	}
	return filling->code;
}

enum err_code refill_page(struct app *app, bool *ret_more, struct err *err)
{
	struct refill *refill = &app->refill;
	struct arena *arena = arena_new();
	struct filling filling = { .app = app, .code = ERR_OK };
	struct session_batch rows;
	enum err_code code = session_waiting(app->node->pg, &refill->walk, arena, &rows, err);

	if (code == ERR_OK && rows.count > 0) {
		const struct session *last = &rows.items[rows.count - 1];

		cut(&filling, &rows, arena);
		code = fill_all(&filling, err);
		if (code == ERR_OK) {
			refill->walk.priority = last->priority;
			refill->walk.after = last->id;
		}
	}
	if (code == ERR_OK) {
		*ret_more = rows.count == refill->walk.max;
		refill->walk.max = PAGE;
		refill->seen += rows.count;
		refill->added += filling.added;
	}
	free(filling.portions);
	arena_free(arena);
	return code;
}
