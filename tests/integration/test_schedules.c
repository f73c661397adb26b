/* What schedulers do when the times of schedules come: each once, whoever looks and whoever dies.
 */
#include <stdio.h>

#include "base/clock.h"
#include "schedule/schedule_store.h"
#include "scheduler_world.h"

enum { MANY = 20, SECOND_US = 1000000, HOUR_S = 3600, KILLS = 4, KILL_MS = 350 };

SQL(sched_clear, "DELETE FROM schedules");
SQL(sched_tasks, "SELECT count(*) FROM tasks");
SQL(sched_ran, "SELECT count(*) FROM schedule_runs WHERE outcome = 'ran'");
SQL(sched_skipped, "SELECT count(*) FROM schedule_runs WHERE outcome = 'skipped'");
SQL(sched_missed, "SELECT count(*) FROM schedule_runs WHERE outcome = 'missed'");
SQL(sched_failed, "SELECT count(*) FROM schedule_runs WHERE outcome = 'failed'");
SQL(sched_left, "SELECT count(*) FROM schedules WHERE next_at <= now()");
SQL(sched_over, "SELECT count(*) FROM schedules WHERE next_at IS NULL");
SQL(sched_orphans, "SELECT count(*) FROM tasks t WHERE NOT EXISTS ("
                   "SELECT 1 FROM schedule_runs r WHERE r.task_id = t.id)");
/* Seconds between the first and the last time of the schedule, and how many there are. */
SQL(sched_spread,
    "SELECT coalesce(extract(epoch FROM max(at) - min(at))::bigint + 1, 0) FROM schedule_runs");
SQL(sched_times, "SELECT count(*) FROM schedule_runs");
SQL(sched_which, "SELECT count(DISTINCT schedule_id) FROM schedule_runs WHERE outcome = 'ran'");
SQL(sched_stop, "UPDATE schedules SET paused_at = now()");
SQL(sched_session, "SELECT n.id FROM schedule_runs r JOIN sessions n ON n.task_id = r.task_id "
                   "ORDER BY r.at OFFSET $1::text::bigint LIMIT 1");

static struct stage stage;

static struct schedule_spec spec_of(uint64_t every_s)
{
	return (struct schedule_spec){ .timezone = STR_LIT("UTC"),
		                       .every_s = every_s,
		                       .overlap = SCHEDULE_SKIP,
		                       .catch_up = SCHEDULE_NONE,
		                       .task = STR_LIT(BODY(AGENT(1), "")) };
}

/* First due in so many milliseconds, or that long ago. */
static struct id make(const struct schedule_spec *spec, int64_t in_ms)
{
	struct schedule_new what = { .tenant = TENANT,
		                     .created_by = "key-1",
		                     .owner = "",
		                     .spec = spec,
		                     .next_us = clock_wall_us() + in_ms * 1000 };
	struct pg_tx *tx = begin(stage.world);
	const struct id id = id_new();
	struct err err;

