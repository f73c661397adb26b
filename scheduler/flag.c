#include "scheduler/flag.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "event/log.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"
#include "queue/demand.h"
#include "queue/queue_flag.h"
#include "queue/words.h"
#include "redis/redis.h"
#include "scheduler/app.h"

enum {
	OLD_MS = 250,      /* a class that nobody fits for less may be about to get a worker */
	SETTLED_MS = 3000, /* after a connection to Redis: workers register again */
	DATA_MAX = 4 * 1024,
	PRODUCER_SIZE = 64,
	TELL_AT_ONCE = 16,
};

static bool anybody_fits(const struct fleet *fleet, const char *needs)
{
	for (size_t i = 0; i < fleet->count; i++) {
		if (!fleet->workers[i].draining && words_fit(fleet->workers[i].has, needs)) {
			return true;
		}
	}
	return false;
}

/* ---- telling ---- */

struct telling {
	struct app *app;
	const struct queue_flag *flag;
	const char *producer;
	struct str data;
	bool unfit;
	enum err_code code;
	struct err err;
};

/* One that is not queued any more, or has gone, needs no word. */
static void tell(void *arg)
{
	struct telling *t = arg;
	const struct log_new event = { EVENT_TYPE_WAITING, t->data };
	const struct log_batch batch = { .sid = t->flag->sid,
		                         .tenant = t->flag->tenant,
		                         .producer = t->producer,
		                         .seq = t->unfit ? 1 : 2,
		                         .from = session_bit(SESSION_QUEUED),
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;

	t->code = log_append(&t->app->node->store, &batch, &result, &t->err);
}

static enum err_code tell_some(struct app *app, const struct queue_flag *flags, size_t count,
                               const struct telling *what, struct err *err)
{
	struct telling tellings[TELL_AT_ONCE];
	struct fiber_group children = { .count = 0 };
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		tellings[i] = *what;
		tellings[i].flag = &flags[i];
		(void)fiber_start(app->node->loop, &children, "flag", tell, &tellings[i]);
	}
	code = fiber_group_wait(&children, FIBER_NO_TIMEOUT);
	if (code != ERR_OK) {
		fiber_group_cancel(&children, ERR_CANCELLED);
		fiber_shield();
		(void)!fiber_group_wait(&children, FIBER_NO_TIMEOUT);
		fiber_unshield();
		return err_set(err, code, "flags");
	}
	for (size_t i = 0; i < count && code == ERR_OK; i++) {
		if (tellings[i].code != ERR_OK) {
			*err = tellings[i].err;
			code = duty_item_failed(flags[i].sid.s, tellings[i].code, err);
		}
	}
	return code;
}

static void write_data(const char *needs, bool unfit, struct buf *out)
{
	struct jsonw w;

	buf_init(out, DATA_MAX);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "for", "worker");
	jsonw_cstr(&w, "needs", needs);
	if (unfit) {
		jsonw_cstr(&w, "message", "no living worker has all that this session needs");
	} else {
		jsonw_bool(&w, "over", true);
	}
	jsonw_end_object(&w);
}

static enum err_code tell_all(struct app *app, const char *needs, bool unfit,
                              const struct queue_flags *flags, struct err *err)
{
	char producer[PRODUCER_SIZE];
	struct telling what = { .app = app, .producer = producer, .unfit = unfit };
	enum err_code code = ERR_OK;
	struct buf data;

	(void)snprintf(producer, sizeof(producer), "flag:%" PRIu64 ":%" PRIu64, flags->class,
	               flags->episode);
	write_data(needs, unfit, &data);
	what.data = buf_str(&data);
	for (size_t i = 0; i < flags->count && code == ERR_OK; i += TELL_AT_ONCE) {
		size_t left = flags->count - i;

		code = tell_some(app, &flags->items[i], left < TELL_AT_ONCE ? left : TELL_AT_ONCE,
		                 &what, err);
	}
	buf_fini(&data);
	return code;
}

/* ---- classes ---- */

static enum err_code look_at(struct app *app, const struct queue *queue,
                             const struct queue_demand *demand, uint64_t *unfit_count,
                             struct err *err)
{
	bool unfit = !anybody_fits(&app->fleet, demand->needs);
	struct queue_flags flags = { .class = 0 };
	enum err_code code = ERR_OK;

	if (unfit) {
		*unfit_count += demand->ready;
		if (demand->oldest_ms < OLD_MS) {
			return ERR_OK;
		}
	}
	flags.items = mem_calloc(QUEUE_FLAGS_MAX, sizeof(*flags.items));
	do {
		code = queue_flag_next(queue, demand->needs, unfit, &flags, err);
		if (code == ERR_OK && flags.count > 0) {
			log_info(unfit ? "sessions.unfit" : "sessions.fit", "needs=%s count=%zu",
			         demand->needs, flags.count);
			code = tell_all(app, demand->needs, unfit, &flags, err);
		}
	} while (code == ERR_OK && flags.count > 0);
	free(flags.items);
	return code;
}

static enum err_code look_at_shard(struct app *app, const struct queue *queue,
                                   uint64_t *unfit_count, struct err *err)
{
	struct queue_demand *demands = mem_calloc(QUEUE_BATCH_MAX, sizeof(*demands));
	size_t first = 0, count = QUEUE_BATCH_MAX;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && count == QUEUE_BATCH_MAX) {
		code = queue_demanded(queue, first, demands, &count, err);
		for (size_t i = 0; code == ERR_OK && i < count; i++) {
			code = look_at(app, queue, &demands[i], unfit_count, err);
		}
		first += QUEUE_BATCH_MAX;
	}
	free(demands);
	return code;
}

/* While nobody lives, or not all are known, nothing can be said. */
enum err_code flag_turn(struct app *app, struct err *err)
{
	uint64_t unfit = 0;
	enum err_code code = ERR_OK;

	if (app->fleet.count == 0 || fleet_is_cut(&app->fleet) ||
	    clock_mono_ms() < app->restore_due + SETTLED_MS) {
		return ERR_OK;
	}
	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(app->node->redis);
	     shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);

		code = look_at_shard(app, &queue, &unfit, err);
	}
	if (code == ERR_OK) {
		metric_set(METRIC_QUEUE_UNFIT, NULL, (double)unfit);
	}
	return code;
}
