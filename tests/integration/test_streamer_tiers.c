/* Pages and streams over all tiers: what the archive's index is for, and every edge between them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/value.h"
#include "tests/integration/streamer_world.h"

enum { TARGET_MAX = 512, EVENTS = 12000, EVERY = 1000 };

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	world_run(&world);
}

static int ask(struct world *world, const struct id *sid, const char *query, const char *headers,
               struct buf *ret)
{
	char line[TARGET_MAX];

	(void)snprintf(line, sizeof(line), "GET /api/v1/sessions/%s/events%s", sid->s, query);
	return world_ask(world, 0, line, headers, ret);
}

/* The answer as JSON; the caller's. */
static struct json_value *get(struct world *world, const struct id *sid, const char *query)
{
	struct json_value *value;
	struct buf answer;
	const char *body;
	struct err err;

	buf_init(&answer, SIZE_MAX / 2);
	if (ask(world, sid, query, "", &answer) != 200) {
		fail_msg("%s: %s", query, buf_cstr(&answer));
	}
	body = strstr(buf_cstr(&answer), "\r\n\r\n") + 4;
	value = json_parse(str_of(body), &err);
	assert_non_null(value);
	buf_fini(&answer);
	return value;
}

static int64_t number(const struct json_value *value, const char *name)
{
	return json_is_int(json_get(value, name)) ? json_as_i64(json_get(value, name)) : -1;
}

/* Items first, first + step, ...: count of them, and nothing said of a cut. */
static void expect(struct world *world, const struct id *sid, const char *query, int64_t first,
                   int64_t step, size_t count)
{
	struct json_value *page = get(world, sid, query);
	const struct json_value *items = json_get(page, "items");

	if (json_count(items) != count || json_get(page, "incomplete") != NULL) {
		fail_msg("%s: %zu items", query, json_count(items));
	}
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(number(json_at(items, i), "seq"), first + step * (int64_t)i);
	}
	json_value_free(page);
}

static void tell(struct world *world, const char *name, const char *sql, const struct id *sid)
{
	struct text text = { name, "0", sql, strlen(sql) };
	struct pg_params params = { 0 };
	struct err err;

	pg_param_cstr(&params, sid->s);
	if (pg_query(world->pg, "", &text, &params, NULL, &err) != ERR_OK) {
		fail_msg("%s: %s", name, err.msg);
	}
}

/* ---- filtered pages ---- */

/* Logs are 1000, 2000, ... of which every other is an error. */
static struct id long_session(struct world *world)
{
	struct id sid = world_session(world);

	for (int i = 1; i <= EVENTS / EVERY; i++) {
		(void)world_notes(world, &sid, i == 1 ? EVERY - 3 : EVERY - 1, 100);
		(void)world_append(world, &sid, EVENT_TYPE_LOG,
		                   i % 2 == 0 ? STR_LIT("{\"level\":\"error\",\"message\":\"e\"}")
		                              : STR_LIT("{\"level\":\"info\",\"message\":\"i\"}"));
	}
	world_archive(world, &sid, 300);
	(void)world_notes(world, &sid, 50, 50);
	return sid;
}

static uint64_t rows_read(struct world *world)
{
	return world_metric(world, 0, "fairlead_pg_queries_total");
}

static void filtered_body(struct world *world)
{
	struct id sid = long_session(world);
	uint64_t before = rows_read(world);

	expect(world, &sid, "?type=log", 12000, -1000, 12);
	expect(world, &sid, "?type=log&perPage=5&page=2", 7000, -1000, 5);
	expect(world, &sid, "?type=log&perPage=5&page=3", 2000, -1000, 2);
	expect(world, &sid, "?type=log&perPage=5&page=2&sort=asc", 6000, 1000, 5);
	expect(world, &sid, "?type=log&level=warn&sort=asc", 2000, 2000, 6);
	expect(world, &sid, "?type=status", 2, 1, 1);
	expect(world, &sid, "?type=message", 0, 0, 0);
	/* A few segments each, not the ninety-four that there are. */
	assert_in_range(rows_read(world) - before, 1, 150);
	/* Many match, and the page is far from either end. */
	expect(world, &sid, "?type=note&perPage=50&page=119&sort=asc", 5908, 1, 50);
	expect(world, &sid, "?type=note&perPage=50&page=1", 12050, -1, 50);
	expect(world, &sid, "?type=note&perPage=50&page=2", 11999, -1, 50);
	/* After a cursor: one answer, over what does not match. */
	expect(world, &sid, "?type=log&starting_after=0", 1000, 1000, 12);
	expect(world, &sid, "?type=log&starting_after=1234&limit=3", 2000, 1000, 3);
	expect(world, &sid, "?type=log&after=1-11000&limit=3", 12000, 1, 1);
	expect(world, &sid, "?type=error&after=1-7", 0, 0, 0);
}

