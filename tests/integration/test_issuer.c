/* Tokens of other issuers, whose keys a real server has. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth_token.h"
#include "base/clock.h"
#include "cred/jws.h"
#include "fetch/fetch.h"
#include "json/write.h"
#include "oidc/oidc.h"
#include "pg_world.h"
#include "tenant/tenant_store.h"
#include "token/bearer.h"
#include "token/issuer.h"

enum { PATH_SIZE = 512, BASE_SIZE = 64, CLAIMS_SIZE = 2048, WAITERS = 8 };

#define TENANT "issuers"
#define USER   "01ARZ3NDEKTSV4RRFFQ69G5FAV"

SQL(test_issuer_clear, "WITH a AS (DELETE FROM issuers), b AS (DELETE FROM memberships) "
                       "DELETE FROM users");
SQL(test_issuer_discover, "UPDATE issuers SET jwks_uri = NULL");
SQL(test_issuer_user, "INSERT INTO users (id, kind, name, email, home_id) VALUES "
                      "('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'person', 'Ada', 'ada@example.org', "
                      "'issuers')");
SQL(test_issuer_member, "INSERT INTO memberships (tenant_id, user_id, role) VALUES "
                        "('issuers', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'operator')");

struct site {
	struct world *world;
	struct fetch *fetch;
	struct issuers *issuers;
	struct cred_jwk *key;
	char base[BASE_SIZE]; /* the issuer */
};

