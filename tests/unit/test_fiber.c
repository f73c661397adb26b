#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static void is_cancelled_in_a_wait(void *arg)
{
	struct bed *bed = arg;

	cancel_after(bed, 2);
	fake_begin(&bed->ops[0], FIBER_NO_TIMEOUT, ERR_OK);
	bed->code = fiber_wait(&bed->ops[0].op, 10000, &bed->err);
	fake_begin(&bed->ops[1], FIBER_NO_TIMEOUT, ERR_OK);
	bed->again = fiber_wait(&bed->ops[1].op, 10000, NULL);
	bed->last = fiber_sleep(10000);
	bed->seen = fiber_cancelled();
}

static void a_cancel_ends_the_wait_and_every_later_one(void **state)
{
	struct bed *bed = *state;

	run(bed, is_cancelled_in_a_wait);
	assert_int_equal(bed->code, ERR_CANCELLED);
	assert_int_equal(bed->err.code, ERR_CANCELLED);
	assert_int_equal(bed->again, ERR_CANCELLED);
	assert_int_equal(bed->last, ERR_CANCELLED);
	assert_true(bed->seen);
	assert_false(bed->ops[0].op.done);
	assert_int_equal(bed->ops[0].abandoned, 1);
	assert_int_equal(bed->ops[1].abandoned, 1);
}

static void notes_that_it_ran(void *arg)
{
	struct bed *bed = arg;

	bed->steps++;
	bed->code = fiber_sleep(10000);
	bed->again = fiber_yield();
	fake_begin(&bed->ops[0], 0, ERR_OK);
	fake_complete(&bed->ops[0].timer);
	loop_timer_clear(&bed->ops[0].timer);
	bed->last = fiber_wait(&bed->ops[0].op, 10, NULL);
}

static void a_fiber_cancelled_before_its_first_run_still_runs(void **state)
{
	struct bed *bed = *state;

	bed->victim = fiber_start(bed->loop, &bed->group, "test", notes_that_it_ran, bed);
	fiber_cancel(bed->victim, ERR_UNAVAILABLE);
	loop_run(bed->loop);
	assert_int_equal(bed->steps, 1);
	assert_int_equal(bed->code, ERR_UNAVAILABLE);
	assert_int_equal(bed->again, ERR_UNAVAILABLE);
	assert_int_equal(bed->last, ERR_OK); /* it was done: the result counts */
}

static void rolls_back_in_a_shield(void *arg)
{
	struct bed *bed = arg;

	cancel_after(bed, 1);
	fiber_set_deadline(clock_mono_ms() + 2);
	fiber_shield();
	fiber_shield();
	fake_begin(&bed->ops[0], 15, ERR_OK);
	bed->code = fiber_wait(&bed->ops[0].op, 10000, NULL);
	fiber_unshield();
	fake_begin(&bed->ops[1], FIBER_NO_TIMEOUT, ERR_OK);
	bed->again = fiber_wait(&bed->ops[1].op, 3, NULL); /* a timeout of its own still counts */
	bed->seen = fiber_cancelled();
	fiber_unshield();
	bed->other = fiber_cancelled();
	bed->last = fiber_sleep(10000);
}

static void a_shield_puts_cancel_and_deadline_off(void **state)
{
	struct bed *bed = *state;

	run(bed, rolls_back_in_a_shield);
	assert_int_equal(bed->code, ERR_OK);
	assert_int_equal(bed->again, ERR_TIMEOUT);
	assert_false(bed->seen);
	assert_true(bed->other);
	assert_int_equal(bed->last, ERR_CANCELLED);
}

