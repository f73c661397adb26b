/* Limits that nodes count together, on a real Redis. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "rate/rate.h"
#include "rate_lua_gen.h"
#include "redis/redis.h"
#include "tests/support/world.h"

enum { ROUNDS = 3000, KEYS = 3 };

static struct rate_limits parsed(const char *text)
{
	struct rate_limits limits;
	struct err err;

	assert_int_equal(rate_limits_parse(str_of(text), &limits, &err), ERR_OK);
	return limits;
}

/* ---- the script and its twin ---- */

static uint64_t pick(unsigned *seed, uint64_t n)
{
	return ((uint64_t)(unsigned)rand_r(seed) << 31 | (unsigned)rand_r(seed)) % n;
}

static struct gcra_limit some_limit(unsigned *seed)
{
	struct gcra_limit limit = { .count = 0 };

	while (limit.count == 0 || !gcra_limit_ok(&limit)) {
		uint64_t scale = UINT64_C(1) << pick(seed, 37);

		limit = (struct gcra_limit){ .count = 1 + pick(seed, 1 << pick(seed, 20)),
			                     .period_us = 1 + pick(seed, scale),
			                     .burst = 1 + pick(seed, 1 << pick(seed, 20)) };
	}
	return limit;
}

struct twin {
	struct gcra_limit limit;
	uint64_t paid_us, need, want;
};

static void take(struct world *world, const char *slot, const struct twin *twins,
                 struct redis_reply **ret)
{
	struct redis_cmd *cmd = redis_cmd_new();
	const struct text *script = &rate_lua_texts[RATE_LUA_RATE_TAKE];
	struct err err;

	redis_script_begin(cmd, script, KEYS);
	for (unsigned i = 0; i < KEYS; i++) {
		redis_argf(cmd, "{r:%s}:%u", slot, i);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		redis_arg_u64(cmd, twins[i].limit.count);
		redis_arg_u64(cmd, twins[i].limit.period_us);
		redis_arg_u64(cmd, twins[i].limit.burst);
		redis_arg_u64(cmd, twins[i].need);
		redis_arg_u64(cmd, twins[i].want);
	}
	if (redis_script(world->redis, script, cmd, ret, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	redis_cmd_free(cmd);
}

static uint64_t at(const struct redis_reply *reply, size_t i)
{
	return (uint64_t)redis_reply_int(redis_reply_at(reply, i));
}

/* What the twin in C says at the script's time: from all or from none. */
static void compare(struct twin *twins, const struct redis_reply *reply)
{
	uint64_t now = at(reply, 0);
	struct gcra_taken taken[KEYS];
	bool fits = true;

	for (unsigned i = 0; i < KEYS; i++) {
		taken[i] = gcra_take(&twins[i].limit, twins[i].paid_us, now, twins[i].need,
		                     twins[i].want);
		fits = fits && taken[i].retry_us == 0;
	}
	for (unsigned i = 0; i < KEYS; i++) {
		uint64_t retry = taken[i].retry_us;

		if (!fits && retry == 0) {
			taken[i] = gcra_take(&twins[i].limit, twins[i].paid_us, now, 0, 0);
		}
		assert_int_equal(at(reply, 1 + 4 * i), fits ? taken[i].granted : 0);
		assert_int_equal(at(reply, 2 + 4 * i), taken[i].left);
		assert_int_equal(at(reply, 3 + 4 * i), taken[i].reset_us);
		assert_int_equal(at(reply, 4 + 4 * i), retry);
		if (fits && taken[i].granted > 0) {
			twins[i].paid_us = taken[i].paid_us;
		}
	}
}

static void twin_body(struct world *world)
{
	unsigned seed = 11;
	struct twin twins[KEYS];
	struct id slot = id_new();

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct redis_reply *reply = NULL;

		if (round % 30 == 0) {
			slot = id_new();
			for (unsigned i = 0; i < KEYS; i++) {
				twins[i] = (struct twin){ .limit = some_limit(&seed) };
			}
		} else if (round % 30 == 15) {
			twins[0].limit = some_limit(&seed); /* an operator changes it */
		}
		for (unsigned i = 0; i < KEYS; i++) {
			twins[i].need = pick(&seed, 4);
			twins[i].want = pick(&seed, 1 + twins[i].limit.burst);
		}
		take(world, slot.s, twins, &reply);
		compare(twins, reply);
		redis_reply_free(reply);
	}
}

static void the_script_and_the_reference_compute_alike(void **state)
{
	(void)state;
	world_run(twin_body);
}

/* ---- nodes ---- */

static struct rate *node_with(struct world *world, const char *tenant, const char *address)
{
	struct rate_options options = { .redis = world != NULL ? world->redis : NULL };

