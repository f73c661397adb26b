/* A tenant that writes faster than the archiver copies waits; another does not; nothing is lost. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "event/backlog.h"
#include "redis/redis.h"
#include "scheduler_world.h"

enum {
	LIMIT = 2 * 1024 * 1024,
	WRITERS = 3,
	EVENT_BYTES = 16 * 1024,
	PACE_MS = 10,
	READ_MS = 100,
	STILL_MS = 1500,
	TAIL = 8
};

SQL(stop_archiver, "LOCK TABLE log_segments IN ACCESS EXCLUSIVE MODE");

static const struct log_new note = { EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"x\"}") };

struct flood {
	struct stage *stage;
	struct id sids[WRITERS];
	uint64_t seqs[WRITERS]; /* accepted */
	char event[EVENT_BYTES];
};

/* What a node does. */
static void read_marks(void *arg)
{
	struct stage *stage = arg;
	struct err err;

	while (!fiber_cancelled()) {
		(void)!backlog_read(stage->redis, &stage->store.backlogged, &err);
		(void)fiber_sleep(READ_MS);
	}
}

static enum log_outcome append(struct stage *stage, const char *tenant, const struct id *sid,
                               uint64_t seq, const struct log_new *event)
{
	const struct log_batch batch = { .sid = *sid,
		                         .tenant = tenant,
		                         .producer = "flood",
		                         .seq = seq,
		                         .from = SESSION_ANY,
		                         .events = event,
		                         .count = 1 };
	struct log_result result;
	struct err err;

	if (log_append(&stage->store, &batch, &result, &err) != ERR_OK) {
		fail_msg("append: %s", err.msg);
	}
	return result.outcome;
}

static bool write_one(struct flood *flood, unsigned i)
{
	const struct log_new event = { EVENT_TYPE_NOTE, { flood->event, strlen(flood->event) } };
	enum log_outcome outcome =
		append(flood->stage, TENANT, &flood->sids[i], flood->seqs[i] + 1, &event);

	assert_true(outcome == LOG_OK || outcome == LOG_LIMIT);
	flood->seqs[i] += outcome == LOG_OK;
	return outcome == LOG_OK;
}

static uint64_t unarchived(struct flood *flood)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WRITERS; i++) {
		sum += stage_head(flood->stage, &flood->sids[i]).unarchived;
	}
	return sum;
}

static bool is_open(struct stage *stage, void *arg)
{
	return stage_head(stage, arg).found;
}

static void begin_flood(struct flood *flood)
{
	int n = snprintf(flood->event, sizeof(flood->event), "{\"message\":\"%0*d\"}",
	                 EVENT_BYTES - 32, 0);

	assert_true(n > 0 && (size_t)n < sizeof(flood->event));
	for (unsigned i = 0; i < WRITERS; i++) {
		flood->sids[i] = accept_task(flood->stage->world, BODY(AGENT(1), "")).sessions[0];
		(void)stage_await(flood->stage, is_open, &flood->sids[i], "a log");
	}
}

static bool all_refused(struct stage *stage, void *arg)
{
	bool refused = true;

	(void)stage;
	for (unsigned i = 0; i < WRITERS; i++) {
		refused = !write_one(arg, i) && refused;
	}
	return refused;
}

static bool all_accepted(struct stage *stage, void *arg)
{
	bool accepted = true;

	(void)stage;
	for (unsigned i = 0; i < WRITERS; i++) {
		accepted = write_one(arg, i) && accepted;
	}
	return accepted;
}

static struct id open_other(struct stage *stage)
{
	struct log_open opening = { .sid = id_new(),
		                    .tenant = OTHER,
		                    .how = LOG_CREATE,
		                    .cause = "create",
		                    .token = "create",
		                    .to = SESSION_QUEUED };
	struct log_result result;
	struct err err;

