/* The log's scripts against a real Redis: every outcome, twice where repetition must be harmless.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "log_world.h"
#include "redis/sub.h"

static struct log_result create(const struct rig *rig)
{
	return open_with(rig, &(struct log_open){ .sid = rig->sid,
	                                          .tenant = TENANT,
	                                          .how = LOG_CREATE,
	                                          .cause = "create",
	                                          .token = "create",
	                                          .to = SESSION_QUEUED });
}

static struct log_open lease_of(const struct rig *rig, const char *token)
{
	return (struct log_open){ .sid = rig->sid,
		                  .tenant = TENANT,
		                  .how = LOG_RAISE,
		                  .cause = "lease",
		                  .token = token,
		                  .from = session_bit(SESSION_QUEUED),
		                  .moves = true,
		                  .to = SESSION_PROVISIONING };
}

static struct log_result move_to(const struct rig *rig, enum session_state to)
{
	struct log_new event = { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"moved\"}") };
	struct log_batch batch = batch_of(rig, &event, 1);

	batch.moves = true;
	batch.to = to;
	return append(rig, &batch);
}

static void creating_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_result first = create(&rig);
	struct log_result again = create(&rig);
	struct log_page page = read_after(&rig, (struct cursor){ 0, 0 }, 10);

	assert_int_equal(first.outcome, LOG_OK);
	assert_false(first.repeated);
	assert_int_equal(first.epoch, 1);
	assert_int_equal(first.first.n, 1);
	assert_int_equal(first.last.n, 2);
	assert_int_equal(again.outcome, LOG_OK);
	assert_true(again.repeated);
	assert_int_equal(again.first.n, 1);
	assert_int_equal(page.count, 2);
	assert_true(str_eq(page.events[0].type, STR_LIT("epoch")));
	assert_true(str_eq(page.events[0].data,
	                   STR_LIT("{\"epoch\":1,\"cause\":\"create\",\"previous\":\"0-0\"}")));
	assert_true(str_eq(page.events[1].state, STR_LIT("queued")));
	assert_true(str_eq(page.events[1].data, STR_LIT("{\"status\":\"queued\"}")));
	assert_true(page.caught_up);
	assert_int_equal(page.gap.reason, LOG_GAP_NONE);
	log_page_fini(&page);
}

static void a_log_is_created_once_however_often_it_is_asked(void **state)
{
	(void)state;
	world_run(creating_body);
}

static void lease_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_result got;

	got = open_with(&rig, &lease);
	assert_int_equal(got.outcome, LOG_REBUILD);
	(void)create(&rig);
	got = open_with(&rig, &lease);
	assert_int_equal(got.outcome, LOG_OK);
	assert_int_equal(got.epoch, 2);
	assert_int_equal(got.first.n, 3);
	assert_int_equal(got.state, SESSION_PROVISIONING);
	got = open_with(&rig, &lease);
	assert_true(got.repeated);
	assert_int_equal(got.epoch, 2);
	assert_int_equal(got.first.n, 3);
	lease.token = "lease-2";
	got = open_with(&rig, &lease);
	assert_int_equal(got.outcome, LOG_MOVED);
	assert_int_equal(got.state, SESSION_PROVISIONING);
	lease.moves = false;
	lease.from = SESSION_ANY;
	lease.epoch = 1;
	got = open_with(&rig, &lease);
	assert_int_equal(got.outcome, LOG_FENCED);
	assert_int_equal(got.epoch, 2);
	lease.epoch = 2;
	assert_int_equal(open_with(&rig, &lease).epoch, 3);
	got = create(&rig);
	assert_int_equal(got.outcome, LOG_MOVED);
}

static void a_lease_raises_the_epoch_once_per_token_and_only_from_the_states_it_names(void **state)
{
	(void)state;
	world_run(lease_body);
}

static void fence_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{}") };
	struct log_batch batch = batch_of(&rig, &event, 1);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_result got;

	(void)create(&rig);
	(void)open_with(&rig, &lease);
	batch.epoch = 2;
	got = append(&rig, &batch);
	assert_int_equal(got.outcome, LOG_OK);
	assert_int_equal(got.first.epoch, 2);
	assert_int_equal(got.first.n, 5);
	batch.epoch = 1;
	got = append(&rig, &batch);
	assert_int_equal(got.outcome, LOG_FENCED);
	assert_int_equal(got.epoch, 2);
	batch.epoch = 0;
	got = append(&rig, &batch);
	assert_int_equal(got.first.epoch, 2);
	assert_int_equal(got.first.n, 6);
}

static void an_older_epoch_is_fenced_and_no_epoch_is_stamped_with_the_heads(void **state)
{
	(void)state;
	world_run(fence_body);
}

static void moves_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_result got;

	(void)create(&rig);
	got = move_to(&rig, SESSION_RUNNING);
	assert_int_equal(got.outcome, LOG_MOVED);
	assert_int_equal(got.state, SESSION_QUEUED);
	(void)open_with(&rig, &lease);
	assert_int_equal(move_to(&rig, SESSION_RUNNING).state, SESSION_RUNNING);
	assert_int_equal(move_to(&rig, SESSION_COMPLETED).state, SESSION_COMPLETED);
	got = move_to(&rig, SESSION_FAILED);
	assert_int_equal(got.outcome, LOG_ENDED);
	assert_int_equal(got.state, SESSION_COMPLETED);
	assert_int_equal(note(&rig, NULL, 0).outcome, LOG_ENDED);
	lease.token = "lease-2";
	lease.moves = false;
	lease.from = SESSION_ANY;
	assert_int_equal(open_with(&rig, &lease).outcome, LOG_ENDED);
}

static void a_state_moves_only_as_the_table_allows_and_ends_once(void **state)
{
	(void)state;
	world_run(moves_body);
}

static void producer_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_result first, got;

	(void)create(&rig);
	first = note(&rig, "p1", 1);
	assert_int_equal(first.first.n, 3);
	got = note(&rig, "p1", 1);
	assert_true(got.repeated);
	assert_int_equal(got.first.n, 3);
	assert_int_equal(got.last.n, 3);
	got = note(&rig, "p1", 3);
	assert_int_equal(got.outcome, LOG_SEQUENCE);
	assert_int_equal(got.expected, 2);
	for (uint64_t seq = 2; seq <= 9; seq++) {
		assert_int_equal(note(&rig, "p1", seq).first.n, seq + 2);
	}
	got = note(&rig, "p1", 2);
	assert_true(got.repeated);
	assert_int_equal(got.first.n, 4);
	assert_int_equal(note(&rig, "p1", 1).outcome, LOG_DUPLICATE);
	got = note(&rig, "p2", 2);
	assert_int_equal(got.outcome, LOG_SEQUENCE);
	assert_int_equal(got.expected, 1);
	for (int i = 2; i <= 64; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "q%d", i);
		assert_int_equal(note(&rig, name, 1).outcome, LOG_OK);
	}
	assert_int_equal(note(&rig, "q65", 1).outcome, LOG_PRODUCERS);
	assert_int_equal(note(&rig, "q64", 2).outcome, LOG_OK);
	assert_int_equal(note(&rig, "w:inc:1", 1).outcome, LOG_OK); /* a worker always has room */
	assert_int_equal(note(&rig, "w:inc:1", 3).outcome, LOG_SEQUENCE);
}

