#include "scheduler/reconcile.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "log/log.h"
#include "scheduler/app.h"
#include "scheduler/opening.h"
#include "scheduler/retake.h"
#include "session/session_json.h"
#include "steer/notify.h"
#include "steer/publish.h"

enum {
	ADMIT_WINDOW_MS = 5000,
	ADMIT_FULL_MS = 60000,
	ADMIT_OLDER_MS = 1000,
	ADMIT_PAGE = 64,
	RESTORE_PAGE = 64,
	TOKEN_SIZE = 64
};

/* first: it had its turn before. */
/* Where a living session is that no worker has. */
static enum session_state rest_of(enum session_state state)
{
	if (state == SESSION_STOPPING) {
		return SESSION_STOPPED;
	}
	return state == SESSION_PAUSING || state == SESSION_PAUSED ? SESSION_PAUSED
	                                                           : SESSION_QUEUED;
}

/* head: of its log before it was put to rest. One that was not queued has waited before. */
static enum err_code submit(struct app *app, const struct session *session,
                            const struct log_head *head, uint64_t epoch, struct arena *arena,
                            struct err *err)
{
	struct steer_publication publication;

	steer_publication_of(session, arena, &publication);
	publication.first = head->state != SESSION_QUEUED;
	if (rest_of(head->state) == SESSION_PAUSED) {
		publication.hold = STEER_HOLD_PAUSED;
	}
	return steer_enqueue(app->node->redis, &publication, epoch, err);
}

/* ---- accepted, not queued ---- */

/* The log of a new session; one that had a log before needs a rebuild. */
static enum err_code create_log(struct app *app, const struct session *session, struct err *err)
{
	const struct node *node = app->node;
	bool unmade = false, stored = false;
	enum err_code code = steer_is_unmade(&node->store, node->pg, session->tenant.p,
	                                     &session->id, &unmade, &stored, err);

	if (code == ERR_OK && unmade) {
		code = steer_make_log(&node->store, node->pg, &session->id, session->tenant.p,
		                      stored, err);
	}
	return code == ERR_REBUILD ? ERR_OK : code; /* opening_head() rebuilds what was lost */
}

static enum err_code admit(struct app *app, const struct session *session, struct arena *arena,
                           struct err *err)
{
	struct log_head head;
	enum err_code code = create_log(app, session, err);

	if (code == ERR_OK) {
		code = opening_head(app, &session->id, session->tenant.p, &head, err);
	}
	if (code == ERR_OK && head.found && !session_is_terminal(head.state)) {
		code = submit(app, session, &head, head.at.epoch, arena, err);
	}
	if (code == ERR_OK) {
		code = session_mark_queued(app->node->pg, session->tenant.p, &session->id, 1, err);
	}
	if (code == ERR_OK) {
		log_info("session.admitted", "session=%s tenant=%s", session->id.s,
		         session->tenant.p);
	}
	return code;
}

/*
 * Where a walk begins.  What is not in the queue was accepted a moment ago, so most walks look only
 * there: looking at all that wait would cost as much as they are many.  All are looked at now and
 * then, when a walk was not all well, and when Redis was away.
 */
static void begin_walk(struct app *app)
{
	static const unsigned char none[10];
	uint64_t now = clock_mono_ms(), wall_ms = (uint64_t)clock_wall_us() / 1000;

	if (!id_is_nil(&app->admit_after)) {
		return;
	}
	if (app->admit_all || now >= app->admitted_ms + ADMIT_FULL_MS) {
		app->admit_all = false;
		app->admitted_ms = now;
	} else {
		app->admit_after = id_make(wall_ms - ADMIT_WINDOW_MS, none);
	}
}

enum err_code reconcile_admit(struct app *app, struct err *err)
{
	struct session_walk walk = { .max = ADMIT_PAGE, .older_ms = ADMIT_OLDER_MS };
	struct arena *arena = arena_new();
	struct session_batch batch;
	enum err_code code;

	begin_walk(app);
	walk.after = app->admit_after;
	code = session_unqueued(app->node->pg, &walk, arena, &batch, err);

	for (size_t i = 0; code == ERR_OK && i < batch.count; i++) {
		code = admit(app, &batch.items[i], arena, err);
		if (code != ERR_OK) {
			app->admit_all = true;
			code = duty_item_failed(batch.items[i].id.s, code, err);
		}
	}
	if (code != ERR_OK) {
		app->admit_all = true;
		app->admit_after = (struct id){ "" };
	} else {
		bool more = batch.count == ADMIT_PAGE;

		app->admit_after = more ? batch.items[batch.count - 1].id : (struct id){ "" };
		if (more) {
			duty_ring(&app->duties[DUTY_ADMIT]);
		}
	}
	arena_free(arena);
	return code;
}

