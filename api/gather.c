#include "api/gather.h"

#include <string.h>

#include "api/app.h"

enum { TOGETHER_MAX = 64 };

struct gathered {
	TAILQ_ENTRY(gathered) link;
	struct task_item *item;
	struct fiber_op op;
};

static void answer(struct gathered *entry, enum err_code code, const struct err *err)
{
	fiber_op_done(&entry->op, code == ERR_OK ? NULL : err);
}

static bool is_same_key(const struct idempotency_claim *a, const struct idempotency_claim *b)
{
	return a != NULL && b != NULL && strcmp(a->key, b->key) == 0 &&
	       strcmp(a->principal, b->principal) == 0;
}

static bool goes_with(const struct gathered *entry, struct gathered *const entries[], size_t count)
{
	const struct task_acceptance *acceptance = entry->item->acceptance, *first;

	for (size_t i = 0; i < count; i++) {
		if (is_same_key(entry->item->claim, entries[i]->item->claim)) {
			return false;
		}
	}
	first = count > 0 ? entries[0]->item->acceptance : acceptance;
	return acceptance->generation == first->generation &&
	       strcmp(acceptance->tenant, first->tenant) == 0;
}

/* The first, and what may share its transaction. */
static size_t take(struct gather *gather, struct gathered *entries[TOGETHER_MAX])
{
	struct gathered *entry = TAILQ_FIRST(&gather->waiting), *next;
	size_t count = 0;

	for (; entry != NULL && count < TOGETHER_MAX; entry = next) {
		next = TAILQ_NEXT(entry, link);
		if (goes_with(entry, entries, count)) {
			TAILQ_REMOVE(&gather->waiting, entry, link);
			entries[count++] = entry;
		}
	}
	return count;
}

/* Whether one of several may be why all were refused; else it says nothing about them. */
static bool is_ones_fault(enum err_code code)
{
	return code != ERR_OK && !err_retryable(code) && code != ERR_CANCELLED;
}

static void accept_some(struct gather *gather)
{
	struct gathered *entries[TOGETHER_MAX];
	struct task_item *items[TOGETHER_MAX];
	size_t count = take(gather, entries);
	enum err_code code;
	struct err err;

	for (size_t i = 0; i < count; i++) {
		items[i] = entries[i]->item;
	}
	if (count == 0) {
		return;
	}
	code = task_accept_all(gather->node->pg, items, count, &err);
	for (size_t i = 0; i < count; i++) {
		if (count > 1 && is_ones_fault(code)) {
			struct err own;

			answer(entries[i], task_accept_all(gather->node->pg, &items[i], 1, &own),
			       &own);
		} else {
			answer(entries[i], code, &err);
		}
	}
}

static void gather_main(void *arg)
{
	struct gather *gather = arg;

	while (!fiber_cancelled()) {
		if (TAILQ_EMPTY(&gather->waiting)) {
			(void)!fiber_signal_wait(&gather->wake, FIBER_NO_TIMEOUT);
		} else {
			accept_some(gather);
		}
	}
	gather->running--;
	while (gather->running == 0 && !TAILQ_EMPTY(&gather->waiting)) {
		struct gathered *entry = TAILQ_FIRST(&gather->waiting);
		const struct err err = { ERR_UNAVAILABLE, "the node is stopping" };

		TAILQ_REMOVE(&gather->waiting, entry, link);
		answer(entry, ERR_UNAVAILABLE, &err);
	}
}

void gather_init(struct gather *gather, struct node *node)
{
	gather->node = node;
	TAILQ_INIT(&gather->waiting);
	fiber_signal_init(&gather->wake);
	gather->running = GATHER_FIBERS;
	for (unsigned i = 0; i < GATHER_FIBERS; i++) {
		(void)fiber_start(node->loop, &node->duties, "gather", gather_main, gather);
	}
}

enum err_code gather_accept(struct gather *gather, struct task_item *item, struct err *err)
{
	struct gathered entry = { .item = item };
	enum err_code code;

	if (gather->running == 0) {
		return err_set(err, ERR_UNAVAILABLE, "the node is stopping");
	}
	fiber_shield();
	fiber_op_begin(&entry.op, NULL);
	TAILQ_INSERT_TAIL(&gather->waiting, &entry, link);
	fiber_signal_raise(&gather->wake);
	code = fiber_wait(&entry.op, FIBER_NO_TIMEOUT, err);
	fiber_unshield();
	return code;
}