	options.limits[RATE_TENANT] = parsed(tenant);
	options.limits[RATE_ADDRESS] = parsed(address);
	return rate_new(&options);
}

static unsigned asked(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str text, calls;
	uint64_t n = 0;
	struct err err;

	redis_arg_cstr(cmd, "INFO");
	redis_arg_cstr(cmd, "commandstats");
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	text = redis_reply_str(reply);
	while (text.n > 0) {
		struct str line = str_split(&text, '\n'), name = str_split(&line, ':');

		if (str_eq(name, STR_LIT("cmdstat_evalsha"))) {
			calls = str_split(&line, ',');
			(void)str_split(&calls, '=');
			assert_true(parse_u64(calls, UINT64_MAX, &n));
		}
	}
	return (unsigned)n;
}

static struct rate_subject tenant_of(const struct id *id)
{
	return (struct rate_subject){ RATE_TENANT, str_of(id->s), { NULL, 0 } };
}

static void together_body(struct world *world)
{
	struct rate *a = node_with(world, "read=100/1h:1000", ""),
		    *b = node_with(world, "read=100/1h:1000", "");
	struct id id = id_new();
	struct rate_subject subject = tenant_of(&id);
	unsigned allowed = 0;
	struct rate_verdict verdict = { .allowed = true };

	for (unsigned i = 0; i < 2000; i++) {
		struct rate *node = i % 3 == 0 ? a : b;

		verdict = rate_spend(node, &subject, 1, RATE_READ, 1);
		allowed += verdict.allowed;
	}
	assert_int_equal(allowed, 1000);
	assert_false(verdict.allowed);
	assert_in_range(verdict.retry_ms, 1, 5000);
	rate_free(a);
	rate_free(b);
}

static void nodes_together_let_through_what_one_would(void **state)
{
	(void)state;
	world_run(together_body);
}

static void cheap_body(struct world *world)
{
	struct rate *rate = node_with(world, "read=100000/1s:1000000 write=100000/1s", "");
	struct id id = id_new();
	struct rate_subject subject = tenant_of(&id);
	unsigned before = asked(world), after;
	struct rate_verdict verdict;

	for (unsigned i = 0; i < 10000; i++) {
		verdict = rate_spend(rate, &subject, 1, RATE_READ, 1);
		assert_true(verdict.allowed);
	}
	after = asked(world);
	/* Twice as much each time: 1, 2, 4... and some more if the machine slept meanwhile. */
	assert_in_range(after - before, 1, 100);
	assert_int_equal(verdict.burst, 1000000);
	assert_true(verdict.left >= 900000);
	rate_free(rate);
}

static void far_from_the_limit_redis_is_hardly_asked(void **state)
{
	(void)state;
	world_run(cheap_body);
}

static void flood_body(struct world *world)
{
	struct rate *rate = node_with(world, "", "auth=5/1h");
	struct rate_subject subject = { RATE_ADDRESS, { NULL, 0 }, STR_LIT("2001:db8:9::1") };
	struct rate_subject neighbour = subject;
	unsigned before, allowed = 0;

	for (unsigned i = 0; i < 6; i++) {
		allowed += rate_take(rate, &subject, RATE_AUTH, 1).allowed;
	}
	assert_int_equal(allowed, 5);
	before = asked(world);
	neighbour.name = STR_LIT("2001:db8:9:0:ffff::2");
	for (unsigned i = 0; i < 1000; i++) {
		assert_false(rate_take(rate, &neighbour, RATE_AUTH, 1).allowed);
	}
	assert_int_equal(asked(world), before);
	neighbour.name = STR_LIT("2001:db8:9:1::1");
	assert_true(rate_take(rate, &neighbour, RATE_AUTH, 1).allowed);
	rate_free(rate);
}

static void who_floods_costs_redis_nothing_and_has_one_limit_for_its_network(void **state)
{
	(void)state;
	world_run(flood_body);
}

struct crowd {
	struct rate *rate;
	struct rate_subject subject;
	unsigned allowed, waited;
};

static void ask_in_crowd(void *arg)
{
	struct crowd *crowd = arg;
	uint64_t began = clock_mono_ms(), took;

	crowd->allowed += rate_spend(crowd->rate, &crowd->subject, 1, RATE_READ, 1).allowed;
	took = clock_mono_ms() - began;
	crowd->waited += took >= 190;
}

static void run_crowd(struct world *world, struct crowd *crowd, unsigned count)
{
	struct fiber_group group = { .count = 0 };

	for (unsigned i = 0; i < count; i++) {
		(void)fiber_start(world->loop, &group, "ask", ask_in_crowd, crowd);
	}
	assert_int_equal(fiber_group_wait(&group, 10000), ERR_OK);
}

/* While one takes ahead for all of them the others take what they need: a burst is not used up by
 * what a crowd might have wanted. */
static void crowd_body(struct world *world)
{
	struct rate *rate = node_with(world, "read=2000/1s:50000 write=100000/1s", "");
	struct id id = id_new();
	struct crowd crowd = { .rate = rate, .subject = tenant_of(&id) };
	struct rate_verdict verdict;

	for (unsigned i = 0; i < 4; i++) {
		crowd.allowed = 0;
		for (unsigned j = 0; j < 20; j++) { /* let the purse grow */
			(void)rate_spend(rate, &crowd.subject, 1, RATE_READ, 100);
		}
		run_crowd(world, &crowd, 400);
		assert_int_equal(crowd.allowed, 400);
	}
	verdict = rate_spend(rate, &crowd.subject, 1, RATE_READ, 1);
	assert_true(verdict.allowed);
	assert_true(verdict.left >= 35000);
	rate_free(rate);
}

static void a_crowd_at_once_takes_no_more_than_it_needs(void **state)
{
	(void)state;
	world_run(crowd_body);
}

static void silent_body(struct world *world)
{
	pid_t redis = (pid_t)strtol(getenv("TEST_REDIS_PID"), NULL, 10);
	struct rate_options options = { .redis = NULL };
	struct redis_options quick = { getenv("TEST_REDIS_URL"), 200, 100 };
	struct id id = id_new();
	struct crowd crowd = { .subject = tenant_of(&id) };
	struct err err;

	options.limits[RATE_TENANT] = parsed("read=50/1h");
	options.redis = redis_new(world->loop, &quick, &err);
	assert_int_equal(redis_wait_connected(options.redis, WORLD_TIMEOUT_MS, &err), ERR_OK);
	crowd.rate = rate_new(&options);
	assert_int_equal(kill(redis, SIGSTOP), 0);
	run_crowd(world, &crowd, 20); /* all wait: nobody knew */
	assert_int_equal(crowd.allowed, 20);
	crowd.waited = 0;
	run_crowd(world, &crowd, 20); /* nobody does */
	assert_int_equal(crowd.allowed, 40);
	assert_int_equal(crowd.waited, 0);
	assert_int_equal(fiber_sleep(1001), ERR_OK);
	run_crowd(world, &crowd, 20); /* one finds out, if the connection still stands */
	assert_in_range(crowd.waited, 0, 1);
	assert_int_equal(crowd.allowed, 50);
	assert_int_equal(kill(redis, SIGCONT), 0);
	rate_free(crowd.rate);
	redis_free(options.redis);
}

static void while_redis_is_silent_one_request_waits_for_it_and_no_more(void **state)
{
	(void)state;
	world_run(silent_body);
}

static void forget_body(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct rate *rate = node_with(world, "read=1000/1s:2000", "");
	struct id id = id_new();
	struct rate_subject subject = tenant_of(&id);
	char name[RATE_NAME_SIZE];
	struct err err;

	assert_true(rate_spend(rate, &subject, 1, RATE_READ, 100).allowed);
	assert_true(rate_name(&subject, RATE_READ, name));
	redis_arg_cstr(cmd, "PTTL");
	redis_arg_cstr(cmd, name);
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	assert_in_range(redis_reply_int(reply), 1, 101);
	rate_free(rate);
}

static void redis_keeps_a_limit_no_longer_than_something_is_owed(void **state)
{
	(void)state;
	world_run(forget_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_script_and_the_reference_compute_alike),
		cmocka_unit_test(nodes_together_let_through_what_one_would),
		cmocka_unit_test(far_from_the_limit_redis_is_hardly_asked),
		cmocka_unit_test(who_floods_costs_redis_nothing_and_has_one_limit_for_its_network),
		cmocka_unit_test(a_crowd_at_once_takes_no_more_than_it_needs),
		cmocka_unit_test(while_redis_is_silent_one_request_waits_for_it_and_no_more),
		cmocka_unit_test(redis_keeps_a_limit_no_longer_than_something_is_owed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
