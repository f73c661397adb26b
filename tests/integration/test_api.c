/* fairlead-api as its clients see it: what is accepted, what is answered, and by any node alike. */
#include "base/clock.h"
#include "rest/rest.h"
#include "tests/integration/api_world.h"

/* ---- tasks ---- */

static void a_task_is_accepted_and_its_session_is_there_at_once(void **state)
{
	struct answer made = post("/api/v1/tasks", TASK), got;
	const char *where = client_field(&made.reply, "Location");

	(void)state;
	assert_int_equal(made.status, 201);
	assert_non_null(where);
	assert_string_equal(where, answer_text(&made, "links/self"));
	assert_string_equal(answer_text(&made, "status"), "queued");
	got = ask(&(struct ask){ .node = 1,
	                         .key = api_keys.all,
	                         .method = "GET",
	                         .path = answer_text(&made, "links/self") });
	assert_int_equal(got.status, 200);
	assert_string_equal(answer_text(&got, "id"), answer_text(&made, "session_ids/0"));
	assert_string_equal(answer_text(&got, "status"), "queued");
	assert_string_equal(answer_text(&got, "prompt"), "go on");
	/* Its log exists: the epoch and the first state are in it. */
	assert_true(json_count(answer_at(&got, "recent_events")) > 0);
	answer_free(&made);
	answer_free(&got);
}

static void a_task_makes_one_session_for_each_agent_and_count(void **state)
{
	struct answer made = post("/api/v1/tasks",
	                          "{\"prompt\":[{\"type\":\"text\",\"text\":\"x\"}],"
	                          "\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"
	                          "\"agents\":[{\"type\":\"command\",\"count\":3,\"settings\":{"
	                          "\"argv\":[\"true\"]}}]}");

	(void)state;
	assert_int_equal(made.status, 201);
	assert_int_equal(json_count(answer_at(&made, "session_ids")), 3);
	answer_free(&made);
}

static void a_snapshot_says_where_to_go_on_and_what_was_until_then(void **state)
{
	struct id sid = make_session("");
	struct answer got;

	(void)state;
	append_lines(&sid, 3);
	got = get(session_path(&sid, "?snapshot=1"));
	assert_int_equal(got.status, 200);
	assert_string_equal(answer_text(&got, "status"), "queued");
	assert_string_equal(answer_text(&got, "resumeFrom"), "1-5");
	assert_string_equal(answer_text(&got, "snapshot/status"), "queued");
	assert_int_equal(json_as_i64(answer_at(&got, "snapshot/counts/log")), 3);
	assert_non_null(answer_at(&got, "snapshot/pending"));
	assert_null(answer_at(&got, "recent_events"));
	answer_free(&got);
	move_session(&sid, SESSION_CANCELLED);
	got = get(session_path(&sid, "?snapshot=1"));
	assert_string_equal(answer_text(&got, "status"), "cancelled");
	assert_string_equal(answer_text(&got, "resumeFrom"), "1-6");
	answer_free(&got);
	got = ask(&(struct ask){ .key = api_keys.reader,
	                         .method = "GET",
	                         .path = session_path(&sid, "?snapshot=1") });
	assert_int_equal(got.status, 200);
	assert_null(answer_at(&got, "snapshot/pending")); /* an observer's */
	answer_free(&got);
	got = get(session_path(&sid, "?snapshot=2"));
	assert_int_equal(got.status, 400);
	answer_free(&got);
	got = get(session_path(&sid, "?other=1"));
	assert_int_equal(got.status, 400);
	answer_free(&got);
}

/* ---- bad input ---- */

struct bad {
	const char *body, *field;
};

