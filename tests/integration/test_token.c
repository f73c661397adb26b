/* Access and refresh tokens, and the keys that sign them, against a real server. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "cred/jwt.h"
#include "json/value.h"
#include "pg_world.h"
#include "tenant/tenant_store.h"
#include "token/bearer.h"
#include "token/refresh.h"

enum { ACCESS_S = 900, KEY_LIFE_S = 30 * 86400, IDLE_S = 3600, LIFE_S = 14 * 86400, CROWD = 8 };

#define TENANT "tokens"
#define USER   "01ARZ3NDEKTSV4RRFFQ69G5FAV"

SQL(test_token_clear, "WITH a AS (DELETE FROM signing_keys), b AS (DELETE FROM refresh_tokens), "
                      "c AS (DELETE FROM memberships) DELETE FROM users");
SQL(test_token_user, "INSERT INTO users (id, kind, name, home_id) VALUES "
                     "('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'person', 'Ada', 'tokens')");
SQL(test_token_member, "INSERT INTO memberships (tenant_id, user_id, role) VALUES "
                       "('tokens', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'operator')");
SQL(test_token_disable, "UPDATE users SET disabled_at = now()");
SQL(test_token_keys, "SELECT count(*) FROM signing_keys");
SQL(test_token_plain, "SELECT count(*) FROM refresh_tokens r WHERE r::text LIKE '%fl_refresh%'");
SQL(test_token_reused, "SELECT count(*) FROM refresh_tokens WHERE revoked_reason = 'reused'");
SQL(test_token_idle, "UPDATE refresh_tokens SET idle_at = now() - interval '1 second'");
SQL(test_token_over, "UPDATE refresh_tokens SET expires_at = now() - interval '1 second'");
SQL(test_token_long_over, "UPDATE refresh_tokens SET expires_at = now() - interval '8 days'");
SQL(test_token_logins, "SELECT count(*) FROM refresh_tokens");
SQL(test_token_age, "UPDATE signing_keys SET activates_at = now() - interval '29 days', "
                    "retires_at = now() + interval '5 minutes'");
SQL(test_token_dead, "UPDATE signing_keys SET activates_at = now() - interval '40 days', "
                     "retires_at = now() - interval '2 hours'");

static struct cred_pepper pepper(const char *text)
{
	return cred_pepper_from(str_of(text));
}

static struct bearers *bearers_with(struct world *world, const char *secret)
{
	return bearer_new(&(struct bearer_options){
		.signing = { .pg = world->pg,
	                     .secret = pepper(secret),
	                     .access_s = ACCESS_S,
	                     .life_s = KEY_LIFE_S },
		.issuer = "us",
		.audience = "api",
	});
}

static void clear(struct world *world)
{
	struct err err;

	assert_int_equal(tenant_ensure(world->pg, TENANT, &err), ERR_OK);
	tell(world->admin, "", &test_token_clear, NULL);
	tell(world->pg, "", &test_token_user, NULL);
	tell(world->pg, "", &test_token_member, NULL);
}

static struct bearer ada(void)
{
	struct bearer bearer = { .tenant = TENANT, .scopes = "session:read,task:write" };

	assert_true(id_parse(STR_LIT(USER), &bearer.user));
	bearer.login = id_new();
	return bearer;
}

static enum err_code issue(struct bearers *bearers, struct bearer *bearer, struct buf *token)
{
	struct err err;

	buf_init(token, CRED_TOKEN_MAX);
	if (bearer_issue(bearers, bearer, token, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return ERR_OK;
}

/* ---- access tokens ---- */

static void issue_body(struct world *world)
{
	struct bearers *one = bearers_with(world, "a"), *two = bearers_with(world, "a");
	struct bearer said = ada(), got;
	struct buf token;
	struct err err;
	bool foreign;

	clear(world);
	assert_int_equal(issue(one, &said, &token), ERR_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bearer_verify(two, buf_str(&token), &got, &foreign, &err), ERR_OK);
		assert_string_equal(got.tenant, TENANT);
		assert_true(id_eq(&got.user, &said.user) && id_eq(&got.login, &said.login));
		assert_string_equal(got.scopes, "session:read,task:write");
		assert_int_equal(got.expires_us, said.expires_us);
	}
	assert_int_equal(number(world->pg, "", &test_token_keys), 1);
	token.data[token.len - 20] = token.data[token.len - 20] == 'A' ? 'B' : 'A';
	assert_int_equal(bearer_verify(two, buf_str(&token), &got, &foreign, &err),
	                 ERR_UNAUTHORIZED);
	assert_int_equal(bearer_verify(two, STR_LIT("nonsense"), &got, &foreign, &err),
	                 ERR_UNAUTHORIZED);
	buf_fini(&token);
	bearer_free(one);
	bearer_free(two);
}

