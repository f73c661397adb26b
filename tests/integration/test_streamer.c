/* Following sessions through real streamers: every event once, in order, whatever happens. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "session/session_store.h"
#include "tests/integration/streamer_world.h"

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	world_run(&world);
}

static void run_with(void (*body)(struct world *world), const char *const *settings)
{
	struct world world = { .body = body, .settings = settings };

	world_run(&world);
}

/* ---- following ---- */

/* Each append that it followed was heard of, encoded and written. */
static void expect_lag(struct world *world)
{
	static const char *const stages[] = { "doorbell", "ring", "socket", "all" };
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		(void)snprintf(name, sizeof(name),
		               "fairlead_stream_lag_seconds_count{stage=\"%s\"}", stages[i]);
		assert_true(world_metric(world, 0, name) >= 20);
	}
}

static void live_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last;

	assert_int_equal(viewer->status, 200);
	viewer_expect(viewer, &at, 2);
	for (int i = 0; i < 20; i++) {
		last = world_notes(world, &sid, 1, 1);
		viewer_expect(viewer, &at, last.n);
		assert_true(viewer_is(viewer, "note"));
	}
	last = world_notes(world, &sid, 300, 40); /* too large for the doorbell now and then */
	viewer_expect(viewer, &at, last.n);
	last = world_raise(world, &sid, "lease-1");
	viewer_expect(viewer, &at, last.n);
	assert_int_equal(at.epoch, 2);
	assert_int_equal(viewer->parser.retry_ms, 1000);
	assert_int_equal(world_metric(world, 0, "fairlead_subscribers"), 1);
	assert_int_equal(world_metric(world, 0, "fairlead_events_delivered_total"), at.n);
	expect_lag(world);
	viewer_close(viewer);
}

static void a_viewer_gets_what_was_and_then_what_happens(void **state)
{
	(void)state;
	run(live_body);
}

static void resume_body(struct world *world)
{
	struct id sid = world_session(world);
	struct cursor middle = world_notes(world, &sid, 50, 10);
	struct cursor last = world_notes(world, &sid, 50, 10);
	struct viewer *by_header, *by_cursor, *by_number;
	char text[CURSOR_SIZE], query[64];
	struct cursor at;

	cursor_format(&middle, text);
	by_header = viewer_open(world, 0, &sid, "?after=0-0", text);
	(void)snprintf(query, sizeof(query), "?after=%s", text);
	by_cursor = viewer_open(world, 0, &sid, query, "");
	(void)snprintf(query, sizeof(query), "?starting_after=%d", (int)middle.n);
	by_number = viewer_open(world, 0, &sid, query, "");
	at = middle;
	viewer_expect(by_header, &at, last.n);
	at = middle;
	viewer_expect(by_cursor, &at, last.n);
	at = middle;
	viewer_expect(by_number, &at, last.n);
	last = world_notes(world, &sid, 3, 1);
	viewer_expect(by_number, &at, last.n);
	viewer_close(by_header);
	viewer_close(by_cursor);
	viewer_close(by_number);
}

static void a_viewer_resumes_where_its_cursor_says(void **state)
{
	(void)state;
	run(resume_body);
}

static const char *const small_ring[] = { "FAIRLEAD_STREAM_RING_EVENTS=16",
	                                  "FAIRLEAD_STREAM_RING_BYTES=64KiB", NULL };

static void deep_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *live = viewer_open(world, 0, &sid, "", "");
	struct cursor last = world_notes(world, &sid, 1500, 100);
	struct cursor at = { 0, 0 };
	struct viewer *deep;

	world_archive(world, &sid, 10); /* most of it is in PostgreSQL now */
	deep = viewer_open(world, 0, &sid, "", "");
	viewer_expect(deep, &at, last.n);
	at = (struct cursor){ 0, 0 };
	viewer_expect(live, &at, last.n);
	last = world_notes(world, &sid, 40, 1);
	viewer_expect(live, &at, last.n);
	viewer_close(deep);
	viewer_close(live);
}

