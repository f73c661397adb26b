/* Access and refresh tokens over REST, on two nodes. */
#include <stdio.h>
#include <stdlib.h>

#include "api_world.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cred/jwt.h"
#include "token/issuer.h"

enum { HEADERS_MAX = 17000, REVOKED_MS = 1500 };

struct pair {
	char access[8192 + 1], refresh[256 + 1];
	struct id login;
};

static void take_pair(const struct answer *answer, struct pair *ret)
{
	assert_string_equal(answer_text(answer, "tokenType"), "Bearer");
	assert_true(str_copy(ret->access, sizeof(ret->access),
	                     str_of(answer_text(answer, "accessToken"))));
	assert_true(str_copy(ret->refresh, sizeof(ret->refresh),
	                     str_of(answer_text(answer, "refreshToken"))));
	assert_true(id_parse(str_of(answer_text(answer, "login")), &ret->login));
}

static void begin(const char *key, const char *body, struct pair *ret)
{
	struct answer answer = ask(&(struct ask){
		.key = key, .method = "POST", .path = "/api/v1/tokens", .body = body });

	assert_int_equal(answer.status, 201);
	take_pair(&answer, ret);
	answer_free(&answer);
}

static struct answer refresh(const char *token)
{
	char body[512];

	(void)snprintf(body, sizeof(body), "{\"refreshToken\":\"%s\"}", token);
	return ask(&(struct ask){
		.node = 1, .method = "POST", .path = "/api/v1/tokens/refresh", .body = body });
}