	assert_int_equal(log_open(&stage->store, &opening, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
	return opening.sid;
}

/* While nothing is archived: not one byte more of this tenant, all of the other's. */
static void check_standstill(struct flood *flood, const struct id *other)
{
	const struct log_new error = { EVENT_TYPE_ERROR, STR_LIT("{\"message\":\"full\"}") };
	uint64_t until = clock_mono_ms() + STILL_MS, before = unarchived(flood), seq = 0;

	assert_in_range(before, LIMIT + 1, 8 * LIMIT);
	while (clock_mono_ms() < until) {
		assert_true(all_refused(flood->stage, flood));
		assert_int_equal(append(flood->stage, OTHER, other, ++seq, &note), LOG_OK);
		assert_int_equal(fiber_sleep(PACE_MS), ERR_OK);
	}
	assert_int_equal(unarchived(flood), before);
	/* What a person must see is never held back. */
	assert_int_equal(append(flood->stage, TENANT, &flood->sids[0], ++flood->seqs[0], &error),
	                 LOG_OK);
}

/* An epoch, its state, and each batch that was accepted: no more, no less. The last few wait for a
 * full segment. */
static bool all_archived(struct stage *stage, void *arg)
{
	const struct flood *flood = arg;
	bool archived = true;

	for (unsigned i = 0; i < WRITERS; i++) {
		struct log_head head = stage_head(stage, &flood->sids[i]);

		assert_int_equal(head.at.n, 2 + flood->seqs[i]);
		archived = archived && head.watermark + TAIL >= head.at.n;
	}
	return archived;
}

static void flood_body(struct world *world)
{
	struct stage stage;
	struct flood flood = { .stage = &stage };
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params none = { 0 };
	struct id other;
	struct pg_tx *tx;
	struct err err;

	stage_open(&stage, world);
	stage.settings[0] = "FAIRLEAD_SESSION_UNARCHIVED_MAX=2MiB";
	stage.settings[1] = "FAIRLEAD_TENANT_UNARCHIVED_MAX=2MiB";
	stage_start_scheduler(&stage, 0);
	(void)fiber_start(world->loop, &stage.fibers, "node", read_marks, &stage);
	begin_flood(&flood);
	other = open_other(&stage);
	assert_int_equal(pg_begin(world->admin, "", &tx, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &stop_archiver, &none, &rows, &err), ERR_OK);
	(void)stage_await(&stage, all_refused, &flood, "a refusal");
	check_standstill(&flood, &other);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
	(void)stage_await(&stage, all_accepted, &flood, "room again");
	(void)stage_await(&stage, all_archived, &flood, "everything in the archive");
	stage_close(&stage);
	map_free(stage.store.backlogged);
}

static void a_flooding_tenant_waits_alone_and_goes_on_when_the_archiver_has_caught_up(void **state)
{
	(void)state;
	world_run(flood_body);
}

/* ---- the marks ---- */

static size_t mark(struct stage *stage, const struct backlog_marks *marks)
{
	struct err err;

	assert_int_equal(backlog_mark(stage->redis, marks, &err), ERR_OK);
	assert_int_equal(backlog_read(stage->redis, &stage->store.backlogged, &err), ERR_OK);
	return map_count(stage->store.backlogged);
}

static void end_of_log(struct stage *stage, const struct id *sid)
{
	const struct log_new events[] = {
		note, { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"cancelled\"}") }
	};
	const struct log_batch batch = { .sid = *sid,
		                         .tenant = OTHER,
		                         .from = SESSION_ANY,
		                         .moves = true,
		                         .to = SESSION_CANCELLED,
		                         .events = events,
		                         .count = 2 };
	struct log_result result;
	struct err err;

	assert_int_equal(log_append(&stage->store, &batch, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
}

static void marks_body(struct world *world)
{
	static const struct str us = STR_LIT(OTHER), them = STR_LIT(TENANT);
	struct stage stage;
	struct id sid;

	stage_open(&stage, world);
	sid = open_other(&stage);
	assert_int_equal(mark(&stage, &(struct backlog_marks){ { us }, 1, { them }, 1, false }), 1);
	assert_int_equal(append(&stage, OTHER, &sid, 1, &note), LOG_LIMIT);
	/* Neither a part of a walk nor being still near the limit frees it. */
	assert_int_equal(mark(&stage, &(struct backlog_marks){ { them }, 1, { us }, 0, false }), 2);
	assert_int_equal(mark(&stage, &(struct backlog_marks){ { us }, 0, { us }, 1, true }), 1);
	assert_int_equal(append(&stage, OTHER, &sid, 1, &note), LOG_LIMIT);
	assert_int_equal(mark(&stage, &(struct backlog_marks){ .whole = true }), 0);
	assert_int_equal(append(&stage, OTHER, &sid, 1, &note), LOG_OK);
	assert_int_equal(mark(&stage, &(struct backlog_marks){ { them }, 1, { us }, 0, true }), 1);
	assert_int_equal(append(&stage, OTHER, &sid, 2, &note), LOG_OK);
	assert_int_equal(mark(&stage, &(struct backlog_marks){ { us }, 1, { us }, 0, true }), 1);
	end_of_log(&stage, &sid);
	stage_close(&stage);
	map_free(stage.store.backlogged);
}

static void a_marked_tenant_appends_nothing_but_moves_until_it_is_freed(void **state)
{
	(void)state;
	world_run(marks_body);
}

static void expiry_body(struct world *world)
{
	struct redis_cmd *cmd CLEANUP(redis_cmd_cleanup) = redis_cmd_new();
	struct redis_reply *reply CLEANUP(redis_reply_cleanup) = NULL;
	struct stage stage;
	struct err err;

	stage_open(&stage, world);
	assert_int_equal(mark(&stage, &(struct backlog_marks){ .over = { STR_LIT(OTHER) },
	                                                       .over_count = 1 }),
	                 1);
	redis_arg_cstr(cmd, "PTTL");
	redis_arg_cstr(cmd, "{w}:backlog");
	assert_int_equal(redis_call(stage.redis, cmd, &reply, &err), ERR_OK);
	assert_in_range(redis_reply_int(reply), 1, BACKLOG_TTL_MS);
	stage_close(&stage);
	map_free(stage.store.backlogged);
}

static void marks_go_by_themselves_when_no_scheduler_renews_them(void **state)
{
	(void)state;
	world_run(expiry_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_flooding_tenant_waits_alone_and_goes_on_when_the_archiver_has_caught_up),
		cmocka_unit_test(a_marked_tenant_appends_nothing_but_moves_until_it_is_freed),
		cmocka_unit_test(marks_go_by_themselves_when_no_scheduler_renews_them),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
