/* The archive and the way through all tiers, with a real Redis and a real PostgreSQL. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/segment.h"
#include "pg/schema.h"
#include "tests/support/world.h"

#define TENANT "acme"

struct rig {
	struct world *world;
	struct log_store store;
	struct pg *pg;
	struct id sid;
};

static const char insert_session[] = "WITH t AS (INSERT INTO tenants (id, name) VALUES ('acme', "
				     "'acme') ON CONFLICT DO NOTHING), "
				     "k AS (INSERT INTO tasks (id, tenant_id, created_by, agents) "
				     "VALUES ($1::text, 'acme', 'me', '[]')) "
				     "INSERT INTO sessions (id, tenant_id, task_id, agent) VALUES "
				     "($1::text, 'acme', $1::text, '{}')";
static const char update_state[] = "UPDATE sessions SET state = $2::text WHERE id = $1::text";

static void tell(const struct rig *rig, const char *name, const char *sql, const char *second)
{
	struct text text = { name, "0", sql, strlen(sql) };
	struct pg_params params = { 0 };
	struct err err;

	pg_param_cstr(&params, rig->sid.s);
	if (second != NULL) {
		pg_param_cstr(&params, second);
	}
	if (pg_query(rig->pg, "", &text, &params, NULL, &err) != ERR_OK) {
		fail_msg("%s: %s", name, err.msg);
	}
}

static struct log_result must(enum err_code code, const struct log_result *result,
                              const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s", err->msg);
	}
	assert_int_equal(result->outcome, LOG_OK);
	return *result;
}

static struct rig rig_new(struct world *world)
{
	struct pg_options options = { getenv("TEST_PG_URL"), 2, 5000, 5000 };
	struct rig rig = {
		world,
		{ .redis = world->redis, .generation = 1, .unarchived_max = 16 * 1024 * 1024 },
		NULL,
		id_new()
	};
	struct log_open opening = { .sid = rig.sid,
		                    .tenant = TENANT,
		                    .how = LOG_CREATE,
		                    .cause = "create",
		                    .token = "create",
		                    .to = SESSION_QUEUED };
	struct log_epoch epoch = {
		.sid = rig.sid, .tenant = TENANT, .cause = "create", .generation = 1
	};
	struct log_result result;
	unsigned applied;
	struct err err;

	rig.pg = pg_new(world->loop, &options);
	if (pg_migrate(rig.pg, &pg_schema, &applied, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	tell(&rig, "insert_session", insert_session, NULL);
	epoch.first = must(log_open(&rig.store, &opening, &result, &err), &result, &err).first;
	assert_int_equal(log_epoch_store(rig.pg, &epoch, &err), ERR_OK);
	assert_int_equal(log_epoch_store(rig.pg, &epoch, &err), ERR_OK);
	return rig;
}

static void append_notes(const struct rig *rig, unsigned count)
{
	struct err err;
	struct log_result result;

	for (unsigned i = 0; i < count; i++) {
		struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"hello\"}") };
		struct log_batch batch = {
			.sid = rig->sid, .tenant = TENANT, .events = &event, .count = 1
		};

		(void)must(log_append(&rig->store, &batch, &result, &err), &result, &err);
	}
}

static void raise_epoch(const struct rig *rig, const char *token)
{
	struct log_open opening = { .sid = rig->sid,
		                    .tenant = TENANT,
		                    .how = LOG_RAISE,
		                    .cause = "lease",
		                    .token = token };
	struct log_epoch epoch = {
		.sid = rig->sid, .tenant = TENANT, .cause = "lease", .generation = 1
	};
	struct log_result result;
	struct err err;

	epoch.first = must(log_open(&rig->store, &opening, &result, &err), &result, &err).first;
	assert_int_equal(log_epoch_store(rig->pg, &epoch, &err), ERR_OK);
}

static void end_session(const struct rig *rig)
{
	struct log_new event = { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"cancelled\"}") };
	struct log_batch batch = { .sid = rig->sid,
		                   .tenant = TENANT,
		                   .events = &event,
		                   .count = 1,
		                   .moves = true,
		                   .to = SESSION_CANCELLED };
	struct log_result result;
	struct err err;

	(void)must(log_append(&rig->store, &batch, &result, &err), &result, &err);
	tell(rig, "update_state", update_state, "cancelled");
}

static uint64_t archive(const struct rig *rig, size_t events_min, uint64_t hot)
{
	struct archive job = { rig->sid, TENANT, events_min, hot, 60000 };
	uint64_t through = 0;
	struct err err;

	if (archive_session(&rig->store, rig->pg, &job, &through, &err) != ERR_OK) {
		fail_msg("archive: %s", err.msg);
	}
	return through;
}

static struct log_page history(const struct rig *rig, struct cursor after, unsigned max)
{
	struct log_range range = { rig->sid, TENANT, after, max, 1024 * 1024 };
	struct log_page page;
	struct err err;

	if (log_history(&rig->store, rig->pg, &range, &page, &err) != ERR_OK) {
		fail_msg("history: %s", err.msg);
	}
	return page;
}

/* Read from a cursor to the end; every n once, in order, no gap. Returns how many. */
static uint64_t read_all(const struct rig *rig, struct cursor at, unsigned max)
{
	uint64_t n = at.n;
	bool caught_up = false;

	while (!caught_up) {
		struct log_page page = history(rig, at, max);

		assert_int_equal(page.gap.reason, LOG_GAP_NONE);
		for (size_t i = 0; i < page.count; i++) {
			assert_int_equal(page.events[i].at.n, ++n);
		}
		at = page.next;
		caught_up = page.caught_up;
		log_page_fini(&page);
	}
	return n;
}