static void a_producer_appends_each_batch_once_in_order(void **state)
{
	(void)state;
	world_run(producer_body);
}

static void retry_of_the_end_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_new events[] = { { EVENT_TYPE_LOG,
		                      STR_LIT("{\"level\":\"info\",\"message\":\"x\"}") },
		                    { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"failed\"}") } };
	struct log_batch batch = batch_of(&rig, events, 2);
	struct log_result got;
	struct log_page page;

	(void)create(&rig);
	(void)open_with(&rig, &lease);
	batch.epoch = 2;
	batch.producer = "worker";
	batch.seq = 1;
	batch.moves = true;
	batch.to = SESSION_FAILED;
	assert_int_equal(append(&rig, &batch).state, SESSION_FAILED);
	got = append(&rig, &batch);
	assert_int_equal(got.outcome, LOG_OK);
	assert_true(got.repeated);
	page = read_after(&rig, (struct cursor){ 2, 4 }, 10);
	assert_int_equal(page.count, 2);
	assert_true(str_eq(page.events[0].level, STR_LIT("info")));
	assert_int_equal(page.events[0].state.n, 0);
	assert_true(str_eq(page.events[1].state, STR_LIT("failed")));
	assert_true(str_eq(page.events[1].producer, STR_LIT("worker")));
	assert_int_equal(page.events[1].seq, 1);
	assert_true(page.events[1].ts_ms > INT64_C(1500000000000));
	log_page_fini(&page);
}