static void every_flaw_of_a_task_is_named_by_its_field(void **state)
{
	static const struct bad all[] = {
		{ "", "body" },
		{ "{", "body" },
		{ "[]", "body" },
		{ "{\"prompt\":\"a\",\"prompt\":\"b\"," TASK_PARTS "}", "body" },
		{ "{" TASK_PARTS "}", "prompt" },
		{ "{\"prompt\":7," TASK_PARTS "}", "prompt" },
		{ "{\"prompt\":\"x\",\"colour\":1," TASK_PARTS "}", "colour" },
		{ "{\"prompt\":\"x\",\"tenantId\":\"rival\"," TASK_PARTS "}", "tenantId" },
		{ "{\"prompt\":\"x\",\"projectId\":\"none\"," TASK_PARTS "}", "projectId" },
		{ "{\"prompt\":\"x\",\"delivery\":{\"mode\":\"pr\"}," TASK_PARTS "}",
		  "delivery.mode" },
		{ "{\"prompt\":\"x\",\"repo\":{\"mode\":\"git\"},\"runtime\":{\"type\":\"local\"},"
		  "\"agents\":[{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}]}",
		  "repo.url" },
		{ "{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"vm\"},"
		  "\"agents\":[{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}]}",
		  "runtime.type" },
		{ "{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"
		  "\"agents\":[]}",
		  "agents" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct answer answer = post("/api/v1/tasks", all[i].body);
		const struct json_value *errors = answer_at(&answer, "errors");

		if (answer.status != 400 || json_count(json_get(errors, all[i].field)) == 0) {
			fail_msg("%s: %s%s", all[i].body, answer.reply.head,
			         buf_cstr(&answer.reply.body));
		}
		assert_string_equal(client_field(&answer.reply, "Content-Type"),
		                    "application/problem+json");
		answer_free(&answer);
	}
}

static void all_flaws_are_told_at_once(void **state)
{
	struct answer answer =
		post("/api/v1/tasks", "{\"prompt\":1,\"repo\":{\"mode\":\"svn\"},\"extra\":0}");
	static const char *const fields[] = { "prompt", "repo.mode", "extra", "runtime", "agents" };

	(void)state;
	assert_int_equal(answer.status, 400);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (json_get(answer_at(&answer, "errors"), fields[i]) == NULL) {
			fail_msg("%s is not named: %s", fields[i], buf_cstr(&answer.reply.body));
		}
	}
	answer_free(&answer);
}

static void what_is_too_large_or_of_another_type_is_refused(void **state)
{
	static char large[300 * 1024];

	(void)state;
	memset(large, ' ', sizeof(large) - 1);
	expect_post("/api/v1/tasks", large, 413);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "POST",
	                      .path = "/api/v1/tasks",
	                      .headers =
	                              "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}" },
	       415);
	expect(&(struct ask){ .key = api_keys.all, .method = "PUT", .path = "/api/v1/tasks" }, 405);
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = "/api/v1/nothing" },
	       404);
}

static void bad_query_parameters_are_named(void **state)
{
	static const struct bad all[] = {
		{ "?colour=1", "colour" },      { "?perPage=0", "perPage" },
		{ "?perPage=201", "perPage" },  { "?perPage=x", "perPage" },
		{ "?status=lazy", "status" },   { "?status=queued,lazy", "status" },
		{ "?page=0", "page" },          { "?page=zzz", "page" },
		{ "?label=novalue", "label" },  { "?perPage=1&perPage=2", "perPage" },
		{ "?projectId=", "projectId" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char path[128];
		struct answer answer;

		(void)snprintf(path, sizeof(path), "/api/v1/sessions%s", all[i].body);
		answer = get(path);
		if (answer.status != 400 ||
		    json_get(answer_at(&answer, "errors"), all[i].field) == NULL) {
			fail_msg("%s: %s%s", path, answer.reply.head, buf_cstr(&answer.reply.body));
		}
		answer_free(&answer);
	}
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = "/api/v1/agents?x=1" },
	       400);
}

static void keys_are_asked_for_and_scopes_hold(void **state)
{
	struct id sid = make_session("");

	(void)state;
	expect(&(struct ask){ .method = "GET", .path = "/api/v1/sessions" }, 401);
	expect(&(struct ask){ .key = "nonsense", .method = "GET", .path = "/api/v1/sessions" },
	       401);
	expect(&(struct ask){ .key = api_keys.reader, .method = "GET", .path = "/api/v1/sessions" },
	       200);
	expect(&(struct ask){ .key = api_keys.reader,
	                      .method = "POST",
	                      .path = "/api/v1/tasks",
	                      .body = TASK },
	       403);
	expect(&(struct ask){ .key = api_keys.reader,
	                      .method = "DELETE",
	                      .path = session_path(&sid, "") },
	       403);
}

/* ---- who sees what ---- */

struct route_try {
	const char *method, *tail, *body;
};