static void the_whole_life_of_a_session_is_there_beyond_ring_and_redis(void **state)
{
	(void)state;
	run_with(deep_body, small_ring);
}

enum { MANY = 100 };

static void many_body(struct world *world)
{
	struct id sid = world_session(world), other = world_session(world);
	struct cursor last = world_notes(world, &sid, 200, 20), other_last = { 0, 0 };
	struct viewer *viewers[MANY];
	struct cursor at[MANY];

	for (int i = 0; i < MANY; i++) {
		char query[64];

		(void)snprintf(query, sizeof(query), "?starting_after=%d", i % 7 == 6 ? 0 : 2 * i);
		viewers[i] = viewer_open(world, 0, i % 7 == 6 ? &other : &sid, query, "");
		at[i] = (struct cursor){ 0, i % 7 == 6 ? 0 : 2U * (unsigned)i };
	}
	for (int i = 0; i < 30; i++) {
		last = world_notes(world, &sid, 3, 3);
		other_last = world_notes(world, &other, 1, 1);
	}
	for (int i = 0; i < MANY; i++) {
		viewer_expect(viewers[i], &at[i], i % 7 == 6 ? other_last.n : last.n);
		viewer_close(viewers[i]);
	}
}

static void many_viewers_from_many_cursors_get_every_event_once(void **state)
{
	(void)state;
	run_with(many_body, small_ring);
}

/* It reads nothing while far more than sockets hold is written, and the ring moves on. */
static void slow_body(struct world *world)
{
	static char data[100 * 1024];
	struct id sid = world_session(world);
	struct viewer *slow = viewer_open(world, 0, &sid, "", "");
	struct viewer *quick = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, slow_at = { 0, 0 }, last = { 0, 0 };

	memset(data, 'x', sizeof(data));
	memcpy(data, "{\"message\":\"", 12);
	memcpy(data + sizeof(data) - 2, "\"}", 2);
	for (int i = 0; i < 40; i++) {
		last = world_append(world, &sid, EVENT_TYPE_NOTE, str_make(data, sizeof(data)));
		viewer_expect(quick, &at, last.n);
	}
	viewer_expect(slow, &slow_at, last.n);
	last = world_notes(world, &sid, 5, 1);
	viewer_expect(slow, &slow_at, last.n);
	viewer_close(slow);
	viewer_close(quick);
}

static void a_slow_reader_holds_nobody_up_and_misses_nothing(void **state)
{
	(void)state;
	run_with(slow_body, small_ring);
}

/* ---- filters ---- */

static void filter_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "?type=error,status", "");
	struct cursor last;
	char text[CURSOR_SIZE];

	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "status"));
	(void)world_notes(world, &sid, 200, 50);
	last = world_append(world, &sid, EVENT_TYPE_ERROR, STR_LIT("{\"message\":\"no\"}"));
	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "error"));
	assert_int_equal(viewer_at(viewer).n, last.n);
	last = world_notes(world, &sid, 3, 1);
	cursor_format(&last, text);
	/* Nothing to see, but the client's id moves with the keep-alive. */
	while (!str_eq(viewer->parser.id, str_of(text))) {
		assert_false(viewer_next_within(viewer, 100));
	}
	viewer_close(viewer);
}

static void a_filter_hides_events_but_the_cursor_moves(void **state)
{
	(void)state;
	run(filter_body);
}

/* ---- the end ---- */

