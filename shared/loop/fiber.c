#include "loop/fiber.h"

#include <assert.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/sanitize.h"
#include "loop/stack.h"
#include "loop/switch.h"

struct fiber {
	struct loop *loop;
	struct stack *stack; /* NULL before it first runs: a queued fiber costs no stack */
	void *here;          /* while it does not run */
	void *back;          /* to the loop's stack, while it runs */
	struct sanitize_switch sanitize;

	struct loop_task resume;
	struct loop_timer timer; /* of the wait it is in */
	bool waiting;
	bool timed_out;
	bool ended;
	unsigned shields;
	enum err_code cancel; /* ERR_OK: not cancelled */
	uint64_t deadline_ms; /* clock_mono_ms, 0: none */
	size_t in_flight;     /* operations begun, and neither done nor abandoned */

	struct fiber_group *group;
	LIST_ENTRY(fiber) link;
	const char *name;
	fiber_fn *fn;
	void *arg;
	char tag[FIBER_TAG_MAX];
};

struct fiber_signal_wait {
	struct fiber *fiber;
	bool woken;
	TAILQ_ENTRY(fiber_signal_wait) link;
};

/* One loop runs one fiber at a time; threads of the offload pool never have one. */
static _Thread_local struct fiber *current;

static struct fiber *must_be_fiber(void)
{
	assert(current != NULL);
	return current;
}

/* ---- switching ---- */

static void leave(struct fiber *fiber)
{
	sanitize_leave_fiber(&fiber->sanitize, fiber->ended);
	switch_to(&fiber->here, fiber->back);
	sanitize_entered_fiber(&fiber->sanitize);
}

static void fiber_main(void)
{
	struct fiber *fiber = current;

	sanitize_entered_fiber(&fiber->sanitize);
	fiber->fn(fiber->arg);
	assert(fiber->in_flight == 0 && fiber->shields == 0);
	fiber->ended = true;
	leave(fiber);
	abort(); /* an ended fiber is never resumed */
}

static void fiber_prepare(struct fiber *fiber)
{
	fiber->stack = stack_take(loop_stacks(fiber->loop));
	sanitize_begin(&fiber->sanitize);
	fiber->here = switch_begin(fiber->stack->base, fiber->stack->size, fiber_main);
}

static void fiber_free(struct fiber *fiber)
{
	struct fiber_group *group = fiber->group;

	sanitize_end(&fiber->sanitize);
	stack_give(loop_stacks(fiber->loop), fiber->stack);
	if (group != NULL) {
		LIST_REMOVE(fiber, link);
		group->count--;
		if (group->count == 0 && group->waiter != NULL) {
			struct fiber_op *waiter = group->waiter;

			group->waiter = NULL;
			fiber_op_done(waiter, NULL);
		}
	}
	free(fiber);
}

/* On the loop's stack: run the fiber until it waits or ends. */
static void fiber_run(struct loop_task *task)
{
	struct fiber *fiber = CONTAINER_OF(task, struct fiber, resume);
	void *keep;

	assert(current == NULL);
	if (fiber->stack == NULL) {
		fiber_prepare(fiber);
	}
	current = fiber;
	sanitize_leave_loop(&fiber->sanitize, &keep, fiber->stack->base, fiber->stack->size);
	switch_to(&fiber->back, fiber->here);
	sanitize_entered_loop(keep);
	current = NULL;
	if (fiber->ended) {
		fiber_free(fiber);
	}
}

static void fiber_wake(struct fiber *fiber)
{
	if (fiber->waiting) {
		loop_defer(fiber->loop, &fiber->resume);
	}
}

/* Give the loop back until something wakes the fiber; the caller looks what it was. */
static void fiber_suspend(struct fiber *fiber)
{
	fiber->waiting = true;
	fiber->stack->low = __builtin_frame_address(0);
	fiber->stack->stirred = true;
	leave(fiber);
	fiber->stack->low = NULL;
	fiber->waiting = false;
}

static void on_timeout(struct loop_timer *timer)
{
	struct fiber *fiber = CONTAINER_OF(timer, struct fiber, timer);

	fiber->timed_out = true;
	fiber_wake(fiber);
}