static const struct route_try tries[] = {
	{ "GET", "", NULL },
	{ "DELETE", "", NULL },
	{ "POST", "/stop", "{}" },
	{ "POST", "/pause", NULL },
	{ "POST", "/resume", NULL },
	{ "POST", "/prompt", "{\"prompt\":\"x\"}" },
	{ "GET", "/logs", NULL },
	{ "GET", "/info", NULL },
	{ "POST", "/events", "{\"events\":[{\"type\":\"note\",\"message\":\"x\"}]}" },
};

/* The bodies must be the same but for the request's id. */
static void assert_same_refusal(const struct answer *a, const struct answer *b)
{
	assert_int_equal(a->status, 404);
	assert_int_equal(b->status, 404);
	assert_string_equal(answer_text(a, "detail"), answer_text(b, "detail"));
	assert_string_equal(answer_text(a, "title"), answer_text(b, "title"));
	assert_string_equal(answer_text(a, "type"), answer_text(b, "type"));
}

static void foreign_and_unknown_sessions_are_answered_alike_everywhere(void **state)
{
	struct id sid = make_session(""), unknown = id_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		struct ask what = { .method = tries[i].method, .body = tries[i].body };
		struct answer foreign, other, malformed;

		what.key = api_keys.foreign;
		what.path = session_path(&sid, tries[i].tail);
		foreign = ask(&what);
		what.key = api_keys.all;
		what.path = session_path(&unknown, tries[i].tail);
		other = ask(&what);
		what.path = session_path(&(struct id){ "nonsense" }, tries[i].tail);
		malformed = ask(&what);
		assert_same_refusal(&foreign, &other);
		assert_same_refusal(&malformed, &other);
		answer_free(&foreign);
		answer_free(&other);
		answer_free(&malformed);
	}
	assert_int_equal(head_state(&sid), SESSION_QUEUED);
}

static void a_key_of_a_namespace_sees_only_that(void **state)
{
	struct id red = make_session(",\"namespace\":\"red\""), blue = make_session("");
	struct answer list;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		expect(&(struct ask){ .key = api_keys.limited,
		                      .method = tries[i].method,
		                      .path = session_path(&blue, tries[i].tail),
		                      .body = tries[i].body },
		       404);
	}
	expect(&(struct ask){ .key = api_keys.limited,
	                      .method = "GET",
	                      .path = session_path(&red, "") },
	       200);
	list = ask(&(struct ask){
		.key = api_keys.limited, .method = "GET", .path = "/api/v1/sessions?perPage=200" });
	assert_int_equal(list.status, 200);
	for (size_t i = 0; i < json_count(answer_at(&list, "items")); i++) {
		const struct json_value *item = json_at(answer_at(&list, "items"), i);

		assert_true(str_eq(json_as_str(json_get(item, "namespace")), STR_LIT("red")));
	}
	answer_free(&list);
	expect(&(struct ask){ .key = api_keys.limited,
	                      .method = "POST",
	                      .path = "/api/v1/tasks",
	                      .body = "{\"prompt\":\"x\",\"namespace\":\"blue\"," TASK_PARTS "}" },
	       403);
	expect(&(struct ask){ .key = api_keys.limited,
	                      .method = "POST",
	                      .path = "/api/v1/tasks",
	                      .body = TASK },
	       400);
}

/* ---- lists ---- */

static void lists_are_newest_first_and_pages_see_everything_once(void **state)
{
	struct id ids[5];
	char path[160] = "/api/v1/sessions?label=batch%3Dpages&perPage=2";
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		ids[i] = make_session(",\"labels\":{\"batch\":\"pages\"}");
	}
	for (;;) {
		struct answer page = get(path);
		size_t count = json_count(answer_at(&page, "items"));
		const char *next = answer_text(&page, "nextPage");

		assert_int_equal(page.status, 200);
		assert_int_equal(json_as_i64(answer_at(&page, "total")), ARRAY_LEN(ids));
		for (size_t i = 0; i < count; i++, seen++) {
			const struct json_value *item = json_at(answer_at(&page, "items"), i);

			assert_true(seen < ARRAY_LEN(ids));
			assert_string_equal(json_as_str(json_get(item, "id")).p,
			                    ids[ARRAY_LEN(ids) - 1 - seen].s);
			assert_true(json_count(json_get(item, "recent_events")) > 0);
		}
		if (next[0] == '\0') {
			answer_free(&page);
			break;
		}
		(void)snprintf(path, sizeof(path),
		               "/api/v1/sessions?label=batch%%3Dpages&perPage=2&page=%s", next);
		answer_free(&page);
	}
	assert_int_equal(seen, ARRAY_LEN(ids));
}

