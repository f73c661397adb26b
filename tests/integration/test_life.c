/* What becomes of sessions when workers go: paused ones, branches; and workers that get nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/command_store.h"
#include "cordon/cordon_store.h"
#include "scheduler_world.h"

SQL(delivery_state, "SELECT string_agg(epoch || ' ' || state, ',' ORDER BY epoch) "
                    "FROM deliveries WHERE session_id = $1::text");
SQL(row_state, "SELECT state FROM sessions WHERE id = $1::text");

#define WORK                                                                                       \
	"{\"prompt\":\"go on\",\"repo\":{\"mode\":\"git\",\"url\":\"https://git.example/a.git\"}," \
	"\"runtime\":{\"type\":\"local\"},\"agents\":[" AGENT(                                     \
		1) "],"                                                                            \
		   "\"delivery\":{\"mode\":\"branch\",\"targetBranch\":\"work/it\"}}"

static struct id new_session(struct stage *stage, const char *body)
{
	return accept_task(stage->world, body).sessions[0];
}

/* ---- conditions ---- */

struct expected {
	struct player *player;
	struct id sid;
	uint64_t epoch; /* more than this */
	const struct text *query;
	const char *value;
	enum session_state state;
	enum queue_set set;
};

static bool is_ordered(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	const struct order *order = player_order(e->player, &e->sid);

	(void)stage;
	return order != NULL && order->epoch > e->epoch;
}

static struct order await_order(struct stage *stage, struct player *player, const struct id *sid,
                                uint64_t epoch)
{
	struct expected e = { .player = player, .sid = *sid, .epoch = epoch };

	(void)stage_await(stage, is_ordered, &e, "an order to run");
	return *player_order(player, sid);
}

static bool says(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) =
		ask(stage->world->pg, "", e->query, (const char *const[]){ e->sid.s, NULL });

	return str_eq(pg_str(rows, 0, 0), str_of(e->value));
}

static void await_says(struct stage *stage, const struct id *sid, const struct text *query,
                       const char *value)
{
	struct expected e = { .sid = *sid, .query = query, .value = value };

	(void)stage_await(stage, says, &e, value);
}

static bool is_there(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	return stage_head(stage, &e->sid).state == e->state && stage_set(stage, &e->sid) == e->set;
}

static void await_place(struct stage *stage, const struct id *sid, enum session_state state,
                        enum queue_set set)
{
	struct expected e = { .sid = *sid, .state = state, .set = set };

	(void)stage_await(stage, is_there, &e, session_state_name(state));
}

/* As a client does: the row, then the move. */
static void ask_for(struct stage *stage, const struct id *sid, const char *kind,
                    enum session_state to)
{
	const struct command_new command = { .tenant = TENANT,
		                             .session = *sid,
		                             .kind = kind,
		                             .payload = STR_LIT("{}"),
		                             .created_by = "key-1" };
	const struct order any = { .sid = *sid };
	struct pg_tx *tx = begin(stage->world);
	char data[64];
	struct id id;
	uint64_t seq;
	struct err err;

	assert_int_equal(command_add(tx, &command, &id, &seq, &err), ERR_OK);
	commit(tx);
	(void)snprintf(data, sizeof(data), "{\"status\":\"%s\"}", session_state_name(to));
	assert_true(stage_move(stage, &any, to, data));
}

/* ---- paused ---- */

static struct id pause_one(struct stage *stage, struct player *player)
{
	struct id sid = new_session(stage, BODY(AGENT(1), ""));
	struct order order = await_order(stage, player, &sid, 0);

