/* What can go wrong with the archive, and what is known of it without opening it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/claim.h"
#include "event/retention.h"
#include "event/segment_index.h"
#include "log_rig.h"
#include "metric/metric.h"

static const char damage_one[] = "UPDATE log_segments SET data = '\\x00' || data "
				 "WHERE session_id = $1::text AND first_n = $2::bigint";

static void expect_gap(struct log_page page, enum log_gap_reason reason, uint64_t from, uint64_t to)
{
	assert_int_equal(page.gap.reason, reason);
	assert_int_equal(page.gap.from, from);
	assert_int_equal(page.gap.to, to);
	log_page_fini(&page);
}

/* ---- reading on ---- */

static uint64_t ranges_asked(struct world *world)
{
	static const char mark[] = "cmdstat_xrange:calls=";
	struct redis_reply *reply = world_ask(world, "INFO commandstats");
	struct str text = redis_reply_str(reply);
	const char *at = memmem(text.p, text.n, mark, sizeof(mark) - 1);
	uint64_t count = at != NULL ? strtoull(at + sizeof(mark) - 1, NULL, 10) : 0;

	redis_reply_free(reply);
	return count;
}

static struct log_page read_on(const struct rig *rig, struct cursor after, uint64_t *trimmed)
{
	const struct log_range range = { rig->sid, TENANT, after, 50, 1000000 };
	struct log_page page;
	struct err err;

	if (log_history_on(&rig->store, rig->pg, &range, trimmed, &page, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return page;
}

static void same_page(struct log_page page, struct log_page other)
{
	assert_int_equal(page.count, other.count);
	assert_int_equal(page.gap.reason, other.gap.reason);
	assert_int_equal(page.gap.from, other.gap.from);
	assert_int_equal(page.gap.to, other.gap.to);
	assert_int_equal(page.next.n, other.next.n);
	assert_int_equal(page.next.epoch, other.next.epoch);
	assert_int_equal(page.caught_up, other.caught_up);
	assert_int_equal(page.head.at.n, other.head.at.n);
	assert_true(page.count == 0 || page.events[0].at.epoch == other.events[0].at.epoch);
	log_page_fini(&page);
	log_page_fini(&other);
}

/* Epoch 1 through 350, of which 301..350 are lost; epoch 2 from 301 on; 429..556 are damaged. */
static struct rig eventful_rig(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_result result;
	struct err err;

	rig_append_notes(&rig, 298);
	assert_int_equal(rig_archive(&rig, 1, 0), 300);
	rig_append_notes(&rig, 50);
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
	rig_append_notes(&rig, 399);
	assert_int_equal(rig_archive(&rig, 1, 20), 700);
	rig_append_notes(&rig, 7);
	rig_tell(&rig, "damage_one", damage_one, "429");
	return rig;
}

static void on_body(struct world *world)
{
	struct rig rig = eventful_rig(world);
	struct cursor at = { 0, 0 };
	uint64_t trimmed = 0, asked;

	/* Whatever was asked before, the answer is the same. */
	for (uint64_t hint = 0; hint <= 556; hint += 278) {
		for (uint64_t epoch = 0; epoch < 4; epoch++) {
			for (uint64_t n = 1; n < 720; n += 29) {
				trimmed = hint;
				same_page(read_on(&rig, (struct cursor){ epoch, n }, &trimmed),
				          rig_history(&rig, (struct cursor){ epoch, n }, 50));
			}
		}
	}
	/* The first read finds out; those after it do not ask Redis for what it does not have. */
	trimmed = 0;
	asked = ranges_asked(world);
	while (at.n < 550) {
		struct log_page page = read_on(&rig, at, &trimmed);

		at = page.next;
		log_page_fini(&page);
	}
	assert_int_equal(ranges_asked(world), asked + 1);
	assert_int_equal(trimmed, 556);
	pg_free(rig.pg);
}

static void who_reads_on_is_answered_the_same_and_asks_redis_once(void **state)
{
	(void)state;
	world_run(on_body);
}

/* ---- retracted ---- */

/* Redis begins within what was retracted, and another epoch has begun since. */
static void retracted_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_result result;
	struct log_page page;
	uint64_t rebuilt; /* the epoch after the loss */
	struct err err;

	rig_append_notes(&rig, 98);
	assert_int_equal(rig_archive(&rig, 1, 0), 100);
	rig_append_notes(&rig, 100); /* 101..200 */
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
	rebuilt = result.epoch;
	rig_append_notes(&rig, 49); /* ..150 of it */
	assert_int_equal(rig_archive(&rig, 1, 0), 150);
	rig_raise_epoch(&rig, "one"); /* 151 of the next */
	rig_append_notes(&rig, 49);   /* ..200 */
	rig_raise_epoch(&rig, "two"); /* 201 of a third */
	page = rig_history(&rig, (struct cursor){ 1, 180 }, 50);
	assert_int_equal(page.count, 50);
	assert_int_equal(page.events[0].at.n, 101);
	expect_gap(page, LOG_GAP_RETRACTED, 101, 180);
	/* The next epoch begins with the next n, but it does not follow this cursor. */
	expect_gap(rig_history(&rig, (struct cursor){ 1, 150 }, 50), LOG_GAP_RETRACTED, 101, 150);
	expect_gap(rig_history(&rig, (struct cursor){ 1, 200 }, 50), LOG_GAP_RETRACTED, 101, 200);
	expect_gap(rig_history(&rig, (struct cursor){ rebuilt, 200 }, 50), LOG_GAP_RETRACTED, 151,
	           200);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ rebuilt, 150 }, 50), 201);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ rebuilt + 1, 200 }, 50), 201);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 1, 100 }, 50), 201);
	/* What took its place is damaged: both are told, one after the other. */
	rig_tell(&rig, "damage_one", damage_one, "101");
	page = rig_history(&rig, (struct cursor){ 1, 180 }, 50);
	assert_int_equal(page.count, 0);
	assert_int_equal(page.next.n, 100);
	expect_gap(page, LOG_GAP_RETRACTED, 101, 180);
	expect_gap(rig_history(&rig, (struct cursor){ 1, 100 }, 50), LOG_GAP_LOST, 101, 150);
	pg_free(rig.pg);
}

