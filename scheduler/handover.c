#include "scheduler/handover.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "metric/metric.h"
#include "queue/mail.h"
#include "scheduler/ahead.h"
#include "scheduler/app.h"
#include "scheduler/choose.h"
#include "scheduler/lease_trace.h"
#include "scheduler/opening.h"
#include "scheduler/order.h"
#include "scheduler/retake.h"

enum { ALOUD_SIZE = MAIL_ALOUD_MAX + 512 };

/* The rows of a batch. */
struct reading {
	struct handover *batch;
	struct arena *arena;
	struct ahead_read *ahead[HANDOVER_MAX];
	const struct session *rows[HANDOVER_MAX]; /* NULL: there is none */
	struct err err;
};

/* What one fiber does about one lease. */
struct step {
	struct handover *batch;
	struct handover_lease *lease;
	const struct session *row;
};

/* ---- all at once: epochs, and whether the workers live ---- */

/* The queue was lost, and with it the log, which nobody needed since: now. */
static enum err_code rebuild_first(struct handover_lease *lease, struct opening *opening,
                                   struct app *app)
{
	struct log_head head;
	bool current = false;
	enum err_code code = opening_head(app, &opening->sid, opening->tenant, &head, &lease->err);

	if (code == ERR_OK) {
		code = retake_is_current(app, &lease->item, &current, &lease->err);
	}
	if (code != ERR_OK || !current || !head.found || head.state != SESSION_QUEUED) {
		return code;
	}
	opening->epoch = head.at.epoch;
	return opening_raise(app, opening, &lease->result, &lease->err);
}

/* What its worker is to be told of it when it is the next epoch. */
static struct order_to whom(const struct handover_lease *lease, uint64_t epoch)
{
	return (struct order_to){ lease->worker, lease->item.incarnation, epoch,
		                  lease->item.attempt, &lease->span.at };
}

/*
 * Its worker hears of it in the same step, so whoever hears it has it: to begin waits for nothing
 * else.  The epoch that it will be is known, since it is only raised from the one before.
 */
static void raise_epoch(void *arg)
{
	const struct step *step = arg;
	struct handover_lease *lease = step->lease;
	const struct order_to to = whom(lease, lease->item.epoch + 1);
	char token[QUEUE_TOKEN_SIZE], channel[QUEUE_KEY_SIZE];
	struct buf aloud;
	struct opening opening = { .sid = lease->item.sid,
		                   .tenant = lease->item.tenant,
		                   .cause = "lease",
		                   .token = token,
		                   .epoch = lease->item.epoch,
		                   .moves = true,
		                   .to = SESSION_PROVISIONING,
		                   .worker = lease->worker };

	buf_init(&aloud, ALOUD_SIZE);
	if (step->row != NULL && lease->item.epoch > 0 && lease->worker[0] != '\0' &&
	    order_aloud(step->batch->app, step->row, &to, &aloud)) {
		mail_aloud_channel(lease->worker, channel);
		opening.channel = channel;
		opening.tell = buf_str(&aloud);
	}
	queue_token(&lease->item, token);
	lease->code = opening_raise(step->batch->app, &opening, &lease->result, &lease->err);
	if (lease->code == ERR_OK && lease->result.outcome == LOG_REBUILD) {
		opening.channel = NULL; /* it will be another epoch */
		opening.tell = STR_LIT("");
		lease->code = rebuild_first(lease, &opening, step->batch->app);
	}
	buf_fini(&aloud);
}

/*
 * A worker that was lost before this claim may have been forgotten already, and then nobody would
 * look for what it holds. One that is alive now cannot be: its items are read after it is lost.
 */
