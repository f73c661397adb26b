#include <stdlib.h>
#include <string.h>

#include "metric/metric.h"
#include "rest/body.h"
#include "rest/query.h"
#include "rest/rest.h"
#include "rest/trail.h"
#include "tests/support/test.h"

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct http_request asked(const char *query)
{
	return (struct http_request){ .arena = arena, .query = str_of(query) };
}

static enum err_code decode(const char *query, const struct rest_query_table *table, void *out,
                            struct json_problems *problems)
{
	struct http_request req = asked(query);

	return rest_query(&req, table, out, problems);
}

/* ---- figures ---- */

static void every_route_has_its_own_series_for_each_class_of_answers(void **state)
{
	static const char *const classes[] = { "2xx", "3xx", "4xx", "5xx" };

	(void)state;
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const char *method = http_method_name(rest_routes[i].method);

		for (size_t c = 0; c < ARRAY_LEN(classes); c++) {
			const struct metric_series *series = metric_series3(
				METRIC_HTTP_REQUESTS, method, rest_routes[i].pattern, classes[c]);

			assert_string_equal(series->labels[1], rest_routes[i].pattern);
			assert_string_equal(series->labels[2], classes[c]);
		}
	}
}

/* ---- queries ---- */

static void a_query_is_decoded_into_its_struct(void **state)
{
	struct json_problems problems;
	struct rest_sessions sessions;
	struct rest_logs logs;

	(void)state;
	assert_int_equal(decode("status=queued,failed&agent=command&label=a%3Db%20c&perPage=7",
	                        &rest_sessions_table, &sessions, &problems),
	                 ERR_OK);
	assert_int_equal(sessions.states,
	                 session_bit(SESSION_QUEUED) | session_bit(SESSION_FAILED));
	assert_true(str_eq(sessions.agent, STR_LIT("command")));
	assert_true(str_eq(sessions.label, STR_LIT("a=b c")));
	assert_int_equal(sessions.per_page, 7);
	assert_int_equal(decode("tail=5&level=warn&since=1970-01-01T00:00:01Z", &rest_logs_table,
	                        &logs, &problems),
	                 ERR_OK);
	assert_true(logs.has_tail);
	assert_false(logs.has_after);
	assert_int_equal(logs.tail, 5);
	assert_int_equal(logs.level, 4);
	assert_int_equal(logs.since_us, 1000000);
	assert_int_equal(decode("after=3-42", &rest_logs_table, &logs, &problems), ERR_OK);
	assert_true(logs.has_after);
	assert_int_equal(logs.after.epoch, 3);
	assert_int_equal(logs.after.n, 42);
}

static void what_is_absent_has_its_default(void **state)
{
	struct json_problems problems;
	struct rest_sessions sessions;
	struct rest_events events;

	(void)state;
	memset(&sessions, 0xff, sizeof(sessions));
	assert_int_equal(decode("", &rest_sessions_table, &sessions, &problems), ERR_OK);
	assert_int_equal(sessions.states, 0);
	assert_int_equal(sessions.page.n, 0);
	assert_int_equal(sessions.per_page, REST_PER_PAGE);
	assert_int_equal(decode("", &rest_events_table, &events, &problems), ERR_OK);
	assert_int_equal(events.per_page, 50);
	assert_int_equal(events.page, 1);
	assert_false(events.has_page);
}

static void every_bad_parameter_is_a_problem_of_its_name(void **state)
{
	static const char *const fields[] = { "status", "perPage", "nonsense", "perPage", "query" };
	struct json_problems problems;
	struct rest_sessions sessions;

	(void)state;
	assert_int_equal(decode("status=queued,,failed&perPage=+1&nonsense=1&perPage=2&%01=x",
	                        &rest_sessions_table, &sessions, &problems),
	                 ERR_INVALID);
	assert_int_equal(problems.count, ARRAY_LEN(fields));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		assert_string_equal(problems.items[i].field, fields[i]);
	}
	assert_int_equal(decode("x=1", NULL, NULL, &problems), ERR_INVALID);
	assert_int_equal(decode("", NULL, NULL, &problems), ERR_OK);
}

static void a_query_of_very_many_parameters_is_cut_short(void **state)
{
	struct json_problems problems;
	struct rest_sessions sessions;
	struct buf query;

	(void)state;
	buf_init(&query, 64 * 1024);
	for (int i = 0; i < 1000; i++) {
		buf_add_cstr(&query, "perPage=1&");
	}
	assert_int_equal(decode(buf_cstr(&query), &rest_sessions_table, &sessions, &problems),
	                 ERR_INVALID);
	assert_true(problems.count <= JSON_PROBLEMS_MAX);
	buf_fini(&query);
}

/* ---- bodies ---- */