static void what_was_retracted_is_told_from_its_first_event_on(void **state)
{
	(void)state;
	world_run(retracted_body);
}

/* ---- damage ---- */

static unsigned metric_told(void)
{
	return (unsigned)metric_at(METRIC_ARCHIVE_DAMAGED, NULL)->value;
}

static void damaged_body(struct world *world)
{
	struct rig rig = rig_new(world);
	unsigned told = metric_told();
	struct cursor at = { 1, 100 };
	struct log_page page;

	rig_append_notes(&rig, 398);
	assert_int_equal(rig_archive(&rig, 1, 20), 400);
	rig_tell(&rig, "damage_one", damage_one, "129");
	page = rig_history(&rig, at, 128);
	assert_int_equal(page.count, 28);
	at = page.next;
	log_page_fini(&page);
	page = rig_history(&rig, at, 128);
	assert_int_equal(page.count, 0);
	at = page.next;
	assert_int_equal(at.n, 256);
	expect_gap(page, LOG_GAP_LOST, 129, 256);
	assert_int_equal(rig_read_all(&rig, at, 50), 400);
	expect_gap(rig_history(&rig, (struct cursor){ CURSOR_EPOCH_ANY, 200 }, 10), LOG_GAP_LOST,
	           201, 256);
	assert_int_equal(metric_told(), told + 2);
	pg_free(rig.pg);
}

static void a_damaged_segment_is_a_gap_and_what_is_around_it_is_read(void **state)
{
	(void)state;
	world_run(damaged_body);
}

static void repaired_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_range range = { rig.sid, TENANT, { 0, 0 }, 100, 1000000 };
	struct segment segment;
	struct log_page page;
	struct err err;

	rig_append_notes(&rig, 48);
	assert_int_equal(log_read(&rig.store, &range, &page, &err), ERR_OK);
	assert_int_equal(segment_pack(page.events, page.count, &segment, &err), ERR_OK);
	segment.data.data[segment.data.len / 2] ^= 1;
	assert_int_equal(segment_store(rig.pg, &rig.sid, TENANT, &segment, &err), ERR_OK);
	segment_fini(&segment);
	log_page_fini(&page);
	assert_int_equal(rig_archive(&rig, 1, 0), 50);
	world_say(world, "FLUSHALL");
	rig_tell(&rig, "end", "UPDATE sessions SET state = 'failed' WHERE id = $1::text", NULL);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 0, 0 }, 128), 50);
	pg_free(rig.pg);
}

static void a_segment_that_was_damaged_while_redis_had_it_is_written_again(void **state)
{
	(void)state;
	world_run(repaired_body);
}

/* ---- claims ---- */

