#include "loop/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "loop/stack.h"

TAILQ_HEAD(task_list, loop_task);

struct signal_watch {
	struct event *event;
	void (*fn)(int signo, void *arg);
	void *arg;
	SLIST_ENTRY(signal_watch) link;
};

/* Timers are rounded up to the kernel's tick and to poll's milliseconds; later than this is a
 * stall. */
enum { LOOP_TIMER_SLACK_US = 10000 };

/* A thousand years: sums with it do not overflow. */
static const uint64_t timer_max_ms = UINT64_C(31556952000000);

struct loop {
	struct event_base *base;
	struct event *wake;
	struct task_list tasks;
	struct loop_task turn_end; /* in tasks during a turn: what is behind it has to wait */
	struct stack_pool *stacks;
	uint64_t stall_max_us;
	SLIST_HEAD(signal_list, signal_watch) signals;
};

/* The real clock even where a test replaced base/clock.h: libevent's timers follow this one. */
static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void note_stall(struct loop *loop, uint64_t us)
{
	if (us > loop->stall_max_us) {
		loop->stall_max_us = us;
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	uint64_t start_us = now_us();
	struct loop_task *task;

	(void)fd;
	(void)what;

	TAILQ_INSERT_TAIL(&loop->tasks, &loop->turn_end, link);
	while ((task = TAILQ_FIRST(&loop->tasks)) != &loop->turn_end) {
		TAILQ_REMOVE(&loop->tasks, task, link);
		task->queued = false;
		task->run(task);
	}
	TAILQ_REMOVE(&loop->tasks, &loop->turn_end, link);
	if (!TAILQ_EMPTY(&loop->tasks)) {
		/* By a timer and not event_active(): that would run before the next poll, and
		 * tasks that queue tasks would starve all I/O. */
		static const struct timeval at_once = { 0, 0 };

		(void)event_add(loop->wake, &at_once);
	}
	note_stall(loop, now_us() - start_us);
}

struct loop *loop_new(void)
{
	struct loop *loop = mem_calloc(1, sizeof(*loop));

	(void)signal(SIGPIPE, SIG_IGN);
	TAILQ_INIT(&loop->tasks);
	loop->stacks = stack_pool_new();
	loop->base = event_base_new();
	loop->wake = loop->base != NULL ? event_new(loop->base, -1, 0, on_wake, loop) : NULL;
	if (loop->wake == NULL) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	struct signal_watch *watch;

	if (loop == NULL) {
		return;
	}
	assert(TAILQ_EMPTY(&loop->tasks));
	while ((watch = SLIST_FIRST(&loop->signals)) != NULL) {
		SLIST_REMOVE_HEAD(&loop->signals, link);
		event_free(watch->event);
		free(watch);
	}
	if (loop->wake != NULL) {
		event_free(loop->wake);
	}
	if (loop->base != NULL) {
		event_base_free(loop->base);
	}
	stack_pool_free(loop->stacks);
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

struct stack_pool *loop_stacks(struct loop *loop)
{
	return loop->stacks;
}

uint64_t loop_stall_max_us(struct loop *loop)
{
	uint64_t max = loop->stall_max_us;

	loop->stall_max_us = 0;
	return max;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	if (task->queued) {
		return;
	}
	if (TAILQ_EMPTY(&loop->tasks)) {
		event_active(loop->wake, EV_TIMEOUT, 0);
	}
	task->queued = true;
	TAILQ_INSERT_TAIL(&loop->tasks, task, link);
}

void loop_undefer(struct loop *loop, struct loop_task *task)
{
	if (task->queued) {
		TAILQ_REMOVE(&loop->tasks, task, link);
		task->queued = false;
	}
}

void loop_run(struct loop *loop)
{
	(void)event_base_dispatch(loop->base);
}

void loop_stop(struct loop *loop)
{
	(void)event_base_loopbreak(loop->base);
}

static void timer_arm(struct loop_timer *timer, uint64_t us)
{
	struct timeval tv = { (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };

	(void)evtimer_add(&timer->event, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;
	struct loop *loop = timer->loop;
	uint64_t start_us = now_us();

	(void)fd;
	(void)what;
	/* libevent's clock is coarse, and stands still during a turn: what is set in a long one
	 * would count from its beginning. */
	if (start_us < timer->due_us) {
		timer_arm(timer, timer->due_us - start_us);
		return;
	}
	if (start_us - timer->due_us > LOOP_TIMER_SLACK_US) {
		note_stall(loop, start_us - timer->due_us);
	}
	timer->fire(timer);
	note_stall(loop, now_us() - start_us);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fire)
{
	timer->loop = loop;
	timer->fire = fire;
	(void)evtimer_assign(&timer->event, loop->base, on_timer, timer);
}

void loop_timer_set(struct loop_timer *timer, uint64_t in_ms)
{
	uint64_t us = in_ms < timer_max_ms ? in_ms * 1000 : timer_max_ms * 1000;

	timer->due_us = now_us() + us;
	timer_arm(timer, us);
}

void loop_timer_clear(struct loop_timer *timer)
{
	if (timer->fire != NULL) {
		(void)evtimer_del(&timer->event);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct loop_watch *watch = arg;

	(void)fd;
	(void)what;
	watch->readable(watch);
}

void loop_watch_set(struct loop_watch *watch, struct loop *loop, int fd, loop_watch_fn *readable)
{
	loop_watch_clear(watch);
	watch->readable = readable;
	watch->set = true;
	if (event_assign(&watch->event, loop->base, fd, EV_READ | EV_PERSIST, on_readable, watch) !=
	            0 ||
	    event_add(&watch->event, NULL) != 0) {
		abort(); /* out of memory, or not a descriptor that can be polled */
	}
}

void loop_watch_clear(struct loop_watch *watch)
{
	if (watch->set) {
		watch->set = false;
		(void)event_del(&watch->event);
	}
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *watch = arg;

	(void)what;
	watch->fn(signo, watch->arg);
}

void loop_on_signal(struct loop *loop, int signo, void (*fn)(int signo, void *arg), void *arg)
{
	struct signal_watch *watch = mem_calloc(1, sizeof(*watch));

	watch->fn = fn;
	watch->arg = arg;
	watch->event = evsignal_new(loop->base, signo, on_signal, watch);
	assert(watch->event != NULL);
	(void)event_add(watch->event, NULL);
	SLIST_INSERT_HEAD(&loop->signals, watch, link);
}