static void gives_up_just_before_the_result(void *arg)
{
	struct bed *bed = arg;
	struct fake_op *fake = &bed->ops[0];

	fake_begin(fake, FIBER_NO_TIMEOUT, ERR_OK);
	bed->code = fiber_wait(&fake->op, 0, NULL);
	bed->seen = !fake->in_flight && !fake->op.done;
	fiber_op_drop(&fake->op); /* nothing is left to give up */
	fake_begin(&bed->ops[1], FIBER_NO_TIMEOUT, ERR_OK);
	fiber_op_drop(&bed->ops[1].op);
	fiber_op_drop(&bed->ops[1].op);
	fake_begin(&bed->ops[2], 0, ERR_OK);
	bed->again = fiber_wait(&bed->ops[2].op, 1000, NULL);
	fiber_op_drop(&bed->ops[2].op);
}

static void an_operation_is_abandoned_at_most_once_and_not_when_done(void **state)
{
	struct bed *bed = *state;

	run(bed, gives_up_just_before_the_result);
	assert_int_equal(bed->code, ERR_TIMEOUT);
	assert_true(bed->seen);
	assert_int_equal(bed->ops[0].abandoned, 1);
	assert_int_equal(bed->ops[1].abandoned, 1);
	assert_int_equal(bed->again, ERR_OK);
	assert_int_equal(bed->ops[2].abandoned, 0);
}

/* A driver that cannot recall what it sent: it forgets the waiter and drops the late answer. */
struct late_driver {
	struct fiber_op *waiter;
	struct loop_timer timer;
	int dropped;
};

static struct late_driver *late;

static void late_answer(struct loop_timer *timer)
{
	struct late_driver *driver = CONTAINER_OF(timer, struct late_driver, timer);

	if (driver->waiter == NULL) {
		driver->dropped++;
		return;
	}
	fiber_op_done(driver->waiter, NULL);
}

static void late_abandon(struct fiber_op *op)
{
	assert_ptr_equal(late->waiter, op);
	late->waiter = NULL;
	loop_timer_set(&late->timer, 1);
}

static void asks_the_late_driver(void *arg)
{
	struct bed *bed = arg;
	struct fiber_op op;

	late->waiter = &op;
	fiber_op_begin(&op, late_abandon);
	loop_timer_init(&late->timer, fiber_loop(), late_answer);
	bed->code = fiber_wait(&op, 1, NULL);
}

static void a_late_answer_after_abandon_is_dropped(void **state)
{
	struct bed *bed = *state;
	struct late_driver driver = { NULL, { .fire = NULL }, 0 };

	late = &driver;
	run(bed, asks_the_late_driver);
	assert_int_equal(bed->code, ERR_TIMEOUT);
	assert_int_equal(driver.dropped, 1);
}

static void cannot_abandon(void *arg)
{
	struct bed *bed = arg;

	cancel_after(bed, 1);
	fake_begin(&bed->ops[0], 10, ERR_CONFLICT);
	bed->ops[0].op.abandon = NULL;
	bed->code = fiber_wait(&bed->ops[0].op, 3, NULL);
	bed->again = fiber_sleep(1);
}

static void an_operation_without_abandon_keeps_its_fiber(void **state)
{
	struct bed *bed = *state;

	run(bed, cannot_abandon);
	assert_int_equal(bed->code, ERR_CONFLICT);
	assert_true(bed->ops[0].op.done);
	assert_int_equal(bed->again, ERR_CANCELLED);
}

static void meets_its_deadline(void *arg)
{
	struct bed *bed = arg;
	uint64_t start = clock_mono_ms();

	fiber_set_deadline(start + 5);
	fake_begin(&bed->ops[0], FIBER_NO_TIMEOUT, ERR_OK);
	bed->code = fiber_wait(&bed->ops[0].op, FIBER_NO_TIMEOUT, NULL);
	bed->seen = clock_mono_ms() >= start + 5;
	bed->again = fiber_sleep(10000);
	bed->last = fiber_yield();
	fiber_set_deadline(0);
	bed->other = (int)fiber_sleep(1);
}