static void tiers_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_range range = { rig.sid, TENANT, { 0, 0 }, 10, 1000000 };
	struct log_page page;
	struct err err;

	append_notes(&rig, 298);
	raise_epoch(&rig, "lease-1"); /* 301 */
	append_notes(&rig, 99);       /* ..400 */
	assert_int_equal(archive(&rig, 1000, 0), 0);
	assert_int_equal(archive(&rig, 1, 20), 400);
	assert_int_equal(archive(&rig, 1, 20), 400);
	assert_int_equal(log_read(&rig.store, &range, &page, &err), ERR_OK);
	assert_int_equal(page.gap.reason, LOG_GAP_TRIMMED);
	assert_int_equal(page.gap.to, 256);
	log_page_fini(&page);
	append_notes(&rig, 10);
	for (uint64_t n = 0; n <= 410; n += 41) {
		assert_int_equal(read_all(&rig, (struct cursor){ CURSOR_EPOCH_ANY, n }, 50), 410);
		if (n > 0) {
			assert_int_equal(read_all(&rig, (struct cursor){ n < 301 ? 1 : 2, n }, 7),
			                 410);
		}
	}
	page = history(&rig, (struct cursor){ 2, 411 }, 50);
	assert_int_equal(page.gap.reason, LOG_GAP_NEVER);
	assert_int_equal(page.next.n, 410);
	log_page_fini(&page);
	pg_free(rig.pg);
}

static void every_cursor_of_a_sessions_life_is_read_through_both_tiers(void **state)
{
	(void)state;
	world_run(tiers_body);
}

static void gone_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_page page;
	struct id other = id_new();
	struct log_range range = { other, TENANT, { 0, 0 }, 10, 1000 };
	struct err err;

	append_notes(&rig, 10);
	end_session(&rig);
	assert_int_equal(archive(&rig, 1000, 1000), 13);
	world_say(world, "FLUSHALL");
	assert_int_equal(read_all(&rig, (struct cursor){ 0, 0 }, 5), 13);
	page = history(&rig, (struct cursor){ 1, 13 }, 5);
	assert_true(page.caught_up);
	assert_int_equal(page.head.state, SESSION_CANCELLED);
	log_page_fini(&page);
	page = history(&rig, (struct cursor){ 1, 14 }, 5);
	assert_int_equal(page.gap.reason, LOG_GAP_NEVER);
	log_page_fini(&page);
	assert_int_equal(log_history(&rig.store, rig.pg, &range, &page, &err), ERR_NOT_FOUND);
	range.sid = rig.sid;
	range.tenant = "other";
	assert_int_equal(log_history(&rig.store, rig.pg, &range, &page, &err), ERR_NOT_FOUND);
	pg_free(rig.pg);
}

static void an_ended_session_is_read_whole_when_redis_has_nothing(void **state)
{
	(void)state;
	world_run(gone_body);
}

struct duty {
	const struct rig *rig;
	unsigned left;
};

