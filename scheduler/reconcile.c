#include "scheduler/reconcile.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "log/log.h"
#include "queue/queue_again.h"
#include "scheduler/app.h"
#include "scheduler/limits.h"
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
	AWAIT_MS = 20,
	RESTORE_FIBERS = 16,
	REBUILD_FIBERS = 2,
	REBUILD_PAUSE_MS = 100,
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
	publication.copy = STR_LIT(""); /* its log may be further than its row */
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
	uint64_t epoch;
	enum err_code code = steer_is_unmade(&node->store, node->pg, session->tenant.p,
	                                     &session->id, &unmade, &stored, err);

	if (code == ERR_OK && unmade) {
		code = steer_make_log(&node->store, node->pg, &session->id, session->tenant.p,
		                      stored, &epoch, err);
	}
	return code == ERR_REBUILD ? ERR_OK : code; /* opening_head() rebuilds what was lost */
}

static enum err_code admit(struct app *app, const struct session *session, struct arena *arena,
                           struct err *err)
{
	struct log_head head;
	enum err_code code = create_log(app, session, err);

	/* A log that was made while Redis was emptied may not be the first one of its session. */
	if (code == ERR_OK) {
		code = log_is_current(&app->node->store, err);
	}
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
 * Where a walk begins.  What is not in the queue was accepted a moment ago, or since the last walk
 * if that is longer ago, so most walks look only there: looking at all that wait would cost as much
 * as they are many.  All are looked at now and then, when a walk was not all well, and when Redis
 * was away.
 */
static void begin_walk(struct app *app)
{
	static const unsigned char none[10];
	uint64_t now = clock_mono_ms(), wall_ms = (uint64_t)clock_wall_us() / 1000;

	if (!id_is_nil(&app->admit_after)) {
		return;
	}
	if (app->admit_all || app->admit_walked_ms == 0 ||
	    now >= app->admitted_ms + ADMIT_FULL_MS) {
		app->admit_all = false;
		app->admitted_ms = now;
	} else {
		uint64_t since = app->admit_walked_ms < wall_ms ? app->admit_walked_ms : wall_ms;

		app->admit_after = id_make(since - ADMIT_WINDOW_MS, none);
	}
	app->admit_began_ms = wall_ms;
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
		} else {
			app->admit_walked_ms = app->admit_began_ms;
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

/*
 * A worker that attested what it has and died before it registered in this Redis is known to
 * nobody: no lease of it ends. What is lost as usual may be found here first.
 */
static enum err_code look_for_worker(struct app *app, const struct queue_item *item,
                                     struct err *err)
{
	bool alive = true;
	enum err_code code;

	if ((item->set != QUEUE_LEASED && item->set != QUEUE_PARKED) ||
	    fleet_find(&app->fleet, item->incarnation) != NULL) {
		return ERR_OK;
	}
	code = lease_lives(app->node->redis, item->incarnation, &alive, err);
	return code != ERR_OK || alive ? code : retake_item(app, item, RETAKE_LOST, err);
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
	return item.set == QUEUE_NONE ? queue_again(app, session, &head, arena, err)
	                              : look_for_worker(app, &item, err);
}

/* A session that is not queued yet is for reconcile_admit() and the API. */
static bool is_new(const struct session *session)
{
	return session->state == SESSION_QUEUED && session->queued_us == 0 && session->epoch <= 1;
}

/* ---- many at a time ---- */

typedef enum err_code(page_fn)(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                               struct session_batch *ret, struct err *err);

struct page {
	struct app *app;
	struct arena *arena;
	struct session_batch batch;
	size_t next;
	enum err_code code;
	struct err err;
};

static void restore_some(void *arg)
{
	struct page *page = arg;

	while (page->code == ERR_OK && page->next < page->batch.count) {
		const struct session *session = &page->batch.items[page->next++];
		struct err err;
		enum err_code code = ERR_OK;

		if (!is_new(session)) {
			code = restore(page->app, session, page->arena, &err);
		}
		if (code != ERR_OK) {
			code = duty_item_failed(session->id.s, code, &err);
		}
		if (code != ERR_OK) {
			page->code = code;
			page->err = err;
		}
	}
}

static enum err_code restore_all(struct page *page, unsigned fibers, struct err *err)
{
	struct fiber_group children = { .count = 0 };
	enum err_code code;

	for (unsigned i = 0; i < fibers; i++) {
		(void)fiber_start(page->app->node->loop, &children, "restore", restore_some, page);
	}
	code = fiber_group_wait(&children, FIBER_NO_TIMEOUT);
	if (code != ERR_OK) {
		fiber_group_cancel(&children, ERR_CANCELLED);
		fiber_shield();
		(void)!fiber_group_wait(&children, FIBER_NO_TIMEOUT);
		fiber_unshield();
		return err_set(err, code, "restore");
	}
	if (page->code != ERR_OK) {
		*err = page->err;
	}
	return page->code;
}

static enum err_code restore_page(struct app *app, page_fn *read, struct id *after, unsigned fibers,
                                  bool *ret_more, struct err *err)
{
	const struct session_walk walk = { .after = *after, .max = RESTORE_PAGE };
	struct page page = { .app = app, .arena = arena_new(), .code = ERR_OK };
	enum err_code code = read(app->node->pg, &walk, page.arena, &page.batch, err);

	if (code == ERR_OK) {
		code = restore_all(&page, fibers, err);
	}
	if (code == ERR_OK) {
		*ret_more = page.batch.count == RESTORE_PAGE;
		*after = *ret_more ? page.batch.items[page.batch.count - 1].id : (struct id){ "" };
	}
	arena_free(page.arena);
	return code;
}

/* ---- after a loss ---- */

static void begin_restore(struct app *app, uint64_t generation)
{
	if (app->restoring != generation) {
		app->restoring = generation;
		app->begun_after = app->restore_after = (struct id){ "" };
		app->begun = false;
		refill_begin(&app->refill);
		log_info("restore.begun", "generation=%" PRIu64, generation);
	}
}

/*
 * First what had begun: its worker has told the queue by now that it has it, or it is lost.  Then
 * what waits, which needs its log only when it starts.  Limits come before both.
 */
static enum err_code fill_queue(struct app *app, uint64_t generation, struct err *err)
{
	enum err_code code = limits_turn(app, err);
	bool more = true;

	while (code == ERR_OK && !app->begun) {
		code = restore_page(app, session_begun, &app->begun_after, RESTORE_FIBERS, &more,
		                    err);
		app->begun = code == ERR_OK && !more;
	}
	more = true;
	while (code == ERR_OK && more && app->restoring == app->node->store.generation) {
		code = refill_page(app, &more, err);
	}
	if (code == ERR_OK && !more) {
		app->restored = generation;
		log_info("restore.done", "generation=%" PRIu64 " waiting=%zu added=%zu", generation,
		         app->refill.seen, app->refill.added);
	}
	return code;
}

/* They give back what their journals have, and say which sessions they have, before anything is
 * queued or logs are opened again. */
static enum err_code await_workers(struct app *app, struct err *err)
{
	while (app->restored != app->node->store.generation && clock_mono_ms() < app->restore_due) {
		enum err_code code = fiber_sleep(AWAIT_MS);

		if (code != ERR_OK) {
			return err_set(err, code, "waiting for workers");
		}
		if (fleet_all_back(&app->fleet, app->node->store.generation)) {
			app->restore_due = clock_mono_ms();
		}
	}
	return ERR_OK;
}

/* What the queue was before it got more shards, or another form. */
static enum err_code clear_former(struct app *app, uint64_t generation, struct err *err)
{
	uint64_t cursor = 0;
	size_t dropped = 0, count;
	enum err_code code;

	do {
		code = queue_drop_former(app->node->redis, &cursor, &count, err);
		dropped += code == ERR_OK ? count : 0;
	} while (code == ERR_OK && cursor != 0 && app->node->store.generation == generation);
	if (code == ERR_OK && cursor == 0) {
		app->cleared = generation;
		if (dropped > 0) {
			log_info("restore.cleared", "generation=%" PRIu64 " keys=%zu", generation,
			         dropped);
		}
	}
	return code;
}

enum err_code reconcile_restore(struct app *app, struct err *err)
{
	uint64_t generation;
	enum err_code code = await_workers(app, err);
	bool more = false;

	if (code != ERR_OK) {
		return code;
	}
	generation = app->node->store.generation;
	if (generation == 0) {
		return ERR_OK; /* lost again */
	}
	begin_restore(app, generation);
	if (app->restored != generation) {
		code = fill_queue(app, generation, err);
	}
	if (code == ERR_OK && app->restored == generation && app->cleared != generation) {
		code = clear_former(app, generation, err);
	}
	do {
		if (code == ERR_OK && app->restored == generation) {
			code = restore_page(app, session_live, &app->restore_after, REBUILD_FIBERS,
			                    &more, err);
		}
		if (code == ERR_OK && more && app->rebuilt != generation &&
		    fiber_sleep(REBUILD_PAUSE_MS) != ERR_OK) { /* what starts now goes before */
			return err_set(err, ERR_CANCELLED, "rebuilding logs");
		}
	} while (code == ERR_OK && more && app->rebuilt != generation &&
	         app->node->store.generation == generation);
	if (code == ERR_OK && !more && app->rebuilt != generation && app->restored == generation) {
		app->rebuilt = generation;
		log_info("restore.rebuilt", "generation=%" PRIu64, generation);
	}
	return code;
}
