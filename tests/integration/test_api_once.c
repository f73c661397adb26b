/* Idempotency-Key over two API nodes: replays, whose keys they are, and nodes that are killed in
 * the middle. */
#include <signal.h>
#include <unistd.h>

#include "api_world.h"
#include "base/clock.h"

enum { LOOK_US = 20000, AWAIT_MS = 15000 };

static struct ask make(const char *key, const char *headers)
{
	return (struct ask){ .key = key,
		             .method = "POST",
		             .path = "/api/v1/tasks",
		             .headers = headers,
		             .body = TASK };
}

static void an_answer_is_replayed_with_its_headers_by_any_node(void **state)
{
	struct ask what = make(api_keys.all, "Idempotency-Key: replay\r\n");
	struct answer first = ask(&what), again;
	char location[256];

	(void)state;
	assert_int_equal(first.status, 201);
	assert_null(client_field(&first.reply, "Idempotency-Replayed"));
	assert_non_null(client_field(&first.reply, "Location"));
	(void)str_copy(location, sizeof(location), str_of(client_field(&first.reply, "Location")));
	assert_string_equal(location, answer_text(&first, "links/self"));
	what.node = 1;
	again = ask(&what);
	assert_int_equal(again.status, 201);
	assert_string_equal(client_field(&again.reply, "Idempotency-Replayed"), "true");
	assert_string_equal(client_field(&again.reply, "Location"), location);
	assert_string_equal(answer_text(&again, "id"), answer_text(&first, "id"));
	answer_free(&first);
	answer_free(&again);
	what.body = "{\"prompt\":\"something else\"," TASK_PARTS "}";
	expect(&what, 422);
}

static void others_of_the_tenant_have_keys_of_their_own(void **state)
{
	struct ask what = make(api_keys.all, "Idempotency-Key: ours\r\n");
	struct answer first, other;

	(void)state;
	what.body = "{\"prompt\":\"x\",\"namespace\":\"red\"," TASK_PARTS "}";
	first = ask(&what);
	what.key = api_keys.limited;
	other = ask(&what);
	assert_int_equal(first.status, 201);
	assert_int_equal(other.status, 201);
	assert_null(client_field(&other.reply, "Idempotency-Replayed"));
	assert_string_not_equal(answer_text(&first, "id"), answer_text(&other, "id"));
	answer_free(&first);
	answer_free(&other);
}

static void a_pause_that_comes_late_again_does_not_pause_again(void **state)
{
	struct ask make_one = { .key = api_keys.all,
		                .method = "POST",
		                .path = "/api/v1/schedules",
		                .body = "{\"cron\":\"0 3 * * *\",\"task\":" TASK "}" };
	struct answer made = ask(&make_one), again;
	struct ask what = make_one;
	char pause[256], resume[256];

	(void)state;
	if (made.status != 201) {
		fail_msg("%s", buf_cstr(&made.reply.body));
	}
	(void)snprintf(pause, sizeof(pause), "%s/pause", client_field(&made.reply, "Location"));
	(void)snprintf(resume, sizeof(resume), "%s/resume", client_field(&made.reply, "Location"));
	answer_free(&made);
	what.body = NULL;
	what.path = pause;
	what.headers = "Idempotency-Key: pause\r\n";
	expect(&what, 200);
	what.path = resume;
	what.headers = NULL;
	expect(&what, 200);
	what.path = pause;
	what.headers = "Idempotency-Key: pause\r\n";
	again = ask(&what);
	assert_string_equal(client_field(&again.reply, "Idempotency-Replayed"), "true");
	answer_free(&again);
	pause[strlen(pause) - strlen("/pause")] = '\0';
	what = (struct ask){ .key = api_keys.all, .method = "GET", .path = pause };
	again = ask(&what);
	assert_false(json_as_bool(answer_at(&again, "paused")));
	answer_free(&again);
}

/* ---- death ---- */

static const char *const killed = "Idempotency-Key: killed\r\n";
static unsigned died;

/* Both nodes are asked for the same: one is told that it is running, the other waits for a lock
 * in the middle of its transaction, and is killed there. */
static void kill_in_the_middle(void)
{
	struct ask what = make(api_keys.all, killed);
	struct client clients[API_NODES];
	struct pollfd waits[API_NODES];
	struct answer answer;

	for (unsigned i = 0; i < API_NODES; i++) {
		what.node = i;
		clients[i] = ask_begin(&what);
		waits[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
	}
	assert_int_equal(poll(waits, API_NODES, CLIENT_WAIT_MS), 1);
	died = waits[0].revents != 0 ? 1 : 0;
	answer = ask_end(&clients[1 - died]);
	assert_int_equal(answer.status, 409);
	assert_string_equal(answer_text(&answer, "type"), "/errors/in-progress");
	answer_free(&answer);
	restart_node(died, SIGKILL);
	client_close(&clients[died]);
}

static void a_node_that_is_killed_in_the_middle_leaves_no_key_behind(void **state)
{
	struct ask what = make(api_keys.all, killed);
	uint64_t until = clock_mono_ms() + AWAIT_MS, before = count_tasks();
	struct answer answer;

	(void)state;
	with_locked_tasks(kill_in_the_middle);
	what.node = 1 - died;
	while ((answer = ask(&what)).status == 409) {
		assert_string_equal(client_field(&answer.reply, "Retry-After"), "1");
		answer_free(&answer);
		assert_true(clock_mono_ms() < until);
		(void)usleep(LOOK_US);
	}
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	what.node = died;
	answer = ask(&what);
	assert_string_equal(client_field(&answer.reply, "Idempotency-Replayed"), "true");
	answer_free(&answer);
	assert_int_equal(count_tasks(), before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_replayed_with_its_headers_by_any_node),
		cmocka_unit_test(others_of_the_tenant_have_keys_of_their_own),
		cmocka_unit_test(a_pause_that_comes_late_again_does_not_pause_again),
		cmocka_unit_test(a_node_that_is_killed_in_the_middle_leaves_no_key_behind),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
