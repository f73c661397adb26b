/* fairlead-api and its contract: repeated requests, and what is written about the routes. */
#include "rest/rest.h"
#include "tests/integration/api_world.h"

enum { LOOK_US = 20000 };

/* ---- idempotency ---- */

static void a_repeated_post_is_done_once_and_answered_the_same(void **state)
{
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = "/api/v1/tasks",
		            .headers = "Idempotency-Key: once-1\r\n",
		            .body = TASK };
	struct answer first = ask(&what), again;

	(void)state;
	what.node = 1;
	again = ask(&what);
	assert_int_equal(first.status, 201);
	assert_int_equal(again.status, 201);
	assert_string_equal(buf_cstr(&first.reply.body), buf_cstr(&again.reply.body));
	assert_non_null(client_field(&again.reply, "Location"));
	assert_string_equal(client_field(&again.reply, "Idempotency-Replayed"), "true");
	answer_free(&first);
	answer_free(&again);
	what.body = "{\"prompt\":\"another\"," TASK_PARTS "}";
	expect(&what, 422);
	what.headers = "Idempotency-Key: \r\n";
	expect(&what, 400);
}

static void of_concurrent_repetitions_one_is_done(void **state)
{
	enum { MANY = 8 };
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = "/api/v1/tasks",
		            .headers = "Idempotency-Key: crowd\r\n",
		            .body = "{\"prompt\":\"x\",\"labels\":{\"batch\":\"crowd\"}," TASK_PARTS
		                    "}" };
	struct client clients[MANY];
	struct answer list;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		what.node = i % API_NODES;
		clients[i] = ask_begin(&what);
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct answer answer = ask_end(&clients[i]);

		if (answer.status != 201 && answer.status != 409) {
			fail_msg("%s%s", answer.reply.head, buf_cstr(&answer.reply.body));
		}
		answer_free(&answer);
	}
	list = get("/api/v1/sessions?label=batch%3Dcrowd");
	assert_int_equal(json_as_i64(answer_at(&list, "total")), 1);
	answer_free(&list);
}

static void a_repeated_stop_is_answered_the_same_after_the_end(void **state)
{
	struct id sid = make_session("");
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = session_path(&sid, "/stop"),
		            .headers = "Idempotency-Key: stop-1\r\n" };

	(void)state;
	expect(&what, 202);
	expect(&what, 202);
	what.headers = NULL;
	expect(&what, 409);
}

/* ---- the contract ---- */

static void every_route_of_the_table_is_served_and_in_the_document(void **state)
{
	struct answer document = get("/api/v1/openapi.json");
	const struct json_value *paths = answer_at(&document, "paths"), *path, *op;
	size_t documented = 0;
	void *at = NULL;
	struct str name;

	(void)state;
	assert_int_equal(document.status, 200);
	assert_string_equal(answer_text(&document, "openapi"), "3.1.0");
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];
		char method[16];

		(void)snprintf(method, sizeof(method), "%s", http_method_name(route->method));
		for (char *c = method; *c != '\0'; c++) {
			*c |= 0x20;
		}
		op = json_get(json_get(paths, route->pattern), method);
		assert_true(str_eq(json_as_str(json_get(op, "operationId")), str_of(route->name)));
	}
	while (json_next(paths, &at, &name, &path)) {
		documented += json_count(path);
	}
	assert_int_equal(documented, REST_OP_COUNT);
	answer_free(&document);
}

/* Both have the same members, whatever their values; of arrays the first items are compared. */
static void assert_alike(const struct json_value *want, const struct json_value *got,
                         const char *where)
{
	const struct json_value *member;
	struct str name;
	void *at = NULL;

	if (json_type_of(got) != json_type_of(want) && json_type_of(got) != JSON_T_NULL) {
		fail_msg("%s is of another type", where);
	}
	if (json_type_of(got) == JSON_T_ARRAY && json_count(want) > 0) {
		assert_alike(json_at(want, 0), json_at(got, 0), where);
	}
	while (json_next(want, &at, &name, &member)) {
		if (json_get(got, name.p) == NULL) {
			fail_msg("%s: %s is missing", where, name.p);
		}
		assert_alike(member, json_get(got, name.p), name.p);
	}
	at = NULL;
	while (json_next(got, &at, &name, &member)) {
		if (json_get(want, name.p) == NULL) {
			fail_msg("%s: %s is not in the example", where, name.p);
		}
	}
}

