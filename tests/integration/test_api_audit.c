/* The audit over REST: acts are in it, refusals are, each tenant sees its own, and nothing that was
 * acknowledged is missing after a kill -9. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_world.h"
#include "audit/audit_check.h"
#include "base/buf.h"
#include "base/clock.h"
#include "pg/pg.h"

enum { WAIT_MS = 5000, PATH_SIZE = 512, KEYS = 8 };

static struct answer audit(const char *key, const char *query)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "/api/v1/audit%s", query);
	return ask(&(struct ask){ .node = 1, .key = key, .method = "GET", .path = path });
}

static const struct json_value *item(const struct answer *answer, size_t i)
{
	return json_at(answer_at(answer, "items"), i);
}

static void expect_text(const struct json_value *object, const char *name, const char *text)
{
	if (!str_eq(json_as_str(json_get(object, name)), str_of(text))) {
		fail_msg("%s: %" STR_FMT ", not %s", name,
		         STR_ARG(json_as_str(json_get(object, name))), text);
	}
}

static struct id make_key(const char *name)
{
	char body[128];
	struct answer answer;
	struct id id;

	(void)snprintf(body, sizeof(body), "{\"name\":\"%s\",\"scopes\":[\"session:read\"]}", name);
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "POST",
	                            .path = "/api/v1/keys",
	                            .headers = "User-Agent: tests/1\r\nX-Request-Id: r-audit\r\n",
	                            .body = body });
	assert_int_equal(answer.status, 201);
	assert_true(id_parse(str_of(answer_text(&answer, "id")), &id));
	answer_free(&answer);
	return id;
}

static void an_act_is_there_as_soon_as_it_is_answered(void **state)
{
	struct id key = make_key("one of the audit");
	char path[PATH_SIZE], object[64], query[PATH_SIZE];
	const struct json_value *row;
	struct answer answer;

	(void)state;
	(void)snprintf(object, sizeof(object), "key:%s", key.s);
	(void)snprintf(query, sizeof(query), "?object=%s", object);
	(void)snprintf(path, sizeof(path), "/api/v1/keys/%s/revoke", key.s);
	expect(&(struct ask){ .key = api_keys.admin, .method = "POST", .path = path }, 200);
	(void)snprintf(path, sizeof(path), "/api/v1/keys/%s", key.s);
	expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path }, 204);
	answer = audit(api_keys.admin, query);
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_count(answer_at(&answer, "items")), 3);
	expect_text(item(&answer, 0), "action", "key.delete");
	expect_text(item(&answer, 1), "action", "key.revoke");
	row = item(&answer, 2);
	expect_text(row, "action", "key.create");
	expect_text(row, "object", object);
	expect_text(row, "outcome", "done");
	expect_text(row, "tenant", "acme");
	expect_text(row, "userAgent", "tests/1");
	expect_text(row, "requestId", "r-audit");
	expect_text(row, "address", "unix");
	expect_text(json_get(row, "actor"), "kind", "key");
	expect_text(json_get(row, "detail"), "scopes", "session:read");
	assert_int_equal(json_as_str(json_get(row, "hash")).n, 2 * CRED_DIGEST_SIZE);
	answer_free(&answer);
	/* What did not happen is not there. */
	expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path }, 404);
	answer = audit(api_keys.admin, query);
	assert_int_equal(json_count(answer_at(&answer, "items")), 3);
	answer_free(&answer);
}