static void a_list_shows_the_state_that_the_log_has(void **state)
{
	struct id sid = make_session(",\"labels\":{\"batch\":\"live\"}");
	struct answer list;

	(void)state;
	move_session(&sid, SESSION_PROVISIONING);
	list = get("/api/v1/sessions?label=batch%3Dlive");
	assert_string_equal(answer_text(&list, "items/0/status"), "provisioning");
	answer_free(&list);
}

static void lists_are_filtered(void **state)
{
	static const struct {
		const char *query;
		int total;
	} all[] = {
		{ "&status=stopped", 1 }, { "&status=queued", 1 }, { "&status=queued,stopped", 2 },
		{ "&status=failed", 0 },  { "&agent=command", 2 }, { "&agent=other", 0 },
		{ "&projectId=none", 0 }, { "&tenantId=acme", 2 }, { "&tenantId=rival", 0 },
	};
	struct id first = make_session(",\"labels\":{\"batch\":\"filters\"}");
	struct id second = make_session(",\"labels\":{\"batch\":\"filters\"}");

	(void)state;
	(void)second;
	expect_post(session_path(&first, "/stop"), NULL, 202);
	row_state(&first, SESSION_STOPPED);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char path[160];
		struct answer list;

		(void)snprintf(path, sizeof(path), "/api/v1/sessions?label=batch%%3Dfilters%s",
		               all[i].query);
		list = get(path);
		assert_int_equal(list.status, 200);
		assert_int_equal(json_count(answer_at(&list, "items")), all[i].total);
		assert_int_equal(json_as_i64(answer_at(&list, "total")), all[i].total);
		answer_free(&list);
	}
}

static void a_large_event_is_named_and_hides_no_other(void **state)
{
	enum { PART = 100 * 1024 };
	static char body[PART + 128];
	struct id sid = make_session("");
	struct answer answer;

	(void)state;
	(void)snprintf(body, sizeof(body),
	               "{\"events\":[{\"type\":\"note\",\"message\":\"%0*d\"},"
	               "{\"type\":\"note\",\"message\":\"small\"}]}",
	               PART, 0);
	expect_post(session_path(&sid, "/events"), body, 200);
	expect_post(session_path(&sid, "/stop"), "{\"reason\":\"seen\"}", 202);
	answer = get(session_path(&sid, ""));
	assert_string_equal(answer_text(&answer, "status"), "stopped");
	assert_string_equal(answer_text(&answer, "reason"), "seen");
	assert_true(answer.reply.body.len < PART);
	answer_free(&answer);
}

/* ---- control ---- */

static void a_queued_session_is_stopped_on_the_spot(void **state)
{
	struct id sid = make_session("");
	struct answer answer = post(session_path(&sid, "/stop"), "{\"reason\":\"enough\"}");

	(void)state;
	assert_int_equal(answer.status, 202);
	assert_string_equal(answer_text(&answer, "status"), "stopped");
	answer_free(&answer);
	assert_int_equal(head_state(&sid), SESSION_STOPPED);
	assert_int_equal(count_commands(&sid), 0);
	answer = get(session_path(&sid, ""));
	assert_string_equal(answer_text(&answer, "status"), "stopped");
	assert_string_equal(answer_text(&answer, "reason"), "enough");
	answer_free(&answer);
	expect_post(session_path(&sid, "/stop"), NULL, 409);
}

static void a_running_session_is_paused_resumed_and_stopped_by_commands(void **state)
{
	struct id sid = make_session("");

	(void)state;
	expect_post(session_path(&sid, "/pause"), NULL, 409);
	expect_post(session_path(&sid, "/resume"), NULL, 409);
	move_session(&sid, SESSION_PROVISIONING);
	move_session(&sid, SESSION_RUNNING);
	expect_post(session_path(&sid, "/resume"), NULL, 409);
	assert_int_equal(count_commands(&sid), 0);
	expect_post(session_path(&sid, "/pause"), NULL, 202);
	expect_post(session_path(&sid, "/pause"), "{}", 202); /* under way already */
	assert_int_equal(head_state(&sid), SESSION_PAUSING);
	move_session(&sid, SESSION_PAUSED);
	expect_post(session_path(&sid, "/prompt"), "{\"prompt\":\"x\"}", 409);
	expect_post(session_path(&sid, "/pause"), NULL, 409);
	expect_post(session_path(&sid, "/resume"), NULL, 202);
	move_session(&sid, SESSION_RUNNING);
	expect_post(session_path(&sid, "/stop"), NULL, 202);
	assert_int_equal(head_state(&sid), SESSION_STOPPING);
	assert_int_equal(count_commands(&sid), 4);
}

