/* Idempotency keys against a real server: answers, other requests, and racing ones. */
#include <string.h>

#include "idempotency/idempotency.h"
#include "task_world.h"

SQL(test_expire_keys, "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'");
SQL(test_readable_keys, "SELECT count(*) FROM idempotency_keys k WHERE k.response::text LIKE "
                        "'%' || encode('shown_once', 'hex') || '%'");
SQL(test_count_keys, "SELECT count(*) FROM idempotency_keys");

static struct idempotency_claim claim_of(const char *key, const char *body)
{
	return (struct idempotency_claim){
		.tenant = TENANT,
		.principal = "k:one",
		.key = key,
		.route = "POST /api/v1/tasks",
		.request = idempotency_digest(STR_LIT("/api/v1/tasks"), STR_LIT(""), str_of(body)),
	};
}

static enum idempotency_outcome begin_key(struct pg_tx *tx, const struct idempotency_claim *claim,
                                          struct idempotency_answer *ret)
{
	enum idempotency_outcome outcome;
	struct err err;

	if (idempotency_begin(tx, claim, test_arena(), &outcome, ret, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return outcome;
}

static enum idempotency_outcome look(struct world *world, const struct idempotency_claim *claim)
{
	struct idempotency_answer answer;
	struct pg_tx *tx = begin(world);
	enum idempotency_outcome outcome = begin_key(tx, claim, &answer);

	pg_rollback(tx);
	return outcome;
}

/* The same, once earlier rollbacks have reached the server: nobody waits for them. */
static enum idempotency_outcome look_settled(struct world *world,
                                             const struct idempotency_claim *claim)
{
	enum idempotency_outcome outcome;

	while ((outcome = look(world, claim)) == IDEMPOTENCY_RUNNING) {
		assert_int_equal(fiber_yield(), ERR_OK);
	}
	return outcome;
}

/* A transaction that holds the key. */
static struct pg_tx *hold(struct world *world, const struct idempotency_claim *claim)
{
	struct idempotency_answer before;
	struct pg_tx *tx = begin(world);

	while (begin_key(tx, claim, &before) == IDEMPOTENCY_RUNNING) {
		pg_rollback(tx);
		assert_int_equal(fiber_yield(), ERR_OK);
		tx = begin(world);
	}
	return tx;
}

static void answer_with(struct world *world, const struct idempotency_claim *claim, int status)
{
	struct idempotency_answer answer = {
		status, STR_LIT("application/json"), str_make("{\"a\":\"\0\"}", 9),
		STR_LIT("RateLimit-Limit: 5\r\nLocation: /here\r\nSet-Cookie: a=b\r\n")
	};
	struct pg_tx *tx = hold(world, claim);
	struct err err;

	assert_int_equal(idempotency_finish(tx, claim, &answer, &err), ERR_OK);
	commit(tx);
}

static void replay_body(struct world *world)
{
	struct idempotency_claim claim = claim_of("k-1", "body"), other;
	struct idempotency_answer answer;
	struct pg_tx *tx;
	uint64_t purged;
	struct err err;

	clear_rows(world);
	answer_with(world, &claim, 201);
	tx = begin(world);
	assert_int_equal(begin_key(tx, &claim, &answer), IDEMPOTENCY_REPLAY);
	assert_int_equal(answer.status, 201);
	assert_true(str_eq(answer.media_type, STR_LIT("application/json")));
	assert_true(str_eq(answer.body, str_make("{\"a\":\"\0\"}", 9)));
	assert_true(str_eq(answer.headers, STR_LIT("Location: /here\r\n")));
	pg_rollback(tx);
	other = claim;
	other.principal = "k:two";
	assert_int_equal(look_settled(world, &other), IDEMPOTENCY_FRESH);
	other = claim_of("k-1", "another body");
	assert_int_equal(look_settled(world, &other), IDEMPOTENCY_OTHER);
	other = claim;
	other.route = "POST /api/v1/other";
	assert_int_equal(look_settled(world, &other), IDEMPOTENCY_OTHER);
	other = claim_of("k-2", "body");
	assert_int_equal(look_settled(world, &other), IDEMPOTENCY_FRESH);

	tell(world->pg, "", &test_expire_keys, NULL);
	assert_int_equal(look_settled(world, &claim), IDEMPOTENCY_FRESH);
	other = claim_of("k-1", "another body");
	answer_with(world, &other, 202);
	assert_int_equal(look_settled(world, &claim), IDEMPOTENCY_OTHER);
	tell(world->pg, "", &test_expire_keys, NULL);
	assert_int_equal(idempotency_purge(world->pg, 10, &purged, &err), ERR_OK);
	assert_int_equal(purged, 1);
	assert_int_equal(number(world->pg, "", &test_count_keys), 0);
}

static void a_key_replays_its_answer_for_a_day(void **state)
{
	(void)state;
	world_run(replay_body);
}

static void seal_body(struct world *world)
{
	const struct cred_pepper pepper = cred_pepper_from(STR_LIT("the secret of here")),
				 foreign = cred_pepper_from(STR_LIT("that of elsewhere"));
	struct idempotency_claim claim = claim_of("k-5", "body");
	struct idempotency_answer answer = { 201, STR_LIT("application/json"),
		                             STR_LIT("{\"key\":\"fl_live_shown_once\"}"),
		                             STR_LIT("") };
	enum idempotency_outcome outcome;
	struct pg_tx *tx;
	struct err err;

	clear_rows(world);
	claim.seal = &pepper;
	tx = hold(world, &claim);
	assert_int_equal(idempotency_finish(tx, &claim, &answer, &err), ERR_OK);
	commit(tx);
	assert_int_equal(number(world->pg, "", &test_readable_keys), 0);
	answer.body = STR_LIT("");
	tx = begin(world);
	assert_int_equal(begin_key(tx, &claim, &answer), IDEMPOTENCY_REPLAY);
	assert_true(str_eq(answer.body, STR_LIT("{\"key\":\"fl_live_shown_once\"}")));
	pg_rollback(tx);
	claim.seal = &foreign;
	tx = begin(world);
	assert_int_equal(idempotency_begin(tx, &claim, test_arena(), &outcome, &answer, &err),
	                 ERR_CONFLICT);
	pg_rollback(tx);
}

static void an_answer_that_shows_a_secret_is_sealed(void **state)
{
	(void)state;
	world_run(seal_body);
}

static void running_body(struct world *world)
{
	struct idempotency_claim claim = claim_of("k-3", "body");
	struct pg_tx *tx;

	clear_rows(world);
	tx = hold(world, &claim);
	assert_int_equal(look(world, &claim), IDEMPOTENCY_RUNNING);
	pg_rollback(tx);
	assert_int_equal(look_settled(world, &claim), IDEMPOTENCY_FRESH);
	answer_with(world, &claim, 500);
	assert_int_equal(look_settled(world, &claim), IDEMPOTENCY_FRESH);
}

static void a_key_in_use_is_told_and_ends_with_its_transaction(void **state)
{
	(void)state;
	world_run(running_body);
}

struct submitter {
	struct world *world;
	enum idempotency_outcome outcome;
};

static void submit(void *arg)
{
	struct submitter *s = arg;
	struct idempotency_claim claim = claim_of("k-4", "body");
	struct idempotency_answer answer = { 201, STR_LIT("application/json"), STR_LIT("{}"),
		                             STR_LIT("") };
	struct task_accepted accepted;
	struct pg_tx *tx = begin(s->world);
	struct err err;

	s->outcome = begin_key(tx, &claim, &answer);
	if (s->outcome != IDEMPOTENCY_FRESH) {
		pg_rollback(tx);
		return;
	}
	assert_int_equal(try_accept(tx, BODY(AGENT(1), ""), &accepted), ERR_OK);
	assert_int_equal(idempotency_finish(tx, &claim, &answer, &err), ERR_OK);
	commit(tx);
}

static void concurrent_body(struct world *world)
{
	struct submitter submitters[16];
	size_t fresh = 0;

	clear_rows(world);
	for (size_t i = 0; i < ARRAY_LEN(submitters); i++) {
		submitters[i] = (struct submitter){ world, IDEMPOTENCY_OTHER };
		(void)fiber_start(world->loop, &world->group, "submit", submit, &submitters[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(submitters); i++) {
		assert_int_not_equal(submitters[i].outcome, IDEMPOTENCY_OTHER);
		fresh += submitters[i].outcome == IDEMPOTENCY_FRESH;
	}
	assert_int_equal(fresh, 1);
	assert_int_equal(count_rows(world), 2);
}

static void of_many_with_one_key_one_makes_the_task(void **state)
{
	(void)state;
	world_run(concurrent_body);
}

static void keys_are_visible_ascii(void **state)
{
	char longest[IDEMPOTENCY_KEY_MAX + 1];

	(void)state;
	memset(longest, 'k', sizeof(longest));
	assert_true(idempotency_key_ok(STR_LIT("01ARZ3NDEKTSV4RRFFQ69G5FAV!~")));
	assert_true(idempotency_key_ok(str_make(longest, IDEMPOTENCY_KEY_MAX)));
	assert_false(idempotency_key_ok(str_make(longest, IDEMPOTENCY_KEY_MAX + 1)));
	assert_false(idempotency_key_ok(STR_LIT("")));
	assert_false(idempotency_key_ok(STR_LIT("a b")));
	assert_false(idempotency_key_ok(STR_LIT("a\xc3\xb6")));
	assert_false(idempotency_key_ok(STR_LIT("a\x7f")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_replays_its_answer_for_a_day),
		cmocka_unit_test(an_answer_that_shows_a_secret_is_sealed),
		cmocka_unit_test(a_key_in_use_is_told_and_ends_with_its_transaction),
		cmocka_unit_test(of_many_with_one_key_one_makes_the_task),
		cmocka_unit_test(keys_are_visible_ascii),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