static void acts_of_the_system_are_in_the_chain_of_no_tenant(void **state)
{
	struct answer answer;
	char key[128];
	struct id user;

	(void)state;
	make_user("admin", &user, key);
	expect(&(struct ask){ .key = api_keys.system,
	                      .method = "POST",
	                      .path = "/api/v1/workers/rack-9/cordon" },
	       200);
	expect(&(struct ask){ .key = key, .method = "GET", .path = "/api/v1/audit?tenant=." }, 403);
	answer = audit(api_keys.system, "?tenant=.&action=worker.");
	/* system alone is not admin. */
	assert_int_equal(answer.status, 403);
	answer_free(&answer);
	answer = audit(api_keys.admin, "?tenant=.&action=worker.");
	assert_int_equal(json_count(answer_at(&answer, "items")), 1);
	expect_text(item(&answer, 0), "object", "worker:rack-9");
	answer_free(&answer);
	answer = audit(api_keys.admin, "?tenant=*&action=audit.begin");
	assert_int_equal(json_count(answer_at(&answer, "items")), 1);
	expect_text(item(&answer, 0), "tenant", ".");
	answer_free(&answer);
}

/* Until the query has that many rows. */
static void await_rows(const char *key, const char *query, size_t count)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	size_t seen = 0;

	while (seen < count) {
		struct answer answer = audit(key, query);

		assert_int_equal(answer.status, 200);
		seen = json_count(answer_at(&answer, "items"));
		answer_free(&answer);
		assert_true(clock_mono_ms() < until);
	}
	assert_int_equal(seen, count);
}

static void refusals_are_there_within_a_second_counted(void **state)
{
	struct answer answer;

	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		expect(&(struct ask){ .key = api_keys.reader,
		                      .method = "DELETE",
		                      .path = "/api/v1/keys/x" },
		       403);
	}
	await_rows(api_keys.admin, "?action=key.delete&outcome=denied", 1);
	expect(&(struct ask){ .key = api_keys.revoked,
	                      .method = "GET",
	                      .path = "/api/v1/sessions" },
	       401);
	await_rows(api_keys.admin, "?action=request.session_list&outcome=denied", 1);
	answer = audit(api_keys.admin, "?action=request.session_list");
	expect_text(item(&answer, 0), "object", "path:/api/v1/sessions");
	answer_free(&answer);
}

static void each_tenant_sees_its_own(void **state)
{
	struct answer answer;
	char key[128];
	struct id user;

	(void)state;
	make_user("admin", &user, key);
	(void)make_key("another");
	expect(&(struct ask){ .key = api_keys.reader, .method = "GET", .path = "/api/v1/audit" },
	       403);
	expect(&(struct ask){ .key = key, .method = "GET", .path = "/api/v1/audit?tenant=rival" },
	       403);
	expect(&(struct ask){ .key = key, .method = "GET", .path = "/api/v1/audit?tenant=*" }, 403);
	expect(&(struct ask){ .key = key,
	                      .method = "GET",
	                      .path = "/api/v1/audit?outcome=perhaps" },
	       400);
	answer = audit(key, "?perPage=1000");
	assert_true(json_count(answer_at(&answer, "items")) > 0);
	for (size_t i = 0; i < json_count(answer_at(&answer, "items")); i++) {
		expect_text(item(&answer, i), "tenant", "acme");
	}
	answer_free(&answer);
}

static void it_is_read_by_pages_and_kept_elsewhere(void **state)
{
	char query[PATH_SIZE], seen[KEYS][64] = { "" };
	uint64_t page = 0;
	struct answer answer;
	struct str line, rest;

	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		(void)make_key("paged");
	}
	for (unsigned i = 0; i < KEYS; i++) {
		int n = snprintf(query, sizeof(query), "?perPage=1&action=key.create");

		if (page > 0) {
			(void)snprintf(query + n, sizeof(query) - (size_t)n, "&page=%llu",
			               (unsigned long long)page);
		}
		answer = audit(api_keys.admin, query);
		assert_int_equal(json_count(answer_at(&answer, "items")), 1);
		assert_true(str_copy(seen[i], sizeof(seen[i]),
		                     json_as_str(json_get(item(&answer, 0), "object"))));
		page = (uint64_t)json_as_i64(answer_at(&answer, "nextPage"));
		for (unsigned j = 0; j < i; j++) {
			assert_string_not_equal(seen[i], seen[j]);
		}
		answer_free(&answer);
	}
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "GET",
	                            .path = "/api/v1/audit?perPage=2",
	                            .headers = "Accept: text/csv\r\n" });
	assert_int_equal(answer.status, 200);
	rest = buf_str(&answer.reply.body);
	line = str_split(&rest, '\n');
	assert_true(str_starts(line, STR_LIT("tenant,n,at,actorKind,")));
	line = str_split(&rest, '\n');
	assert_true(str_starts(line, STR_LIT("\"acme\",")));
	answer_free(&answer);
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "GET",
	                            .path = "/api/v1/audit?perPage=2",
	                            .headers = "Accept: application/x-ndjson\r\n" });
	assert_int_equal(answer.status, 200);
	assert_true(str_starts(buf_str(&answer.reply.body), STR_LIT("{\"tenant\":\"acme\"")));
	answer_free(&answer);
}