static void put(const char *name, const char *text)
{
	char path[PATH_SIZE];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", getenv("TEST_HTTPS_DIR"), name);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

static void publish(const struct cred_jwk *key)
{
	struct buf json;

	buf_init(&json, CRED_JWKS_TEXT_MAX);
	buf_add_cstr(&json, "{\"keys\":[");
	cred_jwk_format(key, &json);
	buf_add_cstr(&json, "]}");
	put("keys", buf_cstr(&json));
	buf_fini(&json);
}

/* How often that was asked for. */
static unsigned asked_for(const char *name)
{
	char path[PATH_SIZE], line[PATH_SIZE];
	unsigned count = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/asked", getenv("TEST_HTTPS_DIR"));
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		count += strstr(line, name) != NULL;
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	return count;
}

static void site_open(struct site *site, struct world *world)
{
	char path[PATH_SIZE];
	struct err err;

	*site = (struct site){ .world = world };
	assert_int_equal(tenant_ensure(world->pg, TENANT, &err), ERR_OK);
	tell(world->admin, "", &test_issuer_clear, NULL);
	tell(world->pg, "", &test_issuer_user, NULL);
	tell(world->pg, "", &test_issuer_member, NULL);
	site->fetch = fetch_new(world->loop,
	                        &(struct fetch_options){ .ca_file = getenv("TEST_HTTPS_CA") });
	site->issuers =
		issuer_new(&(struct issuer_options){ .pg = world->pg, .fetch = site->fetch });
	site->key = cred_jwk_generate("k1");
	(void)snprintf(site->base, sizeof(site->base), "%s", getenv("TEST_HTTPS_URL"));
	publish(site->key);
	put("keys.headers", "Cache-Control: max-age=600");
	(void)snprintf(path, sizeof(path), "%s/asked", getenv("TEST_HTTPS_DIR"));
	(void)remove(path);
}

static void site_close(struct site *site)
{
	issuer_free(site->issuers);
	fetch_free(site->fetch);
	cred_jwk_free(site->key);
}

static void take(struct site *site, const struct issuer *like)
{
	struct issuer issuer = *like;
	struct err err;

	issuer.id = id_new();
	(void)str_copy(issuer.tenant, sizeof(issuer.tenant), STR_LIT(TENANT));
	(void)str_copy(issuer.issuer, sizeof(issuer.issuer), str_of(site->base));
	(void)str_copy(issuer.audience, sizeof(issuer.audience), STR_LIT("fairlead"));
	issuer.rsa_alg = CRED_RS256;
	if (issuer_create(site->world->pg, &issuer, "test", &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void take_with_keys(struct site *site, const char *path, const char *role)
{
	struct issuer issuer = { .rsa_alg = CRED_RS256 };

	(void)snprintf(issuer.jwks_uri, sizeof(issuer.jwks_uri), "%s%s", site->base, path);
	(void)str_copy(issuer.role, sizeof(issuer.role), str_of(role));
	take(site, &issuer);
}

/* more: further claims, each with a comma in front. */
static void sign(const struct site *site, const struct cred_jwk *key, const char *more,
                 struct buf *token)
{
	char claims[CLAIMS_SIZE];

	(void)snprintf(claims, sizeof(claims),
	               "{\"iss\":\"%s\",\"aud\":\"fairlead\",\"sub\":\"repo:a/b\",\"exp\":%lld%s}",
	               site->base, (long long)(clock_wall_us() / 1000000 + 3600), more);
	buf_init(token, CRED_TOKEN_MAX);
	assert_true(cred_jws_sign(key, CRED_TYP_JWT, str_of(claims), token));
}

static enum err_code verify_with(struct site *site, const struct cred_jwk *key, const char *more,
                                 struct issuer_said *ret)
{
	struct buf token;
	struct err err;
	enum err_code code;

	sign(site, key, more, &token);
	code = issuer_verify(site->issuers, buf_str(&token), ret, &err);
	buf_fini(&token);
	return code;
}

static enum err_code verify(struct site *site, const char *more, struct issuer_said *ret)
{
	return verify_with(site, site->key, more, ret);
}

/* ---- keys ---- */

/* The monotonic clock of the tests, some milliseconds ahead. */
static uint64_t ahead_us;

static uint64_t mono_ahead(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 + ahead_us;
}

static int64_t wall_as_it_is(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Before any wait begins: deadlines are counted from now on. */
static void go_on(uint64_t ms)
{
	ahead_us += ms * 1000;
}

static void keys_body(struct world *world)
{
	struct cred_jwk *stranger = cred_jwk_generate("k1"), *unknown = cred_jwk_generate("k2");
	struct issuer_said said;
	struct site site;

	clock_replace(mono_ahead, wall_as_it_is);
	site_open(&site, world);
	assert_int_equal(verify(&site, "", &said), ERR_UNAUTHORIZED); /* nobody vouches */
	go_on(ISSUER_LOOK_MS);
	take_with_keys(&site, "/keys", "viewer");
	assert_int_equal(verify(&site, "", &said), ERR_OK);
	assert_string_equal(said.tenant, TENANT);
	assert_string_equal(said.subject, "repo:a/b");
	assert_string_equal(said.role, "viewer");
	assert_string_equal(said.user, "");
	assert_int_equal(verify(&site, "", &said), ERR_OK);
	assert_int_equal(asked_for("/keys"), 1);
	assert_int_equal(verify_with(&site, stranger, "", &said), ERR_UNAUTHORIZED);
	/* A key that is not known is asked for, but not at once after the last time. */
	publish(unknown);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(verify_with(&site, unknown, "", &said), ERR_UNAUTHORIZED);
	}
	assert_int_equal(asked_for("/keys"), 1);
	cred_jwk_free(stranger);
	cred_jwk_free(unknown);
	site_close(&site);
	clock_replace(NULL, NULL);
}

static void keys_are_fetched_once_and_for_unknown_names_seldom(void **state)
{
	(void)state;
	world_run(keys_body);
}

static void rotate_body(struct world *world)
{
	struct cred_jwk *next = cred_jwk_generate("k2");
	struct issuer_said said;
	struct site site;

	clock_replace(mono_ahead, wall_as_it_is);
	site_open(&site, world);
	take_with_keys(&site, "/keys", "viewer");
	assert_int_equal(verify(&site, "", &said), ERR_OK);
	publish(next);
	go_on(ISSUER_MISS_MS);
	assert_int_equal(verify_with(&site, next, "", &said), ERR_OK);
	assert_int_equal(asked_for("/keys"), 2);
	assert_int_equal(verify(&site, "", &said), ERR_UNAUTHORIZED);
	/* Away: what is known is used for a day. */
	put("keys", "nonsense");
	go_on(600 * 1000);
	assert_int_equal(verify_with(&site, next, "", &said), ERR_OK);
	assert_int_equal(asked_for("/keys"), 3);
	go_on((uint64_t)ISSUER_STALE_S * 1000 + 1000);
	assert_int_equal(verify_with(&site, next, "", &said), ERR_UNAVAILABLE);
	publish(next);
	go_on(ISSUER_MISS_MS);
	assert_int_equal(verify_with(&site, next, "", &said), ERR_OK);
	site_close(&site);
	cred_jwk_free(next);
	clock_replace(NULL, NULL);
}

static void keys_are_renewed_and_outlive_their_issuers_absence(void **state)
{
	(void)state;
	world_run(rotate_body);
}

struct waiter {
	struct site *site;
	enum err_code code;
};

static void wait_for_keys(void *arg)
{
	struct waiter *waiter = arg;
	struct issuer_said said;

	waiter->code = verify(waiter->site, "", &said);
}

static void flight_body(struct world *world)
{
	struct waiter waiters[WAITERS];
	struct issuer_said said;
	struct site site;

	clock_replace(mono_ahead, wall_as_it_is);
	site_open(&site, world);
	assert_int_equal(verify(&site, "", &said), ERR_UNAUTHORIZED);
	go_on(ISSUER_LOOK_MS);
	take_with_keys(&site, "/keys", "viewer");
	for (size_t i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){ &site, ERR_INTERNAL };
		(void)fiber_start(world->loop, &world->group, "waiter", wait_for_keys, &waiters[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	assert_int_equal(waiters[0].code, ERR_OK);
	assert_int_equal(asked_for("/keys"), 1);
	for (size_t i = 0; i < WAITERS; i++) {
		(void)fiber_start(world->loop, &world->group, "waiter", wait_for_keys, &waiters[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < WAITERS; i++) {
		assert_int_equal(waiters[i].code, ERR_OK);
	}
	assert_int_equal(asked_for("/keys"), 1);
	site_close(&site);
	clock_replace(NULL, NULL);
}

static void many_who_wait_for_keys_ask_once(void **state)
{
	(void)state;
	world_run(flight_body);
}

static void put_discovery(const char *document)
{
	char folder[PATH_SIZE];

	(void)snprintf(folder, sizeof(folder), "mkdir -p '%s/.well-known'",
	               getenv("TEST_HTTPS_DIR"));
	assert_int_equal(system(folder), 0);
	put(".well-known/openid-configuration", document);
}

static void discovery_body(struct world *world)
{
	char document[CLAIMS_SIZE];
	struct issuer_said said;
	struct site site;

	clock_replace(mono_ahead, wall_as_it_is);
	site_open(&site, world);
	(void)snprintf(document, sizeof(document),
	               "{\"issuer\":\"https://other.example\",\"jwks_uri\":\"%s/keys\"}",
	               site.base);
	put_discovery(document);
	take_with_keys(&site, "", "viewer");
	tell(world->pg, "", &test_issuer_discover, NULL);
	assert_int_equal(verify(&site, "", &said), ERR_UNAVAILABLE);
	(void)snprintf(document, sizeof(document), "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\"}",
	               site.base, site.base);
	put_discovery(document);
	go_on(ISSUER_MISS_MS);
	assert_int_equal(verify(&site, "", &said), ERR_OK);
	/* Plain http is not taken from a document either. */
	(void)snprintf(document, sizeof(document), "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\"}",
	               site.base, getenv("TEST_HTTP_URL"));
	put_discovery(document);
	go_on((uint64_t)(ISSUER_STALE_S + 700) * 1000);
	assert_int_equal(verify(&site, "", &said), ERR_UNAVAILABLE);
	site_close(&site);
	clock_replace(NULL, NULL);
}

struct leaver {
	struct oidc *oidc;
	enum err_code code;
};

static void leave(void *arg)
{
	struct leaver *leaver = arg;
	CLEANUP(buf_fini) struct buf address = { 0 };
	CLEANUP(buf_fini) struct buf cookie = { 0 };
	struct err err;

	buf_init(&address, OIDC_ADDRESS_MAX);
	buf_init(&cookie, OIDC_COOKIE_MAX);
	leaver->code = oidc_begin(leaver->oidc, &oidc_providers_of(leaver->oidc)->items[0],
	                          "https://us.example/auth/callback", STR_LIT("/"), &address,
	                          &cookie, &err);
}

/* All that come at once wait for one answer; after one that was no good the others are told so. */
static void leave_at_once(struct world *world, struct oidc *oidc, enum err_code wanted)
{
	struct leaver leavers[WAITERS];

	for (size_t i = 0; i < WAITERS; i++) {
		leavers[i] = (struct leaver){ oidc, ERR_INTERNAL };
		(void)fiber_start(world->loop, &world->group, "leaver", leave, &leavers[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < WAITERS; i++) {
		assert_int_equal(leavers[i].code, wanted);
	}
}

static void provider_body(struct world *world)
{
	struct oidc_options options = { .plain = false };
	char text[CLAIMS_SIZE];
	struct oidc *oidc;
	struct site site;
	struct err err;

	clock_replace(mono_ahead, wall_as_it_is);
	site_open(&site, world);
	(void)snprintf(
		text, sizeof(text),
		"{\"providers\":[{\"name\":\"corp\",\"issuer\":\"%s\",\"clientId\":\"me\"}]}",
		site.base);
	assert_int_equal(oidc_providers_parse(str_of(text), 0, &options.providers, &err), ERR_OK);
	options.fetch = site.fetch;
	oidc = oidc_new(&options);
	put_discovery("{}");
	leave_at_once(world, oidc, ERR_UNAVAILABLE);
	assert_int_equal(asked_for("openid-configuration"), 1);
	(void)snprintf(text, sizeof(text),
	               "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\",\"token_endpoint\":\"%s/t\","
	               "\"authorization_endpoint\":\"%s/a\"}",
	               site.base, site.base, site.base, site.base);
	put_discovery(text);
	go_on(OIDC_FETCH_MS);
	leave_at_once(world, oidc, ERR_OK);
	leave_at_once(world, oidc, ERR_OK);
	assert_int_equal(asked_for("openid-configuration"), 2);
	oidc_free(oidc);
	site_close(&site);
	clock_replace(NULL, NULL);
}

static void a_provider_is_asked_once_for_all_who_log_in_at_once(void **state)
{
	(void)state;
	world_run(provider_body);
}

static void keys_are_found_by_a_discovery_document_of_that_issuer(void **state)
{
	(void)state;
	world_run(discovery_body);
}

static void bad_server_body(struct world *world)
{
	static const char *const paths[] = { "/redirect", "/endless", "/status/500", "/cut",
		                             "/nothing" };
	struct issuer_said said;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct site site;

		site_open(&site, world);
		take_with_keys(&site, paths[i], "viewer");
		assert_int_equal(verify(&site, "", &said), ERR_UNAVAILABLE);
		site_close(&site);
	}
}

static void what_a_server_should_not_do_gives_no_keys(void **state)
{
	(void)state;
	world_run(bad_server_body);
}

/* ---- who it is ---- */

static void claims_body(struct world *world)
{
	struct issuer by_role = { .role_claim = "groups",
		                  .roles = "{\"ops\":\"operator\",\"all\":\"viewer\","
		                           "\"root\":\"admin\"}" };
	struct issuer_said said;
	struct site site;

	site_open(&site, world);
	(void)snprintf(by_role.jwks_uri, sizeof(by_role.jwks_uri), "%s/keys", site.base);
	take(&site, &by_role);
	assert_int_equal(verify(&site, ",\"groups\":[\"all\",\"ops\"]", &said), ERR_OK);
	assert_string_equal(said.role, "operator");
	assert_int_equal(verify(&site, ",\"groups\":\"root\"", &said), ERR_OK);
	assert_string_equal(said.role, "admin");
	assert_int_equal(verify(&site, ",\"groups\":[\"rooty\",\"ro\",7]", &said),
	                 ERR_UNAUTHORIZED);
	assert_int_equal(verify(&site, ",\"groups\":{\"root\":true}", &said), ERR_UNAUTHORIZED);
	assert_int_equal(verify(&site, "", &said), ERR_UNAUTHORIZED);
	site_close(&site);
}

static void a_role_comes_from_a_claim(void **state)
{
	(void)state;
	world_run(claims_body);
}

static enum err_code check(struct auth *auth, struct site *site, const char *more,
                           struct principal *ret)
{
	struct buf token;
	struct err err;
	enum err_code code;

	sign(site, site->key, more, &token);
	code = auth_token_check(auth, buf_str(&token), ret, &err);
	buf_fini(&token);
	return code;
}

static void member_body(struct world *world)
{
	struct cred_pepper pepper = cred_pepper_from(STR_LIT("a"));
	struct bearers *bearers = bearer_new(&(struct bearer_options){
		.signing = { .pg = world->pg, .secret = pepper, .access_s = 900, .life_s = 86400 },
		.issuer = "us",
		.audience = "api" });
	struct issuer by_email = { .user_claim = "email" };
	struct auth_options options = { .pg = world->pg, .pepper = pepper, .bearers = bearers };
	struct principal who;
	struct auth *auth;
	struct site site;

	site_open(&site, world);
	(void)snprintf(by_email.jwks_uri, sizeof(by_email.jwks_uri), "%s/keys", site.base);
	take(&site, &by_email);
	options.issuers = site.issuers;
	auth = auth_new(&options);
	assert_int_equal(
		check(auth, &site, ",\"email\":\"Ada@example.org\",\"email_verified\":true", &who),
		ERR_OK);
	assert_string_equal(who.user.s, USER);
	assert_string_equal(who.tenant, TENANT);
	assert_int_equal(who.role, AUTH_ROLE_OPERATOR);
	assert_int_equal(who.scopes, auth_role_scopes(AUTH_ROLE_OPERATOR));
	assert_true(who.expires_us <=
	            clock_wall_us() + (int64_t)AUTH_FOREIGN_LIFE_S * INT64_C(1000000));
	assert_int_equal(check(auth, &site, ",\"email\":\"ada@example.org\"", &who),
	                 ERR_UNAUTHORIZED);
	assert_int_equal(check(auth, &site,
	                       ",\"email\":\"ada@example.org\",\"email_verified\":\"true\"", &who),
	                 ERR_UNAUTHORIZED);
	assert_int_equal(
		check(auth, &site, ",\"email\":\"eve@example.org\",\"email_verified\":true", &who),
		ERR_UNAUTHORIZED);
	auth_free(auth);
	site_close(&site);
	bearer_free(bearers);
}

static void a_member_is_known_by_a_verified_address(void **state)
{
	(void)state;
	world_run(member_body);
}

static void how_long_keys_may_be_kept_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(issuer_keep_s(STR_LIT("")), ISSUER_KEEP_S);
	assert_int_equal(issuer_keep_s(STR_LIT("public, max-age=600")), 600);
	assert_int_equal(issuer_keep_s(STR_LIT("MAX-AGE=1")), ISSUER_KEEP_MIN_S);
	assert_int_equal(issuer_keep_s(STR_LIT("max-age=99999999999")), ISSUER_KEEP_MAX_S);
	assert_int_equal(issuer_keep_s(STR_LIT("max-age=x")), ISSUER_KEEP_S);
	assert_int_equal(issuer_keep_s(STR_LIT("max-age=600, no-store")), ISSUER_KEEP_MIN_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_fetched_once_and_for_unknown_names_seldom),
		cmocka_unit_test(keys_are_renewed_and_outlive_their_issuers_absence),
		cmocka_unit_test(many_who_wait_for_keys_ask_once),
		cmocka_unit_test(keys_are_found_by_a_discovery_document_of_that_issuer),
		cmocka_unit_test(a_provider_is_asked_once_for_all_who_log_in_at_once),
		cmocka_unit_test(what_a_server_should_not_do_gives_no_keys),
		cmocka_unit_test(a_role_comes_from_a_claim),
		cmocka_unit_test(a_member_is_known_by_a_verified_address),
		cmocka_unit_test(how_long_keys_may_be_kept_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
