/* Users, keys, projects and tenants over HTTP, with two API nodes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_world.h"
#include "base/clock.h"
#include "cred/apikey.h"
#include "tests/support/test.h"

enum { REVOKED_MS = 1000, LOOK_US = 5000 };

struct made {
	char id[64];
	char key[CRED_KEY_MAX + 1];
};

static struct answer ask_as(const char *key, const char *method, const char *path, const char *body)
{
	return ask(&(struct ask){ .key = key, .method = method, .path = path, .body = body });
}

static void expect_as(const char *key, const char *method, const char *path, const char *body,
                      int status)
{
	expect(&(struct ask){ .key = key, .method = method, .path = path, .body = body }, status);
}

static int status_at(unsigned node, const char *key, const char *path)
{
	struct answer answer =
		ask(&(struct ask){ .node = node, .key = key, .method = "GET", .path = path });
	int status = answer.status;

	answer_free(&answer);
	return status;
}

static const char *path_of(const char *of, const char *id, const char *tail)
{
	static char path[192];

	(void)snprintf(path, sizeof(path), "/api/v1/%s/%s%s", of, id, tail);
	return path;
}

static struct made make_as(const char *key, const char *path, const char *body)
{
	struct answer answer = ask_as(key, "POST", path, body);
	struct made made = { .key = "" };

	if (answer.status != 201) {
		fail_msg("%s %s: %s%s", path, body, answer.reply.head,
		         buf_cstr(&answer.reply.body));
	}
	assert_true(str_copy(made.id, sizeof(made.id), str_of(answer_text(&answer, "id"))));
	(void)str_copy(made.key, sizeof(made.key), str_of(answer_text(&answer, "key")));
	answer_free(&answer);
	return made;
}

static struct made make_key(const char *body)
{
	return make_as(api_keys.admin, "/api/v1/keys", body);
}

/* Until the node answers so; how long it took. */
static unsigned await_status(unsigned node, const char *key, const char *path, int status)
{
	uint64_t began_ms = clock_mono_ms();

	while (status_at(node, key, path) != status) {
		assert_true(clock_mono_ms() - began_ms < 10 * REVOKED_MS);
		(void)usleep(LOOK_US);
	}
	return (unsigned)(clock_mono_ms() - began_ms);
}

/* ---- keys ---- */

static void a_key_is_shown_once_and_works_at_once(void **state)
{
	struct answer answer =
		ask_as(api_keys.admin, "POST", "/api/v1/keys",
	               "{\"name\":\"ci\",\"scopes\":[\"session:read\"],\"namespaces\":[\" Red\","
	               "\"red\",\"Blue.1\"]}");
	const char *key = answer_text(&answer, "key"), *id = answer_text(&answer, "id");
	struct answer got;

	(void)state;
	assert_int_equal(answer.status, 201);
	assert_memory_equal(key, "fl_live_", 8);
	assert_non_null(strstr(answer.reply.head, "no-store"));
	assert_string_equal(answer_text(&answer, "namespaces/0"), "red");
	assert_string_equal(answer_text(&answer, "namespaces/1"), "blue.1");
	assert_int_equal(json_count(answer_at(&answer, "namespaces")), 2);
	assert_int_equal(status_at(1, key, "/api/v1/sessions"), 200);
	assert_int_equal(status_at(1, key, "/api/v1/keys"), 403);

	got = ask_as(api_keys.admin, "GET", path_of("keys", id, ""), NULL);
	assert_int_equal(got.status, 200);
	assert_null(answer_at(&got, "key"));
	assert_null(strstr(buf_cstr(&got.reply.body), key));
	assert_string_equal(answer_text(&got, "status"), "usable");
	assert_true(strlen(answer_text(&got, "createdBy")) == ID_LEN);
	answer_free(&got);
	got = ask_as(api_keys.admin, "GET", "/api/v1/keys?perPage=1", NULL);
	assert_string_equal(answer_text(&got, "items/0/id"), id);
	assert_string_equal(answer_text(&got, "nextPage"), id);
	answer_free(&got);
	answer_free(&answer);
}

