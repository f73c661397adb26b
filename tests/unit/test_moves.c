/* What schedulers were told and have not looked at yet. */
#include "base/str.h"
#include "scheduler/moves.h"
#include "tests/support/test.h"

static struct id id_of(unsigned i)
{
	const unsigned char entropy[10] = { (unsigned char)(i >> 8), (unsigned char)i };

	return id_make(1, entropy);
}

static void what_is_told_twice_is_looked_at_once_in_order(void **state)
{
	struct id first = id_of(1), second = id_of(2);
	struct moves moves;
	struct move move;

	(void)state;
	moves_init(&moves);
	assert_false(moves_take(&moves, &move));
	assert_true(moves_add(&moves, &first));
	assert_true(moves_add(&moves, &second));
	assert_false(moves_add(&moves, &first));
	assert_true(moves_take(&moves, &move));
	assert_true(id_eq(&move.sid, &first));
	assert_true(moves_add(&moves, &first));
	assert_true(moves_take(&moves, &move));
	assert_true(id_eq(&move.sid, &second));
	assert_true(moves_take(&moves, &move));
	assert_true(id_eq(&move.sid, &first));
	assert_false(moves_take(&moves, &move));
	moves_fini(&moves);
}

static void more_than_fits_is_left_to_the_slow_walk(void **state)
{
	struct moves moves;
	struct move move;
	struct id beyond = id_of(MOVES_MAX);

	(void)state;
	moves_init(&moves);
	for (unsigned i = 0; i < MOVES_MAX; i++) {
		struct id id = id_of(i);

		assert_true(moves_add(&moves, &id));
	}
	assert_false(moves_add(&moves, &beyond));
	assert_true(moves_take(&moves, &move));
	assert_true(moves_add(&moves, &beyond));
	moves_fini(&moves);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_twice_is_looked_at_once_in_order),
		cmocka_unit_test(more_than_fits_is_left_to_the_slow_walk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