/* ---- the fiber ---- */

struct fiber *fiber_start(struct loop *loop, struct fiber_group *group, const char *name,
                          fiber_fn *fn, void *arg)
{
	struct fiber *fiber = mem_calloc(1, sizeof(*fiber));

	fiber->loop = loop;
	fiber->name = name;
	fiber->fn = fn;
	fiber->arg = arg;
	fiber->resume.run = fiber_run;
	loop_timer_init(&fiber->timer, loop, on_timeout);
	fiber->group = group;
	if (group != NULL) {
		LIST_INSERT_HEAD(&group->fibers, fiber, link);
		group->count++;
	}
	loop_defer(loop, &fiber->resume);
	return fiber;
}

struct fiber *fiber_current(void)
{
	return current;
}

struct loop *fiber_loop(void)
{
	return must_be_fiber()->loop;
}

void fiber_cancel(struct fiber *fiber, enum err_code why)
{
	assert(why != ERR_OK);
	if (fiber->cancel == ERR_OK) {
		fiber->cancel = why;
	}
	if (fiber->shields == 0) {
		fiber_wake(fiber);
	}
}

bool fiber_cancelled(void)
{
	const struct fiber *fiber = must_be_fiber();

	return fiber->shields == 0 && fiber->cancel != ERR_OK;
}

void fiber_shield(void)
{
	must_be_fiber()->shields++;
}

void fiber_unshield(void)
{
	struct fiber *fiber = must_be_fiber();

	assert(fiber->shields > 0);
	fiber->shields--;
}

void fiber_set_deadline(uint64_t mono_ms)
{
	must_be_fiber()->deadline_ms = mono_ms;
}

void fiber_set_tag(const char *fmt, ...)
{
	struct fiber *fiber = must_be_fiber();
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(fiber->tag, sizeof(fiber->tag), fmt, ap);
	va_end(ap);
}

/* For each request, so without printf. */
void fiber_add_tag(const char *name, const char *value)
{
	const char *const parts[] = { " ", name, "=", value };
	struct fiber *fiber = must_be_fiber();
	size_t n = strlen(fiber->tag);

	for (size_t i = n == 0; i < ARRAY_LEN(parts); i++) {
		for (const char *c = parts[i]; *c != '\0' && n < sizeof(fiber->tag) - 1; c++) {
			fiber->tag[n++] = *c;
		}
	}
	fiber->tag[n] = '\0';
}

const char *fiber_tag(void)
{
	return current != NULL ? current->tag : "";
}

void fiber_group_cancel(struct fiber_group *group, enum err_code why)
{
	struct fiber *fiber;

	LIST_FOREACH(fiber, &group->fibers, link)
	{
		fiber_cancel(fiber, why);
	}
}

/* ---- waiting ---- */

/* How long a wait may last: what the caller allows and what the fiber has left. */
static uint64_t wait_limit(const struct fiber *fiber, uint64_t timeout_ms)
{
	uint64_t now, left;

	if (fiber->deadline_ms == 0 || fiber->shields > 0) {
		return timeout_ms;
	}
	now = clock_mono_ms();
	left = fiber->deadline_ms > now ? fiber->deadline_ms - now : 0;
	return left < timeout_ms ? left : timeout_ms;
}

static void wait_begin(struct fiber *fiber, uint64_t timeout_ms)
{
	uint64_t limit = wait_limit(fiber, timeout_ms);

	fiber->timed_out = limit == 0;
	if (limit > 0 && limit != FIBER_NO_TIMEOUT) {
		loop_timer_set(&fiber->timer, limit);
	}
}

static void wait_end(struct fiber *fiber)
{
	loop_timer_clear(&fiber->timer);
}

/* Why the wait must end although nothing was done; ERR_OK: it may go on. */
static enum err_code wait_cut(const struct fiber *fiber)
{
	if (fiber->shields == 0 && fiber->cancel != ERR_OK) {
		return fiber->cancel;
	}
	return fiber->timed_out ? ERR_TIMEOUT : ERR_OK;
}

static enum err_code wait_until(struct fiber *fiber, const bool *done, uint64_t timeout_ms)
{
	enum err_code cut = ERR_OK;