static void namespaces_are_one_whatever_their_case(void **state)
{
	struct made key = make_key("{\"name\":\"n\",\"scopes\":[\"session:read\",\"task:write\"],"
	                           "\"namespaces\":[\"GREEN\"]}");
	struct id sid = make_session(",\"namespace\":\"Green\"");
	struct id other = make_session(",\"namespace\":\"greener\"");

	(void)state;
	assert_int_equal(status_at(0, key.key, session_path(&sid, "")), 200);
	assert_int_equal(status_at(0, key.key, session_path(&other, "")), 404);
	expect_as(key.key, "POST", "/api/v1/tasks",
	          "{\"prompt\":\"x\",\"namespace\":\" gReen \"," TASK_PARTS "}", 201);
	expect_as(key.key, "POST", "/api/v1/tasks",
	          "{\"prompt\":\"x\",\"namespace\":\"red\"," TASK_PARTS "}", 403);
}

static void nobody_gives_more_than_they_have(void **state)
{
	struct made chief = make_key("{\"name\":\"chief\",\"scopes\":[\"admin\"]}");
	struct made narrow = make_key("{\"name\":\"narrow\",\"scopes\":[\"admin\"],\"namespaces\":"
	                              "[\"red\"]}");
	struct answer answer;
	struct made made;

	(void)state;
	/* Not even by a key that has it: it would outlive itself. */
	expect_as(api_keys.admin, "POST", "/api/v1/keys",
	          "{\"name\":\"x\",\"scopes\":[\"system\"]}", 403);
	expect_as(chief.key, "POST", "/api/v1/keys", "{\"name\":\"x\",\"scopes\":[\"system\"]}",
	          403);
	expect_as(chief.key, "POST", "/api/v1/tenants/rival/keys",
	          "{\"name\":\"x\",\"scopes\":[\"session:read\"]}", 403);
	expect_as(narrow.key, "POST", "/api/v1/keys",
	          "{\"name\":\"x\",\"scopes\":[\"session:read\"],\"namespaces\":[\"blue\"]}", 403);
	expect_as(narrow.key, "POST", "/api/v1/keys",
	          "{\"name\":\"x\",\"scopes\":[\"session:read\"],\"namespaces\":[\"*\"]}", 403);
	answer = ask_as(narrow.key, "POST", "/api/v1/keys",
	                "{\"name\":\"x\",\"scopes\":[\"session:read\"]}");
	assert_int_equal(answer.status, 201);
	assert_string_equal(answer_text(&answer, "namespaces/0"), "red");
	answer_free(&answer);
	/* Rotating hands a key out as well. */
	expect_as(narrow.key, "POST", path_of("keys", chief.id, "/rotate"), NULL, 403);
	expect_as(narrow.key, "POST", "/api/v1/users",
	          "{\"name\":\"x\",\"role\":\"admin\",\"namespaces\":[\"*\"]}", 403);
	/* Who has less does not decide about who has more. */
	made = make_as(chief.key, "/api/v1/users", "{\"name\":\"Ada\",\"role\":\"operator\"}");
	expect_as(narrow.key, "PATCH", path_of("users", made.id, ""), "{\"role\":\"viewer\"}", 403);
	expect_as(narrow.key, "DELETE", path_of("users", made.id, ""), NULL, 403);
	expect_as(chief.key, "PATCH", path_of("users", made.id, ""), "{\"system\":true}", 403);
	expect_as(api_keys.admin, "PATCH", path_of("users", made.id, ""), "{\"system\":true}", 200);
	expect_as(chief.key, "PATCH", path_of("users", made.id, ""), "{\"disabled\":true}", 403);
	expect_as(api_keys.admin, "DELETE", path_of("users", made.id, ""), NULL, 204);
	expect_as(chief.key, "GET", "/api/v1/tenants", NULL, 403);
	expect_as(chief.key, "GET", "/api/v1/workers", NULL, 403);
}

