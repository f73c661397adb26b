/* Accepting tasks: what they may wait for, a crash between the commit and the queue, what failed
 * for good, and trying it again. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/integration/api_world.h"

enum { SETTING_SIZE = 256, WAIT_MS = 20000, LOOK_US = 10000, BODY_SIZE = 1024 };

static pid_t start_scheduler(void)
{
	static char own[4][SETTING_SIZE];
	char *env[] = { own[0], own[1], own[2], own[3], NULL };
	char *argv[] = { (char[]){ "fairlead-scheduler" }, NULL };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)snprintf(own[0], SETTING_SIZE, "FAIRLEAD_REDIS_URL=%s",
		               getenv("TEST_REDIS_URL"));
		(void)snprintf(own[1], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
		(void)snprintf(own[2], SETTING_SIZE, "FAIRLEAD_UNSAFE_STORAGE=true");
		(void)snprintf(own[3], SETTING_SIZE,
		               "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0");
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execve(SCHEDULER_PROGRAM, argv, env);
		_exit(127);
	}
	return pid;
}

static void stop_scheduler(pid_t pid)
{
	int status = -1;

	(void)kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void await_set(const struct id *sid, enum queue_set set)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (queued_in(sid) != set) {
		assert_true(clock_mono_ms() < until);
		(void)usleep(LOOK_US);
	}
}

static uint64_t count_labelled(unsigned node, const char *label)
{
	char path[128];
	struct answer list;
	int64_t total;

	(void)snprintf(path, sizeof(path), "/api/v1/sessions?label=batch%%3D%s", label);
	list = ask(
		&(struct ask){ .node = node, .key = api_keys.all, .method = "GET", .path = path });
	total = json_as_i64(answer_at(&list, "total"));
	answer_free(&list);
	return (uint64_t)total;
}

/* ---- what a task waits for ---- */

static void what_a_task_waits_for_is_kept_and_shown(void **state)
{
	struct id first = make_session(""), second, ended;
	char more[256];
	struct answer answer;

	(void)state;
	(void)snprintf(more, sizeof(more),
	               ",\"queueAfter\":\"%s\",\"notBefore\":\"2099-01-01T00:00:00Z\","
	               "\"deadline\":\"2099-01-02T00:00:00+01:00\",\"concurrencyKey\":\"a b\","
	               "\"workers\":{\"required\":[\"gpu\"],\"preferred\":[\"zone=eu\"]}",
	               first.s);
	second = make_session(more);
	answer = get(session_path(&second, ""));
	assert_string_equal(answer_text(&answer, "queueAfter"), first.s);
	assert_string_equal(answer_text(&answer, "notBefore"), "2099-01-01T00:00:00.000Z");
	assert_string_equal(answer_text(&answer, "deadline"), "2099-01-01T23:00:00.000Z");
	assert_string_equal(answer_text(&answer, "concurrencyKey"), "a b");
	assert_int_equal(json_count(answer_at(&answer, "workers/required")), 1);
	answer_free(&answer);
	assert_int_equal(queued_in(&first), QUEUE_READY);
	assert_int_equal(queued_in(&second), QUEUE_HELD);

	/* What has ended already is not waited for. */
	ended = make_session("");
	expect_post(session_path(&ended, "/stop"), "{}", 202);
	row_state(&ended, SESSION_STOPPED);
	(void)snprintf(more, sizeof(more), ",\"queueAfter\":\"%s\"", ended.s);
	second = make_session(more);
	assert_int_equal(queued_in(&second), QUEUE_READY);
	second = make_session(",\"notBefore\":\"2099-01-01T00:00:00Z\"");
	assert_int_equal(queued_in(&second), QUEUE_DELAYED);
}

