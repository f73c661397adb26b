/* When sessions will start, as a table of what is known; words of workers. */
#include <stdio.h>

#include "queue/eta.h"
#include "queue/words.h"
#include "tests/support/test.h"

static const struct eta_slots full = { 10, 0 };

static void a_line_that_goes_on_takes_a_gap_for_each_before_it(void **state)
{
	struct queue_why why = { .set = QUEUE_READY, .now_ms = 100000 };
	struct eta near, far;

	(void)state;
	why.of_user = (struct queue_pace){
		.starts = 32, .last_ms = 99990, .goes_on = true, .mean_ms = 1000, .var = 10000
	};
	near = eta_of(&why, &full);
	why.rank = (struct queue_rank){ .ahead = 20, .of_user = 21, .users = 1, .tenants = 1 };
	far = eta_of(&why, &full);
	assert_int_equal(near.basis, ETA_USER);
	assert_in_range(near.p50_ms, 300, 700);
	assert_in_range(near.p90_ms, 800, 1300);
	assert_in_range(far.p50_ms, 18000, 21500);
	assert_true(far.p10_ms < far.p50_ms && far.p50_ms < far.p90_ms);
}

static void a_line_that_begins_waits_for_the_turns_of_the_others(void **state)
{
	struct queue_why why = { .set = QUEUE_READY, .now_ms = 100000 };
	struct eta eta;

	(void)state;
	why.rank =
		(struct queue_rank){ .of_user = 1, .users = 1, .tenants_ahead = 4, .tenants = 5 };
	why.of_all = (struct queue_pace){
		.starts = 32, .last_ms = 99990, .goes_on = true, .mean_ms = 1000, .var = 10000
	};
	eta = eta_of(&why, &full);
	assert_int_equal(eta.basis, ETA_ALL);
	assert_in_range(eta.p50_ms, 4000, 5000);
	eta = eta_of(&why, &(struct eta_slots){ 10, 5 });
	assert_int_equal(eta.p90_ms, 0);
}

static void without_starts_it_is_as_sessions_end(void **state)
{
	struct queue_why why = { .set = QUEUE_READY, .now_ms = 100000 };
	struct eta eta;

	(void)state;
	why.spent_all = (struct queue_spent){ 600000, 10 };
	eta = eta_of(&why, &full);
	assert_int_equal(eta.basis, ETA_RUNTIME);
	assert_in_range(eta.p50_ms, 3000, 6000);
	why.spent_all.ended = 0;
	assert_int_equal(eta_of(&why, &full).basis, ETA_NONE);
}

static void what_is_held_for_a_limit_waits_for_those_who_have_it(void **state)
{
	struct queue_why why = { .set = QUEUE_HELD, .used = 2, .most = 2, .waiting = 3 };
	struct eta eta;

	(void)state;
	(void)snprintf(why.limit, sizeof(why.limit), "c:acme:deploy");
	why.spent_tenant = (struct queue_spent){ 100000, 10 };
	eta = eta_of(&why, &full);
	assert_int_equal(eta.basis, ETA_LIMIT);
	assert_in_range(eta.p50_ms, 15000, 22000);
	why.most = 0;
	assert_int_equal(eta_of(&why, &full).basis, ETA_NONE);
}

static void what_is_delayed_is_ready_when_it_is_due(void **state)
{
	struct queue_why why = { .set = QUEUE_DELAYED, .now_ms = 1000, .due_ms = 5000 };
	struct eta eta = eta_of(&why, &full);

	(void)state;
	assert_int_equal(eta.basis, ETA_DUE);
	assert_int_equal(eta.p50_ms, 4000);
	why.now_ms = 6000;
	assert_int_equal(eta_of(&why, &full).p50_ms, 0);
}

static void nobody_knows_when_there_is_no_worker_or_it_waits_for_somebody(void **state)
{
	struct queue_why why = { .set = QUEUE_READY };

	(void)state;
	why.spent_all = (struct queue_spent){ 600000, 10 };
	assert_int_equal(eta_of(&why, &(struct eta_slots){ 0, 0 }).basis, ETA_NONE);
	why.set = QUEUE_PARKED;
	assert_int_equal(eta_of(&why, &full).basis, ETA_NONE);
}

static void pace_that_stopped_is_slower_than_it_was(void **state)
{
	struct queue_why why = { .set = QUEUE_READY, .now_ms = 100000 };
	struct eta before, after;

	(void)state;
	why.of_user = (struct queue_pace){
		.starts = 32, .last_ms = 99990, .goes_on = true, .mean_ms = 1000, .var = 10000
	};
	before = eta_of(&why, &full);
	why.now_ms += 600000;
	after = eta_of(&why, &full);
	assert_true(after.p50_ms > 5 * before.p50_ms);
}

static void a_worker_fits_when_it_has_every_word(void **state)
{
	struct str rest = str_of("os=linux,gpu,zone=eu");

	(void)state;
	assert_true(words_fit("", ""));
	assert_true(words_fit("os=linux,gpu", "gpu,os=linux"));
	assert_false(words_fit("os=linux,gpu2", "gpu"));
	assert_true(str_eq(words_missing("os=linux", &rest), STR_LIT("gpu")));
	assert_true(str_eq(words_missing("os=linux", &rest), STR_LIT("zone=eu")));
	assert_null(words_missing("os=linux", &rest).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_goes_on_takes_a_gap_for_each_before_it),
		cmocka_unit_test(a_line_that_begins_waits_for_the_turns_of_the_others),
		cmocka_unit_test(without_starts_it_is_as_sessions_end),
		cmocka_unit_test(what_is_held_for_a_limit_waits_for_those_who_have_it),
		cmocka_unit_test(what_is_delayed_is_ready_when_it_is_due),
		cmocka_unit_test(nobody_knows_when_there_is_no_worker_or_it_waits_for_somebody),
		cmocka_unit_test(pace_that_stopped_is_slower_than_it_was),
		cmocka_unit_test(a_worker_fits_when_it_has_every_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