static void claim_body(struct world *world)
{
	struct rig rig = rig_new(world);
	const struct claim ours = { "{t}:claim", "one" }, theirs = { "{t}:claim", "two" };
	char key[LOG_KEY_SIZE + 16];
	bool mine = false;
	struct err err;

	assert_int_equal(claim_take(world->redis, &ours, 60000, &mine, &err), ERR_OK);
	assert_true(mine);
	assert_int_equal(claim_take(world->redis, &theirs, 60000, &mine, &err), ERR_OK);
	assert_false(mine);
	claim_drop(world->redis, &theirs); /* not theirs to give */
	assert_int_equal(claim_take(world->redis, &ours, 60000, &mine, &err), ERR_OK);
	assert_true(mine);
	claim_drop(world->redis, &ours);
	assert_int_equal(claim_take(world->redis, &theirs, 60000, &mine, &err), ERR_OK);
	assert_true(mine);

	rig_append_notes(&rig, 18);
	(void)snprintf(key, sizeof(key), "SET {s:%s}:archiver x", rig.sid.s);
	world_say(world, key);
	assert_int_equal(rig_archive(&rig, 1, 0), 0);
	(void)snprintf(key, sizeof(key), "DEL {s:%s}:archiver", rig.sid.s);
	world_say(world, key);
	assert_int_equal(rig_archive(&rig, 1, 0), 20);
	pg_free(rig.pg);
}

static void a_session_is_archived_by_who_has_the_claim(void **state)
{
	(void)state;
	world_run(claim_body);
}

/* ---- the index ---- */

static void append(const struct rig *rig, enum event_type type, const char *data)
{
	struct log_new event = { type, str_of(data) };
	struct log_batch batch = {
		.sid = rig->sid, .tenant = TENANT, .events = &event, .count = 1
	};
	struct log_result result;
	struct err err;

	(void)rig_must(log_append(&rig->store, &batch, &result, &err), &result, &err);
}

/* Every way to ask, beside what reading all of it says. */
static void check_find(const struct rig *rig, const struct event_filter *filter, bool descending,
                       uint64_t skip)
{
	struct segment_find find = { .part = { rig->sid, TENANT, 1, CURSOR_N_MAX },
		                     .filter = *filter,
		                     .descending = descending,
		                     .skip = skip,
		                     .count = 5 };
	uint64_t before[64] = { 0 }, matching[64] = { 0 }, total = 0, seen = 0;
	struct cursor at = { 0, 0 };
	struct segment_hits hits;
	size_t segments = 0;
	struct err err;

	for (struct log_page page;; segments++) {
		struct log_range range = { rig->sid, TENANT, at, 128, 1000000 };

		assert_int_equal(segment_read(rig->pg, &range, &page, &err), ERR_OK);
		if (page.count == 0) {
			break;
		}
		for (size_t i = 0; i < page.count; i++) {
			matching[segments] += event_filter_matches(filter, &page.events[i]);
		}
		before[segments] = total;
		total += matching[segments];
		at = page.next;
		log_page_fini(&page);
	}
	assert_int_equal(segment_find(rig->pg, &find, &hits, &err), ERR_OK);
	assert_int_equal(hits.total, total);
	for (size_t k = 0; k < segments; k++) {
		size_t i = descending ? segments - 1 - k : k;
		uint64_t from = descending ? total - before[i] - matching[i] : before[i];

		if (matching[i] > 0 && from < skip + 5 && from + matching[i] > skip) {
			assert_in_range(seen, 0, hits.count - 1);
			assert_int_equal(hits.items[seen].first, i * 128 + 1);
			assert_int_equal(hits.items[seen++].before, from);
		}
	}
	assert_int_equal(seen, hits.count);
	free(hits.items);
}