static void end_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", ""), *late;
	struct cursor at = { 0, 0 }, last;
	char text[CURSOR_SIZE];

	(void)world_notes(world, &sid, 5, 5);
	last = world_finish(world, &sid);
	viewer_expect(viewer, &at, last.n);
	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "end"));
	assert_non_null(strstr(buf_cstr(&viewer->parser.event_data), "\"status\":\"cancelled\""));
	assert_int_equal(viewer_at(viewer).n, last.n);
	assert_false(viewer_next(viewer));
	viewer_close(viewer);

	late = viewer_open(world, 0, &sid, "?starting_after=3", "");
	at = (struct cursor){ 1, 3 };
	viewer_expect(late, &at, last.n);
	assert_true(viewer_next(late));
	assert_true(viewer_is(late, "end"));
	assert_false(viewer_next(late));
	viewer_close(late);

	cursor_format(&last, text);
	viewer = viewer_open(world, 0, &sid, "", text);
	assert_int_equal(viewer->status, 204);
	viewer_close(viewer);
	viewer = viewer_open(world, 0, &sid, "?starting_after=1000", "");
	assert_int_equal(viewer->status, 204);
	viewer_close(viewer);
}

static void retired_body(struct world *world)
{
	struct id sid = world_session(world);
	struct cursor at = { 0, 0 }, last;
	struct session_move move = { .id = sid, .state = SESSION_CANCELLED, .reason = "" };
	struct viewer *viewer;
	char text[CURSOR_SIZE];
	struct session_moved moved;
	struct err err;

	(void)world_notes(world, &sid, 5, 5);
	last = world_finish(world, &sid);
	world_archive(world, &sid, 0);
	move.epoch = last.epoch;
	move.n = last.n;
	assert_int_equal(session_move(world->pg, TENANT, &move, &moved, &err), ERR_OK);
	world_say(world, "FLUSHALL");
	cursor_format(&last, text);
	viewer = viewer_open(world, 0, &sid, "", text);
	assert_int_equal(viewer->status, 204);
	viewer_close(viewer);
	viewer = viewer_open(world, 0, &sid, "", "");
	assert_int_equal(viewer->status, 200);
	viewer_expect(viewer, &at, last.n);
	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "end"));
	viewer_close(viewer);
}

static void a_session_that_has_left_redis_is_streamed_from_the_archive(void **state)
{
	(void)state;
	run(retired_body);
}

static void a_finished_session_ends_its_streams_and_says_204_to_who_has_all(void **state)
{
	(void)state;
	run(end_body);
}

static void gap_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "7-500");
	struct cursor at, last;

	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "gap"));
	assert_non_null(strstr(buf_cstr(&viewer->parser.event_data), "\"reason\":\"never\""));
	assert_non_null(strstr(buf_cstr(&viewer->parser.event_data), "\"from\":3,\"to\":500"));
	at = viewer_at(viewer);
	assert_int_equal(at.n, 2);
	last = world_notes(world, &sid, 3, 1);
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);
}

static void a_cursor_that_was_never_issued_is_a_gap(void **state)
{
	(void)state;
	run(gap_body);
}

/* ---- faults ---- */

static void takeover_body(struct world *world)
{
	struct id sid = world_session(world);
	struct cursor at = { 0, 0 }, last = { 0, 0 };
	struct viewer *viewer;
	char text[CURSOR_SIZE];

	world_start(world, 1);
	world_await_ready(world, 1);
	viewer = viewer_open(world, 0, &sid, "", "");
	for (int round = 0; round < 4; round++) {
		size_t mine = (size_t)round % STREAMERS;

		last = world_notes(world, &sid, 50, 7);
		viewer_expect(viewer, &at, last.n - 20); /* the rest dies with the streamer */
		assert_true(WIFSIGNALED(world_stop(world, mine, SIGKILL)));
		viewer_close(viewer);
		last = world_notes(world, &sid, 10, 3);
		cursor_format(&at, text);
		viewer = viewer_open(world, 1 - mine, &sid, "", text);
		viewer_expect(viewer, &at, last.n);
		world_start(world, mine);
		world_await_ready(world, mine);
	}
	viewer_close(viewer);
}

static void a_killed_streamer_costs_no_event_and_doubles_none(void **state)
{
	(void)state;
	run(takeover_body);
}

