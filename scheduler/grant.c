#include "scheduler/grant.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"
#include "pg/pg.h"
#include "scheduler/app.h"
#include "scheduler/opening.h"
#include "scheduler/order.h"
#include "scheduler/retake.h"

enum { HALF_DONE_MS = 2000, LOOK_MS = 500, RESEND_MS = 2000, PAGE = 32, ROUNDS_MAX = 64 };

/* ---- one lease ---- */

static enum err_code raise_epoch(struct app *app, const struct queue_item *item,
                                 const struct lease_worker *worker, struct log_result *ret,
                                 struct err *err)
{
	char token[QUEUE_TOKEN_SIZE];
	const struct opening opening = { .sid = item->sid,
		                         .tenant = item->tenant,
		                         .cause = "lease",
		                         .token = token,
		                         .epoch = item->epoch,
		                         .moves = true,
		                         .to = SESSION_PROVISIONING,
		                         .worker = worker->worker };

	queue_token(item, token);
	return opening_make(app, &opening, ret, err);
}

/* leasing -> leased, and the worker is told. */
static enum err_code hand_over(struct app *app, const struct queue_item *item,
                               const struct lease_worker *worker, uint64_t epoch, struct err *err)
{
	const struct queue queue = app_queue(app, item->tenant);
	const struct queue_move move = { .sid = item->sid,
		                         .attempt = item->attempt,
		                         .epoch = epoch };
	const struct order_to to = { worker->worker, item->incarnation, epoch, item->attempt };
	enum queue_set set;
	enum err_code code = queue_opened(&queue, &move, &set, err);

	if (code == ERR_CONFLICT || code == ERR_NOT_FOUND) {
		return ERR_OK; /* somebody else took it further */
	}
	if (code != ERR_OK) {
		return code;
	}
	metric_inc(METRIC_LEASES_GRANTED, NULL);
	log_info("session.leased",
	         "session=%s tenant=%s epoch=%" PRIu64 " attempt=%" PRIu64
	         " worker=%s incarnation=%s",
	         item->sid.s, item->tenant, epoch, item->attempt, worker->worker,
	         item->incarnation);
	return order_run(app, item, &to, err);
}

/* Safe to repeat, here and elsewhere, from the claim on. */
static enum err_code complete(struct app *app, const struct queue_item *item,
                              const struct lease_worker *worker, struct err *err)
{
	struct log_result result;
	enum err_code code = raise_epoch(app, item, worker, &result, err);

	if (code != ERR_OK) {
		return code;
	}
	switch (result.outcome) {
	case LOG_OK: return hand_over(app, item, worker, result.epoch, err);
	case LOG_ENDED: return retake_finish(app, &item->sid, item->tenant, err);
	/* This claim was overtaken; a worker refused it and the log does not know; the log is of
	 * an older Redis: all are mended by queueing it again. */
	case LOG_FENCED:
	case LOG_MOVED:
	case LOG_REBUILD: return retake_item(app, item, RETAKE_MISPLACED, err);
	case LOG_MISSING:
	case LOG_STALE:
	case LOG_SEQUENCE:
	case LOG_DUPLICATE:
	case LOG_PRODUCERS:
	case LOG_LIMIT:
	case LOG_OUTCOME_COUNT: break;
	}
	return log_result_err(&result, err);
}

/*
 * A worker that was lost before this claim may have been forgotten already, and then nobody would
 * look for what it holds. One that is alive now cannot be: its items are read after it is lost.
 */
