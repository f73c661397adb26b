/* The archive and the way through all tiers, with a real Redis and a real PostgreSQL. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log_rig.h"

static void tiers_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_range range = { rig.sid, TENANT, { 0, 0 }, 10, 1000000 };
	struct log_page page;
	struct err err;

	rig_append_notes(&rig, 298);
	rig_raise_epoch(&rig, "lease-1"); /* 301 */
	rig_append_notes(&rig, 99);       /* ..400 */
	assert_int_equal(rig_archive(&rig, 1000, 0), 0);
	assert_int_equal(rig_archive(&rig, 1, 20), 400);
	assert_int_equal(rig_archive(&rig, 1, 20), 400);
	assert_int_equal(log_read(&rig.store, &range, &page, &err), ERR_OK);
	assert_int_equal(page.gap.reason, LOG_GAP_TRIMMED);
	assert_int_equal(page.gap.to, 256);
	log_page_fini(&page);
	rig_append_notes(&rig, 10);
	for (uint64_t n = 0; n <= 410; n += 41) {
		assert_int_equal(rig_read_all(&rig, (struct cursor){ CURSOR_EPOCH_ANY, n }, 50),
		                 410);
		if (n > 0) {
			assert_int_equal(
				rig_read_all(&rig, (struct cursor){ n < 301 ? 1 : 2, n }, 7), 410);
		}
	}
	page = rig_history(&rig, (struct cursor){ 2, 411 }, 50);
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

	rig_append_notes(&rig, 10);
	rig_end_session(&rig);
	assert_int_equal(rig_archive(&rig, 1000, 1000), 13);
	world_say(world, "FLUSHALL");
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 0, 0 }, 5), 13);
	page = rig_history(&rig, (struct cursor){ 1, 13 }, 5);
	assert_true(page.caught_up);
	assert_int_equal(page.head.state, SESSION_CANCELLED);
	log_page_fini(&page);
	page = rig_history(&rig, (struct cursor){ 1, 14 }, 5);
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
		(void)rig_archive(duty->rig, 1, 5);
		duty->left--;
	}
}

static void append_duty(void *arg)
{
	struct duty *duty = arg;

	while (duty->left > 0) {
		rig_append_notes(duty->rig, 7);
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
	assert_int_equal(rig_archive(&rig, 1, 5), 282);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 0, 0 }, 100), 282);
	world_say(world, "FLUSHALL");
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 0, 0 }, 100), 282);
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

	rig_append_notes(&rig, 20);
	assert_int_equal(log_read(&rig.store, &range, &page, &err), ERR_OK);
	assert_int_equal(segment_pack(page.events, page.count, &segment, &err), ERR_OK);
	assert_int_equal(segment_store(rig.pg, &rig.sid, TENANT, &segment, &err), ERR_OK);
	segment_fini(&segment);
	log_page_fini(&page);
	assert_int_equal(rig_archive(&rig, 1, 0), 22);
	world_say(world, "FLUSHALL");
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 0, 0 }, 100), 22);
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
	uint64_t rebuilt;
	struct err err;

	rig_append_notes(&rig, 8);
	assert_int_equal(rig_archive(&rig, 1, 0), 10);
	rig_append_notes(&rig, 5);
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
	rebuilt = result.epoch;
	assert_true(rebuilt > 1);
	assert_int_equal(result.first.n, 11);
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
	assert_true(result.repeated);
	rig_append_notes(&rig, 9); /* 12..20 of the new epoch */
	assert_int_equal(rig_archive(&rig, 1, 0), 20);
	page = rig_history(&rig, (struct cursor){ 1, 15 }, 100);
	assert_int_equal(page.gap.reason, LOG_GAP_RETRACTED);
	assert_int_equal(page.gap.from, 11);
	assert_int_equal(page.gap.to, 15);
	assert_int_equal(page.events[0].at.epoch, rebuilt);
	assert_int_equal(page.events[0].at.n, 11);
	log_page_fini(&page);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 1, 10 }, 100), 20);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ rebuilt, 15 }, 100), 20);
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

	rig_append_notes(&rig, 8);
	assert_int_equal(rig_archive(&rig, 1, 0), 10);
	rig_append_notes(&rig, 5);
	assert_int_equal(log_read(&rig.store, &range, &journal, &err), ERR_OK);
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	restore.base = 10;
	restore.events = journal.events;
	restore.count = journal.count;
	(void)rig_must(log_restore(&rig.store, &restore, &result, &err), &result, &err);
	log_page_fini(&journal);
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
	assert_int_equal(result.first.n, 16);
	rig_append_notes(&rig, 4);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 1, 12 }, 100), 20);
	assert_int_equal(rig_archive(&rig, 1, 0), 20);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 0, 0 }, 100), 20);
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

	rig_append_notes(&rig, 3);
	rig_tell(&rig, "fail", "UPDATE sessions SET state = 'failed' WHERE id = $1::text", NULL);
	rig.store.generation = 2;
	/* Redis lost the last event, so its head still lives; PostgreSQL knows better. */
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
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