static void ask_alive(void *arg)
{
	struct handover *batch = arg;
	struct handover_lease *before = NULL;

	for (size_t i = 0; i < batch->count; i++) {
		struct handover_lease *lease = &batch->leases[i];
		struct err err;

		if (before != NULL &&
		    strcmp(before->item.incarnation, lease->item.incarnation) == 0) {
			lease->alive = before->alive;
			lease->alive_code = before->alive_code;
		} else if (lease->worker[0] != '\0' &&
		           lease_lives(batch->app->node->redis, lease->item.incarnation,
		                       &lease->alive, &err) != ERR_OK) {
			lease->alive_code = err.code; /* not known: to be completed later */
		}
		before = lease;
	}
}

/* Those that were not read ahead. */
static enum err_code read_missing(struct reading *reading)
{
	const struct handover *batch = reading->batch;
	struct id ids[HANDOVER_MAX];
	size_t missing[HANDOVER_MAX], count = 0;
	struct session_batch rows = { NULL, 0 };
	enum err_code code;

	for (size_t i = 0; i < batch->count; i++) {
		if (reading->rows[i] == NULL) {
			ids[count] = batch->leases[i].item.sid;
			missing[count++] = i;
		}
	}
	if (count == 0) {
		return ERR_OK;
	}
	code = session_get_all(batch->app->node->pg, ids, count, reading->arena, &rows,
	                       &reading->err);
	for (size_t k = 0; k < count; k++) {
		for (size_t i = 0; i < rows.count; i++) {
			if (id_eq(&rows.items[i].id, &ids[k])) {
				reading->rows[missing[k]] = &rows.items[i];
			}
		}
	}
	return code;
}

static enum err_code read_rows(struct reading *reading)
{
	const struct handover *batch = reading->batch;

	for (size_t i = 0; i < batch->count; i++) {
		const struct id *sid = &batch->leases[i].item.sid;

		reading->rows[i] = batch->leases[i].row;
		if (reading->rows[i] == NULL) {
			reading->ahead[i] = ahead_find(batch->app, sid);
		}
		if (reading->ahead[i] != NULL) {
			reading->rows[i] = ahead_row(reading->ahead[i], sid);
		}
	}
	return read_missing(reading);
}

/* The children use what is on the caller's stack: they end before this returns. */
static enum err_code join(struct fiber_group *children)
{
	enum err_code code = fiber_group_wait(children, FIBER_NO_TIMEOUT);

	if (code != ERR_OK) {
		fiber_group_cancel(children, ERR_CANCELLED);
		fiber_shield();
		(void)!fiber_group_wait(children, FIBER_NO_TIMEOUT);
		fiber_unshield();
	}
	return code;
}

static enum err_code open_all(struct handover *batch, const struct reading *reading)
{
	struct loop *loop = batch->app->node->loop;
	struct step steps[HANDOVER_MAX];
	struct fiber_group children = { .count = 0 };

	for (size_t i = 0; i < batch->count; i++) {
		struct handover_lease *lease = &batch->leases[i];

		steps[i] = (struct step){ batch, lease, reading->rows[i] };
		if (reading->rows[i] != NULL) {
			lease_trace_begin(lease, reading->rows[i], batch->claimed_us);
		}
		(void)fiber_start(loop, &children, "open", raise_epoch, &steps[i]);
	}
	(void)fiber_start(loop, &children, "alive", ask_alive, batch);
	return join(&children);
}

/* ---- what came of it ---- */

static enum err_code settle(struct app *app, struct handover_lease *lease, struct err *err)
{
	if (lease->code != ERR_OK) {
		*err = lease->err;
		return lease->code;
	}
	if (lease->alive_code != ERR_OK) {
		return err_set(err, lease->alive_code, "whether %s lives", lease->item.incarnation);
	}
	if (!lease->alive) {
		fleet_lost(&app->fleet, lease->item.incarnation);
		return retake_item(app, &lease->item, RETAKE_MISPLACED, err);
	}
	switch (lease->result.outcome) {
	case LOG_OK: lease->leased = true; return ERR_OK;
	case LOG_ENDED: return retake_finish(app, &lease->item.sid, lease->item.tenant, err);
	/* This claim was overtaken; a worker refused it and the log does not know; the log is of
	 * an older Redis: all are mended by queueing it again. */
	case LOG_FENCED:
	case LOG_MOVED:
	case LOG_REBUILD: return retake_item(app, &lease->item, RETAKE_MISPLACED, err);
	case LOG_MISSING:
	case LOG_STALE:
	case LOG_SEQUENCE:
	case LOG_DUPLICATE:
	case LOG_PRODUCERS:
	case LOG_LIMIT:
	case LOG_OUTCOME_COUNT: break;
	}
	return log_result_err(&lease->result, err);
}

