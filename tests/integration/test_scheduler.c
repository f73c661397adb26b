/* Schedulers as processes, killed at any time, beside a real Redis and a real PostgreSQL. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/command_store.h"
#include "event/segment.h"
#include "scheduler_world.h"
#include "session/session_store.h"

enum { KILLS = 12, KILL_SESSIONS = 3, MANY = 20 };

SQL(count_epochs, "SELECT count(*) FROM session_epochs WHERE session_id = $1::text");
SQL(count_leases, "SELECT count(*) FROM session_epochs WHERE cause = 'lease' "
                  "AND session_id = $1::text");
SQL(count_archived, "SELECT coalesce(sum(event_count), 0) FROM log_segments "
                    "WHERE session_id = $1::text");
SQL(make_older, "UPDATE sessions SET created_at = now() - interval '1 minute' "
                "WHERE id = $1::text");
SQL(command_state, "SELECT state FROM commands WHERE id = $1::text");

static uint64_t count_of(struct stage *stage, const struct text *query, const struct id *sid)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) =
		ask(stage->world->pg, "", query, (const char *const[]){ sid->s, NULL });

	return pg_u64(rows, 0, 0);
}

static struct task_accepted new_task(struct stage *stage)
{
	return accept_task(stage->world, BODY(AGENT(1), ""));
}

/* ---- conditions ---- */

struct expected {
	struct player *player;
	struct id sid;
	uint64_t epoch; /* more than this */
	const char *column, *value;
};

static bool is_ordered(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	const struct order *order = player_order(e->player, &e->sid);

	(void)stage;
	return order != NULL && order->epoch > e->epoch;
}

static bool row_says(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	char text[128];

	stage_row(stage, &e->sid, e->column, text);
	return strcmp(text, e->value) == 0;
}

static bool is_archived(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	char text[128];

	stage_row(stage, &e->sid, "archived_at", text);
	return text[0] != '\0';
}

static bool is_ready(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	return stage_set(stage, &e->sid) == QUEUE_READY;
}

static void finish(struct stage *stage, const struct id *sid)
{
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	const struct queue_move move = { .sid = *sid };
	enum queue_set set;
	struct err err;

	assert_int_equal(queue_finish(&queue, &move, &set, &err), ERR_OK);
}

static uint64_t await_order(struct stage *stage, struct player *player, const struct id *sid,
                            uint64_t epoch)
{
	struct expected e = { .player = player, .sid = *sid, .epoch = epoch };

	return stage_await(stage, is_ordered, &e, "an order to run");
}

static uint64_t await_row(struct stage *stage, const struct id *sid, const char *column,
                          const char *value)
{
	struct expected e = { .sid = *sid, .column = column, .value = value };

	return stage_await(stage, row_says, &e, value);
}

static void await_archived(struct stage *stage, const struct id *sid)
{
	struct expected e = { .sid = *sid };

	(void)stage_await(stage, is_archived, &e, "archived to its end");
	assert_int_equal(count_of(stage, &count_archived, sid), stage_head(stage, sid).at.n);
}

static bool has_epochs(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	return count_of(stage, &count_epochs, &e->sid) == e->epoch;
}

/* PostgreSQL hears of an epoch while its worker begins. */
static void await_epochs(struct stage *stage, const struct id *sid, uint64_t count)
{
	struct expected e = { .sid = *sid, .epoch = count };

	(void)stage_await(stage, has_epochs, &e, "its epochs are stored");
}

/* ---- the tests ---- */

static void heal_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct id sid;
	char text[128];

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 2);
	stage_start_scheduler(&stage, 0);
	sid = new_task(&stage).sessions[0];
	print_message("ordered %" PRIu64 " ms after it was accepted and not queued\n",
	              await_order(&stage, player, &sid, 0));
	await_epochs(&stage, &sid, 2);
	assert_int_equal(stage_head(&stage, &sid).state, SESSION_PROVISIONING);
	stage_complete(&stage, player_order(player, &sid));
	print_message("row completed after %" PRIu64 " ms\n",
	              await_row(&stage, &sid, "state", "completed"));
	stage_row(&stage, &sid, "exit_code", text);
	assert_string_equal(text, "0");
	stage_row(&stage, &sid, "changes", text);
	assert_string_equal(text, "{\"files\": 1}");
	stage_row(&stage, &sid, "worker_id", text);
	assert_string_equal(text, "host-0");
	stage_stop_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 0);
	stage_row(&stage, &sid, "started_at", text);
	assert_true(text[0] != '\0');
	await_archived(&stage, &sid);
	stage_close(&stage);
}

