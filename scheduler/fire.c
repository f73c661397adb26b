#include "scheduler/fire.h"

#include <stdio.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "schedule/schedule_store.h"
#include "scheduler/app.h"
#include "steer/publish.h"
#include "steer/steer.h"
#include "task/task_json.h"
#include "task/task_store.h"
#include "trace/trace.h"

enum { PAGE = 64, FIRE_FIBERS = 4 };

/* How a time is ended: as the schedule says, or because that cannot be done. */
enum how { HOW_RUN, HOW_FAIL, HOW_PASS };

/* One time of one schedule. */
struct firing {
	struct app *app;
	const struct schedule_due *due;
	struct arena *arena;
	int64_t now_us; /* decided by it, also when it is tried again */
	struct schedule schedule;
	struct schedule_step step;
	struct schedule_run run;
	struct task_accepted accepted; /* .count 0: none */
	bool done;
	struct trace_span span, accept; /* of the task, when there is one */
};

/* ---- deciding ---- */

static enum err_code decide(struct firing *f, struct err *err)
{
	struct schedule_timing timing;
	const struct schedule_late late = {
		.grace_us = (int64_t)f->app->node->conf.schedule_grace * 1000,
		.catch_up = (enum schedule_catch_up)f->schedule.spec.catch_up,
		.caught_up = f->schedule.caught_up,
	};
	enum err_code code = schedule_timing_of(&f->schedule, f->arena, &timing, err);

	if (code == ERR_NOT_FOUND) {
		/* Not the schedule's fault: another scheduler may know the zone. */
		return err_set(err, ERR_BACKEND, "time zone %" STR_FMT " is not on this host",
		               STR_ARG(f->schedule.spec.timezone));
	}
	if (code == ERR_OK) {
		f->step = schedule_decide(&timing, &late, f->due->next_us, f->now_us);
	}
	return code;
}

static void end_as(struct firing *f, enum schedule_outcome outcome, const char *reason)
{
	f->run.outcome = outcome;
	f->run.reason = str_of(reason);
}

/* ---- overlap: cancel, before the transaction: what is cancelled twice is cancelled ---- */

static enum err_code cancel_one(struct firing *f, const struct id *sid, struct err *err)
{
	struct principal who = { .scopes = AUTH_ALL, .lent = AUTH_ALL, .any_namespace = true };
	const struct steer steer = { .store = &f->app->node->store,
		                     .pg = f->app->node->pg,
		                     .who = &who,
		                     .arena = f->arena };
	struct steer_session session;
	enum err_code code;

	(void)str_copy(who.tenant, sizeof(who.tenant), f->due->tenant);
	code = steer_find(&steer, sid, &session, err);
	if (code == ERR_OK && !session_is_terminal(session.state)) {
		code = steer_cancel(&steer, &session, STR_LIT("its schedule runs again"), err);
	}
	/* It ended by itself meanwhile. */
	return code == ERR_ILLEGAL_MOVE || code == ERR_NOT_FOUND || code == ERR_GONE ? ERR_OK
	                                                                             : code;
}

static enum err_code cancel_before(struct firing *f, struct err *err)
{
	struct node *node = f->app->node;
	struct schedule_active active = { .count = 0 };
	enum err_code code =
		schedule_get(node->pg, f->due->tenant.p, &f->due->id, f->arena, &f->schedule, err);

	if (code == ERR_NOT_FOUND || (code == ERR_OK && f->schedule.next_us != f->due->next_us)) {
		return ERR_OK; /* that time is over */
	}
	if (code == ERR_OK) {
		code = decide(f, err);
	}
	if (code == ERR_OK && f->step.runs) {
		code = schedule_list_active(node->pg, NULL, f->due, f->arena, &active, err);
	}
	for (size_t i = 0; code == ERR_OK && i < active.count; i++) {
		code = cancel_one(f, &active.sessions[i], err);
	}
	return code;
}

/* ---- in the transaction ---- */

static enum err_code make_task(struct firing *f, struct pg_tx *tx,
                               const struct schedule_active *active, struct err *err)
{
	struct json_problems *problems = arena_take(f->arena, sizeof(*problems));
	struct task_spec *spec = arena_take(f->arena, sizeof(*spec));
	struct task_acceptance acceptance = { .tenant = f->due->tenant.p,
		                              .created_by = f->schedule.created_by.p,
		                              .owner = f->schedule.owner.p,
		                              .spec = spec,
		                              .generation = f->app->node->store.generation };
	enum err_code code;

	if (task_decode(f->schedule.spec.task, spec, f->arena, problems) != ERR_OK) {
		end_as(f, SCHEDULE_FAILED, "this version does not take its task");
		return ERR_OK;
	}
	if (f->schedule.spec.overlap == SCHEDULE_QUEUE && active->count > 0) {
		spec->queue_after = str_of(active->newest.s);
	}
	trace_begin_first(&f->span, "schedule.run", TRACE_INTERNAL);
	trace_begin(&f->accept, &f->span.at, "task.accept", TRACE_PRODUCER);
	acceptance.trace = f->accept.at;
	code = task_accept(tx, &acceptance, f->arena, &f->accepted, err);
	if (code == ERR_OK) {
		end_as(f, SCHEDULE_RAN, "");
		f->run.task = f->accepted.task;
	}
	return code;
}