static void bodies_of_keys_are_refused_by_field(void **state)
{
	static const struct {
		const char *body, *field;
	} bad[] = {
		{ "{\"scopes\":[\"session:read\"]}", "errors/name" },
		{ "{\"name\":\"x\",\"scopes\":[]}", "errors/scopes" },
		{ "{\"name\":\"x\",\"scopes\":[\"session:read\",\"root\"]}", "errors/scopes[1]" },
		{ "{\"name\":\"x\",\"scopes\":[\"session:read\"],\"namespaces\":[\"a,b\"]}",
		  "errors/namespaces" },
		{ "{\"name\":\"x\",\"scopes\":[\"session:read\"],\"namespaces\":[\"a b\"]}",
		  "errors/namespaces" },
		{ "{\"name\":\"x\",\"scopes\":[\"session:read\"],\"expiresAt\":\"2001-01-01T00:00:"
		  "00Z\"}",
		  "errors/expiresAt" },
		{ "{\"name\":\"x\",\"scopes\":[\"session:read\"],\"ownerId\":"
		  "\"01JD0M6T3Q8XK5V7W9YB2C4EFG\"}",
		  "errors/ownerId" },
		{ "{\"name\":\"a\\u0007b\",\"scopes\":[\"session:read\"]}", "errors/name" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct answer answer = ask_as(api_keys.admin, "POST", "/api/v1/keys", bad[i].body);

		assert_int_equal(answer.status, 400);
		if (answer_at(&answer, bad[i].field) == NULL) {
			fail_msg("%s: %s", bad[i].field, buf_cstr(&answer.reply.body));
		}
		answer_free(&answer);
	}
}

static void a_rotated_key_stays_good_for_its_grace(void **state)
{
	struct made old = make_key("{\"name\":\"r\",\"scopes\":[\"session:read\"]}");
	struct made renewed, last;
	struct answer got;

	(void)state;
	assert_int_equal(status_at(1, old.key, "/api/v1/sessions"), 200);
	renewed = make_as(api_keys.admin, path_of("keys", old.id, "/rotate"), "{}");
	assert_string_not_equal(renewed.key, old.key);
	assert_int_equal(status_at(1, old.key, "/api/v1/sessions"), 200);
	assert_int_equal(status_at(1, renewed.key, "/api/v1/sessions"), 200);
	got = ask_as(api_keys.admin, "GET", path_of("keys", renewed.id, ""), NULL);
	assert_string_equal(answer_text(&got, "replaces"), old.id);
	assert_string_equal(answer_text(&got, "name"), "r");
	assert_int_equal(json_type_of(answer_at(&got, "expiresAt")), JSON_T_NULL);
	answer_free(&got);
	got = ask_as(api_keys.admin, "GET", path_of("keys", old.id, ""), NULL);
	assert_int_equal(json_type_of(answer_at(&got, "expiresAt")), JSON_T_STRING);
	answer_free(&got);
	/* Once; then the new one is what is rotated. */
	expect_as(api_keys.admin, "POST", path_of("keys", old.id, "/rotate"), NULL, 409);
	last = make_as(api_keys.admin, path_of("keys", renewed.id, "/rotate"),
	               "{\"gracePeriodSeconds\":0}");
	assert_true(await_status(1, renewed.key, "/api/v1/sessions", 401) < REVOKED_MS);
	assert_int_equal(status_at(1, last.key, "/api/v1/sessions"), 200);
	expect_as(api_keys.admin, "POST", path_of("keys", last.id, "/rotate"),
	          "{\"gracePeriodSeconds\":2592001}", 400);
	expect_as(api_keys.admin, "POST", path_of("keys", last.id, "/revoke"), NULL, 200);
	expect_as(api_keys.admin, "POST", path_of("keys", last.id, "/rotate"), NULL, 409);
}

static void a_lost_answer_with_a_key_is_given_again(void **state)
{
	const struct ask what = { .key = api_keys.admin,
		                  .method = "POST",
		                  .path = "/api/v1/keys",
		                  .headers = "Idempotency-Key: keys-1\r\n",
		                  .body = "{\"name\":\"once\",\"scopes\":[\"session:read\"]}" };
	struct answer first = ask(&what), second = ask(&what);

	(void)state;
	assert_int_equal(second.status, 201);
	assert_true(strlen(answer_text(&first, "key")) == CRED_KEY_LEN);
	assert_string_equal(answer_text(&first, "key"), answer_text(&second, "key"));
	answer_free(&first);
	answer_free(&second);
}

static void a_key_revoked_at_one_node_is_refused_by_all_within_a_second(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		struct made key = make_key("{\"name\":\"r\",\"scopes\":[\"session:read\"]}");

		/* Remembered as good just now. */
		assert_int_equal(status_at(0, key.key, "/api/v1/sessions"), 200);
		assert_int_equal(status_at(1, key.key, "/api/v1/sessions"), 200);
		if (round % 2 == 0) {
			expect_as(api_keys.admin, "POST", path_of("keys", key.id, "/revoke"), NULL,
			          200);
		} else {
			expect_as(api_keys.admin, "DELETE", path_of("keys", key.id, ""), NULL, 204);
		}
		assert_int_equal(status_at(0, key.key, "/api/v1/sessions"), 401);
		assert_true(await_status(1, key.key, "/api/v1/sessions", 401) < REVOKED_MS);
		expect_as(api_keys.admin, "GET", path_of("keys", key.id, ""), NULL,
		          round % 2 == 0 ? 200 : 404);
	}
}