static void the_batch_that_ended_a_session_can_be_repeated(void **state)
{
	(void)state;
	world_run(retry_of_the_end_body);
}

static void generation_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct rig newer = rig;
	struct log_open recovery = { .sid = rig.sid,
		                     .tenant = TENANT,
		                     .how = LOG_RECOVER,
		                     .cause = "rebuild",
		                     .token = "recover-2",
		                     .epoch = 1,
		                     .to = SESSION_QUEUED };
	struct log_result got;
	struct log_head head;
	struct err err;

	newer.store.generation = 2;
	(void)create(&rig);
	assert_int_equal(note(&newer, NULL, 0).outcome, LOG_REBUILD);
	got = open_with(&newer, &recovery);
	assert_int_equal(got.outcome, LOG_OK);
	assert_int_equal(got.epoch, 1000001);
	assert_int_equal(got.first.n, 3);
	assert_true(open_with(&newer, &recovery).repeated);
	recovery.token = "recover-by-another";
	assert_int_equal(open_with(&newer, &recovery).outcome, LOG_MOVED);
	assert_int_equal(note(&rig, NULL, 0).outcome, LOG_STALE);
	assert_int_equal(note(&newer, NULL, 0).first.n, 4);
	assert_int_equal(log_head_get(&newer.store, &rig.sid, TENANT, &head, &err), ERR_OK);
	assert_int_equal(head.generation, 2);
	assert_int_equal(head.at.epoch, 1000001);
	assert_int_equal(head.at.n, 4);
}

static void a_caller_of_another_generation_is_told_which_of_the_two_is_old(void **state)
{
	(void)state;
	world_run(generation_body);
}

static void tenant_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{}") };
	struct log_batch batch = batch_of(&rig, &event, 1);
	struct log_range range = { rig.sid, "other", { 0, 0 }, 10, 1000 };
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_trim trim = { .sid = rig.sid, .tenant = "other", .from = 0, .to = 1 };
	struct log_result got;
	struct log_page page;
	struct log_head head;
	struct err err;

	(void)create(&rig);
	batch.tenant = "other";
	assert_int_equal(append(&rig, &batch).outcome, LOG_MISSING);
	assert_int_equal(log_result_err(&(struct log_result){ .outcome = LOG_MISSING }, &err),
	                 ERR_NOT_FOUND);
	lease.tenant = "other";
	assert_int_equal(open_with(&rig, &lease).outcome, LOG_MISSING);
	assert_int_equal(log_read(&rig.store, &range, &page, &err), ERR_NOT_FOUND);
	assert_int_equal(log_recent(&rig.store, &range, &page, &err), ERR_NOT_FOUND);
	assert_int_equal(log_head_get(&rig.store, &rig.sid, "other", &head, &err), ERR_OK);
	assert_false(head.found);
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_MISSING);
}

static void another_tenants_session_is_not_there(void **state)
{
	(void)state;
	world_run(tenant_body);
}

