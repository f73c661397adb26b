/* fairlead-api while a backend is away: 503 with Retry-After, then well again by itself. */
#include <signal.h>

#include "base/clock.h"
#include "tests/integration/api_world.h"

enum { WAIT_MS = 20000, LOOK_US = 20000 };

static struct ask asked(const char *method, const char *path, const char *body)
{
	return (struct ask){ .key = api_keys.all, .method = method, .path = path, .body = body };
}

static void expect_unavailable(const char *method, const char *path, const char *body)
{
	struct ask what = asked(method, path, body);
	struct answer answer = ask(&what);

	if (answer.status != 503 || client_field(&answer.reply, "Retry-After") == NULL ||
	    strcmp(client_field(&answer.reply, "Content-Type"), "application/problem+json") != 0) {
		fail_msg("%s %s: %s%s", method, path, answer.reply.head,
		         buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

static void expect_ok(const char *method, const char *path, const char *body, int status)
{
	struct ask what = asked(method, path, body);

	expect(&what, status);
}

/* Within seconds it answers that status again. */
static void await_status(const char *method, const char *path, const char *body, int status)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	for (;;) {
		struct ask what = asked(method, path, body);
		struct answer answer = ask(&what);
		int got = answer.status;

		answer_free(&answer);
		if (got == status) {
			return;
		}
		if (clock_mono_ms() > until) {
			fail_msg("%s %s still answers %d", method, path, got);
		}
		(void)usleep(LOOK_US);
	}
}

static void a_silent_redis_is_503_and_tasks_are_accepted_all_the_same(void **state)
{
	struct id sid = make_session("");

	(void)state;
	stop_redis();
	expect_unavailable("GET", session_path(&sid, ""), NULL);
	expect_unavailable("POST", session_path(&sid, "/stop"), NULL);
	expect_unavailable("POST", session_path(&sid, "/prompt"), "{\"prompt\":\"x\"}");
	expect_unavailable("POST", session_path(&sid, "/events"),
	                   "{\"events\":[{\"type\":\"note\"}]}");
	expect_unavailable("DELETE", session_path(&sid, ""), NULL);
	expect_unavailable("GET", "/api/v1/executors", NULL);
	expect_ok("GET", "/api/v1/sessions", NULL, 200);
	expect_ok("POST", "/api/v1/tasks", TASK, 201);
	expect_ok("GET", "/healthz", NULL, 200);
	go_on_redis();
	await_ready(0);
	await_status("GET", session_path(&sid, ""), NULL, 200);
	assert_int_equal(count_commands(&sid), 0);
	expect_ok("POST", session_path(&sid, "/stop"), NULL, 202);
}

static void what_was_accepted_without_redis_works_when_it_is_back(void **state)
{
	struct ask what = asked("POST", "/api/v1/tasks", TASK);
	struct answer made;
	struct id sid;

	(void)state;
	stop_redis();
	made = ask(&what);
	assert_int_equal(made.status, 201);
	assert_true(id_parse(str_of(answer_text(&made, "session_ids/0")), &sid));
	answer_free(&made);
	go_on_redis();
	await_ready(0);
	/* It has no log yet; whoever needs it first makes it. */
	await_status("POST", session_path(&sid, "/prompt"), "{\"prompt\":\"x\"}", 202);
	assert_int_equal(head_state(&sid), SESSION_QUEUED);
}

static void postgres_away_is_503_and_then_well_again(void **state)
{
	struct id sid = make_session("");

	(void)state;
	stop_pg();
	expect_unavailable("POST", "/api/v1/tasks", TASK);
	expect_unavailable("GET", "/api/v1/sessions", NULL);
	expect_unavailable("GET", session_path(&sid, ""), NULL);
	expect_unavailable("POST", session_path(&sid, "/stop"), NULL);
	expect_unavailable("POST", session_path(&sid, "/prompt"), "{\"prompt\":\"x\"}");
	start_pg();
	await_ready(0);
	await_ready(1);
	await_status("POST", "/api/v1/tasks", TASK, 201);
	await_status("GET", session_path(&sid, ""), NULL, 200);
	/* The move that was not made may be made now. */
	expect_ok("POST", session_path(&sid, "/stop"), NULL, 202);
}

static void a_node_that_is_killed_takes_nothing_along(void **state)
{
	struct id sid = make_session("");
	struct ask what = asked("GET", session_path(&sid, ""), NULL);

	(void)state;
	restart_node(0, SIGKILL);
	what.node = 1;
	expect(&what, 200);
	what.node = 0;
	expect(&what, 200);
}

/* ---- a pool that is used up ---- */

enum { POOL = 2 };

static struct client holders[POOL];

/* Whoever makes a task waits for the lock, with a connection; the others for one, only so long.
 * With a key and a deadline each has a transaction of its own. */
static void use_up_pool(void)
{
	static const char *const keys[POOL] = { "Idempotency-Key: first\r\n",
		                                "Idempotency-Key: second\r\n" };
	struct ask what = asked(
		"POST", "/api/v1/tasks",
		"{\"prompt\":\"go on\",\"deadline\":\"2999-01-01T00:00:00Z\"," TASK_PARTS "}");

	for (int i = 0; i < POOL; i++) {
		what.headers = keys[i];
		holders[i] = ask_begin(&what);
	}
	await_status("GET", "/api/v1/sessions", NULL, 503);
	expect_unavailable("GET", "/api/v1/sessions", NULL);
	expect_ok("GET", "/healthz", NULL, 200);
}

static void who_waits_too_long_for_a_connection_is_answered_503(void **state)
{
	(void)state;
	with_locked_tasks(use_up_pool);
	for (int i = 0; i < POOL; i++) {
		struct answer answer = ask_end(&holders[i]);

		assert_int_equal(answer.status, 201);
		answer_free(&answer);
	}
	expect_ok("GET", "/api/v1/sessions", NULL, 200);
}

int main(void)
{
	static const char *const settings[] = { "FAIRLEAD_PG_POOL=2",
		                                "FAIRLEAD_PG_STATEMENT_TIMEOUT=1m", NULL };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_redis_is_503_and_tasks_are_accepted_all_the_same),
		cmocka_unit_test(what_was_accepted_without_redis_works_when_it_is_back),
		cmocka_unit_test(postgres_away_is_503_and_then_well_again),
		cmocka_unit_test(a_node_that_is_killed_takes_nothing_along),
		cmocka_unit_test(who_waits_too_long_for_a_connection_is_answered_503),
	};

	api_settings = settings;
	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