static void a_filtered_page_is_complete_however_long_the_session_is(void **state)
{
	(void)state;
	run(filtered_body);
}

static void found_gap_body(struct world *world)
{
	struct id sid = long_session(world);
	struct json_value *page;

	tell(world, "damage",
	     "UPDATE log_segments SET checksum = '\\x00' WHERE session_id = $1::text "
	     "AND first_n = 897",
	     &sid); /* 897..1024 */
	page = get(world, &sid, "?type=log&sort=asc&perPage=2");
	assert_int_equal(number(json_get(page, "gap"), "from"), 897);
	assert_int_equal(number(json_get(page, "gap"), "to"), 1024);
	assert_int_equal(number(json_at(json_get(page, "items"), 0), "seq"), 2000);
	json_value_free(page);
	page = get(world, &sid, "?type=log&after=1-500");
	assert_int_equal(json_count(json_get(page, "items")), 0);
	assert_true(str_eq(json_as_str(json_get(page, "next")), STR_LIT("1-896")));
	json_value_free(page);
	page = get(world, &sid, "?type=log&after=1-896");
	assert_true(
		str_eq(json_as_str(json_get(json_get(page, "gap"), "reason")), STR_LIT("lost")));
	assert_true(str_eq(json_as_str(json_get(page, "next")), STR_LIT("1-1024")));
	json_value_free(page);
}

static void a_damaged_segment_is_told_in_pages(void **state)
{
	(void)state;
	run(found_gap_body);
}

/* ---- by time ---- */

static void time_of(struct world *world, const struct id *sid, int n, char out[64])
{
	struct json_value *page;
	char query[64];

	(void)snprintf(query, sizeof(query), "?starting_after=%d&limit=1", n - 1);
	page = get(world, sid, query);
	assert_true(str_copy(out, 64,
	                     json_as_str(json_get(json_at(json_get(page, "items"), 0), "ts"))));
	json_value_free(page);
}

static void timed_body(struct world *world)
{
	struct id sid = world_session(world);
	char first[64], second[64], third[64], query[256];

	for (int i = 0; i < 3; i++) { /* 3..302, 303..602, 603..902: the middle of segments */
		assert_int_equal(fiber_sleep(5), ERR_OK);
		(void)world_notes(world, &sid, 300, 100);
	}
	world_archive(world, &sid, 0);
	assert_int_equal(fiber_sleep(5), ERR_OK);
	(void)world_notes(world, &sid, 20, 20); /* 903..922: in Redis alone */
	time_of(world, &sid, 303, first);
	time_of(world, &sid, 603, second);
	time_of(world, &sid, 903, third);
	(void)snprintf(query, sizeof(query), "?since=%s&sort=asc&perPage=5", first);
	expect(world, &sid, query, 303, 1, 5);
	(void)snprintf(query, sizeof(query), "?until=%s&perPage=5", second);
	expect(world, &sid, query, 602, -1, 5);
	(void)snprintf(query, sizeof(query), "?since=%s&until=%s&type=note&perPage=7&page=42",
	               first, second);
	expect(world, &sid, query, 315, -1, 7);
	(void)snprintf(query, sizeof(query), "?since=%s", third);
	expect(world, &sid, query, 922, -1, 20);
	expect(world, &sid, "?since=2099-01-01T00:00:00Z", 0, 0, 0);
	expect(world, &sid, "?until=1999-01-01T00:00:00Z", 0, 0, 0);
	expect(world, &sid, "?since=1999-01-01T00:00:00Z&sort=asc&perPage=3", 1, 1, 3);
}

static void times_are_found_in_every_tier(void **state)
{
	(void)state;
	run(timed_body);
}

/* ---- what may be kept ---- */

