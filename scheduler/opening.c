#include "scheduler/opening.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "event/segment.h"
#include "json/write.h"
#include "log/log.h"
#include "redis/redis.h"
#include "scheduler/app.h"

enum { STATUS_MAX = 1024 };

static void write_status(const struct opening *opening, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "status", session_state_name(opening->to));
	if (opening->reason != NULL) {
		jsonw_cstr(&w, "reason", opening->reason);
	}
	if (opening->worker != NULL) {
		jsonw_cstr(&w, "worker", opening->worker);
	}
	jsonw_end_object(&w);
}

/* Whether this Redis may be told to open logs again: its generation is the one that we carry, and
 * workers had time to give back what their journals have. */
static enum err_code may_rebuild(const struct app *app, struct err *err)
{
	if (redis_connection(app->node->redis) != app->connection) {
		return err_set(err, ERR_STALE, "the generation of this Redis is not known yet");
	}
	if (clock_mono_ms() < app->restore_due) {
		return err_set(err, ERR_STALE, "workers may still give back their journals");
	}
	return ERR_OK;
}

enum err_code opening_head(struct app *app, const struct id *sid, const char *tenant,
                           struct log_head *ret, struct err *err)
{
	const struct log_store *store = &app->node->store;
	struct log_result result;
	enum err_code code = log_head_get(store, sid, tenant, ret, err);

	if (code != ERR_OK || (ret->found && ret->generation == store->generation)) {
		return code;
	}
	if ((code = may_rebuild(app, err)) != ERR_OK) {
		return code;
	}
	code = log_rebuild(store, app->node->pg, sid, tenant, &result, err);
	if (code != ERR_OK) {
		return code;
	}
	if (result.outcome == LOG_OK) {
		log_info("session.rebuilt", "session=%s epoch=%" PRIu64, sid->s, result.epoch);
	} else if (result.outcome != LOG_ENDED && result.outcome != LOG_MOVED) {
		return log_result_err(&result, err);
	}
	return log_head_get(store, sid, tenant, ret, err);
}

enum err_code opening_raise(struct app *app, const struct opening *opening, struct log_result *ret,
                            struct err *err)
{
	struct log_open open = { .sid = opening->sid,
		                 .tenant = opening->tenant,
		                 .how = LOG_RAISE,
		                 .cause = opening->cause,
		                 .token = opening->token,
		                 .epoch = opening->epoch,
		                 .moves = opening->moves,
		                 .to = opening->to,
		                 .channel = opening->channel,
		                 .tell = opening->tell };
	enum err_code code;
	struct buf status;

	buf_init(&status, STATUS_MAX);
	write_status(opening, &status);
	if (opening->moves) {
		open.data = buf_str(&status);
	}
	code = log_open(&app->node->store, &open, ret, err);
	buf_fini(&status);
	return code;
}

enum err_code opening_make(struct app *app, const struct opening *opening, struct log_result *ret,
                           struct err *err)
{
	struct log_epoch epoch = { .sid = opening->sid,
		                   .tenant = opening->tenant,
		                   .cause = opening->cause,
		                   .worker_id = opening->worker,
		                   .generation = app->node->store.generation };
	enum err_code code = opening_raise(app, opening, ret, err);

	if (code == ERR_OK && ret->outcome == LOG_OK) {
		epoch.first = ret->first;
		code = log_epoch_store(app->node->pg, &epoch, err);
	}
	return code;
}