static void archive_duty(void *arg)
{
	struct duty *duty = arg;

	while (duty->left > 0) {
		(void)archive(duty->rig, 1, 5);
		duty->left--;
	}
}

static void append_duty(void *arg)
{
	struct duty *duty = arg;

	while (duty->left > 0) {
		append_notes(duty->rig, 7);
		duty->left--;
	}
}

static void race_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct duty duties[] = { { &rig, 10 }, { &rig, 10 }, { &rig, 40 } };
	struct fiber_group group = { 0 };

	(void)fiber_start(world->loop, &group, "archiver", archive_duty, &duties[0]);
	(void)fiber_start(world->loop, &group, "archiver", archive_duty, &duties[1]);
	(void)fiber_start(world->loop, &group, "worker", append_duty, &duties[2]);
	assert_int_equal(fiber_group_wait(&group, 30000), ERR_OK);
	assert_int_equal(archive(&rig, 1, 5), 282);
	assert_int_equal(read_all(&rig, (struct cursor){ 0, 0 }, 100), 282);
	world_say(world, "FLUSHALL");
	assert_int_equal(read_all(&rig, (struct cursor){ 0, 0 }, 100), 282);
	pg_free(rig.pg);
}

static void two_archivers_and_a_producer_lose_and_repeat_nothing(void **state)
{
	(void)state;
	world_run(race_body);
}

/* Stopped between the row and the watermark: the row is taken as it is. */
static void restart_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_range range = { rig.sid, TENANT, { 0, 0 }, 5, 1000000 };
	struct segment segment;
	struct log_page page;
	struct err err;

	append_notes(&rig, 20);
	assert_int_equal(log_read(&rig.store, &range, &page, &err), ERR_OK);
	assert_int_equal(segment_pack(page.events, page.count, &segment, &err), ERR_OK);
	assert_int_equal(segment_store(rig.pg, &rig.sid, TENANT, &segment, &err), ERR_OK);
	segment_fini(&segment);
	log_page_fini(&page);
	assert_int_equal(archive(&rig, 1, 0), 22);
	world_say(world, "FLUSHALL");
	assert_int_equal(read_all(&rig, (struct cursor){ 0, 0 }, 100), 22);
	pg_free(rig.pg);
}

static void an_archiver_that_was_stopped_goes_on_where_it_was(void **state)
{
	(void)state;
	world_run(restart_body);
}

static void loss_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_result result;
	struct log_page page;
	struct err err;

	append_notes(&rig, 8);
	assert_int_equal(archive(&rig, 1, 0), 10);
	append_notes(&rig, 5);
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	(void)must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result, &err);
	assert_int_equal(result.epoch, 2);
	assert_int_equal(result.first.n, 11);
	(void)must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result, &err);
	assert_true(result.repeated);
	append_notes(&rig, 9); /* 12..20 of epoch 2 */
	assert_int_equal(archive(&rig, 1, 0), 20);
	page = history(&rig, (struct cursor){ 1, 15 }, 100);
	assert_int_equal(page.gap.reason, LOG_GAP_RETRACTED);
	assert_int_equal(page.gap.from, 11);
	assert_int_equal(page.gap.to, 15);
	assert_int_equal(page.events[0].at.epoch, 2);
	assert_int_equal(page.events[0].at.n, 11);
	log_page_fini(&page);
	assert_int_equal(read_all(&rig, (struct cursor){ 1, 10 }, 100), 20);
	assert_int_equal(read_all(&rig, (struct cursor){ 2, 15 }, 100), 20);
	pg_free(rig.pg);
}

static void after_a_loss_of_redis_what_was_retracted_is_said_and_nothing_is_renumbered(void **state)
{
	(void)state;
	world_run(loss_body);
}

static void journal_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_range range = { rig.sid, TENANT, { 1, 10 }, 100, 1000000 };
	struct log_restore restore = { .sid = rig.sid, .tenant = TENANT, .state = SESSION_QUEUED };
	struct log_page journal;
	struct log_result result;
	struct err err;

	append_notes(&rig, 8);
	assert_int_equal(archive(&rig, 1, 0), 10);
	append_notes(&rig, 5);
	assert_int_equal(log_read(&rig.store, &range, &journal, &err), ERR_OK);
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	restore.base = 10;
	restore.events = journal.events;
	restore.count = journal.count;
	(void)must(log_restore(&rig.store, &restore, &result, &err), &result, &err);
	log_page_fini(&journal);
	(void)must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result, &err);
	assert_int_equal(result.first.n, 16);
	append_notes(&rig, 4);
	assert_int_equal(read_all(&rig, (struct cursor){ 1, 12 }, 100), 20);
	assert_int_equal(archive(&rig, 1, 0), 20);
	assert_int_equal(read_all(&rig, (struct cursor){ 0, 0 }, 100), 20);
	pg_free(rig.pg);
}