static void drain_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last;
	char text[CURSOR_SIZE];

	viewer_expect(viewer, &at, 2);
	world_start(world, 1);
	world_await_ready(world, 1);
	assert_int_equal(world_stop(world, 0, SIGTERM), 0);
	while (viewer_next(viewer)) {
		at = viewer_at(viewer);
	}
	assert_true(viewer->ended);
	last = world_notes(world, &sid, 5, 1);
	cursor_format(&at, text);
	viewer_close(viewer);
	viewer = viewer_open(world, 1, &sid, "", text);
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);
}

static void a_streamer_that_is_told_to_stop_sends_its_viewers_elsewhere(void **state)
{
	(void)state;
	run(drain_body);
}

/* Redis keeps its data: nothing is lost, and streams stay open. */
static void restart_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last = world_notes(world, &sid, 20, 1);
	struct log_result result;
	struct err err;

	viewer_expect(viewer, &at, last.n);
	world_restart_redis(world);
	assert_false(viewer_next_within(viewer, 200));
	assert_false(viewer->ended);
	assert_int_equal(log_rebuild(&world->store, world->pg, &sid, TENANT, &result, &err),
	                 ERR_OK);
	last = world_notes(world, &sid, 20, 1);
	viewer_expect(viewer, &at, last.n);
	assert_true(at.epoch > 1);
	viewer_close(viewer);
}

static void streams_stay_open_through_a_restart_of_redis(void **state)
{
	struct world world = { .body = restart_body, .keeps = true };

	(void)state;
	world_run(&world);
}

/* Redis comes back empty: what was not archived never happened, and viewers are told. */
static void retract_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", ""), *back;
	struct cursor at = { 0, 0 }, last, seen;
	struct log_result result;
	char text[CURSOR_SIZE];
	struct err err;

	(void)world_notes(world, &sid, 20, 1);
	world_archive(world, &sid, 0);
	last = world_notes(world, &sid, 8, 1);
	viewer_expect(viewer, &at, last.n);
	seen = at;
	world_restart_redis(world);
	cursor_format(&seen, text);
	assert_int_equal(log_rebuild(&world->store, world->pg, &sid, TENANT, &result, &err),
	                 ERR_OK);
	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "gap"));
	assert_non_null(strstr(buf_cstr(&viewer->parser.event_data), "\"reason\":\"retracted\""));
	at = viewer_at(viewer);
	assert_int_equal(at.n, seen.n - 8);
	last = world_notes(world, &sid, 30, 3);
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);

	back = viewer_open(world, 0, &sid, "", text); /* who was away meanwhile is told too */
	assert_true(viewer_next(back));
	assert_true(viewer_is(back, "gap"));
	at = viewer_at(back);
	assert_int_equal(at.n, seen.n - 8);
	viewer_expect(back, &at, last.n);
	viewer_close(back);
}

static void what_redis_lost_is_told_as_a_gap(void **state)
{
	(void)state;
	run(retract_body);
}

/* While the log waits for its rebuild nobody can say whether its tail is lost. */
static void doubt_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", ""), *back;
	struct cursor at = { 0, 0 }, last;
	struct log_result result;
	char text[CURSOR_SIZE], target[160];
	struct buf body;
	struct err err;

	(void)world_notes(world, &sid, 20, 1);
	world_archive(world, &sid, 0);
	last = world_notes(world, &sid, 8, 1);
	viewer_expect(viewer, &at, last.n);
	world_restart_redis(world);
	world_await_ready(world, 0);
	cursor_format(&at, text);
	back = viewer_open(world, 0, &sid, "", text);
	assert_int_equal(back->status, 200);
	buf_init(&body, UINT16_MAX);
	(void)snprintf(target, sizeof(target), "/api/v1/sessions/%s/events?after=%s", sid.s, text);
	assert_int_equal(world_get(world, 0, target, "", &body), 503);
	buf_fini(&body);
	assert_false(viewer_next_within(viewer, 1500));
	assert_false(viewer_next_within(back, 1500));
	assert_false(viewer->ended || back->ended);
	assert_int_equal(world_metric(world, 0, "fairlead_gaps_total{reason=\"never\"}"), 0);
	assert_int_equal(log_rebuild(&world->store, world->pg, &sid, TENANT, &result, &err),
	                 ERR_OK);
	assert_true(viewer_next(viewer) && viewer_is(viewer, "gap"));
	assert_true(viewer_next(back) && viewer_is(back, "gap"));
	assert_int_equal(viewer_at(back).n, at.n - 8);
	assert_int_equal(world_metric(world, 0, "fairlead_gaps_total{reason=\"retracted\"}"), 2);
	viewer_close(viewer);
	viewer_close(back);
}