static void a_deadline_caps_every_wait(void **state)
{
	struct bed *bed = *state;

	run(bed, meets_its_deadline);
	assert_int_equal(bed->code, ERR_TIMEOUT);
	assert_true(bed->seen);
	assert_int_equal(bed->again, ERR_TIMEOUT);
	assert_int_equal(bed->last, ERR_TIMEOUT);
	assert_int_equal(bed->other, ERR_OK);
}

static void waits_for_mixed_results(void *arg)
{
	struct bed *bed = arg;
	struct fiber_op *ops[] = { &bed->ops[0].op, NULL, &bed->ops[1].op, &bed->ops[2].op };

	fake_begin(&bed->ops[0], 2, ERR_OK);
	fake_begin(&bed->ops[1], FIBER_NO_TIMEOUT, ERR_OK);
	fake_begin(&bed->ops[2], 1, ERR_BACKEND);
	bed->code = fiber_wait_all(ops, ARRAY_LEN(ops), 20, &bed->err);
}

static void wait_all_returns_the_first_error_in_array_order(void **state)
{
	struct bed *bed = *state;

	run(bed, waits_for_mixed_results);
	assert_int_equal(bed->code, ERR_TIMEOUT);
	assert_int_equal(bed->err.code, ERR_TIMEOUT);
	assert_true(bed->ops[0].op.done);
	assert_int_equal(bed->ops[0].op.err.code, ERR_OK);
	assert_false(bed->ops[1].op.done);
	assert_int_equal(bed->ops[1].abandoned, 1);
	assert_true(bed->ops[2].op.done);
	assert_int_equal(bed->ops[2].op.err.code, ERR_BACKEND);
}

static void waits_for_any(void *arg)
{
	struct bed *bed = arg;
	struct fiber_op *ops[] = { &bed->ops[0].op, &bed->ops[1].op };
	size_t none;

	fake_begin(&bed->ops[0], FIBER_NO_TIMEOUT, ERR_OK);
	fake_begin(&bed->ops[1], 1, ERR_BACKEND);
	bed->code = fiber_wait_any(ops, 2, 10000, &bed->index);
	bed->seen = bed->ops[0].in_flight;
	ops[1] = NULL;
	bed->again = fiber_wait_any(ops, 2, 1, &none);
	bed->steps = (int)none;
	loop_timer_set(&bed->ops[0].timer, 1);
	bed->last = fiber_wait(&bed->ops[0].op, 10000, NULL);
}

static void wait_any_leaves_the_others_in_flight(void **state)
{
	struct bed *bed = *state;

	run(bed, waits_for_any);
	assert_int_equal(bed->code, ERR_OK);
	assert_int_equal(bed->index, 1);
	assert_int_equal(bed->ops[1].op.err.code, ERR_BACKEND);
	assert_true(bed->seen);
	assert_int_equal(bed->again, ERR_TIMEOUT);
	assert_int_equal(bed->steps, 2);
	assert_int_equal(bed->last, ERR_OK);
	assert_int_equal(bed->ops[0].abandoned, 0);
}

static void finds_two_done(void *arg)
{
	struct bed *bed = arg;
	struct fiber_op *ops[] = { &bed->ops[0].op, &bed->ops[1].op, &bed->ops[2].op };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		fake_begin(&bed->ops[i], FIBER_NO_TIMEOUT, ERR_OK);
	}
	fake_complete(&bed->ops[2].timer);
	fake_complete(&bed->ops[1].timer);
	bed->code = fiber_wait_any(ops, ARRAY_LEN(ops), 10000, &bed->index);
	fiber_op_drop(ops[0]);
}

static void wait_any_takes_the_first_of_several_in_array_order(void **state)
{
	struct bed *bed = *state;

	run(bed, finds_two_done);
	assert_int_equal(bed->code, ERR_OK);
	assert_int_equal(bed->index, 1);
}