static void a_session_that_was_accepted_but_never_queued_runs_and_is_archived(void **state)
{
	(void)state;
	world_run(heal_body);
}

static void once_body(struct world *world)
{
	struct task_accepted tasks[MANY];
	struct stage stage;
	struct player *player;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", MANY);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	for (unsigned i = 0; i < MANY; i++) {
		tasks[i] = new_task(&stage);
	}
	for (unsigned i = 0; i < MANY; i++) {
		const struct id *sid = &tasks[i].sessions[0];

		(void)await_order(&stage, player, sid, 0);
		stage_complete(&stage, player_order(player, sid));
	}
	for (unsigned i = 0; i < MANY; i++) {
		const struct id *sid = &tasks[i].sessions[0];

		await_archived(&stage, sid);
		await_epochs(&stage, sid, 2); /* which may be later than that */
		assert_int_equal(count_of(&stage, &count_leases, sid), 1);
		assert_int_equal(player_orders(player, sid), 1);
		assert_int_equal(stage_set(&stage, sid), QUEUE_DONE);
	}
	stage_close(&stage);
}

static void two_schedulers_give_each_session_one_lease_and_one_order(void **state)
{
	(void)state;
	world_run(once_body);
}

static bool all_ended(struct stage *stage, void *arg)
{
	const struct id *sids = arg;
	struct player *player = &stage->players[0];
	bool all = true;

	for (unsigned i = 0; i < KILLS * KILL_SESSIONS; i++) {
		const struct order *order = player_order(player, &sids[i]);
		struct log_head head = stage_head(stage, &sids[i]);

		if (order != NULL && head.state == SESSION_PROVISIONING &&
		    head.at.epoch == order->epoch) {
			stage_complete(stage, order);
		}
		all = all && head.found && head.state == SESSION_COMPLETED;
	}
	return all;
}

static void kill_body(struct world *world)
{
	struct id sids[KILLS * KILL_SESSIONS];
	struct stage stage;
	unsigned seed = (unsigned)clock_mono_us();

	print_message("seed %u\n", seed);
	srand(seed);
	stage_open(&stage, world);
	(void)stage_worker(&stage, 0, "inc-1", KILLS * KILL_SESSIONS);
	for (unsigned i = 0; i < KILLS; i++) {
		stage_start_scheduler(&stage, 0);
		for (unsigned k = 0; k < KILL_SESSIONS; k++) {
			struct id *sid = &sids[i * KILL_SESSIONS + k];

			/* The reconciler would wait for a second before it believes that the API
			 * died. */
			*sid = new_task(&stage).sessions[0];
			tell(world->pg, "", &make_older, (const char *const[]){ sid->s, NULL });
			(void)fiber_sleep((unsigned)rand() % 150);
		}
		(void)fiber_sleep((unsigned)rand() % 150);
		stage_kill_scheduler(&stage, 0);
	}
	stage_start_scheduler(&stage, 0);
	(void)stage_await(&stage, all_ended, sids, "all ended");
	for (unsigned i = 0; i < KILLS * KILL_SESSIONS; i++) {
		(void)await_row(&stage, &sids[i], "state", "completed");
		await_archived(&stage, &sids[i]);
		/* Created, and leased once: an epoch each. */
		assert_int_equal(stage_head(&stage, &sids[i]).at.epoch, 2);
	}
	stage_close(&stage);
}

static void schedulers_killed_at_any_time_lose_nothing_and_lease_nothing_twice(void **state)
{
	(void)state;
	world_run(kill_body);
}

