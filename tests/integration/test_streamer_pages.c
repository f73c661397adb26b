/* GET /api/v1/sessions/{id}/events as pages of JSON, and what is refused in either form. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/value.h"
#include "tests/integration/streamer_world.h"

enum { TARGET_MAX = 512 };

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	world_run(&world);
}

static void format_target(char out[TARGET_MAX], const struct id *sid, const char *query)
{
	(void)snprintf(out, TARGET_MAX, "/api/v1/sessions/%s/events%s", sid->s, query);
}

/* The answer as JSON; the caller's. */
static struct json_value *get(struct world *world, const struct id *sid, const char *query)
{
	struct json_value *value;
	char target[TARGET_MAX];
	struct buf body;
	struct err err;
	int status;

	buf_init(&body, SIZE_MAX / 2);
	format_target(target, sid, query);
	status = world_get(world, 0, target, "", &body);
	if (status != 200) {
		fail_msg("%s: %d %s", query, status, buf_cstr(&body));
	}
	value = json_parse(buf_str(&body), &err);
	if (value == NULL) {
		fail_msg("%s: %s", query, err.msg);
	}
	buf_fini(&body);
	return value;
}

static int64_t number(const struct json_value *value, const char *name)
{
	return json_is_int(json_get(value, name)) ? json_as_i64(json_get(value, name)) : -1;
}

/* Items first, first + step, ...: count of them. */
static void assert_items(struct json_value *page, int64_t first, int64_t step, size_t count)
{
	const struct json_value *items = json_get(page, "items");

	assert_int_equal(json_count(items), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(number(json_at(items, i), "seq"), first + step * (int64_t)i);
	}
}

/* ---- numbered pages ---- */

static void numbered_body(struct world *world)
{
	struct id sid = world_session(world);
	struct json_value *page;

	(void)world_notes(world, &sid, 298, 100); /* 300 in all */
	page = get(world, &sid, "");
	assert_items(page, 300, -1, 50);
	assert_int_equal(number(page, "nextPage"), 2);
	assert_null(json_get(page, "total")); /* some of it may be for administrators */
	json_value_free(page);

	world_administer(world);
	page = get(world, &sid, "");
	assert_items(page, 300, -1, 50);
	assert_int_equal(number(page, "total"), 300);
	assert_int_equal(number(page, "nextPage"), 2);
	json_value_free(page);

	page = get(world, &sid, "?page=2&perPage=140");
	assert_items(page, 160, -1, 140);
	assert_int_equal(number(page, "nextPage"), 3);
	json_value_free(page);

	page = get(world, &sid, "?page=3&perPage=140");
	assert_items(page, 20, -1, 20);
	assert_int_equal(number(page, "nextPage"), -1);
	json_value_free(page);

	page = get(world, &sid, "?page=4&perPage=200&sort=asc");
	assert_items(page, 0, 0, 0);
	json_value_free(page);

	page = get(world, &sid, "?page=2&perPage=200&sort=asc");
	assert_items(page, 201, 1, 100);
	json_value_free(page);

	page = get(world, &sid, "?page=9223372036854775807&perPage=200");
	assert_items(page, 0, 0, 0);
	json_value_free(page);
}

static void pages_go_from_the_newest_to_the_oldest(void **state)
{
	(void)state;
	run(numbered_body);
}

static void archived_body(struct world *world)
{
	struct id sid = world_session(world);
	struct json_value *page;

	(void)world_notes(world, &sid, 398, 100);
	(void)world_raise(world, &sid, "one"); /* 401, in another epoch */
	(void)world_notes(world, &sid, 99, 100);
	world_archive(world, &sid, 20);
	world_administer(world);
	page = get(world, &sid, "?page=2&perPage=200");
	assert_items(page, 300, -1, 200);
	assert_int_equal(number(page, "total"), 500);
	json_value_free(page);
	page = get(world, &sid, "?sort=asc&perPage=200");
	assert_items(page, 1, 1, 200);
	json_value_free(page);
}

static void pages_reach_into_the_archive(void **state)
{
	(void)state;
	run(archived_body);
}