static void expect_head(struct world *world, const struct id *sid, const char *query,
                        const char *headers, int status, const char *shows)
{
	struct buf answer;

	buf_init(&answer, SIZE_MAX / 2);
	if (ask(world, sid, query, headers, &answer) != status ||
	    strstr(buf_cstr(&answer), shows) == NULL) {
		fail_msg("%s: \"%s\" was expected, not\n%.600s", query, shows, buf_cstr(&answer));
	}
	buf_fini(&answer);
}

#define KEEP   "Cache-Control: private, max-age="
#define FORGET "Cache-Control: no-store"

static void kept_body(struct world *world)
{
	struct id sid = world_session(world);
	struct buf answer;
	char header[64];
	const char *tag;

	(void)world_notes(world, &sid, 298, 100);
	expect_head(world, &sid, "?after=0-0&limit=10", "", 200, FORGET); /* Redis may lose it */
	world_archive(world, &sid, 50);
	(void)world_notes(world, &sid, 10, 10);
	expect_head(world, &sid, "?after=0-0&limit=200", "", 200, KEEP);
	expect_head(world, &sid, "?after=1-100&limit=200", "", 200, KEEP);
	expect_head(world, &sid, "?after=1-101&limit=200", "", 200, FORGET); /* 301 */
	expect_head(world, &sid, "?after=1-300&limit=20", "", 200, FORGET);
	expect_head(world, &sid, "?page=2", "", 200, FORGET);
	buf_init(&answer, SIZE_MAX / 2);
	assert_int_equal(ask(world, &sid, "?after=0-0&limit=200", "", &answer), 200);
	tag = strstr(buf_cstr(&answer), "ETag: \"");
	assert_non_null(tag);
	(void)snprintf(header, sizeof(header), "If-None-Match: %.18s\r\n", tag + 6);
	expect_head(world, &sid, "?after=0-0&limit=200", header, 304, KEEP);
	expect_head(world, &sid, "?after=1-1&limit=200", header, 200, KEEP);
	(void)snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%.18s\r\n", tag + 6);
	expect_head(world, &sid, "?after=0-0&limit=200", header, 304, KEEP);
	expect_head(world, &sid, "?after=1-301", header, 200, FORGET);
	buf_fini(&answer);
	(void)world_finish(world, &sid);
	world_archive(world, &sid, 50);
	expect_head(world, &sid, "?after=1-300&limit=200", "", 200, KEEP);
	expect_head(world, &sid, "?after=1-400", "", 200, FORGET); /* a gap */
}

static void a_page_that_cannot_change_may_be_kept_and_no_other(void **state)
{
	(void)state;
	run(kept_body);
}

/* ---- waiting ---- */

struct waiter {
	struct world *world;
	struct id sid;
	const char *query;
	uint64_t took_ms;
	size_t items;
	int status;
};

static void wait_for_page(void *arg)
{
	struct waiter *waiter = arg;
	uint64_t began = clock_mono_ms();
	struct buf answer;
	const char *body;
	struct err err;

	buf_init(&answer, SIZE_MAX / 2);
	waiter->status = ask(waiter->world, &waiter->sid, waiter->query, "", &answer);
	waiter->took_ms = clock_mono_ms() - began;
	body = strstr(buf_cstr(&answer), "\r\n\r\n");
	if (waiter->status == 200 && body != NULL) {
		struct json_value *page = json_parse(str_of(body + 4), &err);

		waiter->items = json_count(json_get(page, "items"));
		json_value_free(page);
	}
	buf_fini(&answer);
}

static void begin_wait(struct waiter *waiter, struct fiber_group *group)
{
	(void)fiber_start(waiter->world->loop, group, "wait", wait_for_page, waiter);
}

static void await_polls(struct world *world, uint64_t count)
{
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;

	while (world_metric(world, 0, "fairlead_polls") != count) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(10), ERR_OK);
	}
}

/* The streamer is done with it a moment before its answer is here. */
static void await_answer(const struct waiter *waiter)
{
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;

	while (waiter->status == 0) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(10), ERR_OK);
	}
}