static void lost_body(struct world *world)
{
	struct stage stage;
	struct player *first, *second;
	struct order old;
	struct id sid;
	char text[128];

	stage_open(&stage, world);
	first = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	sid = new_task(&stage).sessions[0];
	(void)await_order(&stage, first, &sid, 0);
	old = *player_order(first, &sid);
	assert_true(stage_move(&stage, &old, SESSION_RUNNING, "{\"status\":\"running\"}"));
	second = stage_worker(&stage, 1, "inc-2", 1);
	first->silent = true;
	print_message("ordered elsewhere %" PRIu64 " ms after the last renewal\n",
	              await_order(&stage, second, &sid, old.epoch));
	assert_false(stage_append(&stage, &old, EVENT_TYPE_NOTE, "{\"message\":\"late\"}"));
	stage_complete(&stage, player_order(second, &sid));
	(void)await_row(&stage, &sid, "state", "completed");
	stage_row(&stage, &sid, "reason", text);
	assert_string_equal(text, "");
	stage_close(&stage);
}

static void a_lost_workers_session_runs_elsewhere_in_the_next_epoch(void **state)
{
	(void)state;
	world_run(lost_body);
}

static void poison_body(struct world *world)
{
	static const char *const names[] = { "inc-1", "inc-2", "inc-3" };
	struct stage stage;
	uint64_t epoch = 0;
	struct id sid;
	char text[128];

	stage_open(&stage, world);
	stage_start_scheduler(&stage, 0);
	sid = new_task(&stage).sessions[0];
	for (unsigned i = 0; i < 3; i++) {
		struct player *player = stage_worker(&stage, i, names[i], 1);

		(void)await_order(&stage, player, &sid, epoch);
		epoch = player_order(player, &sid)->epoch;
		assert_true(stage_move(&stage, player_order(player, &sid), SESSION_RUNNING,
		                       "{\"status\":\"running\"}"));
		player->silent = true;
	}
	(void)await_row(&stage, &sid, "state", "failed");
	stage_row(&stage, &sid, "reason", text);
	assert_string_equal(text, "poison");
	await_archived(&stage, &sid);
	assert_int_equal(stage_set(&stage, &sid), QUEUE_DONE);
	stage_close(&stage);
}

static void the_third_lost_worker_fails_the_session(void **state)
{
	(void)state;
	world_run(poison_body);
}

/* Its host is so busy that it loses its lease, and says so when it comes back. */
static void come_back_late(struct stage *stage, struct player *player, unsigned i)
{
	struct lease_worker *lease = &player->lease;
	struct err err;

	player->silent = true;
	assert_int_equal(lease_end(stage->redis, lease->incarnation, &err), ERR_OK);
	memcpy(lease->former, lease->incarnation, sizeof(lease->former));
	(void)snprintf(lease->incarnation, sizeof(lease->incarnation), "inc-%u", i);
	assert_int_equal(lease_register(stage->redis, lease, &err), ERR_OK);
	player->silent = false;
}

static void late_body(struct world *world)
{
	const unsigned most = 10; /* and the last, which is not back yet, counts as five */
	struct player *player;
	struct stage stage;
	uint64_t epoch = 0;
	struct id sid;
	char text[128];

	stage_open(&stage, world);
	stage_start_scheduler(&stage, 0);
	sid = new_task(&stage).sessions[0];
	player = stage_worker(&stage, 0, "inc-0", 1);
	for (unsigned i = 0; i <= most; i++) {
		(void)await_order(&stage, player, &sid, epoch);
		epoch = player_order(player, &sid)->epoch;
		assert_true(stage_move(&stage, player_order(player, &sid), SESSION_RUNNING,
		                       "{\"status\":\"running\"}"));
		come_back_late(&stage, player, i + 1);
	}
	(void)await_row(&stage, &sid, "state", "failed");
	stage_row(&stage, &sid, "reason", text);
	assert_string_equal(text, "poison");
	stage_close(&stage);
}

static void workers_that_were_only_late_make_a_session_poison_much_later(void **state)
{
	(void)state;
	world_run(late_body);
}