static void a_bell_is_faster_than_forgetting(void **state)
{
	struct made key = make_key("{\"name\":\"r\",\"scopes\":[\"session:read\"]}");
	unsigned best_ms = REVOKED_MS;

	(void)state;
	/* By time alone no round would be short: what is remembered is fresh each time. */
	for (unsigned round = 0; round < 5 && best_ms > REVOKED_MS / 2; round++) {
		unsigned took_ms;

		key = make_key("{\"name\":\"r\",\"scopes\":[\"session:read\"]}");
		assert_int_equal(status_at(1, key.key, "/api/v1/sessions"), 200);
		expect_as(api_keys.admin, "POST", path_of("keys", key.id, "/revoke"), NULL, 200);
		took_ms = await_status(1, key.key, "/api/v1/sessions", 401);
		best_ms = took_ms < best_ms ? took_ms : best_ms;
	}
	assert_true(best_ms <= REVOKED_MS / 2);
}

/* ---- users ---- */

static void a_key_does_no_more_than_its_owner_may(void **state)
{
	struct made owner = make_as(api_keys.admin, "/api/v1/service-accounts",
	                            "{\"name\":\"deployer\",\"role\":\"operator\"}");
	char body[256];
	struct made key;

	(void)state;
	(void)snprintf(body, sizeof(body),
	               "{\"name\":\"k\",\"scopes\":[\"admin\"],\"ownerId\":\"%s\"}", owner.id);
	key = make_key(body);
	expect_as(key.key, "POST", "/api/v1/tasks", TASK, 201);
	expect_as(key.key, "GET", "/api/v1/users", NULL, 403);
	expect_as(api_keys.admin, "PATCH", path_of("users", owner.id, ""), "{\"role\":\"viewer\"}",
	          200);
	(void)await_status(1, key.key, "/api/v1/users", 403);
	expect_as(key.key, "GET", "/api/v1/sessions", NULL, 200);
	expect_as(key.key, "POST", "/api/v1/tasks", TASK, 403);
	expect_as(api_keys.admin, "PATCH", path_of("users", owner.id, ""),
	          "{\"role\":\"admin\",\"namespaces\":[\"blue\"]}", 200);
	assert_int_equal(status_at(0, key.key, "/api/v1/users"), 200);
	expect_as(key.key, "POST", "/api/v1/tasks", TASK, 400); /* the namespace is missing */
	expect_as(api_keys.admin, "PATCH", path_of("users", owner.id, ""), "{\"disabled\":true}",
	          200);
	assert_int_equal(status_at(0, key.key, "/api/v1/sessions"), 401);
	assert_true(await_status(1, key.key, "/api/v1/sessions", 401) < REVOKED_MS);
	expect_as(api_keys.admin, "PATCH", path_of("users", owner.id, ""), "{\"disabled\":false}",
	          200);
	assert_int_equal(status_at(0, key.key, "/api/v1/sessions"), 200);
	expect_as(api_keys.admin, "DELETE", path_of("users", owner.id, ""), NULL, 204);
	assert_int_equal(status_at(0, key.key, "/api/v1/sessions"), 401);
	assert_true(await_status(1, key.key, "/api/v1/sessions", 401) < REVOKED_MS);
	expect_as(api_keys.admin, "POST", path_of("keys", key.id, "/rotate"), NULL, 409);
	expect_as(api_keys.admin, "GET", path_of("users", owner.id, ""), NULL, 404);
}