static void waiting_body(struct world *world)
{
	struct id sid = world_session(world);
	struct waiter any = { world, sid, "?after=1-2&wait=60", 0, 0, 0 };
	struct waiter typed = { world, sid, "?after=1-2&type=error&wait=60", 0, 0, 0 };
	struct waiter brief = { world, sid, "?after=1-3&wait=1", 0, 0, 0 };
	struct waiter last = { world, sid, "?after=1-4&wait=60", 0, 0, 0 };
	struct fiber_group group = { .count = 0 };

	begin_wait(&any, &group);
	begin_wait(&typed, &group);
	await_polls(world, 2);
	(void)world_notes(world, &sid, 1, 1);
	await_polls(world, 1);
	await_answer(&any);
	assert_int_equal(any.status, 200);
	assert_int_equal(any.items, 1);
	begin_wait(&brief, &group);
	await_polls(world, 2);
	await_polls(world, 1);
	await_answer(&brief);
	assert_int_equal(brief.status, 200);
	assert_int_equal(brief.items, 0);
	assert_in_range(brief.took_ms, 900, 20000);
	(void)world_append(world, &sid, EVENT_TYPE_ERROR, STR_LIT("{\"message\":\"e\"}"));
	assert_int_equal(fiber_group_wait(&group, WORLD_WAIT_MS), ERR_OK);
	assert_int_equal(typed.status, 200);
	assert_int_equal(typed.items, 1);
	begin_wait(&last, &group);
	await_polls(world, 1);
	assert_int_equal(world_stop(world, 0, SIGTERM), 0); /* it does not wait for the minute */
	assert_int_equal(fiber_group_wait(&group, WORLD_WAIT_MS), ERR_OK);
	assert_int_equal(last.status, 200);
	assert_int_equal(last.items, 0);
	assert_in_range(last.took_ms, 0, 10000); /* less than a drain may take */
}

static void a_page_waits_for_what_is_to_come(void **state)
{
	(void)state;
	run(waiting_body);
}

/* Reads of events that Redis was asked for so far. */
static uint64_t reads_of_redis(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	static const char line[] = "cmdstat_xrange:calls=";
	const char *at;
	struct err err;

	redis_arg_cstr(cmd, "INFO");
	redis_arg_cstr(cmd, "commandstats");
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	at = memmem(redis_reply_str(reply).p, redis_reply_str(reply).n, line, sizeof(line) - 1);
	return at != NULL ? strtoull(at + sizeof(line) - 1, NULL, 10) : 0;
}

static void crowd_body(struct world *world)
{
	enum { CROWD = 60, FEW = 6 };
	struct id sid = world_session(world);
	static struct waiter waiters[CROWD];
	struct fiber_group group = { .count = 0 };
	uint64_t before = reads_of_redis(world);

	for (size_t i = 0; i < CROWD; i++) {
		waiters[i] = (struct waiter){ world, sid, "?after=1-2&wait=60", 0, 0, 0 };
		begin_wait(&waiters[i], &group);
	}
	await_polls(world, CROWD);
	assert_in_range(reads_of_redis(world) - before, 1, CROWD); /* how many at once is chance */
	before = reads_of_redis(world);
	(void)world_notes(world, &sid, 1, 1);
	assert_int_equal(fiber_group_wait(&group, WORLD_WAIT_MS), ERR_OK);
	for (size_t i = 0; i < CROWD; i++) {
		assert_int_equal(waiters[i].status, 200);
		assert_int_equal(waiters[i].items, 1);
	}
	assert_in_range(reads_of_redis(world) - before, 1, FEW);
}

static void a_crowd_that_waits_reads_together(void **state)
{
	(void)state;
	run(crowd_body);
}

static int ask_raw(const struct world *world, const struct id *sid)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[TARGET_MAX];
	int n = snprintf(request, sizeof(request),
	                 "GET /api/v1/sessions/%s/events?after=1-2&wait=60 HTTP/1.1\r\nHost: x\r\n"
	                 "Authorization: ApiKey %s\r\n\r\n",
	                 sid->s, world->key);

	assert_true(fd >= 0);
	assert_true(
		str_copy(path.sun_path, sizeof(path.sun_path), str_of(world->streamers[0].path)));
	assert_int_equal(connect(fd, (struct sockaddr *)&path, sizeof(path)), 0);
	assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
	return fd;
}

static void left_body(struct world *world)
{
	struct id sid = world_session(world);
	int fd = ask_raw(world, &sid);

	await_polls(world, 1);
	(void)close(fd);
	await_polls(world, 0);
	expect_head(world, &sid, "?after=1-2&wait=61", "", 400, "\"wait\"");
	expect_head(world, &sid, "?wait=1", "", 400, "is for pages after a cursor");
	expect_head(world, &sid, "?after=1-2&wait=1", "Accept: text/event-stream\r\n", 400,
	            "is for pages, not for a stream");
}