static void limit_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_new event = { EVENT_TYPE_ERROR, STR_LIT("{\"message\":\"full\"}") };
	struct log_batch batch = batch_of(&rig, &event, 1);
	struct log_trim trim = { .sid = rig.sid, .tenant = TENANT, .from = 0, .to = 3 };
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_result got;
	unsigned errors = 0;
	struct err err;

	(void)create(&rig);
	got = note(&rig, NULL, 0);
	rig.store.unarchived_max = got.unarchived + 10;
	assert_int_equal(note(&rig, NULL, 0).outcome, LOG_LIMIT);
	assert_int_equal(append(&rig, &batch).outcome, LOG_OK);
	while (append(&rig, &batch).outcome == LOG_OK) { /* but nobody fills Redis with them */
		assert_true(++errors < 100);
	}
	assert_int_equal(open_with(&rig, &lease).outcome, LOG_OK);
	assert_int_equal(move_to(&rig, SESSION_RUNNING).outcome, LOG_OK);
	trim.bytes = got.unarchived;
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	rig.store.unarchived_max = 1024 * 1024;
	got = note(&rig, NULL, 0);
	assert_int_equal(got.outcome, LOG_OK);
	assert_true(got.unarchived < 8 * (64 + 80));
}

static void a_full_log_still_takes_errors_and_moves(void **state)
{
	(void)state;
	world_run(limit_body);
}

static enum err_code append_code(const struct rig *rig, const struct log_batch *batch)
{
	struct log_result result;
	struct err err;

	return log_append(&rig->store, batch, &result, &err);
}

static void bounds_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_new events[EVENT_BATCH_MAX + 1];
	struct log_batch batch = batch_of(&rig, events, EVENT_BATCH_MAX);
	struct buf big;

	(void)create(&rig);
	buf_init(&big, 1024 * 1024);
	buf_add_cstr(&big, "{\"message\":\"");
	memset(buf_reserve(&big, EVENT_DATA_MAX), 'x', EVENT_DATA_MAX);
	buf_commit(&big, EVENT_DATA_MAX - big.len - 2);
	buf_add_cstr(&big, "\"}");
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		events[i] = (struct log_new){ EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"m\"}") };
	}
	assert_int_equal(append(&rig, &batch).last.n, 2 + EVENT_BATCH_MAX);
	batch.count = EVENT_BATCH_MAX + 1;
	assert_int_equal(append_code(&rig, &batch), ERR_TOO_LARGE);
	batch.count = 0;
	assert_int_equal(append_code(&rig, &batch), ERR_INVALID);
	batch.count = 1;
	events[0].data = buf_str(&big);
	assert_int_equal(append(&rig, &batch).outcome, LOG_OK);
	batch.count = 2;
	events[1].data = buf_str(&big);
	assert_int_equal(append_code(&rig, &batch), ERR_TOO_LARGE);
	batch.count = 1;
	buf_add_char(&big, ' ');
	events[0].data = buf_str(&big);
	assert_int_equal(append_code(&rig, &batch), ERR_TOO_LARGE);
	events[0].data = STR_LIT("{\"seq\":1}");
	assert_int_equal(append_code(&rig, &batch), ERR_INVALID);
	events[0] = (struct log_new){ EVENT_TYPE_STATUS, STR_LIT("{}") };
	assert_int_equal(append_code(&rig, &batch), ERR_INVALID);
	events[0] = (struct log_new){ EVENT_TYPE_NOTE, STR_LIT("{}") };
	batch.producer = "no spaces";
	batch.seq = 1;
	assert_int_equal(append_code(&rig, &batch), ERR_INVALID);
	buf_fini(&big);
}

static void a_batch_beyond_a_bound_is_refused_before_it_is_sent(void **state)
{
	(void)state;
	world_run(bounds_body);
}