static void a_deleted_session_is_cancelled_at_once_and_for_good(void **state)
{
	struct id sid = make_session("");

	(void)state;
	for (int i = 0; i < 2; i++) {
		expect(&(struct ask){ .key = api_keys.all,
		                      .method = "DELETE",
		                      .path = session_path(&sid, "") },
		       204);
	}
	assert_int_equal(head_state(&sid), SESSION_CANCELLED);
	expect_post(session_path(&sid, "/stop"), NULL, 409);
	expect_post(session_path(&sid, "/prompt"), "{\"prompt\":\"x\"}", 410);
	sid = make_session("");
	move_session(&sid, SESSION_PROVISIONING);
	move_session(&sid, SESSION_RUNNING);
	move_session(&sid, SESSION_COMPLETED);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "DELETE",
	                      .path = session_path(&sid, "") },
	       409);
}

static void prompts_are_durable_and_refused_when_it_is_over(void **state)
{
	struct id sid = make_session("");
	char escaped[6 * 12000 + 32] = "{\"prompt\":\"";
	struct answer answer;

	(void)state;
	for (size_t at = strlen(escaped); at + 10 < sizeof(escaped); at += 6) {
		(void)snprintf(escaped + at, sizeof(escaped) - at, "\\u0001\"}");
	}
	expect_post(session_path(&sid, "/prompt"), escaped, 400); /* no worker would get it */
	answer = post(session_path(&sid, "/prompt"), "{\"message\":\"also this\"}");
	assert_int_equal(answer.status, 202);
	assert_true(json_as_bool(answer_at(&answer, "accepted")));
	answer_free(&answer);
	assert_int_equal(count_commands(&sid), 1);
	expect_post(session_path(&sid, "/prompt"), "{\"prompt\":\"\"}", 400);
	expect_post(session_path(&sid, "/prompt"), "{}", 400);
	expect_post(session_path(&sid, "/prompt"), "{\"prompt\":[{\"type\":\"image\"}]}", 400);
	move_session(&sid, SESSION_PROVISIONING);
	move_session(&sid, SESSION_FAILED);
	expect_post(session_path(&sid, "/prompt"), "{\"prompt\":\"x\"}", 410);
	assert_int_equal(count_commands(&sid), 1);
}

/* ---- events ---- */

static void events_are_appended_with_cursors_and_a_retry_answers_the_same(void **state)
{
	struct id sid = make_session("");
	const char *batch = "{\"producer\":\"ci\",\"sequence\":1,\"events\":["
			    "{\"type\":\"note\",\"message\":\"a\"},{\"type\":\"progress\","
			    "\"progress\":50}]}";
	struct answer first = post(session_path(&sid, "/events"), batch);
	struct answer again = ask(&(struct ask){ .node = 1,
	                                         .key = api_keys.all,
	                                         .method = "POST",
	                                         .path = session_path(&sid, "/events"),
	                                         .body = batch });
	struct answer hole;

	(void)state;
	assert_int_equal(first.status, 200);
	assert_int_equal(json_count(answer_at(&first, "cursors")), 2);
	assert_false(json_as_bool(answer_at(&first, "repeated")));
	assert_int_equal(again.status, 200);
	assert_true(json_as_bool(answer_at(&again, "repeated")));
	assert_string_equal(answer_text(&first, "cursors/0"), answer_text(&again, "cursors/0"));
	assert_string_equal(answer_text(&first, "cursors/1"), answer_text(&again, "cursors/1"));
	hole = post(session_path(&sid, "/events"),
	            "{\"producer\":\"ci\",\"sequence\":3,\"events\":[{\"type\":\"note\"}]}");
	assert_int_equal(hole.status, 409);
	assert_int_equal(json_as_i64(answer_at(&hole, "expected")), 2);
	answer_free(&first);
	answer_free(&again);
	answer_free(&hole);
}