static void index_body(struct world *world)
{
	const uint64_t log = UINT64_C(1) << EVENT_TYPE_LOG;
	const uint64_t output = UINT64_C(1) << EVENT_CLASS_OUTPUT;
	const struct event_filter filters[] = {
		{ UINT64_MAX, 0 },
		{ UINT64_MAX, 4 },
		{ log | output, 0 },
		{ log | output, 5 },
		{ log, 0 },
		{ output, 3 },
		{ UINT64_C(1) << EVENT_TYPE_STATUS, 0 },
		{ log | UINT64_C(1) << EVENT_TYPE_ERROR, 3 },
		{ UINT64_C(1) << EVENT_TYPE_MESSAGE, 0 },
	};
	struct rig rig = rig_new(world);
	struct segment_part all = { rig.sid, TENANT, 1, CURSOR_N_MAX };
	struct segment_span span;
	struct err err;

	for (unsigned i = 0; i < 1022; i++) {
		static const char *const logs[] = {
			"{\"level\":\"info\"}",    "{\"level\":\"error\"}",
			"{\"level\":\"odd\"}",     "{}",
			"{\"stream\":\"stdout\"}", "{\"level\":\"warn\",\"stream\":\"stderr\"}"
		};
		bool error = i == 100 || i == 101 || i == 900;

		append(&rig,
		       error         ? EVENT_TYPE_ERROR
		       : i % 37 == 0 ? EVENT_TYPE_LOG
		                     : EVENT_TYPE_NOTE,
		       error ? "{\"message\":\"x\"}" : logs[i / 37 % 6]);
	}
	assert_int_equal(rig_archive(&rig, 1, 0), 1024);
	assert_int_equal(segment_span(rig.pg, &all, &span, &err), ERR_OK);
	assert_int_equal(span.first, 1);
	assert_int_equal(span.end.n, 1024);
	assert_true(span.counted);
	assert_int_equal(span.hole.reason, LOG_GAP_NONE);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		for (uint64_t skip = 0; skip < 1100; skip += skip < 8 ? 1 : 193) {
			check_find(&rig, &filters[i], false, skip);
			check_find(&rig, &filters[i], true, skip);
		}
	}
	rig_tell(&rig, "lose_one",
	         "DELETE FROM log_segments WHERE session_id = $1::text AND first_n = $2::bigint",
	         "257");
	all = (struct segment_part){ rig.sid, TENANT, 100, 1000 };
	assert_int_equal(segment_span(rig.pg, &all, &span, &err), ERR_OK);
	assert_int_equal(span.first, 129);
	assert_int_equal(span.end.n, 896);
	assert_int_equal(span.hole.from, 257);
	assert_int_equal(span.hole.to, 384);
	pg_free(rig.pg);
}

static void the_index_finds_the_segments_that_hold_what_matches(void **state)
{
	(void)state;
	world_run(index_body);
}

/* ---- heads ---- */

static void heads_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_look looks[3] = { { .sid = rig.sid, .tenant = TENANT },
		                     { .sid = id_new(), .tenant = TENANT },
		                     { .sid = rig.sid, .tenant = "other" } };
	char line[128];
	struct err err;

	rig_append_notes(&rig, 3);
	assert_int_equal(log_heads_get(&rig.store, looks, 3, &err), ERR_OK);
	assert_true(looks[0].head.found);
	assert_int_equal(looks[0].head.at.n, 5);
	assert_false(looks[1].head.found);
	assert_false(looks[2].head.found);
	(void)snprintf(line, sizeof(line), "HSET {s:%s}:head n nonsense", rig.sid.s);
	world_say(world, line);
	assert_int_equal(log_heads_get(&rig.store, looks, 3, &err), ERR_OK);
	assert_int_equal(looks[0].err.code, ERR_BACKEND);
	assert_int_equal(looks[1].err.code, ERR_OK);
	pg_free(rig.pg);
}

static void many_heads_are_read_at_once_and_a_damaged_one_spoils_no_other(void **state)
{
	(void)state;
	world_run(heads_body);
}

/* ---- retention ---- */

static const char age_segments[] = "UPDATE log_segments SET last_ts = last_ts - interval '10 days' "
				   "WHERE session_id = $1::text AND last_n <= $2::bigint";
static const char keep_days[] = "WITH s AS (SELECT $1::text) UPDATE tenants "
				"SET retention_s = $2::bigint WHERE id = 'acme'";

static size_t remove_old(const struct rig *rig, uint64_t default_s)
{
	static struct retention_due due[RETENTION_MAX];
	size_t count, all = 0, segments;
	struct err err;

	assert_int_equal(retention_list(rig->pg, default_s, due, &count, &err), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (retention_remove(&rig->store, rig->pg, &due[i], &segments, &err) != ERR_OK) {
			fail_msg("%s", err.msg);
		}
		all += segments;
	}
	return all;
}