static enum err_code run_time(struct firing *f, struct pg_tx *tx, struct err *err)
{
	unsigned overlap = f->schedule.spec.overlap;
	struct schedule_active active;
	enum err_code code;

	if (!f->step.runs) {
		end_as(f, SCHEDULE_MISSED, "no scheduler was there in time");
		return ERR_OK;
	}
	code = schedule_list_active(NULL, tx, f->due, f->arena, &active, err);
	if (code != ERR_OK) {
		return code;
	}
	if (overlap == SCHEDULE_SKIP && active.count > 0) {
		end_as(f, SCHEDULE_SKIPPED, "the run before goes on");
		return ERR_OK;
	}
	if (overlap == SCHEDULE_QUEUE &&
	    (active.tasks >= SCHEDULE_WAITING_MAX || active.count >= SCHEDULE_ACTIVE_MAX)) {
		end_as(f, SCHEDULE_SKIPPED, "too many runs wait");
		return ERR_OK;
	}
	return make_task(f, tx, &active, err);
}

/* *ret_again: the time has a row already, so the transaction cannot be the one that makes it. */
static enum err_code end_time(struct firing *f, struct pg_tx *tx, enum how how, bool *ret_again,
                              struct err *err)
{
	enum err_code code = decide(f, err);
	bool added = true;

	f->run = (struct schedule_run){ .at_us = f->due->next_us };
	f->accepted.count = 0;
	if (code == ERR_OK && how == HOW_RUN) {
		code = run_time(f, tx, err);
	} else if (code == ERR_OK && how == HOW_FAIL) {
		end_as(f, SCHEDULE_FAILED, "its project is gone");
	}
	if (code == ERR_OK && how != HOW_PASS) {
		code = schedule_run_add(tx, f->due->tenant.p, &f->due->id, &f->run, &added, err);
	}
	*ret_again = !added;
	return code == ERR_OK && added ? schedule_advance(tx, f->due, &f->step, err) : code;
}

/* Not f->done: somebody else has it, or did it, or it has to be tried in another way. */
static enum err_code fire_once(struct firing *f, enum how how, bool *ret_again, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	bool taken = false;
	enum err_code code = pg_begin(f->app->node->pg, f->due->tenant.p, &tx, err);

	*ret_again = false;
	if (code == ERR_OK) {
		code = schedule_take(tx, f->due, f->arena, &f->schedule, &taken, err);
	}
	if (code != ERR_OK || !taken) {
		return code;
	}
	code = end_time(f, tx, how, ret_again, err);
	if (code != ERR_OK || *ret_again) {
		return code;
	}
	code = pg_commit(tx, err);
	tx = NULL;
	f->done = code == ERR_OK;
	return code;
}

/* ---- afterwards ---- */

static void publish(struct firing *f)
{
	const struct node *node = f->app->node;
	const struct steer_rows rows = { f->accepted.sessions, f->accepted.count,
		                         node->store.generation != 0 };
	struct err err;

	metric_inc(METRIC_TASKS_ACCEPTED, NULL);
	if (redis_connected(node->redis) &&
	    steer_publish_rows(&node->store, node->pg, f->due->tenant.p, &rows, f->arena, &err) !=
	            ERR_OK) {
		log_warn("task.unpublished", "task=%s code=%s %s", f->accepted.task.s,
		         err_name(err.code), err.msg);
	}
}

static void tell_trace(struct firing *f)
{
	const char *task = f->accepted.task.s;

	trace_end(&f->accept, &(struct trace_end){ .attrs = { { "fairlead.task", task, 0 } } });
	trace_end(&f->span,
	          &(struct trace_end){ .attrs = { { "fairlead.schedule", f->due->id.s, 0 },
	                                          { "fairlead.task", task, 0 } } });
}

static void tell(struct firing *f)
{
	int64_t late_us = clock_wall_us() - f->due->next_us;

	metric_inc(METRIC_SCHEDULE_RUNS, schedule_outcome_name(f->run.outcome));
	log_info("schedule.fired", "schedule=%s outcome=%s task=%s", f->due->id.s,
	         schedule_outcome_name(f->run.outcome), f->run.task.s);
	if (f->run.outcome == SCHEDULE_RAN) {
		metric_observe_us(METRIC_SCHEDULE_LAG, NULL, late_us > 0 ? (uint64_t)late_us : 0);
	}
}

static enum err_code fire(struct firing *f, struct err *err)
{
	bool again = false;
	enum err_code code = f->due->cancels ? cancel_before(f, err) : ERR_OK;