static void nobody_waits_for_a_client_that_has_left(void **state)
{
	(void)state;
	run(left_body);
}

/* ---- every edge ---- */

static const char *const small_ring[] = { "FAIRLEAD_STREAM_RING_EVENTS=16", NULL };

static void expect_stream(struct world *world, const struct id *sid, struct cursor at,
                          struct cursor last)
{
	char text[CURSOR_SIZE];
	struct viewer *viewer;

	cursor_format(&at, text);
	viewer = viewer_open(world, 0, sid, "", text);
	viewer_expect(viewer, &at, last.n);
	assert_int_equal(at.epoch, last.epoch);
	viewer_close(viewer);
}

static void expect_gap_first(struct world *world, const struct id *sid, const char *after,
                             const char *shows, struct cursor at, struct cursor last)
{
	struct viewer *viewer = viewer_open(world, 0, sid, "", after);

	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "gap"));
	if (memmem(viewer->parser.data.p, viewer->parser.data.n, shows, strlen(shows)) == NULL) {
		fail_msg("%s: %.*s", after, (int)viewer->parser.data.n, viewer->parser.data.p);
	}
	assert_int_equal(viewer_at(viewer).n, at.n);
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);
}

/* A streamer that remembers nothing: a page that was just read is kept for a moment. */
static void start_anew(struct world *world)
{
	(void)world_stop(world, 0, SIGKILL);
	world_start(world, 0);
	world_await_ready(world, 0);
}

static void edges_body(struct world *world)
{
	/* Epoch 1: 1..200; 2: 201..600. Segments end at 128, 256, ...; Redis has from 513 on, the
	 * ring the last sixteen. */
	static const uint64_t edges[] = { 1,   2,   127, 128, 129, 199, 200, 201, 202, 255,
		                          256, 257, 511, 512, 513, 583, 584, 585, 598, 599 };
	struct id sid = world_session(world);
	struct viewer *live = viewer_open(world, 0, &sid, "", "");
	struct cursor last, at = { 0, 0 };

	(void)world_notes(world, &sid, 198, 100);
	(void)world_raise(world, &sid, "one");
	last = world_notes(world, &sid, 399, 100);
	assert_int_equal(last.n, 600);
	viewer_expect(live, &at, last.n);
	world_archive(world, &sid, 80);
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		expect_stream(world, &sid, (struct cursor){ edges[i] <= 200 ? 1 : 2, edges[i] },
		              last);
	}
	/* At the end: nothing, until there is something. */
	live = (viewer_close(live), viewer_open(world, 0, &sid, "", "2-600"));
	assert_false(viewer_next_within(live, 100));
	expect_gap_first(world, &sid, "2-601", "\"reason\":\"never\"", last, last);
	expect_gap_first(world, &sid, "3-600", "\"reason\":\"never\"", last, last);
	last = world_notes(world, &sid, 1, 1);
	at = (struct cursor){ 2, 600 };
	viewer_expect(live, &at, last.n);
	viewer_close(live);
	tell(world, "damage",
	     "UPDATE log_segments SET checksum = '\\x00' WHERE session_id = $1::text "
	     "AND first_n = 257",
	     &sid);
	start_anew(world);
	expect_gap_first(world, &sid, "2-256", "\"from\":257,\"to\":384,\"reason\":\"lost\"",
	                 (struct cursor){ 2, 384 }, last);
	expect_gap_first(world, &sid, "2-300", "\"from\":301,\"to\":384,\"reason\":\"lost\"",
	                 (struct cursor){ 2, 384 }, last);
	expect_stream(world, &sid, (struct cursor){ 2, 384 }, last);
	tell(world, "remove",
	     "WITH d AS (DELETE FROM log_segments WHERE session_id = $1::text "
	     "AND last_n <= 384) UPDATE sessions SET removed_epoch = 2, "
	     "removed_n = 384 WHERE id = $1::text",
	     &sid);
	start_anew(world);
	expect_gap_first(world, &sid, "0-0", "\"from\":1,\"to\":384,\"reason\":\"retention\"",
	                 (struct cursor){ 2, 384 }, last);
	expect_gap_first(world, &sid, "2-383", "\"from\":384,\"to\":384,\"reason\":\"retention\"",
	                 (struct cursor){ 2, 384 }, last);
	expect_stream(world, &sid, (struct cursor){ 2, 384 }, last);
	expect_stream(world, &sid, (struct cursor){ 2, 385 }, last);
}