static void is_cancelled_in_wait_any(void *arg)
{
	struct bed *bed = arg;
	struct fiber_op *ops[] = { &bed->ops[0].op, &bed->ops[1].op };

	cancel_after(bed, 1);
	fake_begin(&bed->ops[0], FIBER_NO_TIMEOUT, ERR_OK);
	fake_begin(&bed->ops[1], FIBER_NO_TIMEOUT, ERR_OK);
	bed->code = fiber_wait_any(ops, 2, 10000, &bed->index);
	bed->seen = bed->ops[0].in_flight && bed->ops[1].in_flight;
	loop_timer_set(&bed->ops[1].timer, 1);
	fiber_op_drop(ops[0]);
	fiber_shield();
	bed->again = fiber_wait(ops[1], 10000, NULL);
	fiber_unshield();
}

static void a_cancelled_wait_any_abandons_nothing(void **state)
{
	struct bed *bed = *state;

	run(bed, is_cancelled_in_wait_any);
	assert_int_equal(bed->code, ERR_CANCELLED);
	assert_int_equal(bed->index, 2);
	assert_true(bed->seen);
	assert_int_equal(bed->ops[0].abandoned, 1);
	assert_int_equal(bed->again, ERR_OK);
}

static void waits_for_the_signal(void *arg)
{
	struct bed *bed = arg;

	if (fiber_signal_wait(&bed->signal, 10000) == ERR_OK) {
		bed->steps++;
	}
}

static void raises_the_signal(void *arg)
{
	struct bed *bed = arg;

	bed->code = fiber_yield();
	fiber_signal_raise(&bed->signal);
	bed->other = bed->signal.raised;  /* those who waited have it */
	fiber_signal_raise(&bed->signal); /* nobody is left waiting: it stays up for the next */
	bed->seen = bed->signal.raised;
	bed->again = fiber_signal_wait(&bed->signal, 0);
	bed->last = fiber_signal_wait(&bed->signal, 1);
}

static void a_signal_wakes_every_waiter_and_stays_raised_for_the_next(void **state)
{
	struct bed *bed = *state;

	for (int i = 0; i < 5; i++) {
		(void)fiber_start(bed->loop, &bed->group, "waiter", waits_for_the_signal, bed);
	}
	run(bed, raises_the_signal);
	assert_int_equal(bed->steps, 5);
	assert_false(bed->other);
	assert_true(bed->seen);
	assert_int_equal(bed->again, ERR_OK);
	assert_int_equal(bed->last, ERR_TIMEOUT);
	assert_true(TAILQ_EMPTY(&bed->signal.waits));
}

static void is_woken_and_cancelled_at_once(void *arg)
{
	struct bed *bed = arg;

	bed->code = fiber_signal_wait(&bed->signal, 10000);
	bed->again = fiber_signal_wait(&bed->signal, 10000);
}

static void wakes_and_cancels(void *arg)
{
	struct bed *bed = arg;

	bed->last = fiber_yield();
	fiber_signal_raise(&bed->signal);
	fiber_cancel(bed->victim, ERR_CANCELLED);
}

static void a_raise_is_not_lost_to_a_cancel(void **state)
{
	struct bed *bed = *state;

	fiber_signal_init(&bed->signal);
	(void)fiber_start(bed->loop, NULL, "raiser", wakes_and_cancels, bed);
	run(bed, is_woken_and_cancelled_at_once);
	assert_int_equal(bed->code, ERR_OK);
	assert_int_equal(bed->again, ERR_CANCELLED);
}

static void sleeps_until_cancelled(void *arg)
{
	struct bed *bed = arg;

	if (fiber_sleep(60000) == ERR_UNAVAILABLE) {
		bed->steps++;
	}
}

static void waits_for_the_group(void *arg)
{
	struct bed *bed = arg;

	bed->code = fiber_group_wait(&bed->group, 1);
	fiber_group_cancel(&bed->group, ERR_UNAVAILABLE);
	bed->again = fiber_group_wait(&bed->group, 10000);
	bed->other = (int)bed->group.count;
	bed->last = fiber_group_wait(&bed->group, 0); /* empty: no wait */
}