static void events_are_guarded_by_state_and_epoch(void **state)
{
	struct id sid = make_session("");
	const char *guarded = "{\"expectedState\":\"running\",\"events\":[{\"type\":\"note\"}]}";
	const char *plain = "{\"events\":[{\"type\":\"note\"}]}";
	struct ask what = { .key = api_keys.all, .method = "POST", .body = plain };
	uint64_t epoch;
	char header[64];

	(void)state;
	expect_post(session_path(&sid, "/events"), guarded, 409);
	move_session(&sid, SESSION_PROVISIONING);
	move_session(&sid, SESSION_RUNNING);
	expect_post(session_path(&sid, "/events"), guarded, 200);
	epoch = lease_epoch(&sid);
	what.path = session_path(&sid, "/events");
	what.headers = header;
	(void)snprintf(header, sizeof(header), "If-Match: \"%u\"\r\n", (unsigned)epoch);
	expect(&what, 200);
	(void)snprintf(header, sizeof(header), "If-Match: \"%u\"\r\n", (unsigned)epoch - 1);
	expect(&what, 412);
	(void)snprintf(header, sizeof(header), "If-Match: \"%u\"\r\n", (unsigned)epoch + 1);
	expect(&what, 412);
	(void)snprintf(header, sizeof(header), "If-Match: %u\r\n", (unsigned)epoch);
	expect(&what, 400);
	move_session(&sid, SESSION_COMPLETED);
	expect_post(session_path(&sid, "/events"), plain, 410);
}

static void events_that_are_not_valid_are_named(void **state)
{
	static const struct bad all[] = {
		{ "{}", "events" },
		{ "{\"events\":[]}", "events" },
		{ "{\"events\":[7]}", "events[0]" },
		{ "{\"events\":[{}]}", "events[0].type" },
		{ "{\"events\":[{\"type\":\"status\"}]}", "events[0].type" },
		{ "{\"events\":[{\"type\":\"nonsense\"}]}", "events[0].type" },
		{ "{\"events\":[{\"type\":\"note\",\"seq\":1}]}", "events[0].seq" },
		{ "{\"events\":[{\"type\":\"note\",\"a\\\"b\":1}]}", "events[0]" },
		{ "{\"events\":[{\"type\":\"note\"}],\"producer\":\"x\"}", "sequence" },
		{ "{\"events\":[{\"type\":\"note\"}],\"sequence\":1}", "producer" },
		{ "{\"events\":[{\"type\":\"note\"}],\"producer\":\"a b\",\"sequence\":1}",
		  "producer" },
		{ "{\"events\":[{\"type\":\"note\"}],\"producer\":\"w:a:1\",\"sequence\":1}",
		  "producer" },
		{ "{\"events\":[{\"type\":\"note\"}],\"expectedState\":\"happy\"}",
		  "expectedState" },
	};
	struct id sid = make_session("");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct answer answer = post(session_path(&sid, "/events"), all[i].body);

		if (answer.status != 400 ||
		    json_get(answer_at(&answer, "errors"), all[i].field) == NULL) {
			fail_msg("%s: %s%s", all[i].body, answer.reply.head,
			         buf_cstr(&answer.reply.body));
		}
		answer_free(&answer);
	}
}

static void batches_for_many_sessions_are_answered_one_by_one(void **state)
{
	struct id a = make_session(""), b = make_session(""), unknown = id_new();
	char body[1024];
	struct answer answer;

	(void)state;
	(void)snprintf(body, sizeof(body),
	               "{\"batches\":[{\"sessionId\":\"%s\",\"events\":[{\"type\":\"note\"}]},"
	               "{\"sessionId\":\"%s\",\"events\":[{\"type\":\"note\"}]},"
	               "{\"sessionId\":\"%s\",\"epoch\":7,\"events\":[{\"type\":\"note\"}]}]}",
	               a.s, unknown.s, b.s);
	answer = post("/api/v1/events", body);
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_as_i64(answer_at(&answer, "results/0/status")), 200);
	assert_int_equal(json_as_i64(answer_at(&answer, "results/1/status")), 404);
	assert_int_equal(json_as_i64(answer_at(&answer, "results/2/status")), 409);
	answer_free(&answer);
	(void)snprintf(body, sizeof(body),
	               "{\"batches\":[{\"sessionId\":\"%s\",\"events\":[{\"type\":\"note\"}]},"
	               "{\"sessionId\":\"%s\",\"events\":[{\"type\":\"note\"}]}]}",
	               a.s, a.s);
	expect_post("/api/v1/events", body, 400);
}