static void nothing_is_said_of_a_lost_tail_before_the_log_is_rebuilt(void **state)
{
	(void)state;
	run(doubt_body);
}

/* Doorbells are lost with their connection, again and again. */
static void deaf_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last = { 0, 0 };

	for (int i = 0; i < 20; i++) {
		world_say(world, "CLIENT KILL TYPE pubsub");
		last = world_notes(world, &sid, 5, 1);
	}
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);
}

static void doorbells_that_were_lost_with_their_connection_cost_nothing(void **state)
{
	(void)state;
	run(deaf_body);
}

/* An entry that nobody was told of. */
static void silent_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 };
	char line[256];

	viewer_expect(viewer, &at, 2);
	(void)snprintf(line, sizeof(line), "XADD {s:%s}:log 1-3 t note d {} a 1780000000000",
	               sid.s);
	world_say(world, line);
	(void)snprintf(line, sizeof(line), "HSET {s:%s}:head n 3", sid.s);
	world_say(world, line);
	viewer_expect(viewer, &at, 3);
	viewer_close(viewer);
}

static void an_event_without_a_doorbell_is_found(void **state)
{
	(void)state;
	run(silent_body);
}

/* It never reads: in the end its connection is given up, and its memory was a cursor. */
static void stuck_body(struct world *world)
{
	static char data[100 * 1024];
	struct id sid = world_session(world);
	struct viewer *stuck = viewer_open(world, 0, &sid, "", "");
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;

	memset(data, 'x', sizeof(data));
	memcpy(data, "{\"message\":\"", 12);
	memcpy(data + sizeof(data) - 2, "\"}", 2);
	for (int i = 0; i < 30; i++) {
		(void)world_append(world, &sid, EVENT_TYPE_NOTE, str_make(data, sizeof(data)));
	}
	while (world_metric(world, 0, "fairlead_subscribers") != 0) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(50), ERR_OK);
	}
	viewer_close(stuck);
}

static void a_reader_that_takes_nothing_is_given_up(void **state)
{
	static const char *const impatient[] = { "FAIRLEAD_STREAM_STALL_TIMEOUT=1s", NULL };

	(void)state;
	run_with(stuck_body, impatient);
}

/* A browser's EventSource would never come back after another answer than 200. */
static void expect_put_off(struct world *world, size_t streamer, const char *target)
{
	static const char browser[] = "Accept: text/event-stream\r\nSec-Fetch-Mode: cors\r\n";
	uint64_t retry_ms = 0;
	struct buf body;
	struct str text;
	int status;

	buf_init(&body, UINT16_MAX);
	while ((status = world_get(world, streamer, target, browser, &body)) == 0) {
		assert_int_equal(fiber_sleep(10), ERR_OK); /* it does not listen yet */
	}
	assert_int_equal(status, 200);
	text = buf_str(&body);
	assert_true(str_starts(text, STR_LIT("retry: ")) && text.n > 9);
	assert_true(parse_u64(str_make(text.p + 7, text.n - 9), UINT32_MAX, &retry_ms));
	assert_string_equal(text.p + text.n - 2, "\n\n");
	assert_in_range(retry_ms, 2000, 4000);
	buf_fini(&body);
}