static void a_group_is_cancelled_and_waited_for(void **state)
{
	struct bed *bed = *state;

	for (int i = 0; i < 20; i++) {
		(void)fiber_start(bed->loop, &bed->group, "member", sleeps_until_cancelled, bed);
	}
	(void)fiber_start(bed->loop, NULL, "closer", waits_for_the_group, bed);
	loop_run(bed->loop);
	assert_int_equal(bed->code, ERR_TIMEOUT);
	assert_int_equal(bed->again, ERR_OK);
	assert_int_equal(bed->last, ERR_OK);
	assert_int_equal(bed->steps, 20);
	assert_int_equal(bed->other, 0);
}

static void ends_next_turn(void *arg)
{
	struct bed *bed = arg;

	bed->last = fiber_yield();
	bed->steps++;
}

static void fills_the_group_again(void *arg)
{
	struct bed *bed = arg;

	bed->last = fiber_yield();
	bed->seen = bed->group.count == 0; /* the waiter has been woken but has not run */
	(void)fiber_start(fiber_loop(), &bed->group, "late", ends_next_turn, bed);
}

static void waits_for_the_refilled_group(void *arg)
{
	struct bed *bed = arg;

	bed->code = fiber_group_wait(&bed->group, 10000);
	bed->other = bed->steps;
}

static void a_group_refilled_before_its_waiter_runs_is_waited_for_again(void **state)
{
	struct bed *bed = *state;

	(void)fiber_start(bed->loop, &bed->group, "member", ends_next_turn, bed);
	(void)fiber_start(bed->loop, NULL, "filler", fills_the_group_again, bed);
	(void)fiber_start(bed->loop, NULL, "waiter", waits_for_the_refilled_group, bed);
	loop_run(bed->loop);
	assert_true(bed->seen);
	assert_int_equal(bed->code, ERR_OK);
	assert_int_equal(bed->other, 2);
}

static void starts_children(void *arg)
{
	struct bed *bed = arg;

	if (bed->steps++ < 100) {
		(void)fiber_start(fiber_loop(), &bed->group, "child", starts_children, bed);
		(void)fiber_yield();
	}
}

static void a_fiber_may_start_fibers(void **state)
{
	struct bed *bed = *state;

	run(bed, starts_children);
	assert_int_equal(bed->steps, 101);
}

static void fills_its_stack(void *arg)
{
	struct bed *bed = arg;
	volatile char frame[32 * 1024];

	for (size_t i = 0; i < sizeof(frame); i += 512) {
		frame[i] = (char)bed->steps;
	}
	(void)fiber_sleep((uint64_t)(bed->steps % 3));
	(void)fiber_yield();
	bed->other += frame[512] != frame[1024];
	bed->steps++;
}

static void thousands_of_fibers_share_pooled_stacks(void **state)
{
	struct bed *bed = *state;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 999; i++) {
			(void)fiber_start(bed->loop, &bed->group, "many", fills_its_stack, bed);
		}
		run(bed, fills_its_stack);
	}
	assert_int_equal(bed->steps, 4000);
	assert_int_equal(bed->other, 0);
}

static void reads_and_writes(void *arg)
{
	struct bed *bed = arg;
	char byte;

	bed->code = fiber_wait_fd(bed->fds[0], FIBER_READ, 2);
	bed->again = fiber_wait_fd(bed->fds[0], FIBER_WRITE, 1000);
	assert_int_equal(write(bed->fds[1], "x", 1), 1);
	bed->last = fiber_wait_fd(bed->fds[0], FIBER_READ, 1000);
	bed->steps = (int)read(bed->fds[0], &byte, 1);
	cancel_after(bed, 1);
	bed->err.code = fiber_wait_fd(bed->fds[0], FIBER_READ, 10000);
	bed->other = (int)fiber_wait_fd(bed->fds[0], FIBER_WRITE, 10000);
}