static void a_log_that_outgrows_the_archive_answers_429_for_a_while(void **state)
{
	enum { PART = 180 * 1024, TRIES = 20 };
	static char body[PART + 128];
	struct id sid = make_session("");
	int last = 200;

	(void)state;
	(void)snprintf(body, sizeof(body),
	               "{\"events\":[{\"type\":\"note\",\"message\":\"%0*d\"}]}", PART, 0);
	for (int i = 0; i < TRIES && last == 200; i++) {
		struct answer answer = post(session_path(&sid, "/events"), body);

		last = answer.status;
		if (last != 200) {
			assert_non_null(client_field(&answer.reply, "Retry-After"));
		}
		answer_free(&answer);
	}
	assert_int_equal(last, 429);
	/* Moves are never refused for that. */
	expect_post(session_path(&sid, "/stop"), NULL, 202);
}

/* Events one after another until the answer is that; then with Retry-After when it is a refusal. */
static void append_until(const struct id *sid, int status)
{
	uint64_t until = clock_mono_ms() + 20000;
	int last = 0;

	while (last != status) {
		struct answer answer = post(session_path(sid, "/events"),
		                            "{\"events\":[{\"type\":\"note\",\"message\":\"x\"}]}");

		last = answer.status;
		assert_true(last == 200 || last == 429);
		assert_true((last == 429) == (client_field(&answer.reply, "Retry-After") != NULL));
		answer_free(&answer);
		assert_true(clock_mono_ms() < until);
	}
}

static void a_tenant_that_outgrows_the_archive_answers_429_until_it_is_freed(void **state)
{
	struct id sid = make_session("");

	(void)state;
	append_until(&sid, 200);
	mark_backlog(true);
	append_until(&sid, 429);
	expect_post(session_path(&sid, "/events"),
	            "{\"events\":[{\"type\":\"error\",\"message\":\"x\"}]}", 200);
	mark_backlog(false);
	append_until(&sid, 200);
}

static void both_spellings_of_the_credential_work_and_head_is_a_get(void **state)
{
	char header[160];
	struct client client;
	struct client_reply reply;

	(void)state;
	(void)snprintf(header, sizeof(header), "X-API-Key: %s\r\n", api_keys.all);
	expect(&(struct ask){ .method = "GET", .path = "/api/v1/sessions", .headers = header },
	       200);
	client = ask_begin(
		&(struct ask){ .key = api_keys.all, .method = "HEAD", .path = "/api/v1/sessions" });
	client_head(&client, &reply);
	assert_int_equal(reply.status, 200);
	buf_fini(&reply.body);
	client_close(&client);
	expect(&(struct ask){ .method = "OPTIONS", .path = "/api/v1/sessions" }, 204);
}

/* ---- logs ---- */

static void the_last_lines_of_a_log_and_its_pages_are_the_lines(void **state)
{
	struct id sid = make_session("");
	char path[160];
	struct answer answer;
	unsigned seen = 0;

	(void)state;
	append_lines(&sid, 300);
	answer = get(session_path(&sid, "/logs?tail=200"));
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_count(answer_at(&answer, "items")), 200);
	assert_string_equal(answer_text(&answer, "items/0/message"), "line 101");
	assert_string_equal(answer_text(&answer, "items/199/message"), "line 300");
	answer_free(&answer);
	answer = get(session_path(&sid, "/logs?tail=3&level=error"));
	assert_int_equal(json_count(answer_at(&answer, "items")), 3);
	assert_string_equal(answer_text(&answer, "items/0/message"), "line 296");
	answer_free(&answer);
	answer = get(session_path(&sid, "/logs?since=2199-01-01T00:00:00Z"));
	assert_int_equal(json_count(answer_at(&answer, "items")), 0);
	answer_free(&answer);
	(void)snprintf(path, sizeof(path), "%s", session_path(&sid, "/logs?after=0-0&perPage=64"));
	while (path[0] != '\0') {
		answer = get(path);
		assert_int_equal(answer.status, 200);
		for (size_t i = 0; i < json_count(answer_at(&answer, "items")); i++) {
			char at[64], text[32];

			(void)snprintf(at, sizeof(at), "items/%zu/message", i);
			(void)snprintf(text, sizeof(text), "line %u", ++seen);
			assert_string_equal(answer_text(&answer, at), text);
		}
		if (answer_text(&answer, "nextPage")[0] != '\0') {
			(void)snprintf(path, sizeof(path), "%s&after=%s",
			               session_path(&sid, "/logs?perPage=64"),
			               answer_text(&answer, "nextPage"));
		} else {
			path[0] = '\0';
		}
		answer_free(&answer);
	}
	assert_int_equal(seen, 300);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "GET",
	                      .path = session_path(&sid, "/logs?after=x") },
	       400);
}

