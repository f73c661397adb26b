/* API keys against a real server. */
#include <stdio.h>

#include "auth/auth.h"
#include "auth/auth_http.h"
#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "http/reply.h"
#include "pg_world.h"
#include "tenant/tenant_store.h"

enum { CACHE_MS = 200 };

#define TENANT "keys"

SQL(test_clear_keys, "DELETE FROM api_keys");
SQL(test_rename_scopes, "UPDATE api_keys SET scopes = '{nonsense,task:write}'");
SQL(test_disable_tenant, "UPDATE tenants SET disabled_at = now() WHERE id = 'keys'");
SQL(test_enable_tenant, "UPDATE tenants SET disabled_at = NULL WHERE id = 'keys'");
SQL(test_times_used, "SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL");
SQL(test_use_long_ago, "UPDATE api_keys SET last_used_at = now() - interval '2 minutes'");
SQL(test_used_just_now,
    "SELECT count(*) FROM api_keys WHERE last_used_at > now() - interval '1 minute'");
SQL(test_secret_at_rest, "SELECT count(*) FROM api_keys k WHERE k::text LIKE '%fl_live%'");

static struct cred_pepper pepper(void)
{
	return cred_pepper_from(STR_LIT("a pepper for tests"));
}

static struct auth *auth_with(struct world *world, unsigned cache_ms)
{
	struct auth_options options = { .pg = world->pg, .pepper = pepper(), .cache_ms = cache_ms };

	return auth_new(&options);
}

static void clear(struct world *world)
{
	struct err err;

	assert_int_equal(tenant_ensure(world->pg, TENANT, &err), ERR_OK);
	tell(world->pg, "", &test_enable_tenant, NULL);
	tell(world->pg, "", &test_clear_keys, NULL);
}