static void a_descriptor_can_be_waited_for(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bed->fds), 0);
	run(bed, reads_and_writes);
	assert_int_equal(bed->code, ERR_TIMEOUT);
	assert_int_equal(bed->again, ERR_OK);
	assert_int_equal(bed->last, ERR_OK);
	assert_int_equal(bed->steps, 1);
	assert_int_equal(bed->err.code, ERR_CANCELLED);
	assert_int_equal(bed->other, ERR_CANCELLED);
	(void)close(bed->fds[0]);
	(void)close(bed->fds[1]);
}

static void waits_for_a_file(void *arg)
{
	struct bed *bed = arg;

	bed->code = fiber_wait_fd(bed->fds[0], FIBER_READ, 1000);
}

static void a_descriptor_that_cannot_be_polled_is_an_error(void **state)
{
	struct bed *bed = *state;

	bed->fds[0] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(bed->fds[0] >= 0);
	run(bed, waits_for_a_file);
	assert_int_equal(bed->code, ERR_INTERNAL);
	(void)close(bed->fds[0]);
}

static void tags_itself(void *arg)
{
	struct bed *bed = arg;
	char big[2 * FIBER_TAG_MAX];

	bed->seen = fiber_tag()[0] == '\0' && fiber_current() == bed->victim;
	memset(big, 't', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	fiber_add_tag("request", "1");
	fiber_add_tag("tenant", "acme");
	bed->seen = bed->seen && strcmp(fiber_tag(), "request=1 tenant=acme") == 0;
	fiber_add_tag("big", big);
	bed->seen = bed->seen && strlen(fiber_tag()) == FIBER_TAG_MAX - 1;
	fiber_set_tag("request=%s", big);
	(void)fiber_yield();
	bed->steps = (int)strlen(fiber_tag());
}

static void a_tag_belongs_to_its_fiber_and_is_cut(void **state)
{
	struct bed *bed = *state;

	run(bed, tags_itself);
	assert_true(bed->seen);
	assert_int_equal(bed->steps, FIBER_TAG_MAX - 1);
	assert_string_equal(fiber_tag(), "");
	assert_null(fiber_current());
}

#define FIBER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIBER_TEST(a_wait_returns_what_the_operation_ended_with),
		FIBER_TEST(a_cancel_ends_the_wait_and_every_later_one),
		FIBER_TEST(a_fiber_cancelled_before_its_first_run_still_runs),
		FIBER_TEST(a_shield_puts_cancel_and_deadline_off),
		FIBER_TEST(an_operation_is_abandoned_at_most_once_and_not_when_done),
		FIBER_TEST(a_late_answer_after_abandon_is_dropped),
		FIBER_TEST(an_operation_without_abandon_keeps_its_fiber),
		FIBER_TEST(a_deadline_caps_every_wait),
		FIBER_TEST(wait_all_returns_the_first_error_in_array_order),
		FIBER_TEST(wait_any_leaves_the_others_in_flight),
		FIBER_TEST(wait_any_takes_the_first_of_several_in_array_order),
		FIBER_TEST(a_cancelled_wait_any_abandons_nothing),
		FIBER_TEST(a_signal_wakes_every_waiter_and_stays_raised_for_the_next),
		FIBER_TEST(a_raise_is_not_lost_to_a_cancel),
		FIBER_TEST(a_group_is_cancelled_and_waited_for),
		FIBER_TEST(a_group_refilled_before_its_waiter_runs_is_waited_for_again),
		FIBER_TEST(a_fiber_may_start_fibers),
		FIBER_TEST(thousands_of_fibers_share_pooled_stacks),
		FIBER_TEST(a_descriptor_can_be_waited_for),
		FIBER_TEST(a_descriptor_that_cannot_be_polled_is_an_error),
		FIBER_TEST(a_tag_belongs_to_its_fiber_and_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
