#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "rate/rate_http.h"
#include "tests/support/test.h"

#define SECOND UINT64_C(1000000)

static uint64_t now_us;

static uint64_t turned_mono(void)
{
	return now_us;
}

static int64_t turned_wall(void)
{
	return (int64_t)now_us;
}

static int turn_clock(void **state)
{
	(void)state;
	now_us = 1000 * SECOND;
	clock_replace(turned_mono, turned_wall);
	return 0;
}

static int restore_clock(void **state)
{
	(void)state;
	clock_replace(NULL, NULL);
	return 0;
}

static struct rate_limits parsed(const char *text)
{
	struct rate_limits limits;
	struct err err;

	if (rate_limits_parse(str_of(text), &limits, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return limits;
}

/* ---- arithmetic ---- */

static void a_burst_comes_at_once_and_then_the_rate(void **state)
{
	struct gcra_limit limit = parsed("read=10/1s:25").of[RATE_READ];
	uint64_t paid = 0, granted = 0;

	(void)state;
	for (uint64_t ms = 0; ms < 10000; ms++) {
		struct gcra_taken taken = gcra_take(&limit, paid, 50 * SECOND + ms * 1000, 1, 1);

		assert_true((taken.granted == 1) == (taken.retry_us == 0));
		if (ms == 0) {
			assert_int_equal(taken.left, 24);
		}
		paid = taken.paid_us;
		granted += taken.granted;
	}
	assert_int_equal(granted, 25 + 99);
}

static void what_is_left_and_when_to_come_back_are_told_exactly(void **state)
{
	struct gcra_limit limit = parsed("read=6/1m").of[RATE_READ];
	struct gcra_taken taken = gcra_take(&limit, 0, SECOND, 1, 4);

	(void)state;
	assert_int_equal(taken.granted, 4);
	assert_int_equal(taken.left, 2);
	assert_int_equal(taken.reset_us, 40 * SECOND);
	taken = gcra_take(&limit, taken.paid_us, 2 * SECOND, 3, 3);
	assert_int_equal(taken.granted, 0);
	assert_int_equal(taken.left, 2);
	assert_int_equal(taken.retry_us, 9 * SECOND);
	assert_int_equal(gcra_take(&limit, taken.paid_us, 11 * SECOND - 1, 3, 3).granted, 0);
	assert_int_equal(gcra_take(&limit, taken.paid_us, 11 * SECOND, 3, 3).granted, 3);
	/* As much as there is when not all that is wanted is needed. */
	assert_int_equal(gcra_take(&limit, taken.paid_us, 2 * SECOND, 1, 100).granted, 2);
}

static void nobody_needs_more_than_the_burst(void **state)
{
	struct gcra_limit limit = parsed("read=6/1m:3").of[RATE_READ];
	struct gcra_taken taken = gcra_take(&limit, 0, SECOND, 10, 10);

	(void)state;
	assert_int_equal(taken.granted, 3);
	taken = gcra_take(&limit, taken.paid_us, SECOND, 10, 10);
	assert_int_equal(taken.granted, 0);
	assert_int_equal(taken.retry_us, 30 * SECOND);
}

static void a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_burst(void **state)
{
	struct gcra_limit limit = parsed("read=1/1s:5").of[RATE_READ];
	struct gcra_taken taken = gcra_take(&limit, 10000 * SECOND, SECOND, 1, 1);

	(void)state;
	assert_int_equal(taken.retry_us, SECOND);
	assert_int_equal(gcra_take(&limit, 10000 * SECOND, SECOND, 0, 0).reset_us, 5 * SECOND);
	/* And one that leaps opens no more than a burst. */
	assert_int_equal(gcra_take(&limit, SECOND, 90000 * SECOND, 1, 100).granted, 5);
}

static void never_more_than_the_limit_in_any_window(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct gcra_limit limit = { .count = 1 + (unsigned)rand_r(&seed) % 1000,
			                    .period_us = SECOND + (unsigned)rand_r(&seed),
			                    .burst = 1 + (unsigned)rand_r(&seed) % 50 };
		uint64_t paid = 0, now = SECOND, began = now, granted = 0;

		assert_true(gcra_limit_ok(&limit));
		for (int i = 0; i < 500; i++) {
			uint64_t need = 1 + (unsigned)rand_r(&seed) % 3;
			struct gcra_taken taken = gcra_take(&limit, paid, now, need, need + 2);

			paid = taken.paid_us;
			granted += taken.granted;
			now += (unsigned)rand_r(&seed) % (2 * limit.period_us / limit.count);
			assert_true(granted <=
			            limit.burst + (now - began) * limit.count / limit.period_us);
		}
	}
}

/* ---- words ---- */

static void limits_are_written_class_by_class(void **state)
{
	struct rate_limits limits = parsed(" read=600/1m:1200,write=5/2h  auth=0 ");

	(void)state;
	assert_int_equal(limits.of[RATE_READ].count, 600);
	assert_int_equal(limits.of[RATE_READ].period_us, 60 * SECOND);
	assert_int_equal(limits.of[RATE_READ].burst, 1200);
	assert_int_equal(limits.of[RATE_WRITE].burst, 5);
	assert_int_equal(limits.of[RATE_WRITE].period_us, 7200 * SECOND);
	assert_int_equal(limits.of[RATE_AUTH].count, 0);
	assert_int_equal(limits.of[RATE_STREAM].count, 0);
	assert_int_equal(parsed("").of[RATE_READ].count, 0);
}

static void a_limit_that_cannot_be_is_refused(void **state)
{
	static const char *const wrong[] = {
		"reads=1/1s",
		"read",
		"read=",
		"read=1",
		"read=1/",
		"read=1/s",
		"read=1/1",
		"read=1/1y",

		"read=1/0s",
		"read=-1/1s",
		"read=1/1s:0",
		"read=1/1s:",
		"read=1/1s:x",
		"read=1/2d",
		"read=1000001/1s",
		"read=1/1s read=2/1s",
		"read=1/1d:1000000",
		"read=1/99999999999999999999s",
		"=1/1s",
	};
	struct rate_limits limits;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (rate_limits_parse(str_of(wrong[i]), &limits, &err) == ERR_OK) {
			fail_msg("%s was taken", wrong[i]);
		}
		assert_true(str_is_utf8(str_of(err.msg)));
	}
}