static void reading_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_page page;
	struct cursor at = { 0, 0 };
	uint64_t n = 0;

	(void)create(&rig);
	for (int i = 0; i < 10; i++) {
		(void)note(&rig, NULL, 0);
	}
	(void)open_with(&rig, &lease); /* 13, 14 */
	for (int i = 0; i < 6; i++) {
		(void)note(&rig, NULL, 0);
	}
	do {
		page = read_after(&rig, at, 3);
		assert_int_equal(page.gap.reason, LOG_GAP_NONE);
		for (size_t i = 0; i < page.count; i++) {
			assert_int_equal(page.events[i].at.n, ++n);
			assert_int_equal(page.events[i].at.epoch, n < 13 ? 1 : 2);
		}
		at = page.next;
		log_page_fini(&page);
	} while (n < 20);
	page = read_after(&rig, at, 3);
	assert_true(page.caught_up);
	assert_int_equal(page.count, 0);
	log_page_fini(&page);
	for (uint64_t from = 0; from <= 20; from++) {
		page = read_after(&rig, (struct cursor){ CURSOR_EPOCH_ANY, from }, 100);
		assert_int_equal(page.count, 20 - from);
		assert_int_equal(page.gap.reason, LOG_GAP_NONE);
		assert_int_equal(cursor_compare(&page.head.at, &(struct cursor){ 2, 20 }), 0);
		log_page_fini(&page);
	}
}

static struct log_page newest(const struct rig *rig, unsigned count, size_t bytes)
{
	const struct log_range range = {
		.sid = rig->sid, .tenant = TENANT, .max_count = count, .max_bytes = bytes
	};
	struct log_page page;
	struct err err;

	assert_int_equal(log_recent(&rig->store, &range, &page, &err), ERR_OK);
	assert_true(page.caught_up);
	assert_int_equal(cursor_compare(&page.next, &page.head.at), 0);
	for (size_t i = 0; i < page.count; i++) {
		assert_int_equal(page.events[i].at.n, page.head.at.n - page.count + 1 + i);
	}
	return page;
}

static void newest_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct log_page page;

	(void)create(&rig);
	page = newest(&rig, 3, 1000); /* fewer than it may be */
	assert_int_equal(page.count, 2);
	log_page_fini(&page);
	(void)open_with(&rig, &lease); /* 3, 4: in the next epoch */
	(void)note(&rig, NULL, 0);
	for (unsigned max = 1; max <= 5; max++) {
		page = newest(&rig, max, 1000);
		assert_int_equal(page.count, max);
		assert_int_equal(page.head.at.n, 5);
		log_page_fini(&page);
	}
	page = newest(&rig, 5, 1); /* the newest comes whatever its size */
	assert_int_equal(page.count, 1);
	log_page_fini(&page);
}

static void the_newest_events_come_in_their_order(void **state)
{
	(void)state;
	world_run(newest_body);
}

static void every_cursor_and_every_plain_n_is_read_from_without_a_gap(void **state)
{
	(void)state;
	world_run(reading_body);
}

static void gaps_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_trim trim = {
		.sid = rig.sid, .tenant = TENANT, .from = 0, .to = 8, .trim = { 1, 6 }
	};
	struct log_result got;
	struct log_page page;
	struct err err;

	(void)create(&rig);
	for (int i = 0; i < 10; i++) {
		(void)note(&rig, NULL, 0);
	}
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_OK);
	assert_int_equal(got.last.n, 8);
	page = read_after(&rig, (struct cursor){ 1, 2 }, 100);
	assert_int_equal(page.gap.reason, LOG_GAP_TRIMMED);
	assert_int_equal(page.gap.from, 3);
	assert_int_equal(page.gap.to, 6);
	assert_int_equal(page.events[0].at.n, 7);
	log_page_fini(&page);
	page = read_after(&rig, (struct cursor){ CURSOR_EPOCH_ANY, 2 }, 100);
	assert_int_equal(page.gap.reason, LOG_GAP_TRIMMED);
	assert_int_equal(page.gap.from, 3);
	log_page_fini(&page);
	page = read_after(&rig, (struct cursor){ 1, 6 }, 100);
	assert_int_equal(page.gap.reason, LOG_GAP_NONE);
	log_page_fini(&page);
	page = read_after(&rig, (struct cursor){ 1, 99 }, 100);
	assert_int_equal(page.gap.reason, LOG_GAP_NEVER);
	assert_int_equal(page.gap.from, 13);
	assert_int_equal(page.gap.to, 99);
	assert_int_equal(page.next.n, 12);
	log_page_fini(&page);
	page = read_after(&rig, (struct cursor){ 7, 3 }, 100); /* what is passed over is told */
	assert_int_equal(page.gap.reason, LOG_GAP_NEVER);
	assert_int_equal(page.gap.from, 3);
	assert_int_equal(page.gap.to, 12);
	log_page_fini(&page);
}