	if (code == ERR_OK) {
		code = fire_once(f, HOW_RUN, &again, err);
	}
	if (code == ERR_NOT_FOUND) {
		code = fire_once(f, HOW_FAIL, &again, err);
	}
	if (code == ERR_OK && again) {
		return fire_once(f, HOW_PASS, &again, err);
	}
	if (code == ERR_OK && f->done) {
		tell(f);
		if (f->accepted.count > 0) {
			tell_trace(f);
			publish(f);
		}
	}
	return code;
}

/* ---- the duty ---- */

/* Times that come before the next turn are waited for, so that each fires when it should. */
static enum err_code wait_for(const struct schedule_due *due, uint64_t listed_ms)
{
	int64_t left_us = due->next_us - due->now_us;
	uint64_t at_ms, now_ms = clock_mono_ms();

	if (left_us <= 0) {
		return ERR_OK;
	}
	at_ms = listed_ms + (uint64_t)left_us / 1000 + 1;
	return at_ms > now_ms ? fiber_sleep(at_ms - now_ms) : ERR_OK;
}

/* What has to cancel first needs Redis; a Redis that is away delays nobody else's times. */
static bool is_passed_over(const struct schedule_due *due, enum err_code code)
{
	return due->cancels && code != ERR_OK && code != ERR_CANCELLED;
}

/* Of one turn. */
struct turn {
	struct schedule_walk walk;
	size_t done;
	enum err_code code; /* of what was passed over */
	struct err err;
};

static enum err_code fire_due(struct app *app, const struct schedule_due *due, uint64_t listed_ms,
                              struct turn *turn, struct err *err)
{
	struct arena *arena = arena_new();
	struct firing firing = { .app = app, .due = due, .arena = arena };
	enum err_code code = wait_for(due, listed_ms);

	if (code != ERR_OK) {
		arena_free(arena);
		return err_set(err, code, "waiting for the time of a schedule");
	}
	firing.now_us = due->now_us + (int64_t)(clock_mono_ms() - listed_ms) * 1000;
	code = fire(&firing, err);
	if (is_passed_over(due, code)) {
		turn->code = code;
		turn->err = *err;
		code = ERR_OK;
	} else if (code != ERR_OK) {
		code = duty_item_failed(due->id.s, code, err);
	}
	turn->done += firing.done ? 1 : 0;
	arena_free(arena);
	return code;
}

/* Several at a time: most of one is waiting for PostgreSQL. */
struct page {
	struct app *app;
	struct turn *turn;
	struct schedule_due_list list;
	uint64_t listed_ms;
	size_t next;
	enum err_code code; /* why it ended early */
	struct err err;
};

static void fire_some(void *arg)
{
	struct page *page = arg;

	fiber_set_tag("duty=fire");
	while (page->code == ERR_OK && page->next < page->list.count) {
		const struct schedule_due *due = &page->list.items[page->next++];
		struct err err;
		enum err_code code = fire_due(page->app, due, page->listed_ms, page->turn, &err);

		if (code != ERR_OK && page->code == ERR_OK) {
			page->code = code;
			page->err = err;
		}
	}
}

static void fire_all(struct page *page)
{
	struct fiber_group group = { 0 };
	enum err_code code;

	for (size_t i = 0; i < FIRE_FIBERS && i < page->list.count; i++) {
		(void)fiber_start(page->app->node->loop, &group, "fire", fire_some, page);
	}
	code = fiber_group_wait(&group, FIBER_NO_TIMEOUT);
	if (code != ERR_OK) {
		fiber_group_cancel(&group, code);
		fiber_shield();
		(void)!fiber_group_wait(&group, FIBER_NO_TIMEOUT);
		fiber_unshield();
		page->code = err_set(&page->err, code, "firing schedules");
	}
}

static enum err_code fire_page(struct app *app, struct turn *turn, size_t *ret_count,
                               struct err *err)
{
	struct arena *arena = arena_new();
	struct page page = { .app = app, .turn = turn };
	enum err_code code = schedule_list_due(app->node->pg, &turn->walk, arena, &page.list, err);

	if (code == ERR_OK) {
		page.listed_ms = clock_mono_ms();
		fire_all(&page);
		code = page.code;
		*err = page.err;
	}
	*ret_count = page.list.count;
	if (code == ERR_OK && page.list.count > 0) {
		turn->walk.after = page.list.items[page.list.count - 1].id;
		turn->walk.after_us = page.list.items[page.list.count - 1].next_us;
	}
	arena_free(arena);
	return code;
}

enum err_code fire_turn(struct app *app, struct err *err)
{
	struct turn turn = { .walk = { .soon_ms = FIRE_MS, .max = PAGE } };
	size_t count = PAGE;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && count == PAGE) {
		code = fire_page(app, &turn, &count, err);
	}
	if (code == ERR_OK && turn.done > 0) {
		duty_ring(&app->duties[DUTY_FIRE]); /* their next times may have come too */
	}
	if (code == ERR_OK && turn.code != ERR_OK) {
		*err = turn.err;
		return turn.code;
	}
	return code;
}