static enum err_code settle_all(struct handover *batch, struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < batch->count && code == ERR_OK; i++) {
		code = settle(batch->app, &batch->leases[i], err);
		if (code != ERR_OK) {
			code = duty_item_failed(batch->leases[i].item.sid.s, code, err);
		}
	}
	return code;
}

/* ---- the queue and the workers are told ---- */

static void tell_worker(void *arg)
{
	const struct step *step = arg;
	struct handover_lease *lease = step->lease;
	const struct order_to to = whom(lease, lease->result.epoch);

	lease->code = order_run_row(step->batch->app, step->row, &to, &lease->err);
}

static void store_epoch(struct app *app, const struct handover_lease *lease)
{
	const struct log_epoch epoch = { .sid = lease->item.sid,
		                         .tenant = lease->item.tenant,
		                         .first = lease->result.first,
		                         .cause = "lease",
		                         .worker_id = lease->worker,
		                         .generation = app->node->store.generation };
	struct err err;

	if (!epochs_add(app, &lease->item, lease->worker, &lease->result) &&
	    log_epoch_store(app->node->pg, &epoch, &err) != ERR_OK) {
		log_warn("epoch.unstored", "session=%s %s", lease->item.sid.s, err.msg);
	}
}

/* The sets are written by a fiber: they are of the caller. */
struct opened {
	struct handover *batch;
	struct queue_moves moves;
	enum err_code code;
	struct err err;
};

static void tell_queue(void *arg)
{
	struct opened *opened = arg;

	opened->code = queue_opened_all(&opened->batch->queue, &opened->moves, &opened->err);
}

static void tell_granted(const struct handover_lease *lease)
{
	metric_inc(METRIC_LEASES_GRANTED, NULL);
	metric_observe_us(METRIC_QUEUE_WAIT, NULL, lease->item.waited_ms * 1000);
	log_info("session.leased",
	         "session=%s tenant=%s epoch=%" PRIu64 " attempt=%" PRIu64
	         " worker=%s incarnation=%s",
	         lease->item.sid.s, lease->item.tenant, lease->result.epoch, lease->item.attempt,
	         lease->worker, lease->item.incarnation);
}

/*
 * The queue is told first, and the workers that did not hear of the epoch in the same write,
 * without waiting for its answer. What it might refuse is a session that others took further since
 * the claim: they raised its epoch or ended it first, and a worker begins nothing that the head of
 * its log does not say; or one whose worker is further than we are.
 */
static enum err_code tell_all(struct handover *batch, const struct reading *reading,
                              struct err *err)
{
	struct queue_move moves[HANDOVER_MAX];
	enum queue_set sets[HANDOVER_MAX];
	struct step steps[HANDOVER_MAX];
	struct opened opened = { .batch = batch, .moves = { moves, sets, 0 }, .code = ERR_OK };
	struct fiber_group children = { .count = 0 };
	struct loop *loop = batch->app->node->loop;
	size_t count = 0;
	enum err_code code;