	assert_true(stage_move(stage, &order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	assert_true(stage_move(stage, &order, SESSION_PAUSING, "{\"status\":\"pausing\"}"));
	assert_true(stage_move(stage, &order, SESSION_PAUSED, "{\"status\":\"paused\"}"));
	return sid;
}

static void paused_body(struct world *world)
{
	struct stage stage;
	struct player *first, *second;
	struct id resumed, stopped, other;
	struct order order;

	stage_open(&stage, world);
	first = stage_worker(&stage, 0, "inc-1", 2);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	resumed = pause_one(&stage, first);
	stopped = pause_one(&stage, first);
	second = stage_worker(&stage, 1, "inc-2", 1);
	first->silent = true;
	await_place(&stage, &resumed, SESSION_PAUSED, QUEUE_HELD);
	await_place(&stage, &stopped, SESSION_PAUSED, QUEUE_HELD);
	/* They take no slot: another one gets it. */
	other = new_session(&stage, BODY(AGENT(1), ""));
	order = await_order(&stage, second, &other, 0);
	assert_null(player_order(second, &resumed));
	stage_complete(&stage, &order);

	ask_for(&stage, &stopped, "stop", SESSION_STOPPING);
	await_place(&stage, &stopped, SESSION_STOPPED, QUEUE_DONE);
	ask_for(&stage, &resumed, "resume", SESSION_RESUMING);
	order = await_order(&stage, second, &resumed, 2);
	assert_int_equal(stage_head(&stage, &resumed).state, SESSION_PROVISIONING);
	stage_complete(&stage, &order);
	await_place(&stage, &resumed, SESSION_COMPLETED, QUEUE_DONE);
	stage_close(&stage);
}

static void a_paused_session_whose_worker_is_lost_is_paused_until_it_is_resumed(void **state)
{
	(void)state;
	world_run(paused_body);
}

static void lost_redis_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct id sid;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	sid = pause_one(&stage, player);
	await_says(&stage, &sid, &row_state, "paused");
	player->silent = true;
	stage_lose_redis(&stage);
	await_place(&stage, &sid, SESSION_PAUSED, QUEUE_HELD);
	stage_close(&stage);
}

static void a_paused_session_is_paused_after_a_loss_of_redis(void **state)
{
	(void)state;
	world_run(lost_redis_body);
}

/* ---- branches ---- */

static void say_delivery(struct stage *stage, const struct order *order)
{
	char data[256];

	(void)snprintf(data, sizeof(data),
	               "{\"mode\":\"branch\",\"ref\":\"refs/fairlead/%s/%" PRIu64 "\","
	               "\"commit\":\"c%" PRIu64 "\",\"targetBranch\":\"work/it\"}",
	               order->sid.s, order->epoch, order->epoch);
	assert_true(stage_append(stage, order, EVENT_TYPE_DELIVERY, data));
}

static struct order begin_work(struct stage *stage, struct player *player, const struct id *sid,
                               uint64_t epoch)
{
	struct order order = await_order(stage, player, sid, epoch);

	assert_true(stage_move(stage, &order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	return order;
}

static void end_work(struct stage *stage, const struct order *order, enum session_state state)
{
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	const struct queue_move move = { .sid = order->sid };
	enum queue_set set;
	char data[64];
	struct err err;

	(void)snprintf(data, sizeof(data), "{\"status\":\"%s\"}", session_state_name(state));
	assert_true(stage_move(stage, order, state, data));
	assert_int_equal(queue_finish(&queue, &move, &set, &err), ERR_OK);
}

static bool is_asked(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	(void)stage;
	return e->player->deliveries > 0;
}

/* The first one's epoch is over. */
static void await_second(struct stage *stage, const struct order *order, const char *state)
{
	char states[64];

	(void)snprintf(states, sizeof(states), "2 superseded,%" PRIu64 " %s", order->epoch, state);
	await_says(stage, &order->sid, &delivery_state, states);
}

static void branch_body(struct world *world)
{
	struct stage stage;
	struct expected e = { .query = NULL };
	struct player *first, *second;
	struct order old, order;
	struct id sid, failed;
	char name[64];
	struct err err;

	stage_open(&stage, world);
	first = stage_worker(&stage, 0, "inc-1", 2);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	sid = new_session(&stage, WORK);
	old = begin_work(&stage, first, &sid, 0);
	say_delivery(&stage, &old);
	await_says(&stage, &sid, &delivery_state, "2 waiting");
	/* Its worker is lost before the end: what it made is void. */
	second = stage_worker(&stage, 1, "inc-2", 2);
	first->silent = true;
	order = begin_work(&stage, second, &sid, old.epoch);
	assert_false(stage_append(&stage, &old, EVENT_TYPE_DELIVERY, "{\"mode\":\"branch\"}"));
	await_says(&stage, &sid, &delivery_state, "2 superseded");
	say_delivery(&stage, &order);
	/* Which epoch that is: a scheduler that did not know yet may have given it to the lost one.
	 */
	await_second(&stage, &order, "waiting");
	assert_int_equal(second->deliveries, 0);
	end_work(&stage, &order, SESSION_COMPLETED);
	e.player = second;
	(void)stage_await(&stage, is_asked, &e, "a worker that is asked");
	(void)snprintf(name, sizeof(name), "\"commit\":\"c%" PRIu64 "\",\"branch\":\"work/it\"",
	               order.epoch);
	assert_non_null(strstr(second->delivery, name));
	assert_non_null(strstr(second->delivery, "\"url\":\"https://git.example/a.git\""));
	(void)snprintf(name, sizeof(name), "%s-%" PRIu64, sid.s, order.epoch);
	assert_int_equal(mail_answer(stage.redis, name, "done", &err), ERR_OK);
	await_second(&stage, &order, "done");
	assert_int_equal(second->deliveries, 1);

	failed = new_session(&stage, WORK);
	order = begin_work(&stage, second, &failed, 0);
	say_delivery(&stage, &order);
	end_work(&stage, &order, SESSION_FAILED);
	await_says(&stage, &failed, &delivery_state, "2 dropped");
	assert_int_equal(second->deliveries, 1);
	stage_close(&stage);
}

static void only_the_commit_of_the_epoch_that_ended_well_reaches_the_branch(void **state)
{
	(void)state;
	world_run(branch_body);
}

/* ---- cordons ---- */

static bool is_marked(struct stage *stage, void *arg)
{
	const struct expected *e = arg;
	struct lease_worker workers[STAGE_WORKERS];
	size_t count = 0;
	struct err err;

	assert_int_equal(lease_list(stage->redis, workers, STAGE_WORKERS, &count, &err), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(workers[i].incarnation, e->player->lease.incarnation) == 0) {
			return workers[i].draining == (e->value != NULL);
		}
	}
	return false;
}

static bool is_told(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	(void)stage;
	return strcmp(e->player->drain, e->value) == 0;
}

static void set_cordon(struct stage *stage, const char *name, bool drain)
{
	struct lease_cordon cordon = { .drain = drain };
	struct err err;

	(void)snprintf(cordon.name, sizeof(cordon.name), "%s", name);
	assert_int_equal(cordon_set(stage->world->pg, &cordon, "key-1", &err), ERR_OK);
}

static void cordon_body(struct world *world)
{
	struct expected e = { .value = "yes" };
	struct player *player, *other;
	struct stage stage;
	struct order order;
	struct id sid;
	struct err err;

	stage_open(&stage, world);
	assert_int_equal(cordon_clear(world->pg, "host-0", &err), ERR_OK);
	stage_start_scheduler(&stage, 0);
	set_cordon(&stage, "host-0", false);
	player = stage_worker(&stage, 0, "inc-1", 4);
	e.player = player;
	(void)stage_await(&stage, is_marked, &e, "the cordon");
	sid = new_session(&stage, BODY(AGENT(1), ""));
	other = stage_worker(&stage, 1, "inc-2", 1);
	order = await_order(&stage, other, &sid, 0);
	assert_null(player_order(player, &sid));

	/* Another life of it, after a loss of Redis: it is what the name says. */
	other->silent = player->silent = true;
	stage_lose_redis(&stage);
	assert_int_equal(lease_register(stage.redis, &player->lease, &err), ERR_OK);
	player->silent = false;
	(void)stage_await(&stage, is_marked, &e, "the cordon after a loss");

	set_cordon(&stage, "host-0", true);
	e.value = "drain";
	(void)stage_await(&stage, is_told, &e, "a note to drain");
	player->lease.draining = true;
	assert_int_equal(lease_register(stage.redis, &player->lease, &err), ERR_OK);
	assert_int_equal(cordon_clear(world->pg, "host-0", &err), ERR_OK);
	e.value = "undrain";
	(void)stage_await(&stage, is_told, &e, "a note that it is over");
	player->lease.draining = false;
	assert_int_equal(lease_register(stage.redis, &player->lease, &err), ERR_OK);
	(void)await_order(&stage, player, &sid, order.epoch);
	stage_close(&stage);
}

static void a_cordoned_worker_gets_nothing_until_it_is_uncordoned(void **state)
{
	(void)state;
	world_run(cordon_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_paused_session_whose_worker_is_lost_is_paused_until_it_is_resumed),
		cmocka_unit_test(a_paused_session_is_paused_after_a_loss_of_redis),
		cmocka_unit_test(only_the_commit_of_the_epoch_that_ended_well_reaches_the_branch),
		cmocka_unit_test(a_cordoned_worker_gets_nothing_until_it_is_uncordoned),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