static void an_event_keeps_its_members_and_loses_its_type(void **state)
{
	struct json_problems problems;
	struct rest_append append;
	const struct log_new *events;

	(void)state;
	assert_int_equal(json_decode(STR_LIT("{\"events\":[{\"type\":\"log\",\"level\":\"warn\","
	                                     "\"message\":\"\\u00e9\",\"n\":[1.5,null]}],"
	                                     "\"producer\":\"ci\",\"sequence\":9,"
	                                     "\"expectedState\":[\"running\",\"paused\"]}"),
	                             &rest_append_table, &append, arena, &problems),
	                 ERR_OK);
	events = append.events.items;
	assert_int_equal(append.events.count, 1);
	assert_int_equal(events[0].type, EVENT_TYPE_LOG);
	assert_true(
		str_eq(events[0].data,
	               STR_LIT("{\"level\":\"warn\",\"message\":\"\xc3\xa9\",\"n\":[1.5,null]}")));
	assert_int_equal(append.sequence, 9);
	assert_int_equal(append.from, session_bit(SESSION_RUNNING) | session_bit(SESSION_PAUSED));
	rest_append_check(&append, "", arena, &problems);
	assert_int_equal(problems.count, 0);
}

static void an_event_that_is_too_large_is_refused(void **state)
{
	struct json_problems problems;
	struct rest_append append;
	struct buf body;

	(void)state;
	buf_init(&body, 1024 * 1024);
	buf_add_cstr(&body, "{\"events\":[{\"type\":\"note\",\"message\":\"");
	for (int i = 0; i < EVENT_DATA_MAX; i++) {
		buf_add_char(&body, 'x');
	}
	buf_add_cstr(&body, "\"}]}");
	assert_int_equal(json_decode(buf_str(&body), &rest_append_table, &append, arena, &problems),
	                 ERR_INVALID);
	assert_string_equal(problems.items[0].field, "events[0]");
	buf_fini(&body);
}

/* ---- routes ---- */

static http_handler_fn handler;

static void handler(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	(void)reply;
}

static void routes_are_made_for_the_operations_that_have_a_handler(void **state)
{
	http_handler_fn *handlers[REST_OP_COUNT] = {
		[REST_OP_task_create] = handler, [REST_OP_page] = handler
	};
	struct http_route routes[REST_OP_COUNT];

	(void)state;
	assert_int_equal(rest_http_routes(handlers, routes), 2);
	assert_string_equal(routes[0].pattern, "/api/v1/tasks");
	assert_ptr_equal(routes[0].facts, &rest_routes[REST_OP_task_create]);
	assert_string_equal(routes[0].body_type, "application/json");
	assert_ptr_equal(routes[1].facts, &rest_routes[REST_OP_page]);
	assert_null(routes[1].body_type);
}

static void every_post_takes_an_idempotency_key_or_says_why_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];
		bool keyed = (route->traits & REST_KEYED) != 0;
		bool excused = rest_unkeyed((enum rest_op)i) != NULL;

		if ((route->method == HTTP_POST) != (keyed != excused) || (keyed && excused)) {
			fail_msg("%s: REST_KEYED, or a reason in rest/unkeyed.def", route->name);
		}
		/* A secret that is shown once needs a key, else a lost answer is a lost secret. */
		assert_true((route->traits & REST_SECRET) == 0 || keyed);
	}
}

static void every_change_is_in_the_audit_or_says_why_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];
		bool changes = route->method != HTTP_GET && (route->traits & REST_READS) == 0;
		bool acts = rest_act((enum rest_op)i) != NULL;
		bool plain = rest_plain((enum rest_op)i) != NULL;

		/* A login that begins by being sent back here is a GET. */
		if (changes ? acts == plain
		            : plain || (acts && (route->traits & REST_PROVES) == 0)) {
			fail_msg("%s: a row in rest/acts.def, or a reason in rest/plain.def",
			         route->name);
		}
		/* Whoever may give or take rights is written down. */
		if (changes && !route->open &&
		    (route->scope == AUTH_ADMIN || route->scope == AUTH_SYSTEM)) {
			assert_true(acts);
		}
	}
}

static void every_row_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];

		assert_int_equal(route->body != NULL || (route->traits & REST_RAW) != 0,
		                 route->body_max > 0);
		assert_true(route->open || route->scope < AUTH_SCOPE_COUNT);
		assert_true(route->method == HTTP_POST || route->method == HTTP_PUT ||
		            route->method == HTTP_PATCH || route->body == NULL);
		assert_true(!route->open || route->method == HTTP_GET ||
		            (route->traits & REST_PROVES) != 0);
		for (size_t k = 0; k < i; k++) {
			assert_true(strcmp(rest_routes[k].pattern, route->pattern) != 0 ||
			            rest_routes[k].method != route->method);
		}
	}
}

/* ---- the document ---- */

static struct json_value *document(void)
{
	struct json_value *value;
	struct buf out;
	struct err err;

	buf_init(&out, 4 * 1024 * 1024);
	rest_openapi(&out, "1.2.3");
	assert_false(buf_failed(&out));
	value = json_parse(buf_str(&out), &err);
	if (value == NULL) {
		fail_msg("%s", err.msg);
	}
	buf_fini(&out);
	return value;
}

