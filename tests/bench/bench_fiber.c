/* What a fiber costs: a switch to it and back, a wait with a timeout, a start and an end. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { BENCH_ROUNDS = 1000000, BENCH_STARTS = 200000, BENCH_CROWD = 1000 };

struct bench {
	struct loop *loop;
	int left;
};

static void yields(void *arg)
{
	struct bench *bench = arg;

	while (bench->left-- > 0) {
		(void)fiber_yield();
	}
}

/* An operation that another task completes at once: what a driver call costs at least. */
struct quick_op {
	struct fiber_op op;
	struct loop_task task;
};

static void quick_done(struct loop_task *task)
{
	fiber_op_done(&CONTAINER_OF(task, struct quick_op, task)->op, NULL);
}

static void quick_abandon(struct fiber_op *op)
{
	loop_undefer(fiber_loop(), &CONTAINER_OF(op, struct quick_op, op)->task);
}

static void waits(void *arg)
{
	struct bench *bench = arg;
	struct quick_op quick = { .task.run = quick_done };

	while (bench->left-- > 0) {
		fiber_op_begin(&quick.op, quick_abandon);
		loop_defer(bench->loop, &quick.task);
		if (fiber_wait(&quick.op, 10000, NULL) != ERR_OK) {
			break;
		}
	}
}

static void ends(void *arg)
{
	struct bench *bench = arg;

	bench->left--;
}

static void report(const char *what, uint64_t start_us, int count)
{
	uint64_t ns = (clock_mono_us() - start_us) * 1000 / (uint64_t)count;

	(void)printf("%-48s %6" PRIu64 " ns\n", what, ns);
}

static void run_many(struct bench *bench, const char *what, fiber_fn *fn, int fibers, int rounds)
{
	uint64_t start_us = clock_mono_us();

	bench->left = rounds;
	for (int i = 0; i < fibers; i++) {
		(void)fiber_start(bench->loop, NULL, "bench", fn, bench);
	}
	loop_run(bench->loop);
	report(what, start_us, rounds);
}

int main(void)
{
	struct bench bench = { loop_new(), 0 };

	if (bench.loop == NULL) {
		return 1;
	}
	run_many(&bench, "switch pair, 1 fiber (a poll each turn)", yields, 1, BENCH_ROUNDS);
	run_many(&bench, "switch pair, 1000 fibers", yields, BENCH_CROWD, BENCH_ROUNDS);
	run_many(&bench, "operation with a timeout, 1000 fibers", waits, BENCH_CROWD, BENCH_ROUNDS);
	run_many(&bench, "start, run, end", ends, BENCH_STARTS, BENCH_STARTS);
	loop_free(bench.loop);
	return 0;
}