static void retention_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct log_result result;
	struct err err;

	rig_append_notes(&rig, 500); /* 502 in all */
	assert_int_equal(rig_archive(&rig, 1, 400), 502);
	rig_tell(&rig, "age_segments", age_segments, "256");
	assert_int_equal(remove_old(&rig, 0), 0);
	assert_int_equal(remove_old(&rig, 30 * 86400), 0);
	rig_tell(&rig, "keep_days", keep_days, "0"); /* for ever, whatever the setting says */
	assert_int_equal(remove_old(&rig, 86400), 0);
	rig_tell(&rig, "keep_days", keep_days, "86400");
	assert_int_equal(remove_old(&rig, 0), 2);
	assert_int_equal(remove_old(&rig, 0), 0);
	/* Also what was still in Redis. */
	expect_gap(rig_history(&rig, (struct cursor){ 0, 0 }, 50), LOG_GAP_RETENTION, 1, 256);
	expect_gap(rig_history(&rig, (struct cursor){ 1, 200 }, 50), LOG_GAP_RETENTION, 201, 256);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 1, 256 }, 50), 502);

	/* Of a living session everything may be too old: it keeps its place. */
	rig_tell(&rig, "age_segments", age_segments, "502");
	assert_int_equal(remove_old(&rig, 0), 2);
	expect_gap(rig_history(&rig, (struct cursor){ 1, 300 }, 50), LOG_GAP_RETENTION, 301, 502);
	rig_append_notes(&rig, 3);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 1, 502 }, 50), 505);
	rig_archive(&rig, 1, 0);
	rig_tell(&rig, "age_segments", age_segments, "505");
	assert_int_equal(remove_old(&rig, 0), 1);
	world_say(world, "FLUSHALL");
	rig.store.generation = 2;
	(void)rig_must(log_rebuild(&rig.store, rig.pg, &rig.sid, TENANT, &result, &err), &result,
	               &err);
	assert_int_equal(result.first.n, 506);
	assert_true(result.epoch > 1);
	expect_gap(rig_history(&rig, (struct cursor){ 0, 0 }, 50), LOG_GAP_RETENTION, 1, 505);
	assert_int_equal(rig_read_all(&rig, (struct cursor){ 1, 505 }, 50), 506);
	rig_tell(&rig, "keep_days", keep_days, "0");
	pg_free(rig.pg);
}

static void what_is_too_old_is_removed_from_every_tier_and_told(void **state)
{
	(void)state;
	world_run(retention_body);
}

static uint64_t count_rows(const struct rig *rig, const char *name, const char *sql)
{
	struct text text = { name, "0", sql, strlen(sql) };
	struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct err err;
	uint64_t count;

	pg_param_cstr(&params, rig->sid.s);
	assert_int_equal(pg_query(rig->pg, "", &text, &params, &rows, &err), ERR_OK);
	count = pg_u64(rows, 0, 0);
	pg_rows_free(rows);
	return count;
}

static void rows_body(struct world *world)
{
	static const char sessions[] = "SELECT count(*) FROM sessions WHERE id = $1::text";
	static const char tasks[] = "SELECT count(*) FROM tasks WHERE id = $1::text";
	struct rig rig = rig_new(world);
	struct log_range range = { rig.sid, TENANT, { 0, 0 }, 10, 1000 };
	struct log_page page;
	size_t count;
	struct err err;

	rig_append_notes(&rig, 50);
	rig_end_session(&rig);
	rig_archive(&rig, 1, 0);
	rig_tell(&rig, "keep_days", keep_days, "86400");
	rig_tell(&rig, "end_row",
	         "UPDATE sessions SET archived_at = now(), ended_at = now() - "
	         "$2::interval WHERE id = $1::text",
	         "10 days");
	assert_int_equal(remove_old(&rig, 0), 0);
	assert_int_equal(retention_end(rig.pg, 0, &count, &err), ERR_OK);
	assert_int_equal(count, 0); /* it has its log still */
	rig_tell(&rig, "age_segments", age_segments, "53");
	assert_int_equal(remove_old(&rig, 0), 1);
	expect_gap(rig_history(&rig, (struct cursor){ 0, 0 }, 50), LOG_GAP_RETENTION, 1, 53);
	assert_int_equal(count_rows(&rig, "sessions", sessions), 1);
	assert_int_equal(retention_end(rig.pg, 0, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(count_rows(&rig, "sessions", sessions), 0);
	assert_int_equal(count_rows(&rig, "tasks", tasks), 0);
	world_say(world, "FLUSHALL");
	assert_int_equal(log_history(&rig.store, rig.pg, &range, &page, &err), ERR_NOT_FOUND);
	rig_tell(&rig, "keep_days", keep_days, "0");
	pg_free(rig.pg);
}

static void an_ended_session_goes_with_the_last_of_its_log(void **state)
{
	(void)state;
	world_run(rows_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_retracted_is_told_from_its_first_event_on),
		cmocka_unit_test(who_reads_on_is_answered_the_same_and_asks_redis_once),
		cmocka_unit_test(a_damaged_segment_is_a_gap_and_what_is_around_it_is_read),
		cmocka_unit_test(a_segment_that_was_damaged_while_redis_had_it_is_written_again),
		cmocka_unit_test(a_session_is_archived_by_who_has_the_claim),
		cmocka_unit_test(the_index_finds_the_segments_that_hold_what_matches),
		cmocka_unit_test(many_heads_are_read_at_once_and_a_damaged_one_spoils_no_other),
		cmocka_unit_test(what_is_too_old_is_removed_from_every_tier_and_told),
		cmocka_unit_test(an_ended_session_goes_with_the_last_of_its_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