/* ---- living ---- */

/* In no set of the queue: whoever had it lost it with the queue. */
static enum err_code queue_again(struct app *app, const struct session *session,
                                 const struct log_head *head, struct arena *arena, struct err *err)
{
	char token[TOKEN_SIZE];
	struct opening opening = { .sid = session->id,
		                   .tenant = session->tenant.p,
		                   .cause = "requeue",
		                   .token = token,
		                   .epoch = head->at.epoch,
		                   .to = rest_of(head->state),
		                   .reason = "the queue was lost" };
	struct log_result result = { .outcome = LOG_OK,
		                     .state = head->state,
		                     .epoch = head->at.epoch };
	enum err_code code = ERR_OK;

	(void)snprintf(token, sizeof(token), "restore-%" PRIu64, head->at.epoch);
	if (head->state != opening.to) {
		opening.moves = true;
		code = opening_make(app, &opening, &result, err);
	}
	if (code != ERR_OK || result.outcome != LOG_OK || session_is_terminal(result.state)) {
		return code; /* it ended, or somebody else moved it: looked at again */
	}
	log_info("session.requeued", "session=%s was=%s", session->id.s,
	         session_state_name(head->state));
	return submit(app, session, head, result.epoch, arena, err);
}

/* Order matters: the queue is read before the log, since a session ends in the log first. */
static enum err_code restore(struct app *app, const struct session *session, struct arena *arena,
                             struct err *err)
{
	const struct queue queue = app_queue(app, session->tenant.p);
	struct queue_item item = { .set = QUEUE_NONE };
	struct log_head head;
	enum err_code code = queue_get(&queue, &session->id, &item, err);

	if (code == ERR_OK || code == ERR_NOT_FOUND) {
		code = opening_head(app, &session->id, session->tenant.p, &head, err);
	}
	if (code != ERR_OK || !head.found) {
		return code;
	}
	if (session_is_terminal(head.state)) {
		return item.set == QUEUE_NONE || item.set == QUEUE_DONE
		               ? ERR_OK
		               : retake_finish(app, &session->id, session->tenant.p, err);
	}
	return item.set == QUEUE_NONE ? queue_again(app, session, &head, arena, err) : ERR_OK;
}

/* A session that is not queued yet is for reconcile_admit() and the API. */
static bool is_new(const struct session *session)
{
	return session->state == SESSION_QUEUED && session->queued_us == 0 && session->epoch <= 1;
}

static enum err_code restore_page(struct app *app, struct arena *arena, bool *ret_more,
                                  struct err *err)
{
	const struct session_walk walk = { .after = app->restore_after, .max = RESTORE_PAGE };
	struct session_batch batch;
	enum err_code code = session_live(app->node->pg, &walk, arena, &batch, err);

	for (size_t i = 0; code == ERR_OK && i < batch.count; i++) {
		code = is_new(&batch.items[i]) ? ERR_OK : restore(app, &batch.items[i], arena, err);
		if (code != ERR_OK) {
			code = duty_item_failed(batch.items[i].id.s, code, err);
		}
	}
	if (code == ERR_OK) {
		*ret_more = batch.count == RESTORE_PAGE;
		app->restore_after =
			*ret_more ? batch.items[batch.count - 1].id : (struct id){ "" };
	}
	return code;
}

enum err_code reconcile_restore(struct app *app, struct err *err)
{
	uint64_t generation = app->node->store.generation, now = clock_mono_ms();
	bool more = false;
	enum err_code code;

	if (app->restored != generation && now < app->restore_due) {
		/* Workers give back what their journals have before the logs are opened again. */
		code = fiber_sleep(app->restore_due - now);
		if (code != ERR_OK) {
			return err_set(err, code, "waiting for journals");
		}
	}
	if (app->restored != generation && app->restoring != generation) {
		app->restoring = generation;
		app->restore_after = (struct id){ "" };
		log_info("restore.begun", "generation=%" PRIu64, generation);
	}
	do {
		struct arena *arena = arena_new();

		code = restore_page(app, arena, &more, err);
		arena_free(arena);
	} while (code == ERR_OK && more && app->restored != generation);
	if (code == ERR_OK && !more && app->restored != generation) {
		app->restored = generation;
		log_info("restore.done", "generation=%" PRIu64, generation);
	}
	return code;
}
