/* How many streams may go in a tick. */
#include "streamer/drain.h"
#include "tests/support/test.h"

enum { TICK = 20 };

/* All are ready at once: who goes in each tick, until the time is over. Returns the ticks used. */
static unsigned run(unsigned streams, uint64_t for_ms, unsigned *ret_most)
{
	struct drain_pace pace = { 0 };
	unsigned ticks = 0;

	*ret_most = 0;
	for (uint64_t left = for_ms; streams > 0; left = left > TICK ? left - TICK : 0) {
		unsigned share = drain_share(&pace, streams, TICK, left);

		assert_true(share <= streams);
		streams -= share;
		*ret_most = share > *ret_most ? share : *ret_most;
		ticks++;
		assert_true(ticks <= for_ms / TICK + 1);
	}
	return ticks;
}

static void many_are_spread_evenly_over_the_time(void **state)
{
	unsigned most, ticks = run(20000, 10000, &most);

	(void)state;
	assert_in_range(ticks, 499, 501);
	assert_in_range(most, 40, 42);
	ticks = run(5000, 1000, &most);
	assert_in_range(ticks, 49, 51);
	assert_in_range(most, 100, 104);
}

static void a_few_do_not_take_all_the_time(void **state)
{
	unsigned most, ticks = run(20, 60000, &most);

	(void)state;
	assert_int_equal(ticks, 5);
	assert_int_equal(most, 4);
	assert_int_equal(run(1, 60000, &most), 1);
}

static void when_no_time_is_left_all_go(void **state)
{
	struct drain_pace pace = { 0 };

	(void)state;
	assert_int_equal(drain_share(&pace, 1000, TICK, 0), 1000);
	assert_int_equal(drain_share(&pace, 1000, TICK, TICK), 1000);
}

static void who_was_not_ready_is_not_owed_anything(void **state)
{
	struct drain_pace pace = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(drain_share(&pace, 0, TICK, 60000), 0);
	}
	assert_int_equal(drain_share(&pace, 1000, TICK, 60000), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_are_spread_evenly_over_the_time),
		cmocka_unit_test(a_few_do_not_take_all_the_time),
		cmocka_unit_test(when_no_time_is_left_all_go),
		cmocka_unit_test(who_was_not_ready_is_not_owed_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