static void expect_field(const char *key, const char *more, const char *field)
{
	char body[BODY_SIZE], path[128];
	struct answer answer;

	(void)snprintf(body, sizeof(body), "{\"prompt\":\"x\"%s," TASK_PARTS "}", more);
	(void)snprintf(path, sizeof(path), "errors/%s", field);
	answer = ask(&(struct ask){
		.key = key, .method = "POST", .path = "/api/v1/tasks", .body = body });
	assert_int_equal(answer.status, 400);
	if (answer_at(&answer, path) == NULL) {
		fail_msg("%s: %s", field, buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

static void what_cannot_be_waited_for_is_named(void **state)
{
	struct id blue = make_session(",\"namespace\":\"blue\""), unknown = id_new();
	char more[128];

	(void)state;
	(void)snprintf(more, sizeof(more), ",\"queueAfter\":\"%s\"", unknown.s);
	expect_field(api_keys.all, more, "queueAfter");
	(void)snprintf(more, sizeof(more), ",\"queueAfter\":\"%s\"", blue.s);
	expect_field(api_keys.foreign, more, "queueAfter");
	(void)snprintf(more, sizeof(more), ",\"namespace\":\"red\",\"queueAfter\":\"%s\"", blue.s);
	expect_field(api_keys.limited, more, "queueAfter");
	expect_field(api_keys.all, ",\"deadline\":\"2001-01-01T00:00:00Z\"", "deadline");
	expect_field(api_keys.all, ",\"notBefore\":\"tomorrow\"", "notBefore");
	expect_field(api_keys.all, ",\"workers\":{\"required\":[\"a b\"]}", "workers.required[0]");
	expect_field(api_keys.all, ",\"maxAttempts\":0", "maxAttempts");
}

static void a_replay_is_answered_whatever_has_changed_since(void **state)
{
	char when[CLOCK_RFC3339_SIZE], body[BODY_SIZE];
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = "/api/v1/tasks",
		            .headers = "Idempotency-Key: late-1\r\n",
		            .body = body };
	int64_t deadline_us = clock_wall_us() + 1000000;

	(void)state;
	clock_format(deadline_us, when);
	(void)snprintf(body, sizeof(body), "{\"prompt\":\"x\",\"deadline\":\"%s\"," TASK_PARTS "}",
	               when);
	expect(&what, 201);
	while (clock_wall_us() <= deadline_us) {
		(void)usleep(LOOK_US);
	}
	expect(&what, 201);
	what.headers = "Idempotency-Key: late-2\r\n";
	expect(&what, 400);
}

static void all_sessions_are_made_or_none(void **state)
{
	static const char agents[] =
		"\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"
		"\"labels\":{\"batch\":\"all\"},\"agents\":["
		"{\"type\":\"command\",\"count\":3,\"settings\":{\"argv\":[\"true\"]}},"
		"{\"type\":\"command\",\"count\":4,\"settings\":{\"argv\":[\"false\"]}}]}";
	char body[BODY_SIZE];

	(void)state;
	(void)snprintf(body, sizeof(body), "{\"prompt\":\"x\",\"projectId\":\"none\",%s", agents);
	expect_post("/api/v1/tasks", body, 400);
	assert_int_equal(count_labelled(0, "all"), 0);
	(void)snprintf(body, sizeof(body), "{\"prompt\":\"x\",%s", agents);
	expect_post("/api/v1/tasks", body, 201);
	assert_int_equal(count_labelled(0, "all"), 7);
}

/* ---- a crash between the commit and the queue ---- */

static void what_was_committed_and_not_queued_is_healed(void **state)
{
	const struct ask what = {
		.key = api_keys.all,
		.method = "POST",
		.path = "/api/v1/tasks",
		.body = "{\"prompt\":\"x\",\"labels\":{\"batch\":\"crash\"}," TASK_PARTS "}"
	};
	pid_t scheduler = start_scheduler();
	struct client client;
	struct answer list;
	uint64_t since;
	struct id sid;

	(void)state;
	stop_redis();
	client = ask_begin(&what);
	while (count_labelled(1, "crash") == 0) {
		(void)usleep(LOOK_US);
	}
	restart_node_frozen(0);
	go_on_redis();
	since = clock_mono_ms();
	client_close(&client);
	list = ask(&(struct ask){ .node = 1,
	                          .key = api_keys.all,
	                          .method = "GET",
	                          .path = "/api/v1/sessions?label=batch%3Dcrash" });
	assert_true(
		id_parse(json_as_str(json_get(json_at(answer_at(&list, "items"), 0), "id")), &sid));
	answer_free(&list);
	await_set(&sid, QUEUE_READY);
	print_message("in the queue %" PRIu64 " ms after Redis was back\n",
	              clock_mono_ms() - since);
	assert_int_equal(head_state(&sid), SESSION_QUEUED);
	await_ready(0);
	stop_scheduler(scheduler);
}

/* ---- what failed for good ---- */

static struct id make_failed(const char *more)
{
	struct id sid = make_session(more);

	move_session(&sid, SESSION_PROVISIONING);
	move_session(&sid, SESSION_RUNNING);
	move_session(&sid, SESSION_FAILED);
	row_state(&sid, SESSION_FAILED);
	return sid;
}

static uint64_t count_dead(const char *query)
{
	char path[160];
	struct answer list;
	int64_t total;

	(void)snprintf(path, sizeof(path), "/api/v1/dead-letters?label=batch%%3Ddead%s", query);
	list = get(path);
	assert_int_equal(list.status, 200);
	total = json_as_i64(answer_at(&list, "total"));
	assert_int_equal(json_count(answer_at(&list, "items")), total);
	answer_free(&list);
	return (uint64_t)total;
}

static void a_retry_is_a_new_session_once(void **state)
{
	struct id sid = make_failed(",\"labels\":{\"batch\":\"dead\"},\"priority\":7"), retry;
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = session_path(&sid, "/retry"),
		            .headers = "Idempotency-Key: retry-1\r\n" };
	struct answer first = ask(&what), again, shown;

	(void)state;
	assert_int_equal(first.status, 201);
	assert_string_equal(answer_text(&first, "retryOf"), sid.s);
	what.node = 1;
	again = ask(&what);
	assert_string_equal(answer_text(&again, "id"), answer_text(&first, "id"));
	assert_true(id_parse(str_of(answer_text(&first, "id")), &retry));
	answer_free(&first);
	answer_free(&again);
	shown = get(session_path(&retry, ""));
	assert_string_equal(answer_text(&shown, "status"), "queued");
	assert_string_equal(answer_text(&shown, "retryOf"), sid.s);
	assert_int_equal(json_as_i64(answer_at(&shown, "priority")), 7);
	answer_free(&shown);
	assert_int_equal(queued_in(&retry), QUEUE_READY);
	assert_int_equal(count_dead(""), 0);
	assert_int_equal(count_dead("&retried=1"), 1);

	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "POST",
	                      .path = session_path(&retry, "/retry") },
	       409);
	expect(&(struct ask){ .key = api_keys.reader,
	                      .method = "POST",
	                      .path = session_path(&sid, "/retry") },
	       403);
	expect(&(struct ask){ .key = api_keys.foreign,
	                      .method = "POST",
	                      .path = session_path(&sid, "/retry") },
	       404);
}