	what.anchor_us = what.next_us;
	if (schedule_insert(tx, &id, &what, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	commit(tx);
	return id;
}

static bool is(const struct text *what, uint64_t want)
{
	return number(stage.world->pg, "", what) == want;
}

static bool all_fired(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return is(&sched_ran, MANY);
}

static struct id session_of(unsigned run)
{
	char n[16];
	const char *const params[] = { n, NULL };
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct id id;

	(void)snprintf(n, sizeof(n), "%u", run);
	rows = ask(stage.world->pg, "", &sched_session, params);
	assert_int_equal(pg_rows_count(rows), 1);
	assert_true(id_parse(pg_str(rows, 0, 0), &id));
	return id;
}

static void open_stage(struct world *world)
{
	tell(world->pg, "", &sched_clear, NULL);
	stage_open(&stage, world);
}

/* ---- once ---- */

static void many_at_once(struct world *world)
{
	struct schedule_spec spec = spec_of(HOUR_S);

	open_stage(world);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	for (unsigned i = 0; i < MANY; i++) {
		(void)make(&spec, 300);
	}
	(void)stage_await(&stage, all_fired, NULL, "all schedules");
	assert_true(is(&sched_left, 0));
	assert_true(is(&sched_tasks, MANY));
	assert_true(is(&sched_orphans, 0));
	stage_stop_scheduler(&stage, 0);
	stage_stop_scheduler(&stage, 1);
	assert_true(is(&sched_tasks, MANY));
	stage_close(&stage);
}

static void two_schedulers_at_once_fire_each_time_once(void **state)
{
	(void)state;
	world_run(many_at_once);
}

static bool enough_times(struct stage *unused, void *arg)
{
	(void)unused;
	return number(stage.world->pg, "", &sched_times) >= *(uint64_t *)arg;
}

static void kill_again_and_again(struct world *world)
{
	struct schedule_spec spec = spec_of(1);
	uint64_t want = 4;

	spec.overlap = SCHEDULE_QUEUE;
	open_stage(world);
	(void)make(&spec, 0);
	for (unsigned i = 0; i < KILLS; i++) {
		stage_start_scheduler(&stage, i % 2);
		(void)fiber_sleep(KILL_MS);
		stage_kill_scheduler(&stage, i % 2);
	}
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	(void)stage_await(&stage, enough_times, &want, "times");
	stage_stop_scheduler(&stage, 0);
	stage_stop_scheduler(&stage, 1);
	/* Every second has its row, each ran, and every task belongs to one. */
	assert_int_equal(number(world->pg, "", &sched_spread), number(world->pg, "", &sched_times));
	assert_int_equal(number(world->pg, "", &sched_ran), number(world->pg, "", &sched_tasks));
	assert_true(is(&sched_orphans, 0) && is(&sched_missed, 0) && is(&sched_failed, 0));
	stage_close(&stage);
}

static void a_killed_scheduler_loses_and_doubles_no_time(void **state)
{
	(void)state;
	world_run(kill_again_and_again);
}

/* ---- overlap ---- */

static bool one_skipped(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return number(stage.world->pg, "", &sched_skipped) >= 1;
}

static bool is_cancelled(struct stage *unused, void *arg)
{
	(void)unused;
	return stage_head(&stage, arg).state == SESSION_CANCELLED;
}

static bool ran_twice(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return number(stage.world->pg, "", &sched_ran) >= 2;
}

static bool has_run(struct stage *unused, void *arg)
{
	(void)unused;
	return number(stage.world->pg, "", &sched_ran) >= *(uint64_t *)arg;
}

static bool has_order(struct stage *unused, void *arg)
{
	(void)unused;
	return player_order(&stage.players[0], arg) != NULL;
}

static bool is_held(struct stage *unused, void *arg)
{
	(void)unused;
	return stage_set(&stage, arg) == QUEUE_HELD;
}

static void skip_while_it_runs(struct world *world)
{
	struct schedule_spec spec = spec_of(1);

	open_stage(world);
	stage_start_scheduler(&stage, 0);
	(void)make(&spec, 0);
	(void)stage_await(&stage, one_skipped, NULL, "a skipped time");
	assert_true(is(&sched_ran, 1) && is(&sched_tasks, 1));
	stage_close(&stage);
}

static void a_time_is_skipped_while_the_run_before_goes_on(void **state)
{
	(void)state;
	world_run(skip_while_it_runs);
}

static void cancel_what_runs(struct world *world)
{
	struct schedule_spec spec = spec_of(1);
	struct id first, second;

	spec.overlap = SCHEDULE_CANCEL;
	open_stage(world);
	stage_start_scheduler(&stage, 0);
	(void)make(&spec, 0);
	(void)stage_await(&stage, ran_twice, NULL, "two runs");
	stage_stop_scheduler(&stage, 0);
	first = session_of(0);
	second = session_of((unsigned)number(world->pg, "", &sched_ran) - 1);
	(void)stage_await(&stage, is_cancelled, &first, "the end of the first run");
	assert_int_not_equal(stage_head(&stage, &second).state, SESSION_CANCELLED);
	stage_close(&stage);
}

static void a_run_that_goes_on_is_cancelled_for_the_next(void **state)
{
	(void)state;
	world_run(cancel_what_runs);
}

static void queue_after_it(struct world *world)
{
	struct schedule_spec spec = spec_of(1);
	struct id first, second;

	spec.overlap = SCHEDULE_QUEUE;
	open_stage(world);
	stage_start_scheduler(&stage, 0);
	(void)make(&spec, 0);
	(void)stage_await(&stage, ran_twice, NULL, "two runs");
	tell(world->pg, "", &sched_stop, NULL);
	first = session_of(0);
	second = session_of(1);
	(void)stage_await(&stage, is_held, &second, "the second run to be held");
	(void)stage_worker(&stage, 0, "one", 4);
	(void)stage_await(&stage, has_order, &first, "the order for the first run");
	assert_null(player_order(&stage.players[0], &second));
	stage_complete(&stage, player_order(&stage.players[0], &first));
	(void)stage_await(&stage, has_order, &second, "the order for the second run");
	stage_close(&stage);
}

static void a_run_is_queued_after_the_one_before(void **state)
{
	(void)state;
	world_run(queue_after_it);
}

static bool which_ran(struct stage *unused, void *arg)
{
	(void)unused;
	return is(&sched_which, *(uint64_t *)arg);
}

static void lose_redis(struct world *world)
{
	struct schedule_spec cancels = spec_of(1), plain = spec_of(HOUR_S);
	uint64_t one = 1, two = 2, ran;

	cancels.overlap = SCHEDULE_CANCEL;
	open_stage(world);
	stage_start_scheduler(&stage, 0);
	(void)make(&cancels, 0);
	(void)stage_await(&stage, which_ran, &one, "the first run");
	redis_server_kill(&stage.server);
	(void)make(&plain, 0);
	(void)stage_await(&stage, which_ran, &two, "the other schedule");
	redis_server_start(&stage.server, NULL);
	ran = number(world->pg, "", &sched_ran) + 1;
	(void)stage_await(&stage, has_run, &ran, "the one that cancels");
	stage_close(&stage);
}

static void a_redis_that_is_away_delays_only_what_must_cancel(void **state)
{
	(void)state;
	world_run(lose_redis);
}

/* ---- being late, and ending ---- */

static bool none_left(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return is(&sched_left, 0);
}

/* Due first that long ago, with a time every ten minutes. */
static void be_late(struct world *world, enum schedule_catch_up catch_up, uint64_t ran,
                    uint64_t missed)
{
	struct schedule_spec spec = spec_of(600);

	spec.overlap = SCHEDULE_QUEUE;
	spec.catch_up = (unsigned)catch_up;
	open_stage(world);
	(void)make(&spec, -HOUR_S * INT64_C(1000) + 300000);
	stage_start_scheduler(&stage, 0);
	(void)stage_await(&stage, none_left, NULL, "the next time to come");
	assert_int_equal(number(world->pg, "", &sched_ran), ran);
	assert_int_equal(number(world->pg, "", &sched_missed), missed);
	stage_close(&stage);
}

static void late(struct world *world)
{
	be_late(world, SCHEDULE_NONE, 0, 1);
	be_late(world, SCHEDULE_ONE, 1, 0);
	be_late(world, SCHEDULE_ALL, 6, 0);
}

static void times_of_before_are_made_up_for_as_the_schedule_says(void **state)
{
	(void)state;
	world_run(late);
}

static bool one_over(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return is(&sched_over, 1);
}

static void fire_once_and_fail(struct world *world)
{
	struct schedule_spec once = spec_of(0), broken = spec_of(HOUR_S), lost = spec_of(0);

	open_stage(world);
	once.at_us = clock_wall_us() + SECOND_US / 4;
	(void)make(&once, 250);
	broken.task = STR_LIT("{\"prompt\":\"no agents\"}");
	(void)make(&broken, 0);
	/* A zone that this host does not have: left for a scheduler that does, in nobody's way. */
	lost.cron = STR_LIT("* * * * *");
	lost.timezone = STR_LIT("Mars/Olympus");
	(void)make(&lost, 0);
	stage_start_scheduler(&stage, 0);
	(void)stage_await(&stage, one_over, NULL, "the end of what is once");
	assert_true(is(&sched_ran, 1) && is(&sched_tasks, 1) && is(&sched_failed, 1));
	assert_true(is(&sched_left, 1));
	stage_stop_scheduler(&stage, 0);
	stage_close(&stage);
}

static void what_is_once_ends_and_what_cannot_be_made_is_said(void **state)
{
	(void)state;
	world_run(fire_once_and_fail);
}

/* In a transaction to which row level security shows everything. */
static void ask_as_another(struct world *world)
{
	const struct schedule_spec spec = spec_of(HOUR_S);
	const struct schedule_run run = { .at_us = SECOND_US, .outcome = SCHEDULE_SKIPPED };
	struct schedule_due due = { .tenant = STR_LIT(OTHER) };
	struct schedule_step step = { .goes_on = true, .next_us = SECOND_US };
	struct schedule got;
	struct pg_tx *tx;
	struct err err;
	bool took = true;

	open_stage(world);
	due.id = make(&spec, 1000);
	assert_int_equal(schedule_get(world->pg, TENANT, &due.id, test_arena(), &got, &err),
	                 ERR_OK);
	due.next_us = got.next_us;
	assert_int_equal(pg_begin(world->pg, "", &tx, &err), ERR_OK);
	assert_int_equal(schedule_lock(tx, OTHER, &due.id, test_arena(), &got, &err),
	                 ERR_NOT_FOUND);
	assert_int_equal(schedule_take(tx, &due, test_arena(), &got, &took, &err), ERR_OK);
	assert_false(took);
	assert_int_equal(schedule_set_paused(tx, OTHER, &due.id, true, 0, &err), ERR_OK);
	assert_int_equal(schedule_advance(tx, &due, &step, &err), ERR_OK);
	assert_int_equal(schedule_run_add(tx, OTHER, &due.id, &run, &took, &err), ERR_OK);
	assert_false(took);
	assert_int_equal(schedule_lock(tx, TENANT, &due.id, test_arena(), &got, &err), ERR_OK);
	assert_true(got.next_us == due.next_us && !got.spec.paused && got.last_us == 0);
	due.tenant = STR_LIT(TENANT);
	assert_int_equal(schedule_take(tx, &due, test_arena(), &got, &took, &err), ERR_OK);
	assert_true(took);
	pg_rollback(tx);
	stage_close(&stage);
}

static void statements_name_their_tenant_themselves(void **state)
{
	(void)state;
	world_run(ask_as_another);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_schedulers_at_once_fire_each_time_once),
		cmocka_unit_test(a_killed_scheduler_loses_and_doubles_no_time),
		cmocka_unit_test(a_time_is_skipped_while_the_run_before_goes_on),
		cmocka_unit_test(a_run_that_goes_on_is_cancelled_for_the_next),
		cmocka_unit_test(a_run_is_queued_after_the_one_before),
		cmocka_unit_test(a_redis_that_is_away_delays_only_what_must_cancel),
		cmocka_unit_test(times_of_before_are_made_up_for_as_the_schedule_says),
		cmocka_unit_test(what_is_once_ends_and_what_cannot_be_made_is_said),
		cmocka_unit_test(statements_name_their_tenant_themselves),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
