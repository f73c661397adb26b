#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "tests/support/test.h"

enum { TASKS = 5 };

/* A task that writes down its number and may do something to another. */
struct step {
	struct loop_task task;
	struct bed *bed;
	int number;
	struct step *remove, *add;
	int again; /* how many more times it queues itself */
};

struct bed {
	struct loop *loop;
	struct step steps[TASKS];
	int order[64];
	int ran;
	struct loop_timer timer;
	uint64_t started_us, fired_us;
	int fired;
	int pipe[2];
	int write_at; /* step 0 writes when it has so many runs left */
	int written;
	int before_read; /* tasks that ran before the pipe was seen */
	int signals;
};

static void on_step(struct loop_task *task)
{
	struct step *step = CONTAINER_OF(task, struct step, task);
	struct bed *bed = step->bed;

	if (bed->ran < (int)ARRAY_LEN(bed->order)) {
		bed->order[bed->ran] = step->number;
	}
	bed->ran++;
	if (step->remove != NULL) {
		loop_undefer(bed->loop, &step->remove->task);
	}
	if (step->add != NULL) {
		loop_defer(bed->loop, &step->add->task);
		step->add = NULL;
	}
	if (step->again == bed->write_at) {
		bed->written = (int)write(bed->pipe[1], "x", 1);
	}
	if (step->again > 0) {
		step->again--;
		loop_defer(bed->loop, &step->task);
	}
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->loop = loop_new();
	bed->write_at = -1;
	for (int i = 0; i < TASKS; i++) {
		bed->steps[i] = (struct step){ .task.run = on_step, .bed = bed, .number = i };
	}
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

static void assert_order(const struct bed *bed, const int *order, int count)
{
	assert_int_equal(bed->ran, count);
	assert_memory_equal(bed->order, order, (size_t)count * sizeof(*order));
}

static void defer_all(struct bed *bed)
{
	for (int i = 0; i < TASKS; i++) {
		loop_defer(bed->loop, &bed->steps[i].task);
	}
}

static void tasks_run_once_in_order_and_never_inside_defer(void **state)
{
	struct bed *bed = *state;

	defer_all(bed);
	defer_all(bed); /* already queued: they stay where they are */
	assert_int_equal(bed->ran, 0);
	loop_run(bed->loop);
	assert_order(bed, (int[]){ 0, 1, 2, 3, 4 }, 5);
}

static void undefer_removes_a_task_of_the_running_batch(void **state)
{
	struct bed *bed = *state;

	bed->steps[0].remove = &bed->steps[2];
	bed->steps[1].remove = &bed->steps[4]; /* the last of the batch */
	bed->steps[3].remove = &bed->steps[0]; /* has run: nothing to remove */
	defer_all(bed);
	loop_run(bed->loop);
	assert_order(bed, (int[]){ 0, 1, 3 }, 3);
}

static void a_task_removed_and_queued_again_runs_on_the_next_turn(void **state)
{
	struct bed *bed = *state;

	bed->steps[0].remove = &bed->steps[4];
	bed->steps[0].add = &bed->steps[4];
	bed->steps[2].again = 1;
	defer_all(bed);
	loop_run(bed->loop);
	assert_order(bed, (int[]){ 0, 1, 2, 3, 4, 2 }, 6);
}

static void undefer_outside_a_turn_leaves_nothing_to_run(void **state)
{
	struct bed *bed = *state;

	defer_all(bed);
	for (int i = 0; i < TASKS; i++) {
		loop_undefer(bed->loop, &bed->steps[i].task);
		loop_undefer(bed->loop, &bed->steps[i].task);
	}
	loop_run(bed->loop);
	assert_int_equal(bed->ran, 0);
	loop_defer(bed->loop, &bed->steps[3].task);
	loop_run(bed->loop);
	assert_order(bed, (int[]){ 3 }, 1);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct bed *bed = arg;

	(void)fd;
	(void)what;
	bed->before_read = bed->ran;
	bed->steps[0].again = 0;
}

static void a_task_that_queues_itself_does_not_starve_descriptors(void **state)
{
	struct bed *bed = *state;
	struct event *event;

	assert_int_equal(pipe2(bed->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	event = event_new(loop_base(bed->loop), bed->pipe[0], EV_READ, on_readable, bed);
	assert_int_equal(event_add(event, NULL), 0);
	bed->steps[0].again = 1000000;
	bed->write_at = 1000000 - 10;
	loop_defer(bed->loop, &bed->steps[0].task);
	loop_run(bed->loop);
	assert_int_equal(bed->written, 1);
	assert_true(bed->before_read <= 13);
	assert_true(bed->ran <= 14);
	event_free(event);
	(void)close(bed->pipe[0]);
	(void)close(bed->pipe[1]);
}

static void on_fire(struct loop_timer *timer)
{
	struct bed *bed = CONTAINER_OF(timer, struct bed, timer);

	bed->fired++;
	bed->fired_us = clock_mono_us();
	bed->steps[0].again = 0;
}

static void a_timer_fires_once_and_never_early(void **state)
{
	struct bed *bed = *state;

	loop_timer_init(&bed->timer, bed->loop, on_fire);
	for (uint64_t ms = 0; ms < 12; ms++) {
		bed->fired = 0;
		bed->started_us = clock_mono_us();
		loop_timer_set(&bed->timer, ms);
		bed->steps[0].again = INT_MAX; /* a busy loop looks at its timers all the time */
		loop_defer(bed->loop, &bed->steps[0].task);
		loop_run(bed->loop);
		assert_int_equal(bed->fired, 1);
		assert_true(bed->fired_us - bed->started_us >= ms * 1000);
	}
}

static void a_timer_can_be_cleared_and_set_again(void **state)
{
	struct bed *bed = *state;

	loop_timer_clear(&bed->timer); /* still all zero */
	loop_timer_init(&bed->timer, bed->loop, on_fire);
	loop_timer_clear(&bed->timer);
	loop_timer_set(&bed->timer, 1);
	loop_timer_clear(&bed->timer);
	loop_run(bed->loop);
	assert_int_equal(bed->fired, 0);

	loop_timer_set(&bed->timer, UINT64_MAX); /* no overflow */
	bed->started_us = clock_mono_us();
	loop_timer_set(&bed->timer, 1);
	loop_timer_set(&bed->timer, 20);
	loop_run(bed->loop);
	assert_int_equal(bed->fired, 1);
	assert_true(bed->fired_us - bed->started_us >= 20000);
}

static void sets_its_timer_late(struct loop_task *task)
{
	struct bed *bed = CONTAINER_OF(task, struct step, task)->bed;
	uint64_t end_us = clock_mono_us() + 15000;

	while (clock_mono_us() < end_us) {
	}
	bed->started_us = clock_mono_us();
	loop_timer_set(&bed->timer, 10);
}

static void a_timer_set_late_in_a_turn_counts_from_then_and_the_stall_is_seen(void **state)
{
	struct bed *bed = *state;

	loop_timer_init(&bed->timer, bed->loop, on_fire);
	bed->steps[0].task.run = sets_its_timer_late;
	loop_defer(bed->loop, &bed->steps[0].task);
	loop_run(bed->loop);
	assert_true(bed->fired_us - bed->started_us >= 10000);
	assert_true(loop_stall_max_us(bed->loop) >= 15000);
	assert_int_equal(loop_stall_max_us(bed->loop), 0); /* reading starts a new period */
}

static void blocks_in_a_callback(evutil_socket_t fd, short what, void *arg)
{
	struct bed *bed = arg;
	uint64_t end_us = clock_mono_us() + 40000;

	(void)fd;
	(void)what;
	while (clock_mono_us() < end_us) {
	}
	bed->before_read++;
}

static void a_stall_in_an_io_callback_shows_in_the_next_timer(void **state)
{
	struct bed *bed = *state;
	struct event *event;

	assert_int_equal(pipe2(bed->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	event = event_new(loop_base(bed->loop), bed->pipe[0], EV_READ, blocks_in_a_callback, bed);
	assert_int_equal(event_add(event, NULL), 0);
	assert_int_equal(write(bed->pipe[1], "x", 1), 1);
	loop_timer_init(&bed->timer, bed->loop, on_fire);
	loop_timer_set(&bed->timer, 10);
	loop_run(bed->loop);
	assert_int_equal(bed->before_read, 1);
	assert_true(loop_stall_max_us(bed->loop) >= 20000);
	event_free(event);
	(void)close(bed->pipe[0]);
	(void)close(bed->pipe[1]);
}

static void on_signo(int signo, void *arg)
{
	struct bed *bed = arg;

	bed->signals += signo == SIGUSR1;
	if (bed->signals < 2) {
		(void)raise(SIGUSR1);
	} else {
		loop_stop(bed->loop);
	}
}

static void a_watched_signal_is_called_each_time_until_the_loop_stops(void **state)
{
	struct bed *bed = *state;

	loop_on_signal(bed->loop, SIGUSR1, on_signo, bed);
	(void)raise(SIGPIPE); /* ignored */
	(void)raise(SIGUSR1);
	loop_run(bed->loop);
	assert_int_equal(bed->signals, 2);
}

/* ---- watches ---- */

struct watched {
	struct loop_watch watch;
	struct loop *loop;
	int pipe[2];
	int seen;
};

/* One byte a call: what is left calls again. */
static void on_byte(struct loop_watch *watch)
{
	struct watched *w = CONTAINER_OF(watch, struct watched, watch);
	char byte;

	assert_int_equal(read(w->pipe[0], &byte, 1), 1);
	if (++w->seen == 3) { /* a fourth is there and is not told of */
		loop_watch_clear(watch);
		loop_stop(w->loop);
	}
}

static void a_watch_calls_while_there_is_something_until_it_is_cleared(void **state)
{
	struct watched w = { .loop = loop_new() };

	(void)state;
	assert_int_equal(pipe(w.pipe), 0);
	loop_watch_clear(&w.watch); /* harmless */
	assert_int_equal(write(w.pipe[1], "abcd", 4), 4);
	loop_watch_set(&w.watch, w.loop, w.pipe[0], on_byte);
	loop_run(w.loop);
	assert_int_equal(w.seen, 3);
	loop_run(w.loop); /* nothing is left to wait for */
	assert_int_equal(w.seen, 3);
	(void)close(w.pipe[0]);
	(void)close(w.pipe[1]);
	loop_free(w.loop);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_calls_while_there_is_something_until_it_is_cleared),
		LOOP_TEST(tasks_run_once_in_order_and_never_inside_defer),
		LOOP_TEST(undefer_removes_a_task_of_the_running_batch),
		LOOP_TEST(a_task_removed_and_queued_again_runs_on_the_next_turn),
		LOOP_TEST(undefer_outside_a_turn_leaves_nothing_to_run),
		LOOP_TEST(a_task_that_queues_itself_does_not_starve_descriptors),
		LOOP_TEST(a_timer_fires_once_and_never_early),
		LOOP_TEST(a_timer_can_be_cleared_and_set_again),
		LOOP_TEST(a_timer_set_late_in_a_turn_counts_from_then_and_the_stall_is_seen),
		LOOP_TEST(a_stall_in_an_io_callback_shows_in_the_next_timer),
		LOOP_TEST(a_watched_signal_is_called_each_time_until_the_loop_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