static void innocent_body(struct world *world)
{
	static const char *const names[] = { "inc-1", "inc-2", "inc-3", "inc-4" };
	struct player *player = NULL;
	struct stage stage;
	uint64_t epoch = 0;
	struct id sid;
	struct err err;

	stage_open(&stage, world);
	stage_start_scheduler(&stage, 0);
	sid = new_task(&stage).sessions[0];
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (player != NULL) {
			player->silent = true;
			assert_int_equal(lease_end(stage.redis, player->lease.incarnation, &err),
			                 ERR_OK);
		}
		player = stage_worker(&stage, i, names[i], 1);
		(void)await_order(&stage, player, &sid, epoch);
		epoch = player_order(player, &sid)->epoch;
	}
	stage_complete(&stage, player_order(player, &sid));
	(void)await_row(&stage, &sid, "state", "completed");
	stage_close(&stage);
}

static void a_session_that_no_lost_worker_had_begun_is_not_poison(void **state)
{
	(void)state;
	world_run(innocent_body);
}

/* What a scheduler does first with a session whose worker is lost. */
static void raise_for_requeue(struct stage *stage, const struct order *order)
{
	char token[64];
	struct log_open opening = { .sid = order->sid,
		                    .tenant = TENANT,
		                    .how = LOG_RAISE,
		                    .cause = "requeue",
		                    .token = token,
		                    .epoch = order->epoch,
		                    .moves = true,
		                    .to = SESSION_QUEUED };
	struct log_result result;
	struct err err;

	(void)snprintf(token, sizeof(token), "requeue-%" PRIu64, order->attempt);
	assert_int_equal(log_open(&stage->store, &opening, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
}

static void verdict_body(struct world *world)
{
	static const char *const names[] = { "inc-1", "inc-2", "inc-3", "inc-4" };
	struct player *player = NULL;
	struct stage stage;
	uint64_t epoch = 0;
	struct id sid;
	struct err err;

	stage_open(&stage, world);
	stage_start_scheduler(&stage, 0);
	sid = new_task(&stage).sessions[0];
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		player = stage_worker(&stage, i, names[i], 1);
		(void)await_order(&stage, player, &sid, epoch);
		epoch = player_order(player, &sid)->epoch;
		if (i < 2) {
			assert_true(stage_move(&stage, player_order(player, &sid), SESSION_RUNNING,
			                       "{\"status\":\"running\"}"));
		}
		player->silent = i < 3;
		if (i == 2) { /* of two schedulers one has raised the epoch, the other looks now */
			stage_kill_scheduler(&stage, 0);
			raise_for_requeue(&stage, player_order(player, &sid));
		}
		if (i < 3) {
			assert_int_equal(lease_end(stage.redis, player->lease.incarnation, &err),
			                 ERR_OK);
		}
		if (i == 2) {
			stage_start_scheduler(&stage, 0);
		}
	}
	stage_complete(&stage, player_order(player, &sid));
	(void)await_row(&stage, &sid, "state", "completed");
	stage_close(&stage);
}

static void two_schedulers_say_the_same_of_a_lost_worker(void **state)
{
	(void)state;
	world_run(verdict_body);
}

static void rebuild_body(struct world *world)
{
	struct stage stage;
	struct player *player, *later;
	struct id running, waiting, ended;
	uint64_t epoch;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 2);
	stage_start_scheduler(&stage, 0);
	ended = new_task(&stage).sessions[0];
	(void)await_order(&stage, player, &ended, 0);
	stage_complete(&stage, player_order(player, &ended));
	await_archived(&stage, &ended);
	running = new_task(&stage).sessions[0];
	(void)await_order(&stage, player, &running, 0);
	assert_true(stage_move(&stage, player_order(player, &running), SESSION_RUNNING,
	                       "{\"status\":\"running\"}"));
	epoch = player_order(player, &running)->epoch;
	(void)await_row(&stage, &running, "state", "running");
	player->lease.slots = 1;
	player->silent = true;
	waiting = new_task(&stage).sessions[0];
	stage_lose_redis(&stage);
	later = stage_worker(&stage, 1, "inc-2", 4);
	print_message("ordered %" PRIu64 " ms after Redis came back empty\n",
	              await_order(&stage, later, &running, epoch));
	(void)await_order(&stage, later, &waiting, 0);
	stage_complete(&stage, player_order(later, &running));
	stage_complete(&stage, player_order(later, &waiting));
	(void)await_row(&stage, &running, "state", "completed");
	(void)await_row(&stage, &waiting, "state", "completed");
	assert_false(stage_head(&stage, &ended).found);
	assert_int_equal(stage_set(&stage, &ended), QUEUE_NONE);
	stage_close(&stage);
}