static void a_restored_journal_leaves_no_trace_of_the_loss_but_an_epoch(void **state)
{
	(void)state;
	world_run(journal_body);
}

static void ended_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_result result;
	struct err err;

	append_notes(&rig, 3);
	tell(&rig, "update_state", update_state, "failed");
	rig.store.generation = 2;
	/* Redis lost the last event, so its head still lives; PostgreSQL knows better. */
	(void)must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result, &err);
	assert_int_equal(result.state, SESSION_FAILED);
	world_say(world, "FLUSHALL");
	assert_int_equal(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_ENDED);
	pg_free(rig.pg);
}

static void a_session_that_has_ended_is_not_brought_back_to_life(void **state)
{
	(void)state;
	world_run(ended_body);
}

static struct log_event sample(uint64_t n, const char *data)
{
	return (struct log_event){ .at = { 3, n },
		                   .ts_ms = 1700000000000 + (int64_t)n,
		                   .type = STR_LIT("log"),
		                   .level = STR_LIT("info"),
		                   .data = str_of(data),
		                   .producer = STR_LIT("w"),
		                   .seq = n,
		                   .state = STR_LIT("") };
}

static void damage(void **state)
{
	struct log_event events[] = { sample(5, "{\"a\":1}"), sample(6, "{}") };
	struct segment segment;
	struct log_page page;
	struct str sum;
	struct err err;

	(void)state;
	assert_int_equal(segment_pack(events, 2, &segment, &err), ERR_OK);
	sum = str_make((const char *)segment.checksum, sizeof(segment.checksum));
	assert_int_equal(segment_unpack(buf_str(&segment.data), sum, segment.bytes, &page, &err),
	                 ERR_OK);
	assert_int_equal(page.count, 2);
	assert_true(str_eq(page.events[0].data, events[0].data));
	assert_int_equal(page.events[1].at.n, 6);
	assert_int_equal(page.events[1].ts_ms, events[1].ts_ms);
	log_page_fini(&page);
	for (size_t i = 0; i < segment.data.len; i++) {
		segment.data.data[i] ^= 0x20;
		if (segment_unpack(buf_str(&segment.data), sum, segment.bytes, &page, &err) ==
		    ERR_OK) {
			/* A flag of the frame that changes nothing about its bytes. */
			assert_true(str_eq(page.events[0].data, events[0].data));
			log_page_fini(&page);
		}
		segment.data.data[i] ^= 0x20;
	}
	assert_int_equal(
		segment_unpack(buf_str(&segment.data), sum, segment.bytes - 1, &page, &err),
		ERR_BACKEND);
	segment.checksum[0] ^= 1;
	assert_int_equal(segment_unpack(buf_str(&segment.data), sum, segment.bytes, &page, &err),
	                 ERR_BACKEND);
	segment_fini(&segment);
	events[1].at.n = 7;
	assert_int_equal(segment_pack(events, 2, &segment, &err), ERR_INVALID);
}

static void a_damaged_segment_is_never_believed(void **state)
{
	damage(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_segment_is_never_believed),
		cmocka_unit_test(every_cursor_of_a_sessions_life_is_read_through_both_tiers),
		cmocka_unit_test(an_ended_session_is_read_whole_when_redis_has_nothing),
		cmocka_unit_test(two_archivers_and_a_producer_lose_and_repeat_nothing),
		cmocka_unit_test(an_archiver_that_was_stopped_goes_on_where_it_was),
		cmocka_unit_test(
			after_a_loss_of_redis_what_was_retracted_is_said_and_nothing_is_renumbered),
		cmocka_unit_test(a_restored_journal_leaves_no_trace_of_the_loss_but_an_epoch),
		cmocka_unit_test(a_session_that_has_ended_is_not_brought_back_to_life),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