/* They tell of themselves every other second. */
static void await_nodes(void)
{
	size_t told = 0;

	while (told == 0) {
		struct answer answer = ask(&(struct ask){
			.key = api_keys.admin, .method = "GET", .path = "/api/v1/nodes" });

		told = json_count(answer_at(&answer, "items"));
		answer_free(&answer);
		(void)usleep(LOOK_US);
	}
}

static void answers_look_like_their_examples(void **state)
{
	struct id sid = make_session("");
	static const struct {
		enum rest_op op;
		const char *tail, *body;
	} all[] = {
		{ REST_OP_stream_ticket, NULL,
		  "{\"role\":\"observer\",\"path\":\"/api/v1/ws\","
		  "\"sessionId\":\"01JD0M6T3RHN4P6S8TAVCXEZ1B\"}" },
		{ REST_OP_event_append, "/events",
		  "{\"events\":[{\"type\":\"log\",\"level\":\"info\",\"message\":\"x\",\"stream\":"
		  "\"stdout\"}]}" },
		{ REST_OP_session_logs, "/logs", NULL },
		{ REST_OP_session_info, "/info", NULL },
		{ REST_OP_session_why, "/why", NULL },
		{ REST_OP_scheduling_demand, NULL, NULL },
		{ REST_OP_scheduling_waits, NULL, NULL },
		{ REST_OP_node_list, NULL, NULL },
		{ REST_OP_session_prompt, "/prompt", "{\"prompt\":\"x\"}" },
		{ REST_OP_session_stop, "/stop", "{}" },
		{ REST_OP_task_create, NULL, TASK },
		{ REST_OP_agent_list, NULL, NULL },
		{ REST_OP_session_retry, "/retry", NULL },
		{ REST_OP_runtime_list, NULL, NULL },
	};

	(void)state;
	move_session(&sid, SESSION_PROVISIONING);
	await_nodes();
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct rest_route *route = &rest_routes[all[i].op];

		if (all[i].op == REST_OP_session_retry) {
			expect(&(struct ask){ .key = api_keys.all,
			                      .method = "DELETE",
			                      .path = session_path(&sid, "") },
			       204);
		}
		struct answer answer = ask(&(struct ask){
			.key = route->scope >= AUTH_ADMIN ? api_keys.admin : api_keys.all,
			.method = http_method_name(route->method),
			.path = all[i].tail != NULL ? session_path(&sid, all[i].tail)
		                                    : route->pattern,
			.body = all[i].body });
		struct err err;
		struct json_value *want = json_parse(str_of(rest_example(all[i].op)), &err);

		assert_int_equal(answer.status, route->status);
		assert_non_null(want);
		assert_alike(want, answer.json, route->name);
		json_value_free(want);
		answer_free(&answer);
	}
	for (size_t op = 0; op < REST_OP_COUNT; op++) {
		bool compared = rest_example((enum rest_op)op) == NULL;

		for (size_t i = 0; i < ARRAY_LEN(all); i++) {
			compared = compared || all[i].op == (enum rest_op)op;
		}
		assert_true(compared);
	}
}

static void routes_without_a_key_answer_what_they_should(void **state)
{
	static const char *const paths[] = { "/",         "/page.js",     "/page.css",
		                             "/api/docs", "/api/docs.js", "/openapi.json",
		                             "/healthz",  "/readyz",      "/version",
		                             "/metrics" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		expect(&(struct ask){ .method = "GET", .path = paths[i] }, 200);
	}
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];
		struct id sid = id_new();
		struct str rest = str_of(route->pattern), before;
		struct buf path;

		if (route->open || route->side == REST_PREFIX || route->side == REST_NODE) {
			continue;
		}
		buf_init(&path, 512);
		while (rest.n > 0) {
			before = str_split(&rest, '{');
			buf_addf(&path, "%" STR_FMT "%s", STR_ARG(before),
			         rest.p != NULL ? sid.s : "");
			if (rest.p != NULL) {
				(void)str_split(&rest, '}');
			}
		}
		expect(&(struct ask){ .method = http_method_name(route->method),
		                      .path = buf_cstr(&path) },
		       401);
		buf_fini(&path);
	}
}

