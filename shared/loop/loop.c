#include "loop/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"

STAILQ_HEAD(task_list, loop_task);

struct signal_watch {
	struct event *event;
	void (*fn)(int signo, void *arg);
	void *arg;
	SLIST_ENTRY(signal_watch) link;
};

struct loop {
	struct event_base *base;
	struct event *wake;
	struct task_list tasks;
	SLIST_HEAD(signal_list, signal_watch) signals;
};

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	struct loop_task *last = STAILQ_LAST(&loop->tasks, loop_task, link), *task;

	(void)fd;
	(void)what;

	/* Tasks queued from here on wait for the next turn, so I/O is never starved.  One that
	 * removes `last` ends the turn early at worst: the list is re-read each time. */
	while ((task = STAILQ_FIRST(&loop->tasks)) != NULL) {
		bool done = task == last;

		STAILQ_REMOVE_HEAD(&loop->tasks, link);
		task->queued = false;
		task->run(task);
		if (done) {
			break;
		}
	}
	if (!STAILQ_EMPTY(&loop->tasks)) {
		event_active(loop->wake, EV_TIMEOUT, 0);
	}
}

struct loop *loop_new(void)
{
	struct loop *loop = mem_calloc(1, sizeof(*loop));

	(void)signal(SIGPIPE, SIG_IGN);
	STAILQ_INIT(&loop->tasks);
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
	assert(STAILQ_EMPTY(&loop->tasks));
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
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	if (task->queued) {
		return;
	}
	if (STAILQ_EMPTY(&loop->tasks)) {
		event_active(loop->wake, EV_TIMEOUT, 0);
	}
	task->queued = true;
	STAILQ_INSERT_TAIL(&loop->tasks, task, link);
}

void loop_undefer(struct loop *loop, struct loop_task *task)
{
	if (task->queued) {
		STAILQ_REMOVE(&loop->tasks, task, loop_task, link);
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

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;

	(void)fd;
	(void)what;
	timer->fire(timer);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn *fire)
{
	timer->fire = fire;
	(void)evtimer_assign(&timer->event, loop->base, on_timer, timer);
}

void loop_timer_set(struct loop_timer *timer, uint64_t in_ms)
{
	struct timeval tv = { (time_t)(in_ms / 1000), (suseconds_t)(in_ms % 1000 * 1000) };

	(void)evtimer_add(&timer->event, &tv);
}

void loop_timer_clear(struct loop_timer *timer)
{
	(void)evtimer_del(&timer->event);
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