	wait_begin(fiber, timeout_ms);
	while (!*done && (cut = wait_cut(fiber)) == ERR_OK) {
		fiber_suspend(fiber);
	}
	wait_end(fiber);
	return *done ? ERR_OK : cut;
}

void fiber_op_begin(struct fiber_op *op, void (*abandon)(struct fiber_op *op))
{
	op->fiber = must_be_fiber();
	op->fiber->in_flight++;
	op->done = false;
	op->err.code = ERR_OK;
	op->err.msg[0] = '\0';
	op->abandon = abandon;
}

void fiber_op_done(struct fiber_op *op, const struct err *err)
{
	assert(!op->done && op->fiber != NULL);
	op->done = true;
	if (err != NULL) {
		op->err = *err;
	}
	op->fiber->in_flight--;
	fiber_wake(op->fiber);
}

static bool op_pending(const struct fiber_op *op)
{
	return op != NULL && !op->done && op->fiber != NULL;
}

static bool any_pending(struct fiber_op *const ops[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (op_pending(ops[i])) {
			assert(ops[i]->fiber == current);
			return true;
		}
	}
	return false;
}

static void op_abandon(struct fiber_op *op, enum err_code why)
{
	op->abandon(op);
	assert(!op->done);
	op->fiber->in_flight--;
	op->fiber = NULL;
	(void)err_set(&op->err, why, "%s", err_text(why));
}

void fiber_op_drop(struct fiber_op *op)
{
	if (op_pending(op)) {
		assert(op->abandon != NULL);
		op_abandon(op, ERR_CANCELLED);
	}
}

static void abandon_all(struct fiber_op *const ops[], size_t count, enum err_code why)
{
	for (size_t i = 0; i < count; i++) {
		if (op_pending(ops[i]) && ops[i]->abandon != NULL) {
			op_abandon(ops[i], why);
		}
	}
}

enum err_code fiber_wait_all(struct fiber_op *const ops[], size_t count, uint64_t timeout_ms,
                             struct err *err)
{
	struct fiber *fiber = must_be_fiber();
	bool given_up = false;

	if (any_pending(ops, count)) {
		wait_begin(fiber, timeout_ms);
		while (any_pending(ops, count)) {
			enum err_code cut = given_up ? ERR_OK : wait_cut(fiber);

			if (cut != ERR_OK) {
				/* Those that cannot be abandoned are still waited for. */
				abandon_all(ops, count, cut);
				given_up = true;
			} else {
				fiber_suspend(fiber);
			}
		}
		wait_end(fiber);
	}
	for (size_t i = 0; i < count; i++) {
		if (ops[i] != NULL && ops[i]->err.code != ERR_OK) {
			if (err != NULL) {
				*err = ops[i]->err;
			}
			return ops[i]->err.code;
		}
	}
	return ERR_OK;
}

enum err_code fiber_wait(struct fiber_op *op, uint64_t timeout_ms, struct err *err)
{
	struct fiber_op *const ops[] = { op };

	return fiber_wait_all(ops, 1, timeout_ms, err);
}