/* The status of a request with this token on a node. */
static int status_on(unsigned node, const char *method, const char *path, const char *token)
{
	static char headers[HEADERS_MAX];
	struct answer answer;
	int status;

	(void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", token);
	answer = ask(
		&(struct ask){ .node = node, .method = method, .path = path, .headers = headers });
	status = answer.status;
	answer_free(&answer);
	return status;
}

/* Until both nodes refuse it; fails after REVOKED_MS. */
static void await_refusal(const char *token)
{
	uint64_t until = clock_mono_ms() + REVOKED_MS;

	for (unsigned node = 0; node < API_NODES; node++) {
		while (status_on(node, "GET", "/api/v1/sessions", token) != 401) {
			assert_true(clock_mono_ms() < until);
		}
	}
}

static void a_token_acts_for_its_user_on_every_node(void **state)
{
	char key[128];
	struct pair pair;
	struct id user;

	(void)state;
	make_user("viewer", &user, key);
	begin(key, NULL, &pair);
	for (unsigned node = 0; node < API_NODES; node++) {
		assert_int_equal(status_on(node, "GET", "/api/v1/sessions", pair.access), 200);
		assert_int_equal(status_on(node, "GET", "/api/v1/workers", pair.access), 403);
		assert_int_equal(status_on(node, "GET", "/api/v1/sessions", pair.refresh), 401);
		assert_int_equal(status_on(node, "POST", "/api/v1/tokens", pair.access), 403);
	}
	make_user("operator", &user, key);
	begin(key, "{\"scopes\":[\"session:read\"],\"client\":\"a test\"}", &pair);
	assert_int_equal(status_on(0, "GET", "/api/v1/sessions", pair.access), 200);
	assert_int_equal(status_on(0, "DELETE", "/api/v1/schedules/x", pair.access), 403);
}

static void nobody_gets_more_than_they_have(void **state)
{
	char key[128];
	struct id user;

	(void)state;
	make_user("viewer", &user, key);
	expect(&(struct ask){ .key = key,
	                      .method = "POST",
	                      .path = "/api/v1/tokens",
	                      .body = "{\"scopes\":[\"task:write\"]}" },
	       400);
	expect(&(struct ask){ .key = key,
	                      .method = "POST",
	                      .path = "/api/v1/tokens",
	                      .body = "{\"scopes\":[\"nonsense\"]}" },
	       400);
	expect(&(struct ask){ .key = api_keys.all, .method = "POST", .path = "/api/v1/tokens" },
	       403);
}

static void a_login_goes_on_by_its_refresh_token_until_an_old_one_returns(void **state)
{
	char key[128];
	struct pair first, second;
	struct answer answer;
	struct id user;

	(void)state;
	make_user("viewer", &user, key);
	begin(key, NULL, &first);
	answer = refresh(first.refresh);
	assert_int_equal(answer.status, 200);
	take_pair(&answer, &second);
	answer_free(&answer);
	assert_true(id_eq(&first.login, &second.login));
	assert_int_equal(status_on(0, "GET", "/api/v1/sessions", second.access), 200);
	answer = refresh(first.refresh);
	assert_int_equal(answer.status, 401);
	answer_free(&answer);
	await_refusal(second.access);
	answer = refresh(second.refresh);
	assert_int_equal(answer.status, 401);
	answer_free(&answer);
	answer = refresh("fl_refresh_nonsense");
	assert_int_equal(answer.status, 401);
	answer_free(&answer);
}

static void logins_are_listed_and_ended(void **state)
{
	char key[128], path[128], body[512];
	struct pair one, two, three;
	struct answer answer;
	struct id user;

	(void)state;
	make_user("viewer", &user, key);
	begin(key, "{\"client\":\"one\"}", &one);
	begin(key, "{\"client\":\"two\"}", &two);
	begin(key, NULL, &three);
	answer = ask(&(struct ask){ .key = key, .method = "GET", .path = "/api/v1/tokens" });
	assert_int_equal(json_count(answer_at(&answer, "items")), 3);
	assert_string_equal(answer_text(&answer, "items/1/client"), "two");
	answer_free(&answer);
	(void)snprintf(path, sizeof(path), "/api/v1/tokens/%s", one.login.s);
	expect(&(struct ask){ .key = api_keys.foreign, .method = "DELETE", .path = path }, 404);
	expect(&(struct ask){ .key = api_keys.reader, .method = "DELETE", .path = path }, 404);
	expect(&(struct ask){ .key = key, .method = "DELETE", .path = path }, 204);
	expect(&(struct ask){ .key = key, .method = "DELETE", .path = path }, 404);
	await_refusal(one.access);
	(void)snprintf(body, sizeof(body), "{\"refreshToken\":\"%s\"}", two.refresh);
	for (unsigned i = 0; i < 2; i++) {
		expect(&(struct ask){ .method = "POST",
		                      .path = "/api/v1/tokens/revoke",
		                      .body = body },
		       204);
	}
	await_refusal(two.access);
	(void)snprintf(path, sizeof(path), "/api/v1/tokens?user=%s", user.s);
	expect(&(struct ask){ .key = api_keys.all, .method = "DELETE", .path = path }, 403);
	answer = ask(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path });
	assert_int_equal(json_as_i64(answer_at(&answer, "ended")), 1);
	answer_free(&answer);
	await_refusal(three.access);
}

static void a_user_who_is_gone_has_no_tokens(void **state)
{
	char key[128];
	struct pair pair;
	struct answer answer;
	struct id user;

	(void)state;
	make_user("operator", &user, key);
	begin(key, NULL, &pair);
	assert_int_equal(status_on(1, "GET", "/api/v1/sessions", pair.access), 200);
	drop_user(&user);
	await_refusal(pair.access);
	answer = refresh(pair.refresh);
	assert_int_equal(answer.status, 401);
	answer_free(&answer);
}

static void a_credential_of_each_kind_is_one_too_many(void **state)
{
	static char headers[HEADERS_MAX];
	char key[128];
	struct pair pair;
	struct id user;

	(void)state;
	make_user("viewer", &user, key);
	begin(key, NULL, &pair);
	(void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nX-API-Key: %s\r\n",
	               pair.access, key);
	expect(&(struct ask){ .method = "GET", .path = "/api/v1/sessions", .headers = headers },
	       401);
	(void)snprintf(headers, sizeof(headers),
	               "Authorization: Bearer %s\r\nAuthorization: Bearer %s\r\n", pair.access,
	               pair.access);
	expect(&(struct ask){ .method = "GET", .path = "/api/v1/sessions", .headers = headers },
	       401);
	(void)snprintf(headers, sizeof(headers), "/api/v1/sessions?access_token=%s", pair.access);
	expect(&(struct ask){ .method = "GET", .path = headers }, 400);
}