static void an_empty_redis_gets_every_living_session_back(void **state)
{
	(void)state;
	world_run(rebuild_body);
}

static bool is_rebuilt(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	struct log_head head = stage_head(stage, &e->sid);

	return head.found && head.generation == stage->store.generation && head.at.epoch > e->epoch;
}

static void restart_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct expected e = { 0 };
	struct order order;
	struct id sid, waiting;

	stage_open(&stage, world);
	stage_keep_redis(&stage);
	player = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	sid = new_task(&stage).sessions[0];
	(void)await_order(&stage, player, &sid, 0);
	order = *player_order(player, &sid);
	assert_true(stage_move(&stage, &order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	(void)await_row(&stage, &sid, "state", "running");
	waiting = new_task(&stage).sessions[0];
	(void)stage_await(&stage, is_ready, &(struct expected){ .sid = waiting }, "ready");
	stage_lose_redis(&stage);
	e.sid = sid;
	e.epoch = order.epoch;
	(void)stage_await(&stage, is_rebuilt, &e, "rebuilt");
	/* A worker adopts the epoch of a rebuild: nobody else got its session. */
	assert_int_equal(stage_set(&stage, &sid), QUEUE_LEASED);
	assert_int_equal(stage_head(&stage, &sid).state, SESSION_RUNNING);
	order.epoch = stage_head(&stage, &sid).at.epoch;
	assert_true(stage_move(&stage, &order, SESSION_COMPLETED,
	                       "{\"status\":\"completed\",\"exitCode\":0}"));
	finish(&stage, &sid);
	(void)await_row(&stage, &sid, "state", "completed");
	assert_int_equal(count_of(&stage, &count_leases, &sid), 1);
	(void)await_order(&stage, player, &waiting, 0);
	stage_complete(&stage, player_order(player, &waiting));
	(void)await_row(&stage, &waiting, "state", "completed");
	await_archived(&stage, &sid);
	await_archived(&stage, &waiting);
	stage_close(&stage);
}

static void a_redis_that_kept_its_data_leaves_leases_where_they_are(void **state)
{
	(void)state;
	world_run(restart_body);
}

/* Beside the loop: workers go on renewing. */
static void pg_ctl(const char *verb)
{
	char line[512];
	int status = -1;
	pid_t pid;

	(void)snprintf(line, sizeof(line), "exec %s %s", getenv("TEST_PG_CTL"), verb);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		(void)fiber_sleep(20);
	}
	assert_int_equal(status, 0);
}

static bool is_trimmed(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	struct log_head head = stage_head(stage, &e->sid);

	return head.watermark + 128 >= head.at.n && head.unarchived < 64 * 1024;
}

