/*
 * Accepting what comes at the same time together: requests that arrive while a transaction is under
 * way share the next one of their tenant, so a crowd costs few commits, and a single request waits
 * for nobody.  Each is answered by itself: where a shared transaction is refused, every task is
 * tried alone.
 */
#pragma once

#include "loop/fiber.h"
#include "task/task_store.h"

struct node;
struct gathered;

enum { GATHER_FIBERS = 2 };

struct gather {
	struct node *node;
	TAILQ_HEAD(gather_list, gathered) waiting;
	struct fiber_signal wake;
	unsigned running; /* of the fibers */
};

/* Starts duties of the node. */
void gather_init(struct gather *gather, struct node *node);

/* After ERR_OK the task is accepted, or its key is not fresh. The fiber is not cancelled meanwhile.
 */
enum err_code gather_accept(struct gather *gather, struct task_item *item,
                            struct err *err) MUST_CHECK;
