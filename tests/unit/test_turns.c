/* A few at a time, in order, and none is lost with who does not wait any longer. */
#include <string.h>

#include "loop/fiber.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/turns.h"

enum { MAX = 3, MANY = 50 };

struct crowd {
	struct turns turns;
	unsigned inside, most, done;
	unsigned order[MANY], next;
};

struct guest {
	struct crowd *crowd;
	unsigned number;
};

static void visit(void *arg)
{
	struct guest *guest = arg;
	struct crowd *crowd = guest->crowd;

	if (turns_take(&crowd->turns) != ERR_OK) {
		return;
	}
	crowd->order[crowd->next++] = guest->number;
	crowd->inside++;
	crowd->most = crowd->inside > crowd->most ? crowd->inside : crowd->most;
	(void)!fiber_yield();
	(void)!fiber_yield();
	crowd->inside--;
	crowd->done++;
	turns_give(&crowd->turns);
}

static void send_all(struct loop *loop, void *arg)
{
	struct crowd *crowd = arg;
	struct guest guests[MANY];
	struct fiber_group group = { .count = 0 };

	for (unsigned i = 0; i < MANY; i++) {
		guests[i] = (struct guest){ crowd, i };
		(void)fiber_start(loop, &group, "guest", visit, &guests[i]);
	}
	(void)!fiber_group_wait(&group, FIBER_NO_TIMEOUT);
}

static void no_more_than_a_few_go_at_a_time_and_all_of_them_in_order(void **state)
{
	struct crowd crowd = { .inside = 0 };

	(void)state;
	turns_init(&crowd.turns, MAX);
	run_fiber(send_all, &crowd);
	assert_int_equal(crowd.most, MAX);
	assert_int_equal(crowd.done, MANY);
	assert_int_equal(crowd.turns.held, 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(crowd.order[i], i);
	}
}

/* Of the first half: who waits, who has just been given a turn, and who is in the midst of it. */
static void send_half_away(struct loop *loop, void *arg)
{
	struct crowd *crowd = arg;
	struct guest guests[MANY];
	struct fiber *fibers[MANY];
	struct fiber_group group = { .count = 0 };

	for (unsigned i = 0; i < MANY; i++) {
		guests[i] = (struct guest){ crowd, i };
		fibers[i] = fiber_start(loop, &group, "guest", visit, &guests[i]);
	}
	(void)!fiber_yield();
	(void)!fiber_yield();
	for (unsigned i = 2 * MAX; i < MANY / 2; i++) {
		fiber_cancel(fibers[i], ERR_CANCELLED);
	}
	while (crowd->next <= MAX) {
		(void)!fiber_yield();
	}
	fiber_cancel(fibers[MAX + 1], ERR_CANCELLED);
	(void)!fiber_group_wait(&group, FIBER_NO_TIMEOUT);
}

static void who_leaves_takes_no_turn_with_him(void **state)
{
	struct crowd crowd = { .inside = 0 };

	(void)state;
	turns_init(&crowd.turns, MAX);
	run_fiber(send_half_away, &crowd);
	assert_true(crowd.done >= MANY / 2);
	assert_true(crowd.done < MANY);
	assert_int_equal(crowd.turns.held, 0);
	assert_true(crowd.most <= MAX);
	assert_true(TAILQ_EMPTY(&crowd.turns.waits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_a_few_go_at_a_time_and_all_of_them_in_order),
		cmocka_unit_test(who_leaves_takes_no_turn_with_him),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