static bool any_done(struct fiber_op *const ops[], size_t count, size_t *ret_index)
{
	for (size_t i = 0; i < count; i++) {
		if (ops[i] != NULL && ops[i]->done) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

enum err_code fiber_wait_any(struct fiber_op *const ops[], size_t count, uint64_t timeout_ms,
                             size_t *ret_index)
{
	struct fiber *fiber = must_be_fiber();
	enum err_code cut = ERR_OK;
	bool done = false;

	*ret_index = count;
	if (fiber_cancelled()) {
		return fiber->cancel;
	}
	assert(any_pending(ops, count) || any_done(ops, count, ret_index));
	wait_begin(fiber, timeout_ms);
	while (!(done = any_done(ops, count, ret_index)) && (cut = wait_cut(fiber)) == ERR_OK) {
		fiber_suspend(fiber);
	}
	wait_end(fiber);
	return done ? ERR_OK : cut;
}

static void group_wait_abandon(struct fiber_op *op)
{
	(void)op; /* the caller forgets it */
}

enum err_code fiber_group_wait(struct fiber_group *group, uint64_t timeout_ms)
{
	struct fiber *fiber = must_be_fiber();
	uint64_t start_ms = clock_mono_ms();

	assert(fiber->group != group && group->waiter == NULL);
	/* Empty may be over when this fiber gets to run: another may have been started. */
	while (group->count > 0) {
		uint64_t spent_ms = clock_mono_ms() - start_ms;
		struct fiber_op op;
		enum err_code code;

		if (timeout_ms == FIBER_NO_TIMEOUT) {
			spent_ms = 0;
		}
		fiber_op_begin(&op, group_wait_abandon);
		group->waiter = &op;
		code = fiber_wait(&op, timeout_ms > spent_ms ? timeout_ms - spent_ms : 0, NULL);
		group->waiter = NULL;
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

enum err_code fiber_yield(void)
{
	struct fiber *fiber = must_be_fiber();

	loop_defer(fiber->loop, &fiber->resume);
	fiber_suspend(fiber);
	if (fiber_cancelled()) {
		return fiber->cancel;
	}
	return wait_limit(fiber, FIBER_NO_TIMEOUT) == 0 ? ERR_TIMEOUT : ERR_OK;
}

enum err_code fiber_sleep(uint64_t ms)
{
	struct fiber *fiber = must_be_fiber();
	bool whole = wait_limit(fiber, ms) == ms;
	const bool never = false;
	enum err_code cut;

	if (ms == 0) {
		return fiber_yield();
	}
	cut = wait_until(fiber, &never, ms);
	return cut == ERR_TIMEOUT && whole && !fiber_cancelled() ? ERR_OK : cut;
}

struct fd_wait {
	struct fiber *fiber;
	bool ready;
};

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct fd_wait *wait = arg;

	(void)fd;
	(void)what;
	wait->ready = true;
	fiber_wake(wait->fiber);
}

enum err_code fiber_wait_fd(int fd, enum fiber_fd what, uint64_t timeout_ms)
{
	struct fd_wait wait = { .fiber = must_be_fiber() };
	short events = (short)(((unsigned)what & FIBER_READ ? EV_READ : 0) |
	                       ((unsigned)what & FIBER_WRITE ? EV_WRITE : 0));
	struct event event;
	enum err_code code;

	if (fiber_cancelled()) {
		return wait.fiber->cancel;
	}
	if (event_assign(&event, loop_base(wait.fiber->loop), fd, events, on_fd, &wait) != 0 ||
	    event_add(&event, NULL) != 0) {
		return ERR_INTERNAL; /* not a descriptor that can be polled */
	}
	code = wait_until(wait.fiber, &wait.ready, timeout_ms);
	(void)event_del(&event);
	return code;
}

/* ---- signals ---- */

static void signal_ready(struct fiber_signal *signal)
{
	if (signal->waits.tqh_last == NULL) {
		TAILQ_INIT(&signal->waits);
	}
}

void fiber_signal_init(struct fiber_signal *signal)
{
	signal->raised = false;
	TAILQ_INIT(&signal->waits);
}

void fiber_signal_raise(struct fiber_signal *signal)
{
	struct fiber_signal_wait *wait;

	signal_ready(signal);
	signal->raised = TAILQ_EMPTY(&signal->waits);
	while ((wait = TAILQ_FIRST(&signal->waits)) != NULL) {
		TAILQ_REMOVE(&signal->waits, wait, link);
		wait->woken = true;
		fiber_wake(wait->fiber);
	}
}

enum err_code fiber_signal_wait(struct fiber_signal *signal, uint64_t timeout_ms)
{
	struct fiber_signal_wait wait = { .fiber = must_be_fiber() };
	enum err_code code;

	if (fiber_cancelled()) {
		return wait.fiber->cancel;
	}
	if (signal->raised) {
		signal->raised = false;
		return ERR_OK;
	}
	signal_ready(signal);
	TAILQ_INSERT_TAIL(&signal->waits, &wait, link);
	code = wait_until(wait.fiber, &wait.woken, timeout_ms);
	if (!wait.woken) {
		TAILQ_REMOVE(&signal->waits, &wait, link);
	}
	return code;
}