static void filtered_body(struct world *world)
{
	struct id sid = world_session(world);
	struct json_value *page;

	for (int i = 0; i < 6; i++) {
		(void)world_notes(world, &sid, 50, 50);
		(void)world_append(world, &sid, EVENT_TYPE_LOG,
		                   i % 2 == 0 ? STR_LIT("{\"level\":\"info\",\"message\":\"i\"}")
		                              : STR_LIT("{\"level\":\"error\",\"message\":\"e\"}"));
	} /* logs are 53, 104, 155, ... 308 */
	page = get(world, &sid, "?type=log");
	assert_items(page, 308, -51, 6);
	assert_int_equal(number(page, "nextPage"), -1);
	json_value_free(page);
	page = get(world, &sid, "?type=log&level=warn");
	assert_items(page, 308, -102, 3);
	json_value_free(page);
	page = get(world, &sid, "?type=log&perPage=2&page=2");
	assert_items(page, 206, -51, 2);
	assert_int_equal(number(page, "nextPage"), 3);
	json_value_free(page);
	page = get(world, &sid, "?type=log&perPage=4&page=2&sort=asc");
	assert_items(page, 257, 51, 2);
	assert_int_equal(number(page, "nextPage"), -1);
	json_value_free(page);
	page = get(world, &sid, "?profile=milestones");
	assert_items(page, 2, -1, 2);
	json_value_free(page);
	page = get(world, &sid, "?profile=no-deltas&type=log,thought&perPage=4&page=2");
	assert_items(page, 104, -51, 2);
	json_value_free(page);
	page = get(world, &sid, "?type=log&after=1-100&limit=3");
	assert_items(page, 104, 51, 3);
	json_value_free(page);
}

static void pages_are_filtered_by_type_and_level(void **state)
{
	(void)state;
	run(filtered_body);
}

/* The time of an event, as the service writes it. */
static void time_of(struct world *world, const struct id *sid, uint64_t n, char out[64])
{
	struct json_value *page;
	char query[64];

	(void)snprintf(query, sizeof(query), "?starting_after=%d&limit=1", (int)n - 1);
	page = get(world, sid, query);
	assert_items(page, (int64_t)n, 1, 1);
	assert_true(str_copy(out, 64,
	                     json_as_str(json_get(json_at(json_get(page, "items"), 0), "ts"))));
	json_value_free(page);
}

static void timed_body(struct world *world)
{
	struct id sid = world_session(world);
	char first[64], second[64], query[256];
	struct json_value *page;

	assert_int_equal(fiber_sleep(20), ERR_OK);
	(void)world_notes(world, &sid, 10, 10); /* 3..12 */
	assert_int_equal(fiber_sleep(20), ERR_OK);
	(void)world_notes(world, &sid, 10, 10); /* 13..22 */
	time_of(world, &sid, 3, first);
	time_of(world, &sid, 13, second);
	(void)snprintf(query, sizeof(query), "?since=%s&until=%s", first, second);
	world_administer(world);
	page = get(world, &sid, query);
	assert_items(page, 12, -1, 10);
	assert_int_equal(number(page, "total"), 10);
	json_value_free(page);
	(void)snprintf(query, sizeof(query), "?since=%s&sort=asc", second);
	page = get(world, &sid, query);
	assert_items(page, 13, 1, 10);
	json_value_free(page);
	page = get(world, &sid, "?since=2099-01-01T00:00:00Z");
	assert_items(page, 0, 0, 0);
	json_value_free(page);
	page = get(world, &sid, "?until=1999-01-01T00:00:00Z");
	assert_items(page, 0, 0, 0);
	json_value_free(page);
}

static void pages_are_bounded_by_time(void **state)
{
	(void)state;
	run(timed_body);
}

/* ---- after a cursor ---- */

