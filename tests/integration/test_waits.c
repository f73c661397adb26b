/* What sessions wait for, how often they are tried, and when it is too late: with schedulers as
 * processes, killed in between. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "scheduler_world.h"

enum { SOON_MS = 2500, BODY_MAX = 1024 };

struct wanted {
	struct player *player;
	struct id sid;
	uint64_t epoch; /* more than this */
	enum queue_set set;
	enum session_state state;
	const char *column, *value;
};

static struct task_accepted submit(struct stage *stage, const char *agents, const char *more)
{
	char body[BODY_MAX];

	(void)snprintf(body, sizeof(body),
	               "{\"prompt\":\"go on\",\"repo\":{\"mode\":\"none\"},"
	               "\"runtime\":{\"type\":\"local\"},\"agents\":[%s]%s}",
	               agents, more);
	return accept_task(stage->world, body);
}

static struct task_accepted submit_after(struct stage *stage, const char *agents,
                                         const struct id *after)
{
	char more[64];

	(void)snprintf(more, sizeof(more), ",\"queueAfter\":\"%s\"", after->s);
	return submit(stage, agents, more);
}

static struct task_accepted submit_at(struct stage *stage, const char *member, uint64_t in_ms,
                                      const char *more)
{
	char text[256], when[CLOCK_RFC3339_SIZE];

	clock_format(clock_wall_us() + (int64_t)in_ms * 1000, when);
	(void)snprintf(text, sizeof(text), ",\"%s\":\"%s\"%s", member, when, more);
	return submit(stage, AGENT(1), text);
}

/* ---- waiting ---- */

static bool is_ordered(struct stage *stage, void *arg)
{
	const struct wanted *w = arg;
	const struct order *order = player_order(w->player, &w->sid);

	(void)stage;
	return order != NULL && order->epoch > w->epoch;
}

static const struct order *await_order(struct stage *stage, struct player *player,
                                       const struct id *sid, uint64_t epoch)
{
	struct wanted w = { .player = player, .sid = *sid, .epoch = epoch };

	(void)stage_await(stage, is_ordered, &w, "an order");
	return player_order(player, sid);
}

static bool is_in(struct stage *stage, void *arg)
{
	const struct wanted *w = arg;

	return stage_set(stage, &w->sid) == w->set;
}

static void await_set(struct stage *stage, const struct id *sid, enum queue_set set)
{
	struct wanted w = { .sid = *sid, .set = set };

	(void)stage_await(stage, is_in, &w, queue_set_name(set));
}

static bool is_at(struct stage *stage, void *arg)
{
	const struct wanted *w = arg;

	return stage_head(stage, &w->sid).state == w->state;
}

static void await_state(struct stage *stage, const struct id *sid, enum session_state state)
{
	struct wanted w = { .sid = *sid, .state = state };

	(void)stage_await(stage, is_at, &w, session_state_name(state));
}

static bool row_says(struct stage *stage, void *arg)
{
	const struct wanted *w = arg;
	char text[128];

	stage_row(stage, &w->sid, w->column, text);
	return strcmp(text, w->value) == 0;
}

static void await_row(struct stage *stage, const struct id *sid, const char *column,
                      const char *value)
{
	struct wanted w = { .sid = *sid, .column = column, .value = value };

	(void)stage_await(stage, row_says, &w, value);
}

static bool is_told(struct stage *stage, void *arg)
{
	const struct wanted *w = arg;

	(void)stage;
	return w->player->commands > 0;
}

static void await_command(struct stage *stage, struct player *player)
{
	struct wanted w = { .player = player };

	(void)stage_await(stage, is_told, &w, "a command");
}

/* ---- after another one ---- */

static void after_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct task_accepted first, second, third;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 8);
	first = submit(&stage, AGENT(1), "");
	second = submit_after(&stage, AGENT(2), &first.sessions[0]);
	third = submit_after(&stage, AGENT(1), &second.task);
	stage_start_scheduler(&stage, 0);
	(void)await_order(&stage, player, &first.sessions[0], 0);
	await_set(&stage, &second.sessions[0], QUEUE_HELD);
	await_set(&stage, &second.sessions[1], QUEUE_HELD);
	await_set(&stage, &third.sessions[0], QUEUE_HELD);
	stage_complete(&stage, player_order(player, &first.sessions[0]));
	(void)await_order(&stage, player, &second.sessions[0], 0);
	(void)await_order(&stage, player, &second.sessions[1], 0);
	stage_complete(&stage, player_order(player, &second.sessions[0]));
	await_row(&stage, &second.sessions[0], "state", "completed");
	assert_int_equal(stage_set(&stage, &third.sessions[0]), QUEUE_HELD);

	/* Nobody is there to see the last one end: what comes later lets it go all the same. */
	stage_kill_scheduler(&stage, 0);
	stage_complete(&stage, player_order(player, &second.sessions[1]));
	assert_int_equal(stage_set(&stage, &third.sessions[0]), QUEUE_HELD);
	stage_start_scheduler(&stage, 1);
	(void)await_order(&stage, player, &third.sessions[0], 0);
	assert_int_equal(player_orders(player, &first.sessions[0]), 1);
	stage_close(&stage);
}