static void a_person_is_one_in_all_tenants(void **state)
{
	struct made rival = make_as(api_keys.admin, "/api/v1/tenants/rival/keys",
	                            "{\"name\":\"chief\",\"scopes\":[\"admin\"]}");
	struct made here = make_as(api_keys.admin, "/api/v1/users",
	                           "{\"name\":\"Grace\",\"email\":\" Grace@Example.ORG\",\"role\":"
	                           "\"operator\"}");
	struct answer got;

	(void)state;
	expect_as(rival.key, "GET", path_of("users", here.id, ""), NULL, 404);
	expect_as(rival.key, "PATCH", path_of("users", here.id, ""), "{\"role\":\"viewer\"}", 404);
	expect_as(api_keys.admin, "POST", "/api/v1/users",
	          "{\"name\":\"G\",\"email\":\"GRACE@example.org\",\"role\":\"viewer\"}", 409);
	/* Who might have set her password elsewhere is not trusted here. */
	expect_as(rival.key, "POST", "/api/v1/users",
	          "{\"name\":\"G\",\"email\":\"grace@example.org\",\"role\":\"viewer\"}", 403);
	join_user(here.id, "rival", "viewer");
	got = ask_as(rival.key, "GET", path_of("users", here.id, ""), NULL);
	assert_string_equal(answer_text(&got, "name"), "Grace");
	assert_string_equal(answer_text(&got, "email"), "grace@example.org");
	assert_string_equal(answer_text(&got, "role"), "viewer");
	answer_free(&got);
	/* Only at home. */
	expect_as(rival.key, "PATCH", path_of("users", here.id, ""), "{\"name\":\"Mallory\"}", 403);
	expect_as(rival.key, "PATCH", path_of("users", here.id, ""), "{\"disabled\":true}", 403);
	expect_as(rival.key, "PATCH", path_of("users", here.id, ""), "{\"role\":\"operator\"}",
	          200);
	expect_as(api_keys.admin, "PATCH", path_of("users", here.id, ""),
	          "{\"name\":\"Grace H.\",\"role\":\"viewer\"}", 200);
	got = ask_as(rival.key, "GET", path_of("users", here.id, ""), NULL);
	assert_string_equal(answer_text(&got, "name"), "Grace H.");
	assert_string_equal(answer_text(&got, "role"), "operator");
	answer_free(&got);
	expect_as(rival.key, "DELETE", path_of("users", here.id, ""), NULL, 204);
	expect_as(rival.key, "GET", path_of("users", here.id, ""), NULL, 404);
	expect_as(api_keys.admin, "GET", path_of("users", here.id, ""), NULL, 200);
}

static void users_are_listed_by_pages_and_made_once(void **state)
{
	const struct ask again = { .key = api_keys.admin,
		                   .method = "POST",
		                   .path = "/api/v1/service-accounts",
		                   .headers = "Idempotency-Key: users-1\r\n",
		                   .body = "{\"name\":\"bot\",\"role\":\"viewer\"}" };
	struct answer first = ask(&again), second = ask(&again), page;

	(void)state;
	assert_int_equal(first.status, 201);
	assert_string_equal(answer_text(&first, "id"), answer_text(&second, "id"));
	assert_non_null(strstr(second.reply.head, answer_text(&first, "id"))); /* Location */
	page = ask_as(api_keys.admin, "GET", "/api/v1/service-accounts?perPage=1", NULL);
	assert_string_equal(answer_text(&page, "items/0/id"), answer_text(&first, "id"));
	assert_string_equal(answer_text(&page, "items/0/kind"), "service");
	assert_string_equal(answer_text(&page, "items/0/namespaces/0"), "*");
	answer_free(&page);
	expect_as(api_keys.admin, "GET", "/api/v1/users?page=x", NULL, 400);
	expect_as(api_keys.admin, "POST", "/api/v1/users",
	          "{\"name\":\"x\",\"role\":\"viewer\",\"email\":\"a@b@c\"}", 400);
	expect_as(api_keys.admin, "POST", "/api/v1/users", "{\"name\":\"x\",\"role\":\"owner\"}",
	          400);
	expect_as(api_keys.admin, "PATCH", path_of("users", answer_text(&first, "id"), ""),
	          "{\"system\":true}", 403);
	answer_free(&first);
	answer_free(&second);
}