/* ---- kill -9 ---- */

static void on_found(void *arg, const char *chain, uint64_t n, const char *what)
{
	(void)arg;
	print_error("%s %llu %s\n", chain, (unsigned long long)n, what);
}

static void on_checked(void *arg, const struct audit_end *end, bool is_whole)
{
	(void)arg;
	(void)end;
	assert_true(is_whole);
}

static void check(struct pg *pg)
{
	struct cred_pepper pepper = cred_pepper_from(STR_LIT("a pepper of the tests, long enough"));
	struct cred_pepper key = audit_key(&pepper);
	const struct audit_check what = {
		.pg = pg, .key = &key, .found = on_found, .checked = on_checked
	};
	uint64_t flaws = 1;
	struct err err;

	assert_int_equal(audit_check(&what, &flaws, &err), ERR_OK);
	assert_int_equal(flaws, 0);
}

static void what_was_acknowledged_is_there_after_kill_9(void **state)
{
	char query[PATH_SIZE];
	struct id keys[KEYS];

	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		keys[i] = make_key("killed");
	}
	restart_node(0, SIGKILL);
	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(query, sizeof(query), "?object=key:%s", keys[i].s);
		await_rows(api_keys.admin, query, 1);
	}
	with_pg(check);
}

/* ---- keys for answers ---- */

static void who_may_answer_gets_a_key_of_their_own(void **state)
{
	struct id session = make_session("");
	char first[64], key[128];
	struct answer answer;
	struct id user;

	(void)state;
	make_user("operator", &user, key);
	expect(&(struct ask){ .key = api_keys.reader,
	                      .method = "GET",
	                      .path = session_path(&session, "/approval-key") },
	       403);
	expect(&(struct ask){ .key = api_keys.foreign,
	                      .method = "GET",
	                      .path = session_path(&session, "/approval-key") },
	       404);
	answer = get(session_path(&session, "/approval-key"));
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer_text(&answer, "algorithm"), "HMAC-SHA-512-256");
	assert_true(str_copy(first, sizeof(first), str_of(answer_text(&answer, "key"))));
	assert_int_equal(strlen(first), 43);
	answer_free(&answer);
	answer = ask(&(struct ask){
		.key = key, .method = "GET", .path = session_path(&session, "/approval-key") });
	assert_int_equal(answer.status, 200);
	assert_string_not_equal(answer_text(&answer, "key"), first);
	answer_free(&answer);
	session = make_session("");
	answer = get(session_path(&session, "/approval-key"));
	assert_string_not_equal(answer_text(&answer, "key"), first);
	answer_free(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_act_is_there_as_soon_as_it_is_answered),
		cmocka_unit_test(acts_of_the_system_are_in_the_chain_of_no_tenant),
		cmocka_unit_test(refusals_are_there_within_a_second_counted),
		cmocka_unit_test(each_tenant_sees_its_own),
		cmocka_unit_test(it_is_read_by_pages_and_kept_elsewhere),
		cmocka_unit_test(what_was_acknowledged_is_there_after_kill_9),
		cmocka_unit_test(who_may_answer_gets_a_key_of_their_own),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
