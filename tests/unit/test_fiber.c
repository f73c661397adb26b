#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/stack.h"
#include "tests/support/test.h"

/* A driver that completes when the test says so. */
struct fake_op {
	struct fiber_op op;
	struct loop_timer timer;
	struct err result;
	bool in_flight;
	int abandoned;
};

/* What the fibers of one test share. Results are looked at on the loop's own stack. */
struct bed {
	struct loop *loop;
	struct fiber_group group;
	struct fiber_signal signal;
	struct loop_timer timer;
	struct fiber *victim;
	struct fake_op ops[3];
	enum err_code code, again, last;
	struct err err;
	size_t index;
	int steps, other;
	bool seen;
	int fds[2];
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->loop = loop_new();
	bed->fds[0] = bed->fds[1] = -1;
	*state = bed;
	return bed->loop != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	loop_free(bed->loop);
	free(bed);
	return 0;
}

static void fake_complete(struct loop_timer *timer)
{
	struct fake_op *fake = CONTAINER_OF(timer, struct fake_op, timer);

	fake->in_flight = false;
	fiber_op_done(&fake->op, fake->result.code != ERR_OK ? &fake->result : NULL);
}

static void fake_abandon(struct fiber_op *op)
{
	struct fake_op *fake = CONTAINER_OF(op, struct fake_op, op);

	loop_timer_clear(&fake->timer);
	fake->in_flight = false;
	fake->abandoned++;
}

/* It completes after `ms` with `result`; never, when ms is FIBER_NO_TIMEOUT. */
static void fake_begin(struct fake_op *fake, uint64_t ms, enum err_code result)
{
	memset(fake, 0, sizeof(*fake));
	loop_timer_init(&fake->timer, fiber_loop(), fake_complete);
	if (result != ERR_OK) {
		(void)err_set(&fake->result, result, "fake %s", err_name(result));
	}
	fake->in_flight = true;
	fiber_op_begin(&fake->op, fake_abandon);
	if (ms != FIBER_NO_TIMEOUT) {
		loop_timer_set(&fake->timer, ms);
	}
}

static void run(struct bed *bed, fiber_fn *fn)
{
	bed->victim = fiber_start(bed->loop, &bed->group, "test", fn, bed);
	loop_run(bed->loop);
	assert_int_equal(bed->group.count, 0);
	assert_int_equal(stack_pool_live(loop_stacks(bed->loop)), 0);
}

static void cancel_now(struct loop_timer *timer)
{
	struct bed *bed = CONTAINER_OF(timer, struct bed, timer);

	fiber_cancel(bed->victim, ERR_CANCELLED);
	fiber_cancel(bed->victim, ERR_UNAVAILABLE); /* harmless, and the first reason stays */
}

static void cancel_after(struct bed *bed, uint64_t ms)
{
	loop_timer_init(&bed->timer, bed->loop, cancel_now);
	loop_timer_set(&bed->timer, ms);
}

static void waits_for_one(void *arg)
{
	struct bed *bed = arg;

	fake_begin(&bed->ops[0], 1, ERR_BACKEND);
	bed->code = fiber_wait(&bed->ops[0].op, 1000, &bed->err);
	fake_begin(&bed->ops[0], 0, ERR_OK);
	bed->again = fiber_wait(&bed->ops[0].op, 1000, NULL);
}

static void a_wait_returns_what_the_operation_ended_with(void **state)
{
	struct bed *bed = *state;

	run(bed, waits_for_one);
	assert_int_equal(bed->code, ERR_BACKEND);
	assert_string_equal(bed->err.msg, "fake BACKEND");
	assert_int_equal(bed->again, ERR_OK);
	assert_int_equal(bed->ops[0].abandoned, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_wait_returns_what_the_operation_ended_with, setup,
		                                teardown),
	};
	(void)cancel_after;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