static enum err_code complete_if_alive(struct app *app, const struct queue_item *item,
                                       const struct lease_worker *worker, struct err *err)
{
	bool alive = false;
	enum err_code code = ERR_OK;

	if (worker != NULL) {
		code = lease_lives(app->node->redis, item->incarnation, &alive, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	return alive ? complete(app, item, worker, err)
	             : retake_item(app, item, RETAKE_MISPLACED, err);
}

/* ---- new leases ---- */

static enum err_code claim_one(struct app *app, const struct queue *queue,
                               const struct lease_worker *worker, size_t *ret_count,
                               struct err *err)
{
	const struct queue_claim claim = { worker->incarnation, worker->has, worker->slots, 0, 1 };
	struct queue_item item;
	enum err_code code = queue_claim(queue, &claim, &item, ret_count, err);

	if (code != ERR_OK || *ret_count == 0) {
		return code;
	}
	code = complete_if_alive(app, &item, worker, err);
	return code == ERR_OK ? ERR_OK : duty_item_failed(item.sid.s, code, err);
}

/* One session a worker and round, so that all get some; begins with another worker each turn. */
static enum err_code claim_all(struct app *app, const struct queue *queue, size_t workers,
                               struct err *err)
{
	size_t granted = 1;

	for (unsigned round = 0; granted > 0 && round < ROUNDS_MAX; round++) {
		granted = 0;
		for (size_t i = 0; i < workers; i++) {
			const struct lease_worker *worker =
				&app->workers[(i + app->turn) % workers];
			size_t got = 0;
			enum err_code code = worker->draining || worker->slots == 0
			                             ? ERR_OK
			                             : claim_one(app, queue, worker, &got, err);

			if (code != ERR_OK) {
				return code;
			}
			granted += got;
		}
	}
	app->turn++;
	if (granted > 0) {
		duty_ring(&app->duties[DUTY_GRANT]);
	}
	return ERR_OK;
}

static enum err_code grant_shard(struct app *app, const struct queue *queue, size_t workers,
                                 struct err *err)
{
	struct queue_counts counts;
	enum err_code code = queue_count(queue, &counts, err);

	if (code != ERR_OK || counts.in[QUEUE_READY] == 0 || workers == 0 ||
	    !pg_available(app->node->pg)) {
		return code;
	}
	return claim_all(app, queue, workers, err);
}

/* ---- what was left half done ---- */

static const struct lease_worker *find_worker(const struct app *app, size_t workers,
                                              const char *incarnation)
{
	for (size_t i = 0; i < workers; i++) {
		if (strcmp(app->workers[i].incarnation, incarnation) == 0) {
			return &app->workers[i];
		}
	}
	return NULL;
}

static enum err_code complete_half_done(struct app *app, const struct queue *queue, size_t workers,
                                        struct err *err)
{
	struct queue_item items[PAGE];
	struct queue_page page = { items, PAGE, 0 };
	enum err_code code = queue_list(queue, QUEUE_LEASING, HALF_DONE_MS, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		const struct lease_worker *worker = find_worker(app, workers, items[i].incarnation);

		if (worker == NULL && workers == WORKERS_MAX) {
			continue; /* it may be beyond the list */
		}
		log_info("session.half_leased", "session=%s attempt=%" PRIu64, items[i].sid.s,
		         items[i].attempt);
		code = complete_if_alive(app, &items[i], worker, err);
		if (code != ERR_OK) {
			code = duty_item_failed(items[i].sid.s, code, err);
		}
	}
	return code;
}

/* ---- workers that did not hear, or did not say ---- */

static enum err_code remind_of(struct app *app, const struct queue_item *item,
                               const struct lease_worker *worker, struct err *err)
{
	struct order_to to = { worker->worker, item->incarnation, item->epoch, item->attempt };
	struct log_head head;
	enum err_code code = log_head_get(&app->node->store, &item->sid, item->tenant, &head, err);

	if (code != ERR_OK || !head.found) {
		return code;
	}
	if (session_is_terminal(head.state)) {
		return retake_finish(app, &item->sid, item->tenant, err);
	}
	if (head.state == SESSION_QUEUED) {
		return retake_item(app, item, RETAKE_MISPLACED, err);
	}
	if (head.state != SESSION_PROVISIONING) {
		return ERR_OK;
	}
	log_debug("session.reminded", "session=%s worker=%s", item->sid.s, worker->worker);
	to.epoch = head.at.epoch;
	return order_run(app, item, &to, err);
}

static enum err_code remind(struct app *app, const struct queue *queue,
                            const struct lease_worker *worker, struct err *err)
{
	int64_t before_ms = clock_wall_us() / 1000 - RESEND_MS;
	struct queue_item items[QUEUE_BATCH_MAX];
	struct queue_page page = { items, QUEUE_BATCH_MAX, 0 };
	enum err_code code = queue_of_worker(queue, worker->incarnation, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		if (items[i].set != QUEUE_LEASED || items[i].since_ms > before_ms) {
			continue;
		}
		code = remind_of(app, &items[i], worker, err);
		if (code != ERR_OK) {
			code = duty_item_failed(items[i].sid.s, code, err);
		}
	}
	return code;
}

/* Once in every_ms. */
static bool is_due(uint64_t *last_ms, uint64_t every_ms)
{
	uint64_t now = clock_mono_ms();

	if (now < *last_ms + every_ms) {
		return false;
	}
	*last_ms = now;
	return true;
}

enum err_code grant_turn(struct app *app, struct err *err)
{
	bool look = is_due(&app->looked_ms, LOOK_MS), resend = is_due(&app->resent_ms, RESEND_MS);
	size_t workers;
	enum err_code code = lease_list(app->node->redis, app->workers, WORKERS_MAX, &workers, err);

	for (unsigned shard = 0; code == ERR_OK && shard < QUEUE_SHARDS; shard++) {
		const struct queue queue = { app->node->redis, shard };

		code = grant_shard(app, &queue, workers, err);
		if (code == ERR_OK && look) {
			code = complete_half_done(app, &queue, workers, err);
		}
		for (size_t i = 0; code == ERR_OK && resend && i < workers; i++) {
			code = remind(app, &queue, &app->workers[i], err);
		}
	}
	return code;
}
