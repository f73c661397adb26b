#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "tests/support/test.h"

enum { MANY = 500 };

struct bed {
	struct loop *loop;
	struct offload *offload;
	struct fiber_group group;
	pthread_t loop_thread;
	int order[MANY];
	int started, finished;
	int wrong; /* of work that did not see what it should */
	struct fiber *caller;
	enum err_code after;
	pthread_barrier_t together;
};

struct call {
	struct bed *bed;
	int number, result;
};

static struct bed *bed_new(size_t threads)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->loop = loop_new();
	bed->offload = offload_new(bed->loop, threads);
	bed->loop_thread = pthread_self();
	assert_non_null(bed->offload);
	return bed;
}

static void bed_free(struct bed *bed)
{
	offload_free(bed->offload);
	loop_free(bed->loop);
	free(bed);
}

/* On a thread: it may touch its own struct only. */
static void squares(void *arg)
{
	struct call *call = arg;
	sigset_t blocked;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	call->result = pthread_equal(pthread_self(), call->bed->loop_thread) != 0 ||
	                               fiber_current() != NULL ||
	                               sigismember(&blocked, SIGTERM) != 1
	                       ? -1
	                       : call->number * call->number;
}

static void calls_once(void *arg)
{
	struct bed *bed = arg;
	struct call call = { .bed = bed, .number = bed->started++ };

	offload_call(bed->offload, squares, &call);
	bed->wrong += call.result != call.number * call.number;
	bed->order[bed->finished++] = call.number;
}

static void one_thread_runs_calls_in_the_order_they_were_made(void **state)
{
	struct bed *bed = bed_new(1);

	(void)state;
	for (int i = 0; i < MANY; i++) {
		(void)fiber_start(bed->loop, NULL, "caller", calls_once, bed);
	}
	loop_run(bed->loop);
	assert_int_equal(bed->finished, MANY);
	assert_int_equal(bed->wrong, 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(bed->order[i], i);
	}
	bed_free(bed);
}

static void many_calls_on_several_threads_all_come_back(void **state)
{
	struct bed *bed = bed_new(4);
	char seen[MANY] = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		(void)fiber_start(bed->loop, NULL, "caller", calls_once, bed);
	}
	loop_run(bed->loop);
	assert_int_equal(bed->finished, MANY);
	assert_int_equal(bed->wrong, 0);
	for (int i = 0; i < MANY; i++) {
		seen[bed->order[i]]++;
	}
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(seen[i], 1);
	}
	bed_free(bed);
}

static void meets_the_others(void *arg)
{
	struct bed *bed = arg;

	(void)pthread_barrier_wait(&bed->together);
}

static void calls_together(void *arg)
{
	struct bed *bed = arg;

	offload_call(bed->offload, meets_the_others, bed);
	bed->finished++;
}

static void as_many_calls_run_at_once_as_there_are_threads(void **state)
{
	struct bed *bed = bed_new(3);

	(void)state;
	(void)pthread_barrier_init(&bed->together, NULL, 3);
	for (int i = 0; i < 3; i++) {
		(void)fiber_start(bed->loop, NULL, "caller", calls_together, bed);
	}
	loop_run(bed->loop);
	assert_int_equal(bed->finished, 3);
	(void)pthread_barrier_destroy(&bed->together);
	bed_free(bed);
}

static void calls_while_cancelled(void *arg)
{
	struct bed *bed = arg;

	calls_together(bed);
	bed->after = fiber_sleep(10000);
}

static void cancels_the_caller(void *arg)
{
	struct bed *bed = arg;

	fiber_cancel(bed->caller, ERR_CANCELLED);
	(void)fiber_yield(); /* the caller had its chance to come back too early */
	bed->wrong += bed->finished != 0;
	offload_call(bed->offload, meets_the_others, bed);
}

static void a_cancelled_caller_waits_for_its_work(void **state)
{
	struct bed *bed = bed_new(2);

	(void)state;
	(void)pthread_barrier_init(&bed->together, NULL, 2);
	bed->caller = fiber_start(bed->loop, NULL, "caller", calls_while_cancelled, bed);
	(void)fiber_start(bed->loop, NULL, "canceller", cancels_the_caller, bed);
	loop_run(bed->loop);
	assert_int_equal(bed->wrong, 0);
	assert_int_equal(bed->finished, 1);
	assert_int_equal(bed->after, ERR_CANCELLED);
	(void)pthread_barrier_destroy(&bed->together);
	bed_free(bed);
}

static void an_idle_pool_is_freed(void **state)
{
	struct bed *bed = bed_new(4);

	(void)state;
	loop_run(bed->loop); /* returns: the pool keeps no event */
	bed_free(bed);
	offload_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_runs_calls_in_the_order_they_were_made),
		cmocka_unit_test(many_calls_on_several_threads_all_come_back),
		cmocka_unit_test(as_many_calls_run_at_once_as_there_are_threads),
		cmocka_unit_test(a_cancelled_caller_waits_for_its_work),
		cmocka_unit_test(an_idle_pool_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
