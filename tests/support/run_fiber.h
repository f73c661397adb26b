/* Run fn(arg) on a fiber of a loop of its own, to its end. Assertions of cmocka do not leave a
 * fiber by longjmp() safely: a test records what it saw and judges after this returned. */
#pragma once

#include <assert.h>

#include "loop/fiber.h"
#include "loop/loop.h"

struct run_fiber {
	void (*fn)(struct loop *loop, void *arg);
	struct loop *loop;
	void *arg;
};

static void run_fiber_body(void *arg)
{
	const struct run_fiber *run = arg;

	run->fn(run->loop, run->arg);
	loop_stop(run->loop);
}

static void run_fiber(void (*fn)(struct loop *loop, void *arg), void *arg)
{
	struct run_fiber run = { .fn = fn, .loop = loop_new(), .arg = arg };

	assert(run.loop != NULL);
	(void)fiber_start(run.loop, NULL, "test", run_fiber_body, &run);
	loop_run(run.loop);
	loop_free(run.loop);
}