/* Frozen, not gone: no answer is the same as none. */
static void down_body(struct world *world)
{
	static const char *const sse = "Accept: text/event-stream\r\n";
	struct id sid = world_session(world), unseen = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last;
	char target[128];
	struct buf body;

	buf_init(&body, UINT16_MAX);
	viewer_expect(viewer, &at, 2);
	redis_server_signal(&world->server, SIGSTOP);
	(void)snprintf(target, sizeof(target), "/api/v1/sessions/%s/events", unseen.s);
	assert_int_equal(world_get(world, 0, target, sse, &body), 503);
	assert_int_equal(world_get(world, 0, target, "", &body), 503);
	expect_put_off(world, 0, target);
	assert_int_equal(world_metric(world, 0, "fairlead_streams_put_off_total"), 1);
	world_start(world, 1); /* it knows no keys yet */
	expect_put_off(world, 1, target);
	assert_false(viewer_next_within(viewer, 100));
	assert_false(viewer->ended);
	redis_server_signal(&world->server, SIGCONT);
	world_await_ready(world, 0);
	last = world_notes(world, &sid, 20, 1);
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);
	buf_fini(&body);
}

static void new_streams_are_refused_and_old_ones_wait_while_redis_is_frozen(void **state)
{
	static const char *const impatient[] = { "FAIRLEAD_REDIS_TIMEOUT=300ms", NULL };

	(void)state;
	run_with(down_body, impatient);
}

/* ---- those who come back one after the other ---- */

enum { COMERS = 20 };

static void comers_body(struct world *world)
{
	struct id sid = world_session(world);
	struct cursor last = world_notes(world, &sid, 100, 20);

	for (int i = 0; i < COMERS; i++) {
		struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
		struct cursor at = { 0, 0 };

		viewer_expect(viewer, &at, last.n);
		viewer_close(viewer);
	}
	/* Not one each: what was read for the first is there for a moment. */
	assert_in_range(world_metric(world, 0, "fairlead_replay_reads_total{tier=\"redis\"}"), 1,
	                COMERS - 1);
}

static void a_page_that_was_read_serves_those_who_come_next(void **state)
{
	(void)state;
	run(comers_body);
}

int main(void)
{
	const struct CMUnitTest streamed[] = {
		cmocka_unit_test(a_viewer_gets_what_was_and_then_what_happens),
		cmocka_unit_test(a_viewer_resumes_where_its_cursor_says),
		cmocka_unit_test(the_whole_life_of_a_session_is_there_beyond_ring_and_redis),
		cmocka_unit_test(many_viewers_from_many_cursors_get_every_event_once),
		cmocka_unit_test(a_slow_reader_holds_nobody_up_and_misses_nothing),
		cmocka_unit_test(a_filter_hides_events_but_the_cursor_moves),
		cmocka_unit_test(a_finished_session_ends_its_streams_and_says_204_to_who_has_all),
		cmocka_unit_test(a_session_that_has_left_redis_is_streamed_from_the_archive),
		cmocka_unit_test(a_cursor_that_was_never_issued_is_a_gap),
		cmocka_unit_test(a_killed_streamer_costs_no_event_and_doubles_none),
		cmocka_unit_test(a_streamer_that_is_told_to_stop_sends_its_viewers_elsewhere),
		cmocka_unit_test(what_redis_lost_is_told_as_a_gap),
		cmocka_unit_test(a_reader_that_takes_nothing_is_given_up),
	};
	const struct CMUnitTest others[] = {
		/* compression changes nothing there */
		cmocka_unit_test(streams_stay_open_through_a_restart_of_redis),
		cmocka_unit_test(nothing_is_said_of_a_lost_tail_before_the_log_is_rebuilt),
		cmocka_unit_test(doorbells_that_were_lost_with_their_connection_cost_nothing),
		cmocka_unit_test(an_event_without_a_doorbell_is_found),
		cmocka_unit_test(new_streams_are_refused_and_old_ones_wait_while_redis_is_frozen),
		cmocka_unit_test(a_page_that_was_read_serves_those_who_come_next),
	};
	int failed = cmocka_run_group_tests(streamed, NULL, NULL);

	if (getenv("VIEWERS_ACCEPT") == NULL) {
		failed += cmocka_run_group_tests(others, NULL, NULL);
	}
	return failed;
}
