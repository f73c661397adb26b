/*
 * Stacks of fibers: mapped, each with an inaccessible page below it, so that running over
 * the end is a fault and not a corruption.  Free ones are kept for the next fiber.  Each
 * takes two mappings: vm.max_map_count (65530 by default) allows about 32 000 at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/attr.h"

/* Enough for a burst; free stacks above it go back to the system. */
enum { STACK_POOL_KEEP = 256 };

struct stack_pool;

struct stack {
	unsigned char *base; /* lowest usable byte, above the guard page */
	size_t size;
	unsigned valgrind_id;
	struct stack *next;     /* while it is in the pool */
	LIST_ENTRY(stack) link; /* while it is taken */
	/* What its fiber uses while it waits is from here up; NULL: it runs, or never did. */
	unsigned char *low;
	bool stirred; /* it ran since the last look */
	bool deep;    /* and may have used more than it does now; free: may hold what was used */
};

struct stack_pool *stack_pool_new(void) MUST_CHECK;
void stack_pool_free(struct stack_pool *pool); /* every stack must have been given back */

struct stack *stack_take(struct stack_pool *pool); /* never NULL: without memory it aborts */
void stack_give(struct stack_pool *pool, struct stack *stack);
/* Give the system what lies below the parts in use, of stacks whose fibers wait since the last
 * call, and all of most that are free: how deep they once were is not kept for as long as they
 * wait. */
void stack_pool_rest(struct stack_pool *pool);
size_t stack_pool_live(const struct stack_pool *pool); /* taken and not given back */