static void expect_name(enum rate_kind kind, const char *name, const char *wanted)
{
	struct rate_subject subject = { kind, STR_LIT("acme"), str_of(name) };
	char out[RATE_NAME_SIZE] = "none";

	if (!rate_name(&subject, RATE_READ, out)) {
		assert_null(wanted);
		return;
	}
	assert_non_null(wanted);
	assert_string_equal(out, wanted);
}

static void names_are_of_one_slot_and_hold_nothing_that_a_client_wrote(void **state)
{
	struct rate_subject odd = { RATE_USER, STR_LIT("acme"), STR_LIT("a}{b\r\n*") };
	char out[RATE_NAME_SIZE];

	(void)state;
	expect_name(RATE_TENANT, "", "{r:acme}:t:read");
	expect_name(RATE_KEY, "01ARZ3NDEKTSV4RRFFQ69G5FAV",
	            "{r:acme}:k:01ARZ3NDEKTSV4RRFFQ69G5FAV:read");
	expect_name(RATE_ADDRESS, "192.0.2.1", "{r:ac0000201}:read");
	expect_name(RATE_ADDRESS, "::ffff:192.0.2.1", "{r:ac0000201}:read");
	expect_name(RATE_ADDRESS, "2001:db8:1:2:3:4:5:6", "{r:a20010db800010002}:read");
	expect_name(RATE_ADDRESS, "2001:db8:1:2:ffff::", "{r:a20010db800010002}:read");
	assert_true(rate_name(&odd, RATE_AUTH, out));
	assert_int_equal(strlen(out), strlen("{r:acme}:u::auth") + 32);
	assert_null(strpbrk(out + strlen("{r:acme}"), "{}\r\n*"));
}

static void this_host_is_not_limited_by_its_address(void **state)
{
	(void)state;
	expect_name(RATE_ADDRESS, "127.0.0.1", NULL);
	expect_name(RATE_ADDRESS, "127.1.2.3", NULL);
	expect_name(RATE_ADDRESS, "::1", NULL);
	expect_name(RATE_ADDRESS, "::ffff:127.0.0.1", NULL);
	expect_name(RATE_ADDRESS, "unix", NULL);
	expect_name(RATE_ADDRESS, "", NULL);
}

static void what_is_taken_ahead_is_small(void **state)
{
	struct gcra_limit limit = parsed("read=1000/1s:4000").of[RATE_READ];

	(void)state;
	assert_int_equal(rate_slice_max(&limit), 200);
	limit = parsed("read=60/1m:600").of[RATE_READ];
	assert_int_equal(rate_slice_max(&limit), 1);
	limit = parsed("read=1/1d:10").of[RATE_READ];
	assert_int_equal(rate_slice_max(&limit), 1);
}

/* ---- a node that counts for itself ---- */

static const struct rate_subject someone[] = {
	{ RATE_TENANT, { "acme", 4 }, { NULL, 0 } },
	{ RATE_ADDRESS, { NULL, 0 }, { "192.0.2.7", 9 } },
};

static struct rate *alone(const char *tenant, const char *address)
{
	struct rate_options options = { .redis = NULL };

	options.limits[RATE_TENANT] = parsed(tenant);
	options.limits[RATE_ADDRESS] = parsed(address);
	return rate_new(&options);
}

static struct rate_verdict spend(struct rate *rate)
{
	return rate_spend(rate, someone, ARRAY_LEN(someone), RATE_WRITE, 1);
}

