/*
 * A bounded number of fibers at a time, in the order in which they came.
 *
 * What begins and ends sessions starts processes and writes files, a few milliseconds of the loop
 * each. A worker that is given all it has room for at once, or loses all it has, does that for a
 * few of them at a time, so that its lease is renewed in between.
 */
#pragma once

#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"

struct turns_wait;

struct turns {
	unsigned max, held;
	TAILQ_HEAD(turns_waits, turns_wait) waits;
};

void turns_init(struct turns *turns, unsigned max);

/* Wait for one. Anything but ERR_OK (the fiber was cancelled): there is none to give back. */
enum err_code turns_take(struct turns *turns) MUST_CHECK;
void turns_give(struct turns *turns);