static void what_was_trimmed_or_never_issued_is_said_to_be_a_gap(void **state)
{
	(void)state;
	world_run(gaps_body);
}

static void watermark_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_trim trim = { .sid = rig.sid, .tenant = TENANT, .from = 0, .to = 4 };
	struct log_result got;
	struct log_page page;
	struct err err;

	(void)create(&rig);
	for (int i = 0; i < 4; i++) {
		(void)note(&rig, NULL, 0);
	}
	trim.trim = (struct cursor){ 1, 6 };
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	assert_int_equal(got.last.n, 4);
	page = read_after(&rig, (struct cursor){ 0, 0 }, 100);
	assert_int_equal(page.count, 6);
	log_page_fini(&page);
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_OK);
	assert_int_equal(got.last.n, 4);
	trim.from = 5;
	trim.to = 6;
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_MOVED);
	trim.from = 4;
	trim.to = 7;
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	assert_int_equal(got.outcome, LOG_SEQUENCE);
	assert_int_equal(got.expected, 6);
}

static void nothing_is_trimmed_beyond_the_watermark_nor_archived_beyond_the_head(void **state)
{
	(void)state;
	world_run(watermark_body);
}

static void retire_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct log_trim trim = {
		.sid = rig.sid, .tenant = TENANT, .from = 0, .to = 2, .retire_ms = 60000
	};
	struct redis_reply *ttl;
	char line[80];
	struct log_result got;
	struct err err;

	(void)create(&rig);
	(void)snprintf(line, sizeof(line), "PTTL {s:%s}:head", rig.sid.s);
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	ttl = world_ask(world, line);
	assert_int_equal(redis_reply_int(ttl), -1);
	redis_reply_free(ttl);
	assert_int_equal(move_to(&rig, SESSION_CANCELLED).outcome, LOG_OK);
	trim.from = 2;
	trim.to = 3;
	assert_int_equal(log_trim(&rig.store, &trim, &got, &err), ERR_OK);
	ttl = world_ask(world, line);
	assert_true(redis_reply_int(ttl) > 50000);
	redis_reply_free(ttl);
}

static void only_an_ended_and_wholly_archived_session_leaves_redis(void **state)
{
	(void)state;
	world_run(retire_body);
}

static void lost_stream_body(struct world *world)
{
	struct rig rig = rig_of(world);
	char line[80];

	(void)create(&rig);
	(void)snprintf(line, sizeof(line), "DEL {s:%s}:log", rig.sid.s);
	world_say(world, line);
	assert_int_equal(note(&rig, NULL, 0).outcome, LOG_REBUILD);
	(void)snprintf(line, sizeof(line), "EXISTS {s:%s}:log", rig.sid.s);
	{
		CLEANUP(redis_reply_cleanup) struct redis_reply *reply = world_ask(world, line);

		assert_int_equal(redis_reply_int(reply), 0);
	}
}

static void an_append_never_creates_a_log(void **state)
{
	(void)state;
	world_run(lost_stream_body);
}

struct racer {
	const struct rig *rig;
	const char *producer;
	unsigned done;
};