	for (size_t i = 0; i < batch->count; i++) {
		struct handover_lease *lease = &batch->leases[i];
		const struct session *row = reading->rows[i];

		if (lease->leased && row == NULL) { /* it was deleted */
			code = retake_finish(batch->app, &lease->item.sid, lease->item.tenant, err);
			if (code != ERR_OK) {
				return code;
			}
		}
		if (!lease->leased || row == NULL) {
			continue;
		}
		steps[count] = (struct step){ batch, lease, row };
		moves[count++] = (struct queue_move){ .sid = lease->item.sid,
			                              .attempt = lease->item.attempt,
			                              .epoch = lease->result.epoch };
	}
	opened.moves.count = count;
	if (count == 0) {
		return ERR_OK;
	}
	(void)fiber_start(loop, &children, "opened", tell_queue, &opened);
	for (size_t i = 0; i < count; i++) {
		if (steps[i].lease->result.told == 0) {
			(void)fiber_start(loop, &children, "order", tell_worker, &steps[i]);
		}
	}
	code = join(&children);
	for (size_t i = 0; i < count; i++) {
		lease_trace_end(steps[i].lease, steps[i].row, batch->claimed_us);
		store_epoch(batch->app, steps[i].lease);
		tell_granted(steps[i].lease);
		if (code == ERR_OK && steps[i].lease->code != ERR_OK) {
			*err = steps[i].lease->err;
			code = duty_item_failed(steps[i].lease->item.sid.s, err->code, err);
		}
	}
	if (code == ERR_OK && opened.code != ERR_OK) {
		*err = opened.err;
		code = opened.code;
	}
	return code;
}

/* ---- the batch ---- */

static enum err_code run(struct handover *batch, struct err *err)
{
	struct reading *reading = mem_calloc(1, sizeof(*reading));
	enum err_code code;

	reading->batch = batch;
	reading->arena = arena_new();
	code = read_rows(reading);
	if (code != ERR_OK) {
		*err = reading->err;
	} else if ((code = open_all(batch, reading)) != ERR_OK) {
		(void)err_set(err, code, "leases were not opened");
	}
	if (code == ERR_OK) {
		code = settle_all(batch, err);
	}
	if (code == ERR_OK) {
		code = tell_all(batch, reading, err);
	}
	for (size_t i = 0; i < batch->count; i++) {
		ahead_release(reading->ahead[i]);
	}
	arena_free(reading->arena);
	free(reading);
	return code;
}

static void hand_over(void *arg)
{
	struct handover *batch = arg;
	struct app *app = batch->app;
	struct err err;

	fiber_set_tag("duty=handover");
	batch->claimed_us = clock_wall_us();
	choose_places(batch);
	if (batch->count > 0 && run(batch, &err) != ERR_OK && err.code != ERR_CANCELLED) {
		log_warn("handover.failed", "sessions=%zu code=%s %s", batch->count,
		         err_name(err.code), err.msg);
	}
	arena_free(batch->arena);
	free(batch);
	app->handing--;
	fiber_signal_raise(&app->handed);
}

void handover_start(struct handover *batch)
{
	struct app *app = batch->app;

	app->handing++;
	(void)fiber_start(app->node->loop, &app->fibers, "handover", hand_over, batch);
	while (app->handing >= HANDOVERS_MAX && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&app->handed, FIBER_NO_TIMEOUT);
	}
}

void handover_let_pass(struct app *app, uint64_t *left_ms)
{
	uint64_t now = clock_mono_ms();
	const uint64_t until = now + *left_ms;

	while (app->handing > 0 && now < until && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&app->handed, until - now);
		now = clock_mono_ms();
	}
	*left_ms = now < until ? until - now : 0;
}

enum err_code handover_one(struct app *app, const struct queue_item *item, const char *worker,
                           struct err *err)
{
	struct handover *batch;
	enum err_code code;

	if (worker == NULL) {
		return retake_item(app, item, RETAKE_MISPLACED, err);
	}
	batch = mem_calloc(1, sizeof(*batch));
	batch->app = app;
	batch->queue = app_queue(app, item->tenant);
	batch->count = 1;
	batch->claimed_us = clock_wall_us();
	batch->leases[0].item = *item;
	(void)str_copy(batch->leases[0].worker, sizeof(batch->leases[0].worker), str_of(worker));
	code = run(batch, err);
	free(batch);
	return code;
}