static void the_tightest_limit_speaks_and_none_is_charged_when_one_refuses(void **state)
{
	struct rate *rate = alone("write=10/1m", "write=4/1s");
	struct rate_verdict verdict;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		verdict = spend(rate);
		assert_true(verdict.allowed && verdict.limited);
		assert_int_equal(verdict.kind, RATE_ADDRESS);
		assert_int_equal(verdict.left, 3 - i);
	}
	verdict = spend(rate);
	assert_false(verdict.allowed);
	assert_int_equal(verdict.kind, RATE_ADDRESS);
	assert_int_equal(verdict.burst, 4);
	assert_int_equal(verdict.retry_ms, 250);
	assert_false(rate_look(rate, &someone[1], RATE_WRITE).allowed);
	assert_true(rate_look(rate, &someone[1], RATE_READ).allowed);
	/* Six were left of the tenant's ten; six seconds add one. */
	now_us += 5 * SECOND;
	for (unsigned i = 0; i < 4; i++) {
		assert_true(spend(rate).allowed);
	}
	now_us += SECOND;
	for (unsigned i = 0; i < 3; i++) {
		verdict = spend(rate);
		assert_true(verdict.allowed);
		assert_int_equal(verdict.kind, RATE_TENANT);
	}
	verdict = spend(rate);
	assert_false(verdict.allowed);
	assert_int_equal(verdict.kind, RATE_TENANT);
	rate_free(rate);
}

static void a_tenant_may_have_limits_of_its_own(void **state)
{
	struct rate *rate = alone("write=10/1m", "");
	struct rate_limits own = parsed("write=1/1m");

	(void)state;
	rate_override(rate, STR_LIT("acme"), RATE_TENANT, &own);
	assert_true(spend(rate).allowed);
	assert_false(spend(rate).allowed);
	own = parsed("");
	rate_override(rate, STR_LIT("acme"), RATE_TENANT, &own);
	assert_false(spend(rate).limited);
	rate_override(rate, STR_LIT("acme"), RATE_TENANT, NULL);
	now_us += 5 * SECOND;
	assert_int_equal(spend(rate).burst, 10);
	rate_free(rate);
}

static void what_has_no_limit_is_let_through(void **state)
{
	struct rate *rate = alone("read=1/1d", "");

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct rate_verdict verdict = spend(rate);

		assert_true(verdict.allowed);
		assert_false(verdict.limited);
	}
	rate_free(rate);
}

static void attempts_are_counted_one_by_one_at_their_price(void **state)
{
	struct rate *rate = alone("", "auth=10/1m");
	unsigned allowed = 0;

	(void)state;
	while (rate_take(rate, &someone[1], RATE_AUTH, 3).allowed) {
		allowed++;
	}
	assert_int_equal(allowed, 3);
	assert_false(rate_look(rate, &someone[1], RATE_AUTH).allowed);
	now_us += 5 * SECOND; /* a refusal is remembered for no longer */
	assert_true(rate_look(rate, &someone[1], RATE_AUTH).allowed);
	assert_false(rate_take(rate, &someone[1], RATE_AUTH, 3).allowed);
	rate_free(rate);
}

/* A setting that is about reading does not switch off the limit of attempts. */
static void guessing_is_limited_unless_somebody_says_that_it_is_not(void **state)
{
	static const struct rate_subject account = { RATE_USER, STR_LIT(""), STR_LIT("ada@x") };
	struct conf conf = {
		.rate_user = "read=600/1m", .rate_address = "", .rate_tenant = "", .rate_key = ""
	};
	struct err err;
	struct rate *rate = rate_open(&conf, NULL, &err);

	(void)state;
	for (unsigned i = 0; i < RATE_GUESSES_BURST; i++) {
		assert_true(rate_take(rate, &account, RATE_AUTH, 1).allowed);
	}
	assert_false(rate_take(rate, &account, RATE_AUTH, 1).allowed);
	rate_free(rate);
	conf.rate_user = "read=600/1m auth=0";
	rate = rate_open(&conf, NULL, &err);
	for (unsigned i = 0; i <= RATE_GUESSES_BURST; i++) {
		assert_true(rate_take(rate, &account, RATE_AUTH, 1).allowed);
	}
	rate_free(rate);
}

int main(void)
{
#define CLOCKED(test) cmocka_unit_test_setup_teardown(test, turn_clock, restore_clock)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_comes_at_once_and_then_the_rate),
		cmocka_unit_test(what_is_left_and_when_to_come_back_are_told_exactly),
		cmocka_unit_test(nobody_needs_more_than_the_burst),
		cmocka_unit_test(a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_burst),
		cmocka_unit_test(never_more_than_the_limit_in_any_window),
		cmocka_unit_test(limits_are_written_class_by_class),
		cmocka_unit_test(a_limit_that_cannot_be_is_refused),
		cmocka_unit_test(names_are_of_one_slot_and_hold_nothing_that_a_client_wrote),
		cmocka_unit_test(this_host_is_not_limited_by_its_address),
		cmocka_unit_test(what_is_taken_ahead_is_small),
		CLOCKED(the_tightest_limit_speaks_and_none_is_charged_when_one_refuses),
		CLOCKED(a_tenant_may_have_limits_of_its_own),
		CLOCKED(what_has_no_limit_is_let_through),
		CLOCKED(attempts_are_counted_one_by_one_at_their_price),
		CLOCKED(guessing_is_limited_unless_somebody_says_that_it_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
