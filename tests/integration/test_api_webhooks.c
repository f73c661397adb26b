/* /api/v1/webhooks and /api/v1/webhook-messages: what is taken, what is shown, and to whom. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/api_world.h"

#define HOOKS "/api/v1/webhooks"
#define HOOK  "{\"url\":\"https://ci.example/x\",\"events\":[\"session.*\"],\"name\":\"ci\"}"

static struct answer hook(const char *method, const char *key, const char *id, const char *tail,
                          const char *body)
{
	char path[128];

	(void)snprintf(path, sizeof(path), HOOKS "%s%s%s", id[0] != '\0' ? "/" : "", id, tail);
	return ask(&(struct ask){ .key = key, .method = method, .path = path, .body = body });
}

static void expect_hook(const char *method, const char *key, const char *id, const char *tail,
                        int status)
{
	struct answer answer = hook(method, key, id, tail, NULL);

	assert_int_equal(answer.status, status);
	answer_free(&answer);
}

static void a_webhook_is_made_changed_and_removed_and_its_secret_is_shown_once(void **state)
{
	struct answer made = hook("POST", api_keys.admin, "", "", HOOK), answer;
	const char *id = answer_text(&made, "id");

	(void)state;
	assert_int_equal(made.status, 201);
	assert_true(str_starts(str_of(answer_text(&made, "secret")), STR_LIT("whsec_")));
	answer = hook("GET", api_keys.admin, id, "", NULL);
	assert_int_equal(answer.status, 200);
	assert_null(answer_at(&answer, "secret"));
	assert_string_equal(answer_text(&answer, "events/0"), "session.*");
	answer_free(&answer);
	answer = hook("PUT", api_keys.admin, id, "",
	              "{\"url\":\"https://b.example\",\"events\":[\"*\"]}");
	assert_string_equal(answer_text(&answer, "url"), "https://b.example");
	assert_null(answer_at(&answer, "secret"));
	answer_free(&answer);
	answer = hook("POST", api_keys.admin, id, "/rotate", NULL);
	assert_int_equal(answer.status, 200);
	assert_string_not_equal(answer_text(&answer, "secret"), answer_text(&made, "secret"));
	answer_free(&answer);
	answer = hook("POST", api_keys.admin, id, "/pause", NULL);
	assert_string_equal(answer_text(&answer, "state"), "paused");
	answer_free(&answer);
	expect_hook("POST", api_keys.admin, id, "/test", 202);
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "GET",
	                            .path = "/api/v1/webhook-messages?state=waiting" });
	assert_string_equal(answer_text(&answer, "items/0/type"), "webhook.test");
	answer_free(&answer);
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "GET",
	                            .path = "/api/v1/webhook-messages?state=dead" });
	assert_int_equal(json_count(answer_at(&answer, "items")), 0);
	answer_free(&answer);
	expect_hook("GET", api_keys.foreign, id, "", 403);
	expect_hook("DELETE", api_keys.all, id, "", 403);
	expect_hook("DELETE", api_keys.admin, id, "", 204);
	expect_hook("GET", api_keys.admin, id, "", 404);
	answer_free(&made);
}

static void expect_webhooks(const char *key, const char *webhooks, const char *member)
{
	char body[1024];
	struct answer answer;

	(void)snprintf(body, sizeof(body), "{\"prompt\":\"go on\",\"webhooks\":%s," TASK_PARTS "}",
	               webhooks);
	answer = ask(&(struct ask){
		.key = key, .method = "POST", .path = "/api/v1/tasks", .body = body });
	assert_int_equal(answer.status, member == NULL ? 201 : 400);
	assert_true(member == NULL || answer_at(&answer, member) != NULL);
	answer_free(&answer);
}

static void what_webhooks_ask_for_is_looked_at_when_they_are_named(void **state)
{
	static const char *const bad[] = {
		"{\"url\":\"http://a.example\",\"events\":[\"*\"]}",
		"{\"url\":\"https://a:b@a.example\",\"events\":[\"*\"]}",
		"{\"url\":\"https://a.example:22\",\"events\":[\"*\"]}",
		"{\"url\":\"https://a.example\",\"events\":[\"session.done\"]}",
		"{\"url\":\"https://a.example\",\"events\":[]}",
		"{\"url\":\"https://a.example\",\"events\":[\"*\"],\"projectId\":\"none\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct answer answer = hook("POST", api_keys.admin, "", "", bad[i]);

		assert_int_equal(answer.status, 400);
		answer_free(&answer);
	}
	expect_webhooks(api_keys.all, "[{\"event\":\"session.*\",\"url\":\"https://a.example\"}]",
	                NULL);
	expect_webhooks(api_keys.all, "[{\"event\":\"session.*\",\"url\":\"http://a.example\"}]",
	                "errors/webhooks[0].url");
	expect_webhooks(api_keys.all, "[{\"event\":\"nothing\",\"url\":\"https://a.example\"}]",
	                "errors/webhooks[0].event");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_webhook_is_made_changed_and_removed_and_its_secret_is_shown_once),
		cmocka_unit_test(what_webhooks_ask_for_is_looked_at_when_they_are_named),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
