/*
 * One event loop per process, on one thread.
 *
 * Every continuation in the program runs from here and never from inside the
 * call that asked for it: a completion is deferred with loop_defer(), so a
 * caller's stack is always unwound first.
 */
#pragma once

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"

struct event_base;
struct loop;
struct loop_task;
struct stack_pool;

typedef void(loop_task_fn)(struct loop_task *task);

/* Embedded by its owner, who must not free it while it is queued. */
struct loop_task {
	loop_task_fn *run;
	bool queued;
	TAILQ_ENTRY(loop_task) link;
};

struct loop *loop_new(void) MUST_CHECK;
void loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop);
struct stack_pool *loop_stacks(struct loop *loop); /* for the fibers of this loop */

/* The longest time since the last call that the loop spent away from poll(), in microseconds:
 * in one turn of tasks (fibers run there) or as seen from a timer that came late. */
uint64_t loop_stall_max_us(struct loop *loop);

/* Run task once, on a later turn of the loop. A task already queued stays where it is. */
void loop_defer(struct loop *loop, struct loop_task *task);
void loop_undefer(struct loop *loop, struct loop_task *task); /* harmless when not queued */

/* Run until no event is left (tests) or loop_stop(). A watched signal is an event that stays. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* A one-shot timer embedded by its owner; loop_timer_clear() before the owner is freed. */
struct loop_timer;
typedef void(loop_timer_fn)(struct loop_timer *timer);

struct loop_timer {
	struct event event;
	struct loop *loop;
	uint64_t due_us;
	loop_timer_fn *fire;
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fire);
/* Fires once, never early; 0 is the next turn. Set again: replaces. */
void loop_timer_set(struct loop_timer *timer, uint64_t in_ms);
void loop_timer_clear(struct loop_timer *timer); /* harmless when not set, or still all zero */

/* Calls as long as a descriptor can be read: for those that are quiet for hours, since a fiber that
 * waits has a stack. Embedded by its owner, who clears it before the descriptor is closed. */
struct loop_watch;
typedef void(loop_watch_fn)(struct loop_watch *watch);

struct loop_watch {
	struct event event;
	loop_watch_fn *readable;
	bool set;
};

void loop_watch_set(struct loop_watch *watch, struct loop *loop, int fd, loop_watch_fn *readable);
void loop_watch_clear(struct loop_watch *watch); /* harmless when not set, or still all zero */

/* Call fn(arg) on the loop whenever the signal arrives. SIGPIPE is ignored by loop_new(). */
void loop_on_signal(struct loop *loop, int signo, void (*fn)(int signo, void *arg), void *arg);