static void cursor_body(struct world *world)
{
	struct id sid = world_session(world);
	struct json_value *page;
	char query[128] = "?after=0-0&limit=77";
	int64_t at = 0;

	(void)world_notes(world, &sid, 298, 100);
	world_archive(world, &sid, 50);
	for (bool caught_up = false; !caught_up;) {
		size_t count = at + 77 <= 300 ? 77 : (size_t)(300 - at);

		page = get(world, &sid, query);
		assert_items(page, at + 1, 1, count);
		at += (int64_t)count;
		caught_up = json_as_bool(json_get(page, "caughtUp"));
		assert_int_equal(caught_up, at == 300);
		(void)snprintf(query, sizeof(query), "?limit=77&after=%s",
		               json_as_str(json_get(page, "next")).p);
		json_value_free(page);
	}
	page = get(world, &sid, "?after=9-900");
	assert_items(page, 0, 0, 0);
	assert_true(
		str_eq(json_as_str(json_get(json_get(page, "gap"), "reason")), STR_LIT("never")));
	assert_true(str_eq(json_as_str(json_get(page, "next")), STR_LIT("1-300")));
	json_value_free(page);
}

static void pages_after_a_cursor_cover_the_log_once(void **state)
{
	(void)state;
	run(cursor_body);
}

/* Forty events of 180 KiB: an answer has a bound, and says where each event is left out. */
static void large_body(struct world *world)
{
	static char data[180 * 1024];
	struct id sid = world_session(world);
	struct json_value *page;
	size_t whole = 0;

	memset(data, 'x', sizeof(data));
	memcpy(data, "{\"message\":\"", 12);
	memcpy(data + sizeof(data) - 2, "\"}", 2);
	for (int i = 0; i < 40; i++) {
		(void)world_append(world, &sid, EVENT_TYPE_NOTE, str_make(data, sizeof(data)));
	}
	page = get(world, &sid, "?perPage=200");
	assert_items(page, 42, -1, 42);
	for (size_t i = 0; i < 40; i++) {
		const struct json_value *item = json_at(json_get(page, "items"), i);

		if (json_get(item, "message") != NULL) {
			whole++;
		} else {
			assert_int_equal(number(item, "omittedBytes"), sizeof(data));
		}
	}
	assert_in_range(whole, 10, 30);
	json_value_free(page);
}

static void an_answer_has_a_bound(void **state)
{
	(void)state;
	run(large_body);
}

/* ---- what is refused ---- */

struct refusal {
	const char *query;
	const char *headers;
	int status;
	const char *shows;
};

#define SSE "Accept: text/event-stream\r\n"

static const struct refusal refusals[] = {
	{ "?after=nonsense", "", 400, "\"after\":[\"must be a cursor" },
	{ "?after=1-", "", 400, "\"after\"" },
	{ "?after=01-2", "", 400, "\"after\"" },
	{ "?after=1-99999999999999999999", "", 400, "\"after\"" },
	{ "?starting_after=-1", "", 400, "\"starting_after\"" },
	{ "?starting_after=1&after=1-1", "", 400, "\"starting_after\"" },
	{ "?type=note,nonsense", "", 400, "\"type\"" },
	{ "?profile=tiny", "", 400, "\"profile\"" },
	{ "?profile=status&type=log", "", 400, "\"type\":[\"has none that the profile has\"]" },
	{ "?level=loud", "", 400, "\"level\"" },
	{ "?page=0", "", 400, "\"page\"" },
	{ "?perPage=201", "", 400, "\"perPage\"" },
	{ "?perPage=x&sort=up&since=yesterday", "", 400, "\"since\"" },
	{ "?perPage=x&sort=up&since=yesterday", "", 400, "\"perPage\"" },
	{ "?perPage=x&sort=up&since=yesterday", "", 400, "\"sort\"" },
	{ "?colour=red", "", 400, "\"colour\":[\"is not a parameter of this route\"]" },
	{ "?page=1&page=2", "", 400, "\"page\":[\"must be given once\"]" },
	{ "?after=1-1&page=2", "", 400, "\"page\"" },
	{ "?after=1-1&sort=desc", "", 400, "\"sort\"" },
	{ "?limit=5", "", 400, "\"limit\"" },
	{ "?page=2", SSE, 400, "\"page\":[\"is for pages, not for a stream\"]" },
	{ "?level=info&since=2026-01-01T00:00:00Z", SSE, 400, "\"since\"" },
	{ "", SSE "Last-Event-ID: nonsense\r\n", 400, "\"Last-Event-ID\"" },
	{ "", SSE "Last-Event-ID: 3-\r\n", 400, "\"Last-Event-ID\"" },
	{ "", "Accept: text/html\r\n", 406, "application/json or text/event-stream" },
	{ "", "Authorization: Bearer x\r\n", 401, "WWW-Authenticate: " },
	{ "", "Authorization: Bearer fl_live_x\r\n", 401, "Authorization: ApiKey <key>" },
	{ "", "Authorization: ApiKey nonsense\r\n", 401, "WWW-Authenticate: " },
};

