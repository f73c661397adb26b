/* Part of test_rows: what is asked for at the same time. */
#include "rows_gather.h"

#include "metric/metric.h"
#include "session/session_gather.h"
#include "task_world.h"

enum { LOOKERS = 3 * SESSION_LOOK_MAX };

struct looker {
	struct session_gather *gather;
	const char *tenant;
	struct id id;
	struct session row;
	enum err_code code;
};

static void look(void *arg)
{
	struct looker *looker = arg;
	struct err err;

	looker->code = session_gather_get(looker->gather, looker->tenant, &looker->id, test_arena(),
	                                  &looker->row, &err);
}

/* One of four is of another tenant, one asks for what there is not, and one gives up. */
static void check_looker(const struct looker *looker, size_t i)
{
	switch (i % 4) {
	case 1: assert_int_equal(looker->code, ERR_NOT_FOUND); break;
	case 2: assert_int_equal(looker->code, ERR_NOT_FOUND); break;
	case 3:
		/* Whoever goes first reads for others, and does not give up. */
		assert_true(looker->code == ERR_CANCELLED || looker->code == ERR_OK);
		break;
	default:
		assert_int_equal(looker->code, ERR_OK);
		assert_string_equal(looker->row.id.s, looker->id.s);
	}
}

static void together_body(struct world *world)
{
	static struct looker lookers[LOOKERS];
	struct fiber *fibers[LOOKERS];
	struct session_gather gather;
	struct task_accepted accepted;
	double queries;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(8), ""));
	session_gather_init(&gather, world->pg);
	for (size_t i = 0; i < LOOKERS; i++) {
		lookers[i] =
			(struct looker){ .gather = &gather,
			                 .tenant = i % 4 == 1 ? OTHER : TENANT,
			                 .id = i % 4 == 2 ? id_new() : accepted.sessions[i % 8] };
		fibers[i] = fiber_start(world->loop, &world->group, "looker", look, &lookers[i]);
	}
	queries = metric_sum(METRIC_PG_QUERIES, NULL);
	assert_int_equal(fiber_yield(), ERR_OK);
	for (size_t i = 3; i < LOOKERS; i += 4) {
		fiber_cancel(fibers[i], ERR_CANCELLED);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < LOOKERS; i++) {
		check_looker(&lookers[i], i);
	}
	/* Of each tenant two that found nobody before them, and the rest in full reads. */
	assert_true(metric_sum(METRIC_PG_QUERIES, NULL) - queries <= 2 * (2 + 3));
	assert_true(TAILQ_EMPTY(&gather.reads));
}

static void failing_body(struct world *world)
{
	struct pg *away =
		pg_new(world->loop,
	               &(struct pg_options){ "postgresql://nobody@127.0.0.1:1/none", 1, 50, 50 });
	struct looker lookers[8];
	struct session_gather gather;

	session_gather_init(&gather, away);
	for (size_t i = 0; i < ARRAY_LEN(lookers); i++) {
		lookers[i] = (struct looker){ .gather = &gather, .tenant = TENANT, .id = id_new() };
		(void)fiber_start(world->loop, &world->group, "looker", look, &lookers[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(lookers); i++) {
		assert_int_equal(lookers[i].code, ERR_UNAVAILABLE);
	}
	pg_free(away);
}

SQL(test_lock_sessions, "LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");

static unsigned stuck;

static bool are_stuck(struct world *world)
{
	return pg_stats(world->pg).active == stuck;
}

/* Reads that are not answered keep nobody else waiting for long. */
static void stuck_body(struct world *world)
{
	struct looker lookers[3];
	struct session_gather gather;
	struct task_accepted accepted;
	struct pg_tx *tx;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	assert_int_equal(pg_begin(world->admin, TENANT, &tx, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &test_lock_sessions, NULL, NULL, &err), ERR_OK);
	session_gather_init(&gather, world->pg);
	for (size_t i = 0; i < ARRAY_LEN(lookers); i++) {
		lookers[i] = (struct looker){ .gather = &gather,
			                      .tenant = TENANT,
			                      .id = accepted.sessions[0] };
		(void)fiber_start(world->loop, &world->group, "looker", look, &lookers[i]);
		stuck = (unsigned)i + 1;
		await(are_stuck, world);
	}
	pg_rollback(tx);
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(lookers); i++) {
		assert_int_equal(lookers[i].code, ERR_OK);
	}
}

void who_asks_at_the_same_time_is_answered_by_few_queries(void **state)
{
	(void)state;
	world_run(together_body);
	world_run(failing_body);
	world_run(stuck_body);
}