static void a_token_of_one_node_holds_on_another(void **state)
{
	(void)state;
	world_run(issue_body);
}

/* The wall clock of the tests, some seconds ahead. */
static int64_t ahead_us;

static int64_t wall_ahead(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + ahead_us;
}

static uint64_t mono_as_it_is(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void expire_body(struct world *world)
{
	struct bearers *bearers = bearers_with(world, "a");
	struct bearer said = ada(), got;
	struct buf token;
	struct err err;
	bool foreign;

	clear(world);
	assert_int_equal(issue(bearers, &said, &token), ERR_OK);
	assert_int_equal(bearer_verify(bearers, buf_str(&token), &got, &foreign, &err), ERR_OK);
	clock_replace(mono_as_it_is, wall_ahead);
	ahead_us = (int64_t)(ACCESS_S + CRED_LEEWAY_S + 1) * 1000000;
	assert_int_equal(bearer_verify(bearers, buf_str(&token), &got, &foreign, &err),
	                 ERR_UNAUTHORIZED);
	clock_replace(NULL, NULL);
	buf_fini(&token);
	bearer_free(bearers);
}

static void a_token_ends_also_when_it_is_remembered(void **state)
{
	(void)state;
	world_run(expire_body);
}

static void foreign_body(struct world *world)
{
	struct bearers *ours = bearers_with(world, "a"), *others;
	struct bearer said = ada(), got;
	struct buf token, theirs;
	struct err err;
	bool foreign;

	clear(world);
	assert_int_equal(issue(ours, &said, &token), ERR_OK);
	/* With another pepper our keys do not open, so others are made; ours do not know them. */
	others = bearers_with(world, "b");
	assert_int_equal(bearer_verify(others, buf_str(&token), &got, &foreign, &err),
	                 ERR_UNAUTHORIZED);
	assert_int_equal(issue(others, &said, &theirs), ERR_OK);
	assert_int_equal(bearer_verify(ours, buf_str(&theirs), &got, &foreign, &err),
	                 ERR_UNAUTHORIZED);
	buf_fini(&token);
	buf_fini(&theirs);
	bearer_free(ours);
	bearer_free(others);
}

static void without_the_pepper_rows_are_no_keys(void **state)
{
	(void)state;
	world_run(foreign_body);
}

/* ---- keys ---- */

static size_t published(struct bearers *bearers)
{
	CLEANUP(json_value_cleanup) struct json_value *value = NULL;
	struct buf json;
	struct err err;
	size_t count;

	buf_init(&json, 64 * 1024);
	signing_publish(bearer_signing(bearers), clock_wall_us(), &json);
	value = json_parse(buf_str(&json), &err);
	assert_non_null(value);
	assert_null(strstr(buf_cstr(&json), "\"d\""));
	count = json_count(json_get(value, "keys"));
	buf_fini(&json);
	return count;
}

static void rotate_body(struct world *world)
{
	struct bearers *bearers = bearers_with(world, "a"), *fresh;
	struct bearer said = ada(), got;
	struct buf before, after;
	struct err err;
	bool foreign;

	clear(world);
	assert_int_equal(issue(bearers, &said, &before), ERR_OK);
	assert_int_equal(signing_rotate(bearer_signing(bearers), false, &err), ERR_OK);
	assert_int_equal(issue(bearers, &said, &after), ERR_OK);
	assert_int_equal(published(bearers), 2);
	/* The next key is not used yet: the same one signed both. */
	assert_memory_equal(before.data, after.data, strcspn(buf_cstr(&before), "."));
	buf_fini(&after);
	assert_int_equal(signing_rotate(bearer_signing(bearers), true, &err), ERR_OK);
	assert_int_equal(bearer_verify(bearers, buf_str(&before), &got, &foreign, &err),
	                 ERR_UNAUTHORIZED);
	assert_int_equal(issue(bearers, &said, &after), ERR_OK);
	assert_int_equal(published(bearers), 1);
	fresh = bearers_with(world, "a");
	assert_int_equal(bearer_verify(fresh, buf_str(&after), &got, &foreign, &err), ERR_OK);
	buf_fini(&before);
	buf_fini(&after);
	bearer_free(bearers);
	bearer_free(fresh);
}

static void a_new_key_is_published_before_it_signs(void **state)
{
	(void)state;
	world_run(rotate_body);
}

static void due_body(struct world *world)
{
	struct bearers *bearers = bearers_with(world, "a");
	struct bearer said = ada();
	struct buf token;

	clear(world);
	assert_int_equal(issue(bearers, &said, &token), ERR_OK);
	buf_fini(&token);
	tell(world->pg, "", &test_token_age, NULL);
	bearer_free(bearers);
	bearers = bearers_with(world, "a");
	assert_int_equal(issue(bearers, &said, &token), ERR_OK);
	buf_fini(&token);
	assert_int_equal(published(bearers), 2);
	bearer_free(bearers);
	tell(world->pg, "", &test_token_dead, NULL);
	bearers = bearers_with(world, "a");
	assert_int_equal(issue(bearers, &said, &token), ERR_OK);
	buf_fini(&token);
	assert_int_equal(number(world->pg, "", &test_token_keys), 1);
	bearer_free(bearers);
}

static void the_next_key_is_made_when_it_is_due_and_old_ones_go(void **state)
{
	(void)state;
	world_run(due_body);
}

struct racer {
	struct world *world;
	bool good;
};

static void race(void *arg)
{
	struct racer *racer = arg;
	struct bearers *bearers = bearers_with(racer->world, "a");
	struct bearer said = ada();
	struct buf token;

	racer->good = issue(bearers, &said, &token) == ERR_OK;
	buf_fini(&token);
	bearer_free(bearers);
}

static void race_body(struct world *world)
{
	struct racer racers[4];

	clear(world);
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		racers[i] = (struct racer){ world, false };
		(void)fiber_start(world->loop, &world->group, "racer", race, &racers[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		assert_true(racers[i].good);
	}
	assert_int_equal(number(world->pg, "", &test_token_keys), 1);
}

static void nodes_that_start_together_make_one_key(void **state)
{
	(void)state;
	world_run(race_body);
}

static void the_plan_leaves_no_gap(void **state)
{
	const int64_t now = INT64_C(1800000000000000), day = INT64_C(86400000000);
	struct signing_span spans[3] = { { now - day, now + day } }, next;

	(void)state;
	assert_true(signing_plan(NULL, 0, now, 86400, &next));
	assert_int_equal(next.activates_us, now);
	assert_int_equal(next.retires_us, now + day);
	assert_false(signing_plan(spans, 1, now, 86400, &next));
	assert_true(signing_plan(spans, 1, now + day - 60000000, 86400, &next));
	assert_int_equal(next.activates_us, now + day);
	spans[1] = next;
	assert_false(signing_plan(spans, 2, now + day - 60000000, 86400, &next));
	/* What comes later does not fill a gap. */
	spans[0] = (struct signing_span){ now + day, now + 2 * day };
	assert_true(signing_plan(spans, 1, now, 86400, &next));
	assert_int_equal(next.activates_us, now);
}

/* ---- refresh tokens ---- */

static struct refresh_options refreshing(struct world *world)
{
	return (struct refresh_options){
		.pg = world->pg, .secret = pepper("a"), .idle_s = IDLE_S, .life_s = LIFE_S
	};
}

static struct id begin(struct world *world, const char *scopes, char text[REFRESH_LEN + 1])
{
	const struct refresh_options options = refreshing(world);
	struct refreshed made;
	struct id user;
	struct err err;

	assert_true(id_parse(STR_LIT(USER), &user));
	if (refresh_begin(&options,
	                  &(struct refresh_new){ .tenant = TENANT,
	                                         .user = &user,
	                                         .scopes = scopes,
	                                         .client = "a\nlap\xfftop",
	                                         .address = "127.0.0.1" },
	                  &made, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	(void)str_copy(text, REFRESH_LEN + 1, str_of(made.text));
	return made.bearer.login;
}

static enum err_code use(struct world *world, const char *text, struct refreshed *ret,
                         struct id *ended)
{
	const struct refresh_options options = refreshing(world);
	struct err err;

	return refresh_use(&options, str_of(text), ret, ended, &err);
}

static void turn_body(struct world *world)
{
	char first[REFRESH_LEN + 1];
	struct refreshed second, third;
	struct id login, ended;

	clear(world);
	login = begin(world, "session:read", first);
	assert_int_equal(number(world->pg, "", &test_token_plain), 0);
	assert_int_equal(use(world, first, &second, &ended), ERR_OK);
	assert_true(id_eq(&second.bearer.login, &login));
	assert_string_equal(second.bearer.user.s, USER);
	assert_string_equal(second.bearer.tenant, TENANT);
	assert_string_equal(second.bearer.scopes, "session:read");
	assert_string_not_equal(second.text, first);
	assert_int_equal(use(world, second.text, &third, &ended), ERR_OK);
	/* The first one comes back: the last one ends with it. */
	assert_int_equal(use(world, first, &second, &ended), ERR_UNAUTHORIZED);
	assert_true(id_eq(&ended, &login));
	assert_int_equal(number(world->pg, "", &test_token_reused), 1);
	assert_int_equal(use(world, third.text, &second, &ended), ERR_UNAUTHORIZED);
	assert_true(id_is_nil(&ended));
}

static void a_refresh_token_counts_once_and_its_return_ends_the_login(void **state)
{
	(void)state;
	world_run(turn_body);
}

static void forge_body(struct world *world)
{
	char text[REFRESH_LEN + 1], forged[REFRESH_LEN + 1];
	struct refreshed made;
	struct id ended;

	clear(world);
	(void)begin(world, NULL, text);
	for (size_t i = 0; i < REFRESH_LEN; i++) {
		memcpy(forged, text, sizeof(forged));
		forged[i] = forged[i] == '0' ? '1' : '0';
		assert_int_equal(use(world, forged, &made, &ended), ERR_UNAUTHORIZED);
		assert_true(id_is_nil(&ended));
	}
	memcpy(forged, text, sizeof(forged));
	forged[REFRESH_LEN - 1] = '\0';
	assert_int_equal(use(world, forged, &made, &ended), ERR_UNAUTHORIZED);
	assert_int_equal(use(world, "", &made, &ended), ERR_UNAUTHORIZED);
	assert_int_equal(number(world->pg, "", &test_token_reused), 0);
	assert_int_equal(use(world, text, &made, &ended), ERR_OK);
	assert_string_equal(made.bearer.scopes, "");
}

static void an_invented_token_ends_nobodys_login(void **state)
{
	(void)state;
	world_run(forge_body);
}

static void end_body(struct world *world)
{
	char text[REFRESH_LEN + 1];
	struct refreshed made;
	struct id ended;
	struct err err;

	clear(world);
	(void)begin(world, NULL, text);
	tell(world->pg, "", &test_token_idle, NULL);
	assert_int_equal(use(world, text, &made, &ended), ERR_UNAUTHORIZED);
	(void)begin(world, NULL, text);
	tell(world->pg, "", &test_token_over, NULL);
	assert_int_equal(use(world, text, &made, &ended), ERR_UNAUTHORIZED);
	assert_int_equal(refresh_prune(world->pg, &err), ERR_OK);
	assert_int_equal(number(world->pg, "", &test_token_logins), 2);
	tell(world->pg, "", &test_token_long_over, NULL);
	assert_int_equal(refresh_prune(world->pg, &err), ERR_OK);
	assert_int_equal(number(world->pg, "", &test_token_logins), 0);
	(void)begin(world, NULL, text);
	tell(world->pg, "", &test_token_disable, NULL);
	assert_int_equal(use(world, text, &made, &ended), ERR_UNAUTHORIZED);
	assert_true(id_is_nil(&ended));
}

static void a_login_ends_when_it_is_idle_or_old_or_its_user_is_gone(void **state)
{
	(void)state;
	world_run(end_body);
}

static void list_body(struct world *world)
{
	struct arena *arena = arena_new();
	const struct refresh_options options = refreshing(world);
	char one[REFRESH_LEN + 1], two[REFRESH_LEN + 1], three[REFRESH_LEN + 1];
	struct id first, second, user, ended;
	struct refresh_list list;
	struct refresh_ended over;
	struct refreshed made;
	struct err err;

	clear(world);
	assert_true(id_parse(STR_LIT(USER), &user));
	first = begin(world, "session:read", one);
	second = begin(world, NULL, two);
	(void)begin(world, NULL, three);
	assert_int_equal(refresh_return(&options, str_of(three), &ended, &err), ERR_OK);
	assert_false(id_is_nil(&ended));
	assert_int_equal(refresh_return(&options, str_of(three), &ended, &err), ERR_OK);
	assert_true(id_is_nil(&ended));
	assert_int_equal(refresh_list(world->pg, TENANT, &user, arena, &list, &err), ERR_OK);
	assert_int_equal(list.count, 2);
	assert_true(id_eq(&list.items[0].login, &second) && id_eq(&list.items[1].login, &first));
	assert_true(str_eq(list.items[1].client, STR_LIT("alaptop")));
	assert_true(str_eq(list.items[1].scopes, STR_LIT("session:read")));
	assert_int_equal(refresh_list(world->pg, "other", &user, arena, &list, &err), ERR_OK);
	assert_int_equal(list.count, 0);
	assert_int_equal(refresh_end(world->pg, "other", &user, NULL, arena, &over, &err), ERR_OK);
	assert_int_equal(over.count, 0);
	assert_int_equal(refresh_end(world->pg, TENANT, &user, &first, arena, &over, &err), ERR_OK);
	assert_int_equal(over.count, 1);
	assert_int_equal(use(world, one, &made, &ended), ERR_UNAUTHORIZED);
	assert_int_equal(refresh_end(world->pg, TENANT, &user, NULL, arena, &over, &err), ERR_OK);
	assert_int_equal(over.count, 1);
	assert_true(id_eq(&over.items[0], &second));
	arena_free(arena);
}

static void logins_are_listed_and_ended_one_or_all(void **state)
{
	(void)state;
	world_run(list_body);
}

/* ---- at the same time ---- */

struct crowd {
	struct bearers *bearers;
	struct str token;
	enum err_code code;
};

static void verify_one(void *arg)
{
	struct crowd *one = arg;
	struct bearer got;
	struct err err;
	bool foreign;

	one->code = bearer_verify(one->bearers, one->token, &got, &foreign, &err);
}

static void crowd_body(struct world *world)
{
	struct bearers *maker = bearers_with(world, "a"), *fresh = bearers_with(world, "a");
	struct crowd crowd[CROWD];
	struct bearer said = ada();
	struct buf token;
	struct err err;

	clear(world);
	assert_int_equal(issue(maker, &said, &token), ERR_OK);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < CROWD; i++) {
			crowd[i] = (struct crowd){ fresh, buf_str(&token), ERR_INTERNAL };
			(void)fiber_start(world->loop, &world->group, "crowd", verify_one,
			                  &crowd[i]);
		}
		assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
		for (size_t i = 0; i < CROWD; i++) {
			assert_int_equal(crowd[i].code, ERR_OK);
		}
		/* The same with a key that none of them knows yet, after one who looked alone. */
		buf_fini(&token);
		assert_int_equal(fiber_sleep(SIGNING_MISS_MS + 1), ERR_OK);
		assert_int_equal(signing_look(bearer_signing(fresh), true, &err), ERR_OK);
		assert_int_equal(fiber_sleep(SIGNING_MISS_MS + 1), ERR_OK);
		assert_int_equal(signing_rotate(bearer_signing(maker), true, &err), ERR_OK);
		assert_int_equal(issue(maker, &said, &token), ERR_OK);
	}
	buf_fini(&token);
	bearer_free(maker);
	bearer_free(fresh);
}

static void many_who_come_before_the_keys_wait_for_them(void **state)
{
	(void)state;
	world_run(crowd_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_of_one_node_holds_on_another),
		cmocka_unit_test(a_token_ends_also_when_it_is_remembered),
		cmocka_unit_test(without_the_pepper_rows_are_no_keys),
		cmocka_unit_test(a_new_key_is_published_before_it_signs),
		cmocka_unit_test(the_next_key_is_made_when_it_is_due_and_old_ones_go),
		cmocka_unit_test(nodes_that_start_together_make_one_key),
		cmocka_unit_test(the_plan_leaves_no_gap),
		cmocka_unit_test(a_refresh_token_counts_once_and_its_return_ends_the_login),
		cmocka_unit_test(an_invented_token_ends_nobodys_login),
		cmocka_unit_test(a_login_ends_when_it_is_idle_or_old_or_its_user_is_gone),
		cmocka_unit_test(logins_are_listed_and_ended_one_or_all),
		cmocka_unit_test(many_who_come_before_the_keys_wait_for_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