/* Output and questions are not for observers, wherever they are shown. */
static void an_observer_sees_no_output_in_logs_and_lists(void **state)
{
	struct id sid = make_session("");
	static const char *const tails[] = { "/logs", "" };
	struct answer answer;

	(void)state;
	move_session(&sid, SESSION_PROVISIONING);
	move_session(&sid, SESSION_RUNNING);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "POST",
	                      .path = session_path(&sid, "/events"),
	                      .body = "{\"events\":[{\"type\":\"log\",\"message\":\"a secret "
	                              "line\",\"stream\":\"stdout\"},{\"type\":\"log\","
	                              "\"message\":\"an open line\"}]}" },
	       200);
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		answer = get(session_path(&sid, tails[i]));
		assert_non_null(strstr(buf_cstr(&answer.reply.body), "a secret line"));
		answer_free(&answer);
		answer = ask(&(struct ask){ .key = api_keys.reader,
		                            .method = "GET",
		                            .path = session_path(&sid, tails[i]) });
		assert_int_equal(answer.status, 200);
		assert_null(strstr(buf_cstr(&answer.reply.body), "a secret line"));
		assert_non_null(strstr(buf_cstr(&answer.reply.body), "an open line"));
		answer_free(&answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_is_accepted_and_its_session_is_there_at_once),
		cmocka_unit_test(a_task_makes_one_session_for_each_agent_and_count),
		cmocka_unit_test(a_snapshot_says_where_to_go_on_and_what_was_until_then),
		cmocka_unit_test(every_flaw_of_a_task_is_named_by_its_field),
		cmocka_unit_test(all_flaws_are_told_at_once),
		cmocka_unit_test(what_is_too_large_or_of_another_type_is_refused),
		cmocka_unit_test(bad_query_parameters_are_named),
		cmocka_unit_test(keys_are_asked_for_and_scopes_hold),
		cmocka_unit_test(foreign_and_unknown_sessions_are_answered_alike_everywhere),
		cmocka_unit_test(a_key_of_a_namespace_sees_only_that),
		cmocka_unit_test(lists_are_newest_first_and_pages_see_everything_once),
		cmocka_unit_test(a_list_shows_the_state_that_the_log_has),
		cmocka_unit_test(lists_are_filtered),
		cmocka_unit_test(a_large_event_is_named_and_hides_no_other),
		cmocka_unit_test(a_queued_session_is_stopped_on_the_spot),
		cmocka_unit_test(a_running_session_is_paused_resumed_and_stopped_by_commands),
		cmocka_unit_test(a_deleted_session_is_cancelled_at_once_and_for_good),
		cmocka_unit_test(prompts_are_durable_and_refused_when_it_is_over),
		cmocka_unit_test(events_are_appended_with_cursors_and_a_retry_answers_the_same),
		cmocka_unit_test(events_are_guarded_by_state_and_epoch),
		cmocka_unit_test(events_that_are_not_valid_are_named),
		cmocka_unit_test(batches_for_many_sessions_are_answered_one_by_one),
		cmocka_unit_test(a_log_that_outgrows_the_archive_answers_429_for_a_while),
		cmocka_unit_test(a_tenant_that_outgrows_the_archive_answers_429_until_it_is_freed),
		cmocka_unit_test(both_spellings_of_the_credential_work_and_head_is_a_get),
		cmocka_unit_test(the_last_lines_of_a_log_and_its_pages_are_the_lines),
		cmocka_unit_test(an_observer_sees_no_output_in_logs_and_lists),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
