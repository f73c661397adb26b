/* Logs after a loss of Redis: what journals bring back, and what gives way to them. */
#include <stdio.h>
#include <string.h>

#include "log_world.h"

static struct log_event entry(uint64_t epoch, uint64_t n, uint64_t seq)
{
	return (struct log_event){ .at = { epoch, n },
		                   .ts_ms = 1700000000000,
		                   .type = STR_LIT("note"),
		                   .level = STR_LIT(""),
		                   .data = STR_LIT("{\"message\":\"journal\"}"),
		                   .producer = STR_LIT("worker"),
		                   .seq = seq,
		                   .state = STR_LIT("") };
}

static void restore_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_event events[] = { entry(3, 11, 5), entry(3, 12, 5), entry(3, 13, 6) };
	struct log_restore restore = { rig.sid, TENANT, 10, SESSION_QUEUED, events, 3 };
	struct log_open recovery = { .sid = rig.sid,
		                     .tenant = TENANT,
		                     .how = LOG_RECOVER,
		                     .cause = "rebuild",
		                     .token = "recover",
		                     .epoch = 3,
		                     .archived = { 2, 10 },
		                     .to = SESSION_QUEUED };
	struct log_result got;
	struct log_page page;
	struct err err;

	rig.store.generation = 7;
	events[2].state = STR_LIT("running");
	assert_int_equal(log_restore(&rig.store, &restore, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_OK);
	assert_int_equal(got.last.n, 13);
	assert_int_equal(got.state, SESSION_RUNNING);
	assert_int_equal(log_restore(&rig.store, &restore, &got, &err), ERR_OK);
	assert_int_equal(got.last.n, 13);
	assert_int_equal(note(&rig, NULL, 0).outcome, LOG_REBUILD);
	restore.tenant = "other";
	assert_int_equal(log_restore(&rig.store, &restore, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_MISSING);
	restore.tenant = TENANT;
	events[0] = entry(3, 15, 8);
	restore.count = 1;
	assert_int_equal(log_restore(&rig.store, &restore, &got, &err), ERR_OK);
	assert_true(got.outcome == LOG_SEQUENCE && got.expected == 14);

	got = open_with(&rig, &recovery);
	assert_true(got.outcome == LOG_OK && got.epoch > 1003);
	assert_int_equal(got.first.n, 14);
	assert_int_equal(got.state, SESSION_RUNNING);
	assert_int_equal(log_restore(&rig.store, &restore, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_FENCED);
	got = note(&rig, "worker", 5);
	assert_true(got.repeated && got.first.n == 11 && got.last.n == 12);
	assert_int_equal(note(&rig, "worker", 7).first.n, 15);
	assert_int_equal(note(&rig, "forgotten", 41).first.n, 16);

	page = read_after(&rig, (struct cursor){ 3, 14 }, 10);
	assert_int_equal(page.gap.reason, LOG_GAP_RETRACTED);
	assert_int_equal(page.gap.from, 14);
	assert_int_equal(page.gap.to, 14);
	assert_true(str_starts(page.events[0].data, STR_LIT("{\"epoch\":")));
	assert_non_null(
		strstr(page.events[0].data.p, "\"cause\":\"rebuild\",\"previous\":\"3-13\""));
	log_page_fini(&page);
	page = read_after(&rig, (struct cursor){ 0, 0 }, 10);
	assert_int_equal(page.gap.reason, LOG_GAP_TRIMMED);
	assert_int_equal(page.gap.to, 10);
	log_page_fini(&page);
}

static void a_journal_is_put_back_with_its_ids_before_the_log_opens_again(void **state)
{
	(void)state;
	world_run(restore_body);
}

/* Redis is emptied, and again before who rebuilds a log has heard of it. */
static void bare_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_event events[] = { entry(3, 11, 5), entry(3, 12, 6) };
	const struct log_restore restore = { rig.sid, TENANT, 10, SESSION_QUEUED, events, 2 };
	struct log_open recovery = { .sid = rig.sid,
		                     .tenant = TENANT,
		                     .how = LOG_RECOVER,
		                     .cause = "rebuild",
		                     .token = "second",
		                     .epoch = 3,
		                     .archived = { 2, 10 },
		                     .to = SESSION_QUEUED };
	struct log_result got;
	struct log_page page;
	struct err err;

	rig.store.generation = rig.store.since = 2;
	got = open_with(&rig, &recovery);
	assert_true(got.outcome == LOG_OK && got.first.n == 11);

	rig.store.generation = rig.store.since = 3;
	recovery.token = "third";
	assert_int_equal(log_restore(&rig.store, &restore, &got, &err), ERR_OK);
	assert_true(got.outcome == LOG_OK && got.last.n == 12);
	got = open_with(&rig, &recovery);
	assert_true(got.outcome == LOG_OK && got.first.n == 13);
	page = read_after(&rig, (struct cursor){ 2, 10 }, 10);
	assert_int_equal(page.count, 3);
	assert_true(page.events[0].at.epoch == 3 && page.events[0].at.n == 11);
	assert_true(str_eq(page.events[1].data, events[1].data));
	log_page_fini(&page);

	/* A server that was started again with all it had: what was recovered there counts. */
	rig.store.generation = 4;
	recovery.token = "fourth";
	got = open_with(&rig, &recovery);
	assert_true(got.outcome == LOG_OK && got.first.n == 14);
}

static void a_log_that_was_recovered_from_nothing_gives_way_to_the_journal(void **state)
{
	(void)state;
	world_run(bare_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_journal_is_put_back_with_its_ids_before_the_log_opens_again),
		cmocka_unit_test(a_log_that_was_recovered_from_nothing_gives_way_to_the_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