static struct id create(struct world *world, const char *namespaces, int64_t expires_us,
                        char text[CRED_KEY_MAX + 1])
{
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "laptop",
		                    .scopes = auth_bit(AUTH_SESSION_READ),
		                    .namespaces = namespaces,
		                    .expires_us = expires_us };
	struct cred_pepper p = pepper();
	struct err err;
	struct id id;

	if (auth_key_create(world->pg, &key, &p, text, &id, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return id;
}

static enum err_code check(struct auth *auth, const char *text, struct principal *ret)
{
	struct err err;

	return auth_check(auth, str_of(text), ret, &err);
}

static void use_body(struct world *world)
{
	struct auth *auth = auth_with(world, 0);
	struct principal principal;
	char text[CRED_KEY_MAX + 1];
	struct id id;

	clear(world);
	id = create(world, "ci,prod", 0, text);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	assert_string_equal(principal.tenant, TENANT);
	assert_true(id_eq(&principal.key, &id));
	assert_int_equal(principal.scopes, auth_bit(AUTH_SESSION_READ));
	assert_false(principal.any_namespace);
	assert_string_equal(principal.namespaces, "ci,prod");
	assert_int_equal(number(world->pg, "", &test_secret_at_rest), 0);
	tell(world->pg, "", &test_rename_scopes, NULL);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	assert_int_equal(principal.scopes, auth_bit(AUTH_TASK_WRITE));
	(void)create(world, NULL, 0, text);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	assert_true(principal.any_namespace);
	auth_free(auth);
}

static void a_key_is_its_tenant_scopes_and_namespaces(void **state)
{
	(void)state;
	world_run(use_body);
}

static void refuse_body(struct world *world)
{
	struct auth *auth = auth_with(world, 0);
	struct auth_options other = { .pg = world->pg,
		                      .pepper = cred_pepper_from(STR_LIT("another")) };
	struct auth *wrong_pepper = auth_new(&other);
	struct cred_key key, forged;
	struct principal principal;
	char text[CRED_KEY_MAX + 1];
	struct err err;
	struct id id;
	bool revoked;

	clear(world);
	id = create(world, NULL, 0, text);
	assert_int_equal(check(wrong_pepper, text, &principal), ERR_UNAUTHORIZED);
	assert_int_equal(cred_key_parse(str_of(text), &key), CRED_KEY_OK);
	forged = cred_key_new(NULL);
	forged.id = key.id;
	cred_key_format(&forged, text);
	assert_int_equal(check(auth, text, &principal), ERR_UNAUTHORIZED);
	forged = cred_key_new(NULL);
	cred_key_format(&forged, text);
	assert_int_equal(check(auth, text, &principal), ERR_UNAUTHORIZED);

	cred_key_format(&key, text);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	tell(world->pg, "", &test_disable_tenant, NULL);
	assert_int_equal(check(auth, text, &principal), ERR_UNAUTHORIZED);
	tell(world->pg, "", &test_enable_tenant, NULL);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	assert_int_equal(auth_key_revoke(world->pg, "other", &id, &revoked, &err), ERR_OK);
	assert_false(revoked);
	assert_int_equal(auth_key_revoke(world->pg, TENANT, &id, &revoked, &err), ERR_OK);
	assert_true(revoked);
	assert_int_equal(auth_key_revoke(world->pg, TENANT, &id, &revoked, &err), ERR_OK);
	assert_false(revoked);
	assert_int_equal(check(auth, text, &principal), ERR_UNAUTHORIZED);
	(void)create(world, NULL, clock_wall_us() - 1000000, text);
	assert_int_equal(check(auth, text, &principal), ERR_UNAUTHORIZED);
	(void)create(world, NULL, clock_wall_us() + 60000000, text);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	auth_free(auth);
	auth_free(wrong_pepper);
}

static void a_wrong_revoked_expired_or_disabled_key_is_refused(void **state)
{
	(void)state;
	world_run(refuse_body);
}

/* The cache's clock, stopped: drivers and fibers ask it too, so it stands only around a check. */
static uint64_t stopped_us;

static uint64_t stopped_mono(void)
{
	return stopped_us;
}

static void cache_body(struct world *world)
{
	struct auth *auth = auth_with(world, CACHE_MS);
	struct principal principal;
	char text[CRED_KEY_MAX + 1];
	struct cred_key unknown = cred_key_new(NULL);
	char unknown_text[CRED_KEY_MAX + 1];
	struct err err;
	struct id id;
	bool revoked;

	clear(world);
	id = create(world, NULL, 0, text);
	cred_key_format(&unknown, unknown_text);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	assert_int_equal(check(auth, unknown_text, &principal), ERR_UNAUTHORIZED);
	stopped_us = clock_mono_us();
	assert_int_equal(auth_key_revoke(world->pg, TENANT, &id, &revoked, &err), ERR_OK);
	clock_replace(stopped_mono, clock_wall_us);
	principal.tenant[0] = '\0';
	assert_int_equal(check(auth, text, &principal), ERR_OK); /* remembered */
	assert_string_equal(principal.tenant, TENANT);
	assert_int_equal(check(auth, unknown_text, &principal), ERR_UNAUTHORIZED);
	stopped_us += CACHE_MS * 1000 + 1;
	clock_replace(NULL, NULL);
	while (clock_mono_us() < stopped_us) {
		assert_int_equal(fiber_sleep(10), ERR_OK);
	}
	assert_int_equal(check(auth, text, &principal), ERR_UNAUTHORIZED);
	auth_free(auth);
}

static void a_revoked_key_works_until_the_cache_forgets(void **state)
{
	(void)state;
	world_run(cache_body);
}

static void touch_body(struct world *world)
{
	struct auth *auth = auth_with(world, 0);
	struct principal principal;
	char text[CRED_KEY_MAX + 1];

	clear(world);
	(void)create(world, NULL, 0, text);
	assert_int_equal(number(world->pg, "", &test_times_used), 0);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	assert_int_equal(number(world->pg, "", &test_times_used), 0); /* not while it waits */
	auth_note_uses(auth);
	assert_int_equal(number(world->pg, "", &test_times_used), 1);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	auth_note_uses(auth);
	tell(world->pg, "", &test_use_long_ago, NULL);
	assert_int_equal(check(auth, text, &principal), ERR_OK);
	auth_note_uses(auth);
	assert_int_equal(number(world->pg, "", &test_used_just_now), 1);
	auth_free(auth);
}

static void the_last_use_of_a_key_is_noted(void **state)
{
	(void)state;
	world_run(touch_body);
}

static void list_body(struct world *world)
{
	struct arena *arena = arena_new();
	struct auth_key_new bad = { .tenant = TENANT, .name = "", .scopes = auth_bit(AUTH_ADMIN) };
	struct cred_pepper p = pepper();
	struct auth_key_filter mine = { .tenant = TENANT, .max = 10 };
	const struct auth_key_filter others = { .tenant = "other", .max = 10 };
	struct auth_key_list list;
	char text[CRED_KEY_MAX + 1];
	struct id first, second, id;
	struct err err;

	clear(world);
	first = create(world, "ci", 0, text);
	second = create(world, NULL, 0, text);
	assert_int_equal(auth_key_list(world->pg, &mine, arena, &list, &err), ERR_OK);
	assert_int_equal(list.count, 2);
	assert_true(id_eq(&list.items[0].id, &second) && id_eq(&list.items[1].id, &first));
	assert_true(str_eq(list.items[1].scopes, STR_LIT("session:read")));
	assert_true(str_eq(list.items[1].namespaces, STR_LIT("ci")));
	assert_true(list.items[0].any_namespace && list.items[0].revoked_us == 0);
	assert_int_equal(auth_key_list(world->pg, &others, arena, &list, &err), ERR_OK);
	assert_int_equal(list.count, 0);

	assert_int_equal(auth_key_create(world->pg, &bad, &p, text, &id, &err), ERR_INVALID);
	bad.name = "x";
	bad.scopes = 0;
	assert_int_equal(auth_key_create(world->pg, &bad, &p, text, &id, &err), ERR_INVALID);
	bad.scopes = auth_bit(AUTH_ADMIN);
	bad.namespaces = "a,,b";
	assert_int_equal(auth_key_create(world->pg, &bad, &p, text, &id, &err), ERR_INVALID);
	bad.namespaces = NULL;
	bad.owner = "";
	assert_int_equal(auth_key_create(world->pg, &bad, &p, text, &id, &err), ERR_INVALID);
	bad.owner = "two\nlines";
	assert_int_equal(auth_key_create(world->pg, &bad, &p, text, &id, &err), ERR_INVALID);
	bad.owner = NULL;
	bad.tenant = "nobody";
	assert_int_equal(auth_key_create(world->pg, &bad, &p, text, &id, &err), ERR_NOT_FOUND);
	arena_free(arena);
}

static void keys_are_listed_newest_first_and_made_with_care(void **state)
{
	(void)state;
	world_run(list_body);
}

static void watch_body(struct world *world)
{
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "laptop",
		                    .scopes = auth_bit(AUTH_SESSION_READ) |
		                              auth_bit(AUTH_SESSION_WRITE),
		                    .owner = "ada" };
	struct cred_pepper p = pepper();
	struct auth_key_found found[3];
	char text[CRED_KEY_MAX + 1], ids[4 * (ID_LEN + 1)];
	struct id owned, old, gone;
	bool changed = false;
	struct err err;
	size_t count = 0;

	clear(world);
	assert_int_equal(auth_key_create(world->pg, &key, &p, text, &owned, &err), ERR_OK);
	old = create(world, NULL, clock_wall_us() - 1, text);
	gone = id_new();
	(void)snprintf(ids, sizeof(ids), "%s,%s,%s", owned.s, old.s, gone.s);
	assert_int_equal(auth_keys_watch(world->pg, ids, 3, found, &count, &err), ERR_OK);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		bool is_old = id_eq(&found[i].principal.key, &old);

		assert_int_equal(found[i].usable, !is_old);
		assert_int_equal(found[i].expired, is_old);
		assert_string_equal(found[i].principal.owner, is_old ? "" : "ada");
		assert_string_equal(found[i].principal.name, "laptop");
	}
	assert_int_equal(number(world->pg, "", &test_times_used), 0);
	assert_int_equal(auth_key_limit(world->pg, TENANT, &owned, auth_bit(AUTH_SESSION_READ),
	                                &changed, &err),
	                 ERR_OK);
	assert_true(changed);
	assert_int_equal(
		auth_key_limit(world->pg, "other", &owned, auth_bit(AUTH_ADMIN), &changed, &err),
		ERR_OK);
	assert_false(changed);
	assert_int_equal(auth_keys_watch(world->pg, owned.s, 1, found, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(found[0].principal.scopes, auth_bit(AUTH_SESSION_READ));
}

static void many_keys_are_looked_at_in_one_go(void **state)
{
	(void)state;
	world_run(watch_body);
}

/* ---- requests ---- */

struct asked {
	struct auth *auth;
	enum auth_scope scope;
	struct http_header headers[3];
	size_t count;
};

/* The status that a request with these headers is refused with, 0 when it is let in; text gets
 * the refusal's header lines and body. */
static int ask_for(const struct asked *asked, struct arena *arena, char **ret_text)
{
	struct http_request req = {
		.arena = arena,
		.headers = asked->headers,
		.header_count = asked->count,
	};
	struct principal principal;
	struct http_reply reply;
	int status = 0;

	http_reply_init(&reply);
	if (!auth_admit(asked->auth, &req, asked->scope, &principal, &reply)) {
		status = reply.status;
	}
	*ret_text = arena_printf(arena, "%s%s", buf_cstr(&reply.headers), buf_cstr(&reply.body));
	http_reply_fini(&reply);
	return status;
}

static void admit_body(struct world *world)
{
	struct arena *arena = arena_new();
	struct asked asked = { .auth = auth_with(world, 0), .scope = AUTH_SESSION_READ };
	char text[CRED_KEY_MAX + 1], *said;

	clear(world);
	(void)create(world, NULL, 0, text);
	assert_int_equal(ask_for(&asked, arena, &said), 401);
	assert_non_null(strstr(said, "WWW-Authenticate: ApiKey"));
	asked.headers[asked.count++] = (struct http_header){ STR_LIT("x-api-key"), str_of(text) };
	assert_int_equal(ask_for(&asked, arena, &said), 0);
	asked.headers[asked.count++] =
		(struct http_header){ STR_LIT("Authorization"),
		                      str_of(arena_printf(arena, "ApiKey %s", text)) };
	assert_int_equal(ask_for(&asked, arena, &said), 0);
	asked.scope = AUTH_TASK_WRITE;
	assert_int_equal(ask_for(&asked, arena, &said), 403);
	assert_non_null(strstr(said, "task:write"));
	asked.scope = AUTH_SESSION_READ;
	asked.headers[asked.count++] = (struct http_header){ STR_LIT("X-API-Key"), str_of(text) };
	assert_int_equal(ask_for(&asked, arena, &said), 401);
	assert_non_null(strstr(said, "repeated"));
	asked.count = 1;
	text[CRED_KEY_LEN - 1] = text[CRED_KEY_LEN - 1] == '0' ? '1' : '0';
	assert_int_equal(ask_for(&asked, arena, &said), 401);
	assert_non_null(strstr(said, "mistyped"));
	auth_free(asked.auth);
	arena_free(arena);
}

static void a_request_is_let_in_or_told_what_it_lacks(void **state)
{
	(void)state;
	world_run(admit_body);
}

static void outage_body(struct world *world)
{
	struct arena *arena = arena_new();
	struct pg_options nowhere = { "host=127.0.0.1 port=1 connect_timeout=2", 1, 200, 200 };
	struct auth_options options = { .pg = pg_new(world->loop, &nowhere), .pepper = pepper() };
	struct asked asked = { .auth = auth_new(&options), .scope = AUTH_SESSION_READ };
	char text[CRED_KEY_MAX + 1], *said;

	clear(world);
	(void)create(world, NULL, 0, text);
	asked.headers[asked.count++] = (struct http_header){ STR_LIT("X-API-Key"), str_of(text) };
	assert_int_equal(ask_for(&asked, arena, &said), 503);
	assert_non_null(strstr(said, "Retry-After: "));
	auth_free(asked.auth);
	pg_free(options.pg);
	arena_free(arena);
}

static void without_a_database_a_key_is_neither_right_nor_wrong(void **state)
{
	(void)state;
	world_run(outage_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_its_tenant_scopes_and_namespaces),
		cmocka_unit_test(a_wrong_revoked_expired_or_disabled_key_is_refused),
		cmocka_unit_test(a_revoked_key_works_until_the_cache_forgets),
		cmocka_unit_test(the_last_use_of_a_key_is_noted),
		cmocka_unit_test(keys_are_listed_newest_first_and_made_with_care),
		cmocka_unit_test(many_keys_are_looked_at_in_one_go),
		cmocka_unit_test(a_request_is_let_in_or_told_what_it_lacks),
		cmocka_unit_test(without_a_database_a_key_is_neither_right_nor_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