static void expect(struct world *world, const char *line, const char *headers, int status,
                   const char *shows)
{
	struct buf answer;
	int got;

	buf_init(&answer, SIZE_MAX / 2);
	got = world_ask(world, 0, line, headers, &answer);
	if (got != status || strstr(buf_cstr(&answer), shows) == NULL) {
		fail_msg("%s %s: %d and \"%s\" were expected, not\n%s", line, headers, status,
		         shows, buf_cstr(&answer));
	}
	buf_fini(&answer);
}

static void refused_body(struct world *world)
{
	struct id sid = world_session(world);

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		char line[TARGET_MAX];

		(void)snprintf(line, sizeof(line), "GET /api/v1/sessions/%s/events%s", sid.s,
		               refusals[i].query);
		expect(world, line, refusals[i].headers, refusals[i].status, refusals[i].shows);
	}
}

static void what_is_malformed_is_refused_with_field_and_rule(void **state)
{
	(void)state;
	run(refused_body);
}

static void hidden_body(struct world *world)
{
	struct id sid = world_session(world), nobody = id_new();
	struct viewer *viewer = viewer_open(world, 0, &sid, "", ""); /* it is followed here */
	char line[TARGET_MAX], key[256];

	assert_true(viewer_next(viewer));
	(void)snprintf(line, sizeof(line), "GET /api/v1/sessions/%s/events", nobody.s);
	expect(world, line, "", 404, "no such session");
	expect(world, line, SSE, 404, "no such session");
	expect(world, "GET /api/v1/sessions/nonsense/events", SSE, 404, "no such session");
	(void)snprintf(line, sizeof(line), "GET /api/v1/sessions/%s/events", sid.s);
	(void)snprintf(key, sizeof(key), "Authorization: ApiKey %s\r\n", world->foreign_key);
	expect(world, line, key, 404, "no such session");
	(void)snprintf(key, sizeof(key), "Authorization: ApiKey %s\r\n" SSE, world->foreign_key);
	expect(world, line, key, 404, "no such session");
	(void)snprintf(key, sizeof(key), "Authorization: ApiKey %s\r\n" SSE, world->poor_key);
	expect(world, line, key, 403, "session:read");
	(void)snprintf(key, sizeof(key), "Authorization: ApiKey %s\r\n" SSE, world->narrow_key);
	expect(world, line, key, 404, "no such session");
	viewer_close(viewer);
}

static void a_session_of_others_is_as_unknown_as_none(void **state)
{
	(void)state;
	run(hidden_body);
}

static void forms_body(struct world *world)
{
	struct id sid = world_session(world);
	char line[TARGET_MAX];

	(void)snprintf(line, sizeof(line), "HEAD /api/v1/sessions/%s/events", sid.s);
	expect(world, line, SSE, 200, "Content-Type: text/event-stream");
	expect(world, line, "", 200, "Content-Length: ");
	expect(world, line, "Accept: text/event-stream, */*\r\n", 200, "text/event-stream");
	expect(world, line, "Accept: application/json, text/event-stream\r\n", 200,
	       "application/json");
	expect(world, line, "Accept: application/json;q=0.5, text/event-stream\r\n", 200,
	       "text/event-stream");
	(void)snprintf(line, sizeof(line), "GET /stream/api/v1/sessions/%s/events", sid.s);
	expect(world, line, "", 200, "\"items\":[");
	expect(world, line, "Accept: */*\r\n", 200, "Content-Type: application/json");
	(void)snprintf(line, sizeof(line), "OPTIONS /api/v1/sessions/%s/events", sid.s);
	expect(world, line, "", 204, "Allow: GET, HEAD, OPTIONS");
	(void)snprintf(line, sizeof(line), "DELETE /api/v1/sessions/%s/events", sid.s);
	expect(world, line, "", 405, "Allow: GET, HEAD, OPTIONS");
	expect(world, "GET /metrics", "", 200, "fairlead_subscribers 0");
}