static void a_stream_resumes_at_every_edge_between_the_tiers(void **state)
{
	struct world world = { .body = edges_body, .settings = small_ring };

	(void)state;
	world_run(&world);
}

static void removed_body(struct world *world)
{
	struct id sid = world_session(world);
	struct json_value *page;

	(void)world_notes(world, &sid, 498, 100);
	world_archive(world, &sid, 10);
	tell(world, "remove",
	     "WITH d AS (DELETE FROM log_segments WHERE session_id = $1::text "
	     "AND last_n <= 256) UPDATE sessions SET removed_epoch = 1, "
	     "removed_n = 256 WHERE id = $1::text",
	     &sid);
	expect(world, &sid, "?sort=asc&perPage=3", 257, 1, 3);
	expect(world, &sid, "?type=note&perPage=3&page=2", 497, -1, 3);
	world_administer(world);
	page = get(world, &sid, "?perPage=200&page=2");
	assert_int_equal(number(page, "total"), 244);
	assert_int_equal(json_count(json_get(page, "items")), 44);
	assert_int_equal(number(json_get(page, "gap"), "to"), 256);
	json_value_free(page);
	page = get(world, &sid, "?after=1-10");
	assert_true(str_eq(json_as_str(json_get(json_get(page, "gap"), "reason")),
	                   STR_LIT("retention")));
	assert_true(str_eq(json_as_str(json_get(page, "next")), STR_LIT("1-256")));
	assert_false(json_as_bool(json_get(page, "caughtUp")));
	json_value_free(page);
}

static void what_retention_removed_is_told_in_pages(void **state)
{
	(void)state;
	run(removed_body);
}

/* ---- many readers ---- */

enum { READERS = 60, PAGES = 6 };

struct reader {
	struct world *world;
	struct id sid;
	struct cursor last;
};

static void read_all(void *arg)
{
	const struct reader *reader = arg;
	struct viewer *viewer =
		viewer_open(reader->world, 0, &reader->sid, "?starting_after=0", "");
	struct cursor at = { 0, 0 };

	viewer_expect(viewer, &at, reader->last.n);
	viewer_close(viewer);
}

static void storm_body(struct world *world)
{
	struct reader reader = { .world = world, .sid = world_session(world) };
	struct fiber_group group = { .count = 0 };
	uint64_t reads;

	reader.last = world_notes(world, &reader.sid, PAGES * 128 - 2, 100);
	world_archive(world, &reader.sid, 100);
	assert_int_equal(kill(world->streamers[0].pid, SIGSTOP), 0); /* they come all at once */
	for (size_t i = 0; i < READERS; i++) {
		(void)fiber_start(world->loop, &group, "reader", read_all, &reader);
	}
	for (int i = 0; i < 3; i++) { /* each connects on its first turn */
		assert_int_equal(fiber_yield(), ERR_OK);
	}
	assert_int_equal(kill(world->streamers[0].pid, SIGCONT), 0);
	assert_int_equal(fiber_group_wait(&group, WORLD_WAIT_MS), ERR_OK);
	reads = world_metric(world, 0, "fairlead_replay_reads_total{tier=\"archive\"}") +
	        world_metric(world, 0, "fairlead_replay_reads_total{tier=\"redis\"}");
	/* Each for itself would be 360. */
	assert_in_range(reads, PAGES, PAGES * 10);
}

static void many_readers_of_the_past_share_its_reads(void **state)
{
	struct world world = { .body = storm_body, .settings = small_ring };

	(void)state;
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filtered_page_is_complete_however_long_the_session_is),
		cmocka_unit_test(a_damaged_segment_is_told_in_pages),
		cmocka_unit_test(times_are_found_in_every_tier),
		cmocka_unit_test(a_page_that_cannot_change_may_be_kept_and_no_other),
		cmocka_unit_test(a_page_waits_for_what_is_to_come),
		cmocka_unit_test(a_crowd_that_waits_reads_together),
		cmocka_unit_test(nobody_waits_for_a_client_that_has_left),
		cmocka_unit_test(a_stream_resumes_at_every_edge_between_the_tiers),
		cmocka_unit_test(what_retention_removed_is_told_in_pages),
		cmocka_unit_test(many_readers_of_the_past_share_its_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