static void the_published_keys_verify_what_was_signed(void **state)
{
	char key[128];
	struct pair pair;
	struct answer answer;
	struct cred_jwks *set;
	struct cred_jwt jwt;
	struct buf json;
	struct id user;
	struct err err;

	(void)state;
	make_user("viewer", &user, key);
	begin(key, NULL, &pair);
	answer = ask(&(struct ask){ .node = 1, .method = "GET", .path = "/.well-known/jwks.json" });
	assert_int_equal(answer.status, 200);
	buf_init(&json, CRED_JWKS_TEXT_MAX);
	json_format(answer.json, &json);
	set = cred_jwks_parse(buf_str(&json), CRED_RS256, NULL, &err);
	assert_non_null(set);
	assert_int_equal(cred_jwt_parse(str_of(pair.access), &jwt, &err), ERR_OK);
	assert_true(str_eq(jwt.subject, str_of(user.s)));
	assert_true(cred_jws_verify(&jwt.jws, cred_jwks_find(set, jwt.jws.kid, CRED_ES256)));
	cred_jwt_fini(&jwt);
	cred_jwks_free(set);
	buf_fini(&json);
	answer_free(&answer);
}

static void keys_are_rotated_by_the_systems_operators(void **state)
{
	char key[128];
	struct pair pair;
	struct answer answer;
	struct id user;

	(void)state;
	make_user("admin", &user, key);
	begin(key, NULL, &pair);
	expect(&(struct ask){ .key = key, .method = "POST", .path = "/api/v1/signing-keys/rotate" },
	       403);
	answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "POST", .path = "/api/v1/signing-keys/rotate" });
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_count(answer_at(&answer, "keys")), 2);
	answer_free(&answer);
	assert_int_equal(status_on(0, "GET", "/api/v1/sessions", pair.access), 200);
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "POST",
	                            .path = "/api/v1/signing-keys/rotate?when=now" });
	assert_int_equal(json_count(answer_at(&answer, "keys")), 1);
	answer_free(&answer);
	assert_int_equal(status_on(0, "GET", "/api/v1/sessions", pair.access), 401);
	begin(key, NULL, &pair);
	assert_int_equal(status_on(1, "GET", "/api/v1/sessions", pair.access), 200);
}

#define ISSUER "\"tenant\":\"acme\",\"issuer\":\"https://idp.example\",\"audience\":\"fairlead\""

static void expect_post_by_admin(const char *body, int status)
{
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "POST",
	                      .path = "/api/v1/issuers",
	                      .body = body },
	       status);
}

/* What a row with these further members is answered with; 201: it is removed again. */
static int status_of_issuer(const char *members)
{
	char body[1024], path[128];
	struct answer answer;
	int status;

	(void)snprintf(body, sizeof(body), "{%s}", members);
	answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "POST", .path = "/api/v1/issuers", .body = body });
	status = answer.status;
	if (status == 201) {
		(void)snprintf(path, sizeof(path), "/api/v1/issuers/%s",
		               answer_text(&answer, "id"));
		expect_post_by_admin(body, 409);
		expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path },
		       204);
		expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path },
		       404);
	}
	answer_free(&answer);
	return status;
}

static void fill_issuers(struct pg *pg)
{
	struct issuer issuer = {
		.tenant = "acme", .audience = "a", .rsa_alg = CRED_RS256, .role = "viewer"
	};
	struct err err;

	for (unsigned i = 0; i < ISSUERS_MAX; i++) {
		issuer.id = id_new();
		(void)snprintf(issuer.issuer, sizeof(issuer.issuer), "https://full/%u", i);
		assert_int_equal(issuer_create(pg, &issuer, "test", &err), ERR_OK);
	}
}