static void both_forms_and_the_prefix_answer(void **state)
{
	(void)state;
	run(forms_body);
}

/* ---- what the operator sees ---- */

static void see(struct world *world, const char *target, const char *key, int status,
                struct buf *ret)
{
	char header[256];

	buf_reset(ret);
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", key);
	assert_int_equal(world_get(world, 0, target, header, ret), status);
}

static bool shows(const struct buf *page, const char *text)
{
	return strstr(buf_cstr(page), text) != NULL;
}

static void streams_body(struct world *world)
{
	struct id sid = world_session(world), other = world_session(world);
	struct viewer *first = viewer_open(world, 0, &sid, "", "");
	struct viewer *second = viewer_open(world, 0, &other, "?type=note", "");
	struct cursor at = { 0, 0 };
	char target[128];
	struct buf page;

	buf_init(&page, UINT16_MAX);
	viewer_expect(first, &at, 2);
	(void)snprintf(target, sizeof(target), "/debug/streams?session=%s", sid.s);
	see(world, target, world->admin_key, 200, &page);
	assert_true(shows(&page, "\"face\":\"sse\""));
	assert_true(shows(&page, sid.s));
	assert_false(shows(&page, other.s));
	assert_true(shows(&page,
	                  "\"cursor\":\"1-2\",\"lag\":0,\"state\":\"tip\",\"profile\":\"full\""));
	assert_true(shows(&page, "\"left\":0,\"next\":null"));
	see(world, "/debug/streams?perPage=1", world->admin_key, 200, &page);
	assert_true(shows(&page, "\"left\":1,\"next\":"));
	assert_false(shows(&page, "\"next\":null"));
	see(world, "/debug/streams?after=1000000", world->admin_key, 200, &page);
	assert_true(shows(&page, "{\"items\":[],\"left\":0,\"next\":null}"));
	see(world, "/debug/streams", world->foreign_admin_key, 200, &page);
	assert_true(shows(&page, "{\"items\":[],\"left\":0,\"next\":null}"));
	see(world, target, world->foreign_admin_key, 200, &page);
	assert_true(shows(&page, "{\"items\":[],\"left\":0,\"next\":null}"));
	see(world, "/debug/streams", world->foreign_key, 403, &page);
	see(world, "/debug/streams", world->key, 403, &page);
	see(world, "/debug/streams?perPage=0&x=1", world->admin_key, 400, &page);
	assert_true(shows(&page, "perPage") && shows(&page, "\"x\""));
	buf_fini(&page);
	viewer_close(first);
	viewer_close(second);
}

static void an_operator_sees_each_stream_of_the_tenant_and_where_it_is(void **state)
{
	(void)state;
	run(streams_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_go_from_the_newest_to_the_oldest),
		cmocka_unit_test(pages_reach_into_the_archive),
		cmocka_unit_test(pages_are_filtered_by_type_and_level),
		cmocka_unit_test(pages_are_bounded_by_time),
		cmocka_unit_test(pages_after_a_cursor_cover_the_log_once),
		cmocka_unit_test(an_answer_has_a_bound),
		cmocka_unit_test(what_is_malformed_is_refused_with_field_and_rule),
		cmocka_unit_test(a_session_of_others_is_as_unknown_as_none),
		cmocka_unit_test(both_forms_and_the_prefix_answer),
		cmocka_unit_test(an_operator_sees_each_stream_of_the_tenant_and_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