static size_t redrive(const char *body, bool *ret_more)
{
	struct answer answer = post("/api/v1/dead-letters/redrive", body);
	size_t count = json_count(answer_at(&answer, "items"));

	assert_int_equal(answer.status, 200);
	*ret_more = json_as_bool(answer_at(&answer, "more"));
	for (size_t i = 0; i < count; i++) {
		struct id sid;

		assert_true(id_parse(
			json_as_str(json_get(json_at(answer_at(&answer, "items"), i), "id")),
			&sid));
		assert_int_equal(queued_in(&sid), QUEUE_READY);
	}
	answer_free(&answer);
	return count;
}

static void what_failed_is_redriven_by_a_filter_each_once(void **state)
{
	bool more;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		(void)make_failed(",\"labels\":{\"batch\":\"dead\"}");
	}
	assert_int_equal(count_dead(""), 3);
	assert_int_equal(count_dead("&cause=attempts"), 3);
	assert_int_equal(count_dead("&cause=poison"), 0);
	assert_int_equal(redrive("{\"label\":\"batch=dead\",\"cause\":\"poison\"}", &more), 0);
	assert_int_equal(redrive("{\"label\":\"batch=dead\",\"limit\":2}", &more), 2);
	assert_true(more);
	assert_int_equal(count_dead(""), 1);
	assert_int_equal(redrive("{\"label\":\"batch=dead\",\"limit\":2}", &more), 1);
	assert_false(more);
	assert_int_equal(redrive("{\"label\":\"batch=dead\"}", &more), 0);
	expect_post("/api/v1/dead-letters/redrive", "{\"cause\":\"bad luck\"}", 400);
	expect_post("/api/v1/dead-letters/redrive", "{\"sessionIds\":[\"x\"]}", 400);
}

static void dead_letters_of_others_are_not_seen(void **state)
{
	struct id red = make_failed(",\"namespace\":\"red\""), blue = make_failed("");
	struct answer list = ask(&(struct ask){
		.key = api_keys.limited, .method = "GET", .path = "/api/v1/dead-letters" });
	struct answer letter;
	char body[BODY_SIZE];

	(void)state;
	assert_int_equal(json_as_i64(answer_at(&list, "total")), 1);
	assert_string_equal(json_as_str(json_get(json_at(answer_at(&list, "items"), 0), "id")).p,
	                    red.s);
	answer_free(&list);
	list = ask(&(struct ask){
		.key = api_keys.foreign, .method = "GET", .path = "/api/v1/dead-letters" });
	assert_int_equal(json_as_i64(answer_at(&list, "total")), 0);
	answer_free(&list);
	(void)snprintf(body, sizeof(body), "{\"sessionIds\":[\"%s\"]}", blue.s);
	letter = ask(&(struct ask){ .key = api_keys.limited,
	                            .method = "POST",
	                            .path = "/api/v1/dead-letters/redrive",
	                            .body = body });
	assert_int_equal(letter.status, 200);
	assert_int_equal(json_count(answer_at(&letter, "items")), 0);
	answer_free(&letter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_task_waits_for_is_kept_and_shown),
		cmocka_unit_test(what_cannot_be_waited_for_is_named),
		cmocka_unit_test(a_replay_is_answered_whatever_has_changed_since),
		cmocka_unit_test(all_sessions_are_made_or_none),
		cmocka_unit_test(what_was_committed_and_not_queued_is_healed),
		cmocka_unit_test(a_retry_is_a_new_session_once),
		cmocka_unit_test(what_failed_is_redriven_by_a_filter_each_once),
		cmocka_unit_test(dead_letters_of_others_are_not_seen),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