static void drop_issuers(struct pg *pg)
{
	struct issuer_list list;
	bool deleted;
	struct err err;

	assert_int_equal(issuer_list(pg, &list, &err), ERR_OK);
	for (size_t i = 0; i < list.count; i++) {
		assert_int_equal(issuer_delete(pg, &list.items[i].id, &deleted, &err), ERR_OK);
	}
	free(list.items);
}

/* One that nodes would never look at is not made. */
static void there_are_no_more_issuers_than_are_read(void **state)
{
	(void)state;
	with_pg(fill_issuers);
	expect_post_by_admin("{" ISSUER ",\"role\":\"viewer\"}", 409);
	with_pg(drop_issuers);
	assert_int_equal(status_of_issuer(ISSUER ",\"role\":\"viewer\""), 201);
}

static void issuers_are_rows_of_the_systems_operators(void **state)
{
	struct answer answer;
	struct id user;
	char key[128];

	(void)state;
	make_user("admin", &user, key);
	expect(&(struct ask){ .key = key, .method = "GET", .path = "/api/v1/issuers" }, 403);
	assert_int_equal(status_of_issuer(ISSUER ",\"role\":\"viewer\""), 201);
	assert_int_equal(status_of_issuer(ISSUER ",\"userClaim\":\"email\""), 201);
	assert_int_equal(status_of_issuer(ISSUER ",\"roleClaim\":\"groups\","
	                                         "\"roles\":{\"ops\":\"operator\"},"
	                                         "\"algorithm\":\"PS256\""),
	                 201);
	assert_int_equal(status_of_issuer(ISSUER), 400);
	assert_int_equal(status_of_issuer(ISSUER ",\"role\":\"king\""), 400);
	assert_int_equal(status_of_issuer(ISSUER ",\"role\":\"viewer\",\"userClaim\":\"sub\""),
	                 400);
	assert_int_equal(status_of_issuer(ISSUER ",\"roleClaim\":\"groups\""), 400);
	assert_int_equal(status_of_issuer(ISSUER ",\"roleClaim\":\"g\",\"roles\":{\"a\":\"b\"}"),
	                 400);
	assert_int_equal(status_of_issuer(ISSUER ",\"role\":\"viewer\",\"algorithm\":\"HS256\""),
	                 400);
	assert_int_equal(status_of_issuer(ISSUER ",\"role\":\"viewer\","
	                                         "\"jwksUri\":\"http://idp.example/keys\""),
	                 400);
	assert_int_equal(status_of_issuer("\"tenant\":\"acme\",\"issuer\":\"file:///etc\","
	                                  "\"audience\":\"a\",\"role\":\"viewer\""),
	                 400);
	assert_int_equal(status_of_issuer("\"tenant\":\"nobody\",\"issuer\":\"https://a\","
	                                  "\"audience\":\"a\",\"role\":\"viewer\""),
	                 400);
	answer = ask(
		&(struct ask){ .key = api_keys.admin, .method = "GET", .path = "/api/v1/issuers" });
	assert_int_equal(json_count(answer_at(&answer, "items")), 0);
	answer_free(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_acts_for_its_user_on_every_node),
		cmocka_unit_test(nobody_gets_more_than_they_have),
		cmocka_unit_test(a_login_goes_on_by_its_refresh_token_until_an_old_one_returns),
		cmocka_unit_test(logins_are_listed_and_ended),
		cmocka_unit_test(a_user_who_is_gone_has_no_tokens),
		cmocka_unit_test(a_credential_of_each_kind_is_one_too_many),
		cmocka_unit_test(the_published_keys_verify_what_was_signed),
		cmocka_unit_test(keys_are_rotated_by_the_systems_operators),
		cmocka_unit_test(issuers_are_rows_of_the_systems_operators),
		cmocka_unit_test(there_are_no_more_issuers_than_are_read),
	};
	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