static void race(void *arg)
{
	struct racer *racer = arg;

	for (uint64_t seq = 1; seq <= 50; seq++) {
		assert_int_equal(note(racer->rig, racer->producer, seq).outcome, LOG_OK);
		assert_true(note(racer->rig, racer->producer, seq).repeated);
		racer->done++;
	}
}

static void race_body(struct world *world)
{
	struct rig rig = rig_of(world);
	struct racer racers[] = { { &rig, "a", 0 }, { &rig, "b", 0 } };
	struct fiber_group group = { 0 };
	struct log_page page;

	(void)create(&rig);
	(void)fiber_start(world->loop, &group, "a", race, &racers[0]);
	(void)fiber_start(world->loop, &group, "b", race, &racers[1]);
	assert_int_equal(fiber_group_wait(&group, 30000), ERR_OK);
	assert_int_equal(racers[0].done + racers[1].done, 100);
	page = read_after(&rig, (struct cursor){ 1, 2 }, 128);
	assert_int_equal(page.count, 100);
	log_page_fini(&page);
}

static void two_producers_that_race_and_repeat_leave_each_batch_once(void **state)
{
	(void)state;
	world_run(race_body);
}

struct ears {
	struct fiber_signal heard;
	struct log_bell bells[4];
	unsigned count;
};

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct ears *ears = arg;
	struct id sid;

	assert_true(log_bell_parse_channel(channel, &sid));
	assert_true(log_bell_decode(payload, &ears->bells[ears->count++]));
	fiber_signal_raise(&ears->heard);
}

static void on_resumed(void *arg)
{
	struct ears *ears = arg;

	fiber_signal_raise(&ears->heard);
}

static void hear(struct ears *ears, unsigned count)
{
	do {
		assert_int_equal(fiber_signal_wait(&ears->heard, WORLD_TIMEOUT_MS), ERR_OK);
	} while (ears->count < count);
}

static void bell_body(struct world *world)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	struct rig rig = rig_of(world);
	struct log_new many[60];
	struct log_batch batch = batch_of(&rig, many, ARRAY_LEN(many));
	struct ears ears = { .count = 0 };
	struct redis_sub *sub;
	char channel[LOG_KEY_SIZE];
	struct err err;

	fiber_signal_init(&ears.heard);
	sub = redis_sub_new(world->loop, &options, &events, &ears, &err);
	assert_non_null(sub);
	log_bell_channel(&rig.sid, channel);
	redis_subscribe(sub, str_of(channel));
	hear(&ears, 0);
	(void)create(&rig);
	(void)note(&rig, "p", 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct log_new){ EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"hello\"}") };
	}
	batch.trace = "0af7651916cd43dd8448eb211c80319c";
	(void)append(&rig, &batch);
	hear(&ears, 3);
	assert_int_equal(ears.bells[0].page.count, 2);
	assert_true(str_eq(ears.bells[0].page.events[1].state, STR_LIT("queued")));
	assert_int_equal(ears.bells[1].page.count, 1);
	assert_int_equal(ears.bells[1].page.events[0].at.n, 3);
	assert_true(str_eq(ears.bells[1].page.events[0].producer, STR_LIT("p")));
	assert_true(str_eq(ears.bells[1].page.events[0].data, STR_LIT("{\"message\":\"hello\"}")));
	assert_int_equal(ears.bells[2].page.count, 0);
	assert_int_equal(ears.bells[2].first.n, 4);
	assert_int_equal(ears.bells[2].last.n, 63);
	assert_int_equal(ears.bells[2].state, SESSION_QUEUED);
	assert_string_equal(ears.bells[2].trace, batch.trace);
	assert_true(ears.bells[2].appended_us > ears.bells[0].appended_us);
	for (unsigned i = 0; i < ears.count; i++) {
		log_page_fini(&ears.bells[i].page);
	}
	redis_sub_free(sub);
}

static void the_doorbell_carries_small_events_and_the_position_of_large_ones(void **state)
{
	(void)state;
	world_run(bell_body);
}