static void outage_body(struct world *world)
{
	static const char line[] = "{\"level\":\"info\",\"message\":\"a line of the log that is "
				   "neither short nor long, as they are\"}";
	struct stage stage;
	struct player *player;
	struct order order;
	struct id sid;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	sid = new_task(&stage).sessions[0];
	(void)await_order(&stage, player, &sid, 0);
	order = *player_order(player, &sid);
	assert_true(stage_move(&stage, &order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	for (unsigned i = 0; i < 1500; i++) {
		assert_true(stage_append(&stage, &order, EVENT_TYPE_LOG, line));
	}
	{
		struct expected e = { .sid = sid };

		(void)stage_await(&stage, is_trimmed, &e, "archived behind the head");
	}
	pg_ctl("stop");
	for (unsigned i = 0; i < 500; i++) {
		assert_true(stage_append(&stage, &order, EVENT_TYPE_LOG, line));
	}
	assert_true(stage_move(&stage, &order, SESSION_COMPLETED,
	                       "{\"status\":\"completed\",\"exitCode\":0}"));
	pg_ctl("start");
	print_message("row completed %" PRIu64 " ms after PostgreSQL came back\n",
	              await_row(&stage, &sid, "state", "completed"));
	await_archived(&stage, &sid);
	stage_close(&stage);
}

static void a_log_is_archived_and_followed_across_a_restart_of_postgresql(void **state)
{
	(void)state;
	world_run(outage_body);
}

/* ---- commands ---- */

static struct id add_command(struct stage *stage, const struct id *sid)
{
	const struct command_new command = { .tenant = TENANT,
		                             .session = *sid,
		                             .kind = "prompt",
		                             .payload = STR_LIT("{\"text\":\"go\"}"),
		                             .created_by = "key-1" };
	struct pg_tx *tx = begin(stage->world);
	struct id id;
	uint64_t seq;
	struct err err;

	assert_int_equal(command_add(tx, &command, &id, &seq, &err), ERR_OK);
	commit(tx);
	return id;
}

static bool command_says(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) =
		ask(stage->world->pg, "", &command_state, (const char *const[]){ e->sid.s, NULL });

	return str_eq(pg_str(rows, 0, 0), str_of(e->value));
}

static void await_command(struct stage *stage, const struct id *id, const char *value)
{
	struct expected e = { .sid = *id, .value = value };

	(void)stage_await(stage, command_says, &e, value);
}

static bool has_commands(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	(void)stage;
	return e->player->commands >= e->epoch;
}

static void say_command(struct stage *stage, const struct order *order, enum event_type type,
                        const struct id *id)
{
	char data[128];

	(void)snprintf(data, sizeof(data), "{\"command_id\":\"%s\",\"outcome\":\"done\"}", id->s);
	assert_true(stage_append(stage, order, type, data));
}

static bool log_has(const struct stage *stage, const struct id *sid, enum event_type type)
{
	struct log_range range = { *sid, TENANT, { 0, 0 }, LOG_READ_MAX, 1024 * 1024 };
	struct log_page page;
	struct err err;
	bool has = false;

	assert_int_equal(log_read(&stage->store, &range, &page, &err), ERR_OK);
	for (size_t i = 0; i < page.count; i++) {
		has = has || str_eq(page.events[i].type, str_of(event_type_info(type)->name));
	}
	log_page_fini(&page);
	return has;
}

enum { LEASED_AGAIN_MAX = 12 };

static void command_body(struct world *world)
{
	struct id early, done, unknown, expired, sid;
	struct stage stage;
	struct player *player;
	struct order order;

	stage_open(&stage, world);
	sid = new_task(&stage).sessions[0];
	early = add_command(&stage, &sid);
	player = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	(void)await_order(&stage, player, &sid, 0);
	order = *player_order(player, &sid);
	/* With the order, and again as long as nobody has begun it. */
	(void)stage_await(&stage, has_commands, &(struct expected){ .player = player, .epoch = 2 },
	                  "told twice");
	assert_true(stage_move(&stage, &order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	say_command(&stage, &order, EVENT_TYPE_COMMAND_STARTED, &early);
	await_command(&stage, &early, "started");
	say_command(&stage, &order, EVENT_TYPE_COMMAND_FINISHED, &early);
	await_command(&stage, &early, "done");
	done = add_command(&stage, &sid);
	unknown = add_command(&stage, &sid);
	say_command(&stage, &order, EVENT_TYPE_COMMAND_STARTED, &unknown);
	await_command(&stage, &unknown, "started");
	player->silent = true;
	player = stage_worker(&stage, 1, "inc-2", 1);
	(void)await_order(&stage, player, &sid, order.epoch);
	order = *player_order(player, &sid);
	assert_true(order.epoch <
	            LEASED_AGAIN_MAX); /* it is not given to the lost one over and over */
	await_command(&stage, &unknown, "unknown");
	assert_true(log_has(&stage, &sid, EVENT_TYPE_COMMAND_UNKNOWN));
	say_command(&stage, &order, EVENT_TYPE_COMMAND_STARTED, &done);
	say_command(&stage, &order, EVENT_TYPE_COMMAND_FINISHED, &done);
	await_command(&stage, &done, "done");
	expired = add_command(&stage, &sid);
	stage_complete(&stage, &order);
	await_command(&stage, &expired, "expired");
	stage_close(&stage);
}

static void commands_are_told_again_and_their_rows_follow_the_log(void **state)
{
	(void)state;
	world_run(command_body);
}

/* ---- a worker that refuses, an item left half leased ---- */

static void refuse_body(struct world *world)
{
	const struct queue queue = { .shard = 0 };
	struct queue shard = queue;
	struct stage stage;
	struct player *first, *second;
	struct order order;
	struct id sid;
	enum queue_set set;
	struct err err;

	stage_open(&stage, world);
	shard.redis = stage.redis;
	first = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	sid = new_task(&stage).sessions[0];
	(void)await_order(&stage, first, &sid, 0);
	order = *player_order(first, &sid);
	first->lease.draining = true;
	assert_int_equal(lease_register(stage.redis, &first->lease, &err), ERR_OK);
	second = stage_worker(&stage, 1, "inc-2", 1);
	assert_int_equal(queue_refuse(&shard,
	                              &(struct queue_move){ .sid = sid, .attempt = order.attempt },
	                              &set, &err),
	                 ERR_OK);
	(void)await_order(&stage, second, &sid, order.epoch);
	stage_complete(&stage, player_order(second, &sid));
	(void)await_row(&stage, &sid, "state", "completed");
	stage_close(&stage);
}

static void a_refused_session_goes_to_another_worker(void **state)
{
	(void)state;
	world_run(refuse_body);
}

/* What two schedulers can leave behind when Redis is lost: parked, and nobody is at it. */
static void astray_body(struct world *world)
{
	struct stage stage;
	struct queue queue = { .shard = 0 };
	struct queue_move move = { .attempt = 0 };
	struct player *player;
	struct order order;
	enum queue_set set;
	struct err err;

	stage_open(&stage, world);
	queue.redis = stage.redis;
	player = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	move.sid = new_task(&stage).sessions[0];
	(void)await_order(&stage, player, &move.sid, 0);
	order = *player_order(player, &move.sid);
	assert_true(stage_move(&stage, &order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	assert_int_equal(queue_park(&queue, &move, &set, &err), ERR_OK);
	assert_true(stage_move(&stage, &order, SESSION_QUEUED, "{\"status\":\"queued\"}"));
	(void)await_order(&stage, player, &move.sid, order.epoch);
	stage_complete(&stage, player_order(player, &move.sid));
	(void)await_row(&stage, &move.sid, "state", "completed");
	stage_close(&stage);
}

static void a_session_that_is_parked_but_queued_by_its_log_is_begun_again(void **state)
{
	(void)state;
	world_run(astray_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_that_was_accepted_but_never_queued_runs_and_is_archived),
		cmocka_unit_test(two_schedulers_give_each_session_one_lease_and_one_order),
		cmocka_unit_test(
			schedulers_killed_at_any_time_lose_nothing_and_lease_nothing_twice),
		cmocka_unit_test(a_lost_workers_session_runs_elsewhere_in_the_next_epoch),
		cmocka_unit_test(the_third_lost_worker_fails_the_session),
		cmocka_unit_test(workers_that_were_only_late_make_a_session_poison_much_later),
		cmocka_unit_test(a_session_that_no_lost_worker_had_begun_is_not_poison),
		cmocka_unit_test(two_schedulers_say_the_same_of_a_lost_worker),
		cmocka_unit_test(an_empty_redis_gets_every_living_session_back),
		cmocka_unit_test(a_redis_that_kept_its_data_leaves_leases_where_they_are),
		cmocka_unit_test(a_log_is_archived_and_followed_across_a_restart_of_postgresql),
		cmocka_unit_test(commands_are_told_again_and_their_rows_follow_the_log),
		cmocka_unit_test(a_refused_session_goes_to_another_worker),
		cmocka_unit_test(a_session_that_is_parked_but_queued_by_its_log_is_begun_again),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
