/*
 * Fibers: how request logic waits.
 *
 * A fiber is a function with a stack of its own, run by the loop.  A handler reads from
 * top to bottom; a driver call suspends it and returns a value or an error.  Every wait
 * has a deadline, and ends with ERR_CANCELLED when the fiber is cancelled (client gone,
 * shutdown).  Fibers of a loop run one at a time and switch only inside the calls below.
 *
 * A driver embeds a struct fiber_op in its operation, begins it on the waiting fiber and
 * completes it exactly once with fiber_op_done(), from the loop, whenever it likes: the
 * fiber is resumed on a later turn.  An operation that is given up (deadline, cancel) is
 * abandoned: after abandon() returns the driver must not touch it again, and drops the late result.
 * One that cannot be abandoned (abandon == NULL) keeps its fiber until it is done.
 *
 * Stacks come from a pool, have a guard page, and are FIBER_STACK bytes: no large locals.
 * A fiber must have ended (its group cancelled and waited for) before its loop is freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"

struct fiber;
struct loop;

enum { FIBER_STACK = 256 * 1024, FIBER_TAG_MAX = 160 };

/* As a timeout: only the fiber's deadline and cancellation end the wait. 0 as a timeout only looks.
 */
#define FIBER_NO_TIMEOUT UINT64_MAX

typedef void(fiber_fn)(void *arg);

/* Fibers that belong together: a server's requests, a worker's sessions. Zero it to begin. */
struct fiber_group {
	LIST_HEAD(fiber_list, fiber) fibers;
	size_t count;
	struct fiber_op *waiter; /* the one fiber inside fiber_group_wait() */
};

/* Run fn(arg) on a new fiber from a later turn of the loop. group may be NULL. The handle is valid
 * until fn returns; name is kept by reference. */
struct fiber *fiber_start(struct loop *loop, struct fiber_group *group, const char *name,
                          fiber_fn *fn, void *arg);

struct fiber *fiber_current(void); /* NULL on the loop's own stack */
struct loop *fiber_loop(void);     /* of the current fiber */

/* End the wait it is in, and every later one, with `why`. Harmless when repeated: the first reason
 * stays. A fiber that has not run yet still runs, because its function owns arg. An operation
 * that is already done keeps its result: fiber_wait() on it returns that. */
void fiber_cancel(struct fiber *fiber, enum err_code why);
bool fiber_cancelled(void);

/* Between these two the current fiber cannot be cancelled and its deadline does not count (the
 * timeouts of the calls do): for a rollback, a last report. Nests. */
void fiber_shield(void);
void fiber_unshield(void);

/* No wait of the current fiber lasts beyond this (clock_mono_ms): ERR_TIMEOUT. 0: no such limit. */
void fiber_set_deadline(uint64_t mono_ms);

/* "request=01H... tenant=acme": put before what this fiber logs. Cut at FIBER_TAG_MAX. */
void fiber_set_tag(const char *fmt, ...) PRINTF_LIKE(1, 2);
void fiber_add_tag(const char *name, const char *value); /* one more: name=value */
const char *fiber_tag(void);                             /* "" outside fibers */

void fiber_group_cancel(struct fiber_group *group, enum err_code why);
/* Wait until the group is empty; only one fiber may, and it is not of the group. The group may
 * be freed once this returned ERR_OK. */
enum err_code fiber_group_wait(struct fiber_group *group, uint64_t timeout_ms) MUST_CHECK;

/* ---- waiting ---- */

struct fiber_op {
	struct fiber *fiber;
	bool done;
	struct err err; /* the result, once done */
	void (*abandon)(struct fiber_op *op);
};

/* For drivers: begun on the current fiber; done exactly once unless abandoned. err NULL means
 * success. */
void fiber_op_begin(struct fiber_op *op, void (*abandon)(struct fiber_op *op));
void fiber_op_done(struct fiber_op *op, const struct err *err);

/* Wait for one operation. ERR_TIMEOUT after timeout_ms, ERR_CANCELLED..., or what the operation
 * ended with. When this returns the operation is done or abandoned. err may be NULL. */
enum err_code fiber_wait(struct fiber_op *op, uint64_t timeout_ms, struct err *err) MUST_CHECK;

/* Wait for all of them; returns the first error in array order; look at each op->err for the rest.
 * Abandoned operations have done == false and, in err, why they were given up. NULL entries are
 * skipped. */
enum err_code fiber_wait_all(struct fiber_op *const ops[], size_t count, uint64_t timeout_ms,
                             struct err *err) MUST_CHECK;

/* Wait until one is done: ERR_OK, *ret_index says which (the first in array order), and its result
 * is in its err. Otherwise ERR_TIMEOUT or why the fiber was cancelled, and *ret_index is count.
 * Whatever is not done stays in flight and must be waited for or dropped. NULL entries are
 * skipped. */
enum err_code fiber_wait_any(struct fiber_op *const ops[], size_t count, uint64_t timeout_ms,
                             size_t *ret_index) MUST_CHECK;

/* Give up an operation that is no longer wanted. Harmless when it is done or already abandoned;
 * else it must have an abandon function. */
void fiber_op_drop(struct fiber_op *op);

enum err_code fiber_sleep(uint64_t ms); /* ERR_OK or why it was cut short */
/* Let the loop have a turn; afterwards, was the fiber cancelled (its code) or late (ERR_TIMEOUT)?
 */
enum err_code fiber_yield(void);

/* Wait until fd can be read or written, or has an error, which the caller's next call shows.
 * ERR_INTERNAL: it cannot be polled. It must stay open meanwhile. */
enum fiber_fd { FIBER_READ = 1, FIBER_WRITE = 2 };
enum err_code fiber_wait_fd(int fd, enum fiber_fd what, uint64_t timeout_ms) MUST_CHECK;

/* A flag that wakes every fiber waiting for it; when none is, it stays raised for the next one
 * to come. Zero it to begin. Look at what it stands for after each wait: several raises may wake
 * once. */
struct fiber_signal {
	bool raised;
	TAILQ_HEAD(fiber_signal_waits, fiber_signal_wait) waits;
};

void fiber_signal_init(struct fiber_signal *signal);
void fiber_signal_raise(struct fiber_signal *signal);
/* Wait until it is raised; it is lowered again. */
enum err_code fiber_signal_wait(struct fiber_signal *signal, uint64_t timeout_ms) MUST_CHECK;