static void discovery_lists_what_there_is(void **state)
{
	struct answer answer = get("/api/v1/agents");
	struct answer schema;

	(void)state;
	assert_string_equal(answer_text(&answer, "items/0/type"), "command");
	schema = get(answer_text(&answer, "items/0/settingsSchemaRef"));
	assert_int_equal(schema.status, 200);
	assert_non_null(answer_at(&schema, "properties/argv"));
	answer_free(&schema);
	answer_free(&answer);
	answer = get("/api/v1/runtimes");
	assert_int_equal(json_count(answer_at(&answer, "items")), 2);
	answer_free(&answer);
	answer = get("/api/v1/executors");
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_count(answer_at(&answer, "items")), 0);
	answer_free(&answer);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "GET",
	                      .path = "/api/v1/schemas/agents/none.json" },
	       404);
}

static void workers_say(const char *verb, const char *status)
{
	char path[64];
	const struct ask what = { .key = api_keys.admin, .method = "POST", .path = path };
	struct answer answer;

	(void)snprintf(path, sizeof(path), "/api/v1/workers/rack-7/%s", verb);
	answer = ask(&what);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer_text(&answer, "status"), status);
	answer_free(&answer);
	answer = ask(
		&(struct ask){ .key = api_keys.admin, .method = "GET", .path = "/api/v1/workers" });
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_count(answer_at(&answer, "items")), strcmp(verb, "uncordon") != 0);
	answer_free(&answer);
}

static void a_worker_is_cordoned_by_name_whether_it_lives_or_not(void **state)
{
	(void)state;
	workers_say("cordon", "cordoned");
	workers_say("cordon", "cordoned");
	workers_say("drain", "draining");
	workers_say("uncordon", "online");
	workers_say("uncordon", "online");
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "POST",
	                      .path = "/api/v1/workers/rack%207/cordon" },
	       400);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "POST",
	                      .path = "/api/v1/workers/rack-7/cordon" },
	       403);
}

static void a_stream_asked_of_an_api_node_is_redirected(void **state)
{
	struct id sid = make_session("");
	struct answer answer = get(session_path(&sid, "/events?after=1-1"));
	char want[160];

	(void)state;
	(void)snprintf(want, sizeof(want), "/stream%s", session_path(&sid, "/events?after=1-1"));
	assert_int_equal(answer.status, 307);
	assert_string_equal(client_field(&answer.reply, "Location"), want);
	answer_free(&answer);
}

/* EventSource repeats a ticket that is used by then, and the cookie is for the streamer's path: so
 * an API node asks for nothing else. */
static void a_stream_with_a_ticket_is_redirected_with_it(void **state)
{
	struct id sid = make_session("");
	const char *path = session_path(&sid, "/events?ticket=used");
	struct answer answer;
	char want[160];

	(void)state;
	(void)snprintf(want, sizeof(want), "/stream%s", path);
	answer = ask(&(struct ask){ .method = "GET", .path = path });
	assert_int_equal(answer.status, 307);
	assert_string_equal(client_field(&answer.reply, "Location"), want);
	answer_free(&answer);
	expect(&(struct ask){ .method = "GET", .path = session_path(&sid, "/events") }, 401);
	expect(&(struct ask){ .method = "GET", .path = session_path(&sid, "?ticket=x") }, 400);
}

static void info_names_no_leader_of_a_session_that_waits(void **state)
{
	struct id sid = make_session("");
	struct answer answer = get(session_path(&sid, "/info"));

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_type_of(answer_at(&answer, "fleet/leader")), JSON_T_NULL);
	assert_string_equal(answer_text(&answer, "status"), "queued");
	answer_free(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repeated_post_is_done_once_and_answered_the_same),
		cmocka_unit_test(of_concurrent_repetitions_one_is_done),
		cmocka_unit_test(a_repeated_stop_is_answered_the_same_after_the_end),
		cmocka_unit_test(every_route_of_the_table_is_served_and_in_the_document),
		cmocka_unit_test(answers_look_like_their_examples),
		cmocka_unit_test(routes_without_a_key_answer_what_they_should),
		cmocka_unit_test(discovery_lists_what_there_is),
		cmocka_unit_test(a_worker_is_cordoned_by_name_whether_it_lives_or_not),
		cmocka_unit_test(a_stream_asked_of_an_api_node_is_redirected),
		cmocka_unit_test(a_stream_with_a_ticket_is_redirected_with_it),
		cmocka_unit_test(info_names_no_leader_of_a_session_that_waits),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
