/* Who is slow: by what the socket says, and by how the tip comes nearer. */
#include "streamer/pace.h"
#include "tests/support/test.h"

enum { AFTER_MS = 5000 };

static void a_reader_whose_socket_was_never_full_is_not_slow(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	for (uint32_t now = 0; now < 10 * AFTER_MS; now += 100) {
		assert_false(pace_look(&pace, now, 1000000, AFTER_MS));
		assert_false(pace_is_behind(&pace, now, 0));
	}
}

static void a_reader_that_falls_back_is_slow_after_a_while(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	pace_full(&pace, 100, 50);
	pace_full(&pace, 3000, 900);
	assert_false(pace_look(&pace, 4900, 2000, AFTER_MS));
	assert_true(pace_is_behind(&pace, 1200, 1000));
	assert_false(pace_is_behind(&pace, 1000, 1000));
	assert_true(pace_look(&pace, 5200, 2000, AFTER_MS));
}

/* A million events, a hundred thousand a second. */
static void a_replay_that_gets_there_soon_is_not_slow(void **state)
{
	struct pace pace = { 0 };
	uint64_t distance = 1000000;

	(void)state;
	pace_full(&pace, 1, distance);
	for (uint32_t now = 1; distance > 0; now += 100) {
		assert_false(pace_look(&pace, now, distance, AFTER_MS));
		distance -= 10000;
	}
}

static void a_replay_that_takes_minutes_is_slow(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	pace_full(&pace, 1, 1000000);
	assert_true(pace_look(&pace, AFTER_MS + 2, 1000000 - 20000, AFTER_MS));
}

static void who_has_caught_up_begins_anew(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	pace_full(&pace, 1, 10);
	pace_caught_up(&pace);
	assert_false(pace_look(&pace, AFTER_MS * 2, 100, AFTER_MS));
	pace_full(&pace, AFTER_MS * 2, 100);
	assert_false(pace_look(&pace, AFTER_MS * 3 - 1, 100, AFTER_MS));
	assert_true(pace_look(&pace, AFTER_MS * 3 + 1, 100, AFTER_MS));
}

/* The clock is kept as its lower half, and 0 has a meaning of its own. */
static void the_clock_may_turn_over(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	pace_full(&pace, UINT32_MAX - 1000, 10);
	assert_false(pace_look(&pace, 3000, 100, AFTER_MS));
	assert_true(pace_look(&pace, 4001, 100, AFTER_MS));
	pace_caught_up(&pace);
	pace_full(&pace, 0, 10);
	assert_false(pace_is_behind(&pace, 0, 0)); /* a moment later */
	assert_true(pace_is_behind(&pace, 1, 0));
	assert_true(pace_look(&pace, AFTER_MS + 1, 10, AFTER_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_whose_socket_was_never_full_is_not_slow),
		cmocka_unit_test(a_reader_that_falls_back_is_slow_after_a_while),
		cmocka_unit_test(a_replay_that_gets_there_soon_is_not_slow),
		cmocka_unit_test(a_replay_that_takes_minutes_is_slow),
		cmocka_unit_test(who_has_caught_up_begins_anew),
		cmocka_unit_test(the_clock_may_turn_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