/* ---- projects and tenants ---- */

static void projects_are_made_and_renamed(void **state)
{
	struct made made =
		make_as(api_keys.admin, "/api/v1/projects", "{\"id\":\"web-1\",\"name\":\"Web\"}");
	struct answer got;

	(void)state;
	assert_string_equal(made.id, "web-1");
	expect_as(api_keys.admin, "POST", "/api/v1/projects", "{\"name\":\"Web\"}", 409);
	expect_as(api_keys.admin, "POST", "/api/v1/projects", "{\"id\":\"a b\",\"name\":\"W\"}",
	          400);
	expect_as(api_keys.all, "POST", "/api/v1/projects", "{\"name\":\"Other\"}", 403);
	expect_as(api_keys.admin, "PATCH", "/api/v1/projects/web-1", "{\"name\":\"Site\"}", 200);
	got = ask_as(api_keys.reader, "GET", "/api/v1/projects/web-1", NULL);
	assert_string_equal(answer_text(&got, "name"), "Site");
	answer_free(&got);
	expect_as(api_keys.foreign, "GET", "/api/v1/projects/web-1", NULL, 404);
	got = ask_as(api_keys.foreign, "GET", "/api/v1/projects", NULL);
	assert_int_equal(json_count(answer_at(&got, "items")), 0);
	answer_free(&got);
	expect_as(api_keys.all, "POST", "/api/v1/tasks",
	          "{\"prompt\":\"x\",\"projectId\":\"web-1\"," TASK_PARTS "}", 201);
}

static void nobody_of_a_disabled_tenant_gets_in(void **state)
{
	struct made key;

	(void)state;
	expect_as(api_keys.admin, "POST", "/api/v1/tenants",
	          "{\"id\":\"third\",\"name\":\"Third\"}", 201);
	expect_as(api_keys.admin, "POST", "/api/v1/tenants", "{\"id\":\"third\"}", 409);
	expect_as(api_keys.admin, "POST", "/api/v1/tenants", "{\"id\":\"a b\"}", 400);
	key = make_as(api_keys.admin, "/api/v1/tenants/third/keys",
	              "{\"name\":\"first\",\"scopes\":[\"admin\"]}");
	expect_as(api_keys.admin, "POST", "/api/v1/tenants/fourth/keys",
	          "{\"name\":\"first\",\"scopes\":[\"admin\"]}", 404);
	expect_as(key.key, "GET", "/api/v1/users", NULL, 200);
	expect_as(api_keys.admin, "GET", path_of("keys", key.id, ""), NULL, 404);
	expect_as(api_keys.admin, "POST", "/api/v1/tenants/third/disable", NULL, 200);
	(void)await_status(1, key.key, "/api/v1/users", 401);
	expect_as(api_keys.admin, "POST", "/api/v1/tenants/third/enable", NULL, 200);
	(void)await_status(1, key.key, "/api/v1/users", 200);
	expect_as(api_keys.admin, "POST", "/api/v1/tenants/fourth/disable", NULL, 404);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_shown_once_and_works_at_once),
		cmocka_unit_test(namespaces_are_one_whatever_their_case),
		cmocka_unit_test(nobody_gives_more_than_they_have),
		cmocka_unit_test(bodies_of_keys_are_refused_by_field),
		cmocka_unit_test(a_rotated_key_stays_good_for_its_grace),
		cmocka_unit_test(a_lost_answer_with_a_key_is_given_again),
		cmocka_unit_test(a_key_revoked_at_one_node_is_refused_by_all_within_a_second),
		cmocka_unit_test(a_bell_is_faster_than_forgetting),
		cmocka_unit_test(a_key_does_no_more_than_its_owner_may),
		cmocka_unit_test(a_person_is_one_in_all_tenants),
		cmocka_unit_test(users_are_listed_by_pages_and_made_once),
		cmocka_unit_test(projects_are_made_and_renamed),
		cmocka_unit_test(nobody_of_a_disabled_tenant_gets_in),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