/* RFC 6901, section 4. */
static char *unescaped(struct str part)
{
	char *out = arena_take(arena, part.n + 1), *to = out;

	for (size_t i = 0; i < part.n; i++) {
		bool escaped = part.p[i] == '~' && i + 1 < part.n;

		*to++ = escaped ? (part.p[i + 1] == '1' ? '/' : '~') : part.p[i];
		i += escaped ? 1 : 0;
	}
	return out;
}

/* What "#/components/..." points at. */
static const struct json_value *follow(const struct json_value *root, struct str ref)
{
	struct str rest = ref;
	const struct json_value *at = root;

	assert_true(str_eq(str_split(&rest, '/'), STR_LIT("#")));
	while (rest.p != NULL) {
		at = json_get(at, unescaped(str_split(&rest, '/')));
	}
	return at;
}

static void check_references(const struct json_value *root, const struct json_value *value)
{
	const struct json_value *member;
	struct str name;
	void *at = NULL;

	for (size_t i = 0; json_type_of(value) == JSON_T_ARRAY && i < json_count(value); i++) {
		check_references(root, json_at(value, i));
	}
	while (json_next(value, &at, &name, &member)) {
		if (str_eq(name, STR_LIT("$ref"))) {
			assert_non_null(follow(root, json_as_str(member)));
		}
		check_references(root, member);
	}
}

/* OpenAPI 3.1, sections 4.8.9 to 4.8.17: what must be there, and path parameters that match. */
static void check_operation(const struct rest_route *route, const struct json_value *op)
{
	const struct json_value *parameters = json_get(op, "parameters"), *responses, *member;
	unsigned in_path = 0, named = 0;
	struct str name;
	void *at = NULL;

	assert_true(str_eq(json_as_str(json_get(op, "operationId")), str_of(route->name)));
	assert_true(json_as_str(json_get(op, "summary")).n > 0);
	for (size_t i = 0; i < json_count(parameters); i++) {
		const struct json_value *parameter = json_at(parameters, i);
		struct str in = json_as_str(json_get(parameter, "in"));

		assert_true(json_as_str(json_get(parameter, "name")).n > 0);
		assert_non_null(json_get(parameter, "schema"));
		if (str_eq(in, STR_LIT("path"))) {
			assert_true(json_as_bool(json_get(parameter, "required")));
			assert_true(str_eq(json_as_str(json_get(parameter, "name")),
			                   rest_pattern_param(route->pattern, in_path)));
			in_path++;
		} else {
			assert_true(str_eq(in, STR_LIT("query")) || str_eq(in, STR_LIT("header")));
		}
	}
	while (rest_pattern_param(route->pattern, named).p != NULL) {
		named++;
	}
	assert_int_equal(in_path, named);
	responses = json_get(op, "responses");
	assert_true(json_count(responses) >= 1);
	while (json_next(responses, &at, &name, &member)) {
		assert_int_equal(name.n, 3);
		assert_true(json_get(member, "description") != NULL ||
		            json_get(member, "$ref") != NULL);
	}
	assert_int_equal(json_count(json_get(op, "security")), route->open ? 0 : 3);
	assert_int_equal(json_get(op, "requestBody") != NULL, route->body_max > 0);
}

static void the_document_is_sound_and_lists_exactly_the_routes(void **state)
{
	static const char *const methods[] = { [HTTP_GET] = "get",
		                               [HTTP_POST] = "post",
		                               [HTTP_PUT] = "put",
		                               [HTTP_PATCH] = "patch",
		                               [HTTP_DELETE] = "delete" };
	struct json_value *root = document();
	const struct json_value *paths = json_get(root, "paths"), *path;
	size_t documented = 0;
	struct str name;
	void *at = NULL;

	(void)state;
	assert_true(str_eq(json_as_str(json_get(root, "openapi")), STR_LIT("3.1.0")));
	assert_true(
		str_eq(json_as_str(json_get(json_get(root, "info"), "version")), STR_LIT("1.2.3")));
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		path = json_get(paths, rest_routes[i].pattern);
		check_operation(&rest_routes[i], json_get(path, methods[rest_routes[i].method]));
	}
	while (json_next(paths, &at, &name, &path)) {
		documented += json_count(path);
	}
	assert_int_equal(documented, REST_OP_COUNT);
	check_references(root, root);
	json_value_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_its_own_series_for_each_class_of_answers),
		cmocka_unit_test(a_query_is_decoded_into_its_struct),
		cmocka_unit_test(what_is_absent_has_its_default),
		cmocka_unit_test(every_bad_parameter_is_a_problem_of_its_name),
		cmocka_unit_test(a_query_of_very_many_parameters_is_cut_short),
		cmocka_unit_test(an_event_keeps_its_members_and_loses_its_type),
		cmocka_unit_test(an_event_that_is_too_large_is_refused),
		cmocka_unit_test(routes_are_made_for_the_operations_that_have_a_handler),
		cmocka_unit_test(every_post_takes_an_idempotency_key_or_says_why_not),
		cmocka_unit_test(every_change_is_in_the_audit_or_says_why_not),
		cmocka_unit_test(every_row_is_sound),
		cmocka_unit_test(the_document_is_sound_and_lists_exactly_the_routes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