/* ---- who is told of an epoch in its step ---- */

struct told {
	struct fiber_signal heard;
	unsigned count;
};

static void on_told(void *arg, struct str channel, struct str payload)
{
	struct told *told = arg;

	assert_true(str_eq(channel, STR_LIT("told")));
	assert_true(str_eq(payload, STR_LIT("go on\n\"now\"")));
	told->count++;
	fiber_signal_raise(&told->heard);
}

static void on_listening(void *arg)
{
	struct told *told = arg;

	fiber_signal_raise(&told->heard);
}

static void told_body(struct world *world)
{
	static const struct redis_sub_events events = { .message = on_told,
		                                        .resumed = on_listening };
	struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	struct rig rig = rig_of(world);
	struct log_open lease = lease_of(&rig, "lease-1");
	struct told told = { .count = 0 };
	struct redis_sub *sub;
	struct err err;

	lease.channel = "told";
	lease.tell = STR_LIT("go on\n\"now\"");
	lease.from = SESSION_ANY;
	lease.moves = false;
	(void)create(&rig);
	assert_int_equal(open_with(&rig, &lease).told, 0); /* nobody listens */
	fiber_signal_init(&told.heard);
	sub = redis_sub_new(world->loop, &options, &events, &told, &err);
	assert_non_null(sub);
	redis_subscribe(sub, STR_LIT("told"));
	assert_int_equal(fiber_signal_wait(&told.heard, WORLD_TIMEOUT_MS), ERR_OK);
	assert_int_equal(open_with(&rig, &lease).told, 0); /* it was done before */
	lease.token = "lease-2";
	lease.epoch = 1;
	assert_int_equal(open_with(&rig, &lease).outcome, LOG_FENCED);
	lease.epoch = 2;
	assert_int_equal(open_with(&rig, &lease).told, 1);
	assert_int_equal(fiber_signal_wait(&told.heard, WORLD_TIMEOUT_MS), ERR_OK);
	assert_int_equal(told.count, 1);
	redis_sub_free(sub);
}

static void who_is_to_be_told_of_an_epoch_hears_of_it_once_and_only_if_it_is_raised(void **state)
{
	(void)state;
	world_run(told_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_is_created_once_however_often_it_is_asked),
		cmocka_unit_test(
			a_lease_raises_the_epoch_once_per_token_and_only_from_the_states_it_names),
		cmocka_unit_test(an_older_epoch_is_fenced_and_no_epoch_is_stamped_with_the_heads),
		cmocka_unit_test(a_state_moves_only_as_the_table_allows_and_ends_once),
		cmocka_unit_test(a_producer_appends_each_batch_once_in_order),
		cmocka_unit_test(the_batch_that_ended_a_session_can_be_repeated),
		cmocka_unit_test(a_caller_of_another_generation_is_told_which_of_the_two_is_old),
		cmocka_unit_test(another_tenants_session_is_not_there),
		cmocka_unit_test(a_full_log_still_takes_errors_and_moves),
		cmocka_unit_test(a_batch_beyond_a_bound_is_refused_before_it_is_sent),
		cmocka_unit_test(every_cursor_and_every_plain_n_is_read_from_without_a_gap),
		cmocka_unit_test(the_newest_events_come_in_their_order),
		cmocka_unit_test(what_was_trimmed_or_never_issued_is_said_to_be_a_gap),
		cmocka_unit_test(
			nothing_is_trimmed_beyond_the_watermark_nor_archived_beyond_the_head),
		cmocka_unit_test(only_an_ended_and_wholly_archived_session_leaves_redis),
		cmocka_unit_test(an_append_never_creates_a_log),
		cmocka_unit_test(two_producers_that_race_and_repeat_leave_each_batch_once),
		cmocka_unit_test(the_doorbell_carries_small_events_and_the_position_of_large_ones),
		cmocka_unit_test(
			who_is_to_be_told_of_an_epoch_hears_of_it_once_and_only_if_it_is_raised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