static void a_session_waits_for_the_end_of_another_and_of_all_of_a_task(void **state)
{
	(void)state;
	world_run(after_body);
}

/* ---- moments ---- */

static void moments_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct id never, runs, later;
	const struct order *order;
	int64_t not_before_us;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 8);
	never = submit_at(&stage, "deadline", SOON_MS, ",\"workers\":{\"required\":[\"gpu\"]}")
	                .sessions[0];
	runs = submit_at(&stage, "deadline", SOON_MS, ",\"maxAttempts\":3").sessions[0];
	not_before_us = clock_wall_us() + (int64_t)SOON_MS * 1000;
	later = submit_at(&stage, "notBefore", SOON_MS, "").sessions[0];
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	order = await_order(&stage, player, &runs, 0);
	assert_true(stage_move(&stage, order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	await_set(&stage, &never, QUEUE_READY);
	await_set(&stage, &later, QUEUE_DELAYED);

	await_row(&stage, &never, "state", "failed");
	await_row(&stage, &never, "reason", "deadline");
	await_set(&stage, &never, QUEUE_DONE);
	await_state(&stage, &runs, SESSION_STOPPING);
	(void)await_order(&stage, player, &later, 0);
	assert_true(clock_wall_us() >= not_before_us);
	await_command(&stage, player);
	assert_non_null(strstr(player->command, "\"kind\":\"stop\""));
	assert_non_null(strstr(player->command, "\"deadline\""));
	assert_true(stage_move(&stage, order, SESSION_STOPPED,
	                       "{\"status\":\"stopped\",\"reason\":\"deadline\"}"));
	await_row(&stage, &runs, "reason", "deadline");
	assert_int_equal(player_orders(player, &never), 0);
	stage_close(&stage);
}

static void too_late_fails_what_has_not_started_and_stops_what_runs(void **state)
{
	(void)state;
	world_run(moments_body);
}

/* ---- attempts ---- */

/* As the worker does it. */
static void fail_attempt(struct stage *stage, const struct order *order)
{
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	const struct queue_move move = { .sid = order->sid, .attempt = order->attempt };
	char data[64];
	enum queue_set set;
	struct err err;

	(void)snprintf(data, sizeof(data), "{\"attempt\":%" PRIu64 ",\"reason\":\"exit code 3\"}",
	               order->number);
	assert_true(stage_append(stage, order, EVENT_TYPE_ATTEMPT_FAILED, data));
	assert_true(stage_move(stage, order, SESSION_QUEUED, "{\"status\":\"queued\"}"));
	assert_int_equal(queue_requeue(&queue, &move, &set, &err), ERR_OK);
}

static void run_attempt(struct stage *stage, const struct order *order)
{
	char data[64];

	(void)snprintf(data, sizeof(data), "{\"status\":\"running\",\"attempt\":%" PRIu64 "}",
	               order->number);
	assert_true(stage_move(stage, order, SESSION_RUNNING, data));
}

static void attempts_body(struct world *world)
{
	struct stage stage;
	struct player *player, *lost;
	const struct order *order;
	uint64_t epoch;
	struct id sid;

	stage_open(&stage, world);
	lost = stage_worker(&stage, 0, "inc-1", 1);
	sid = submit(&stage, AGENT(1), ",\"maxAttempts\":3").sessions[0];
	stage_start_scheduler(&stage, 0);
	order = await_order(&stage, lost, &sid, 0);
	assert_int_equal(order->number, 1);
	assert_int_equal(order->most, 3);
	run_attempt(&stage, order);
	epoch = order->epoch;

	/* A worker that is lost costs no attempt. */
	player = stage_worker(&stage, 1, "inc-2", 1);
	lost->silent = true;
	order = await_order(&stage, player, &sid, epoch);
	assert_int_equal(order->number, 1);
	run_attempt(&stage, order);
	epoch = order->epoch;

	/* The row cannot know of the failure when the next lease is made. */
	stage_kill_scheduler(&stage, 0);
	fail_attempt(&stage, order);
	await_row(&stage, &sid, "failures", "0");
	stage_start_scheduler(&stage, 1);
	order = await_order(&stage, player, &sid, epoch);
	assert_int_equal(order->number, 2);
	run_attempt(&stage, order);
	await_row(&stage, &sid, "attempts", "2");
	await_row(&stage, &sid, "failures", "1");
	stage_close(&stage);
}

static void attempts_are_counted_by_the_log_and_lost_workers_are_none(void **state)
{
	(void)state;
	world_run(attempts_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_waits_for_the_end_of_another_and_of_all_of_a_task),
		cmocka_unit_test(too_late_fails_what_has_not_started_and_stops_what_runs),
		cmocka_unit_test(attempts_are_counted_by_the_log_and_lost_workers_are_none),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
