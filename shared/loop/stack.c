#include "loop/stack.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/sanitize.h"

enum {
	MARGIN = 1024, /* of a frame that waits: what is called to leave it, and the red zone */
	WARM = 8,      /* free stacks that are kept as they are */
};

struct stack_pool {
	struct stack *free; /* the one used last, so the warmest, first */
	LIST_HEAD(stacks, stack) taken;
	size_t kept, live;
	size_t page;
};

static struct stack *stack_map(const struct stack_pool *pool)
{
	struct stack *stack = mem_calloc(1, sizeof(*stack));
	void *at = mmap(NULL, FIBER_STACK + pool->page, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (at == MAP_FAILED || mprotect(at, pool->page, PROT_NONE) != 0) {
		(void)fprintf(stderr, "out of memory: a fiber's stack (%zu in use)\n", pool->live);
		abort();
	}
	stack->base = (unsigned char *)at + pool->page;
	stack->size = FIBER_STACK;
	stack->valgrind_id = sanitize_stack_add(stack->base, stack->size);
	return stack;
}

static void stack_unmap(const struct stack_pool *pool, struct stack *stack)
{
	sanitize_stack_remove(stack->valgrind_id);
	(void)munmap(stack->base - pool->page, stack->size + pool->page);
	free(stack);
}

struct stack_pool *stack_pool_new(void)
{
	struct stack_pool *pool = mem_calloc(1, sizeof(*pool));

	pool->page = (size_t)sysconf(_SC_PAGESIZE);
	return pool;
}

void stack_pool_free(struct stack_pool *pool)
{
	struct stack *stack;

	if (pool == NULL) {
		return;
	}
	assert(pool->live == 0);
	while ((stack = pool->free) != NULL) {
		pool->free = stack->next;
		stack_unmap(pool, stack);
	}
	free(pool);
}

struct stack *stack_take(struct stack_pool *pool)
{
	struct stack *stack = pool->free;

	if (stack != NULL) {
		pool->free = stack->next;
		pool->kept--;
	} else {
		stack = stack_map(pool);
	}
	stack->deep = false;
	pool->live++;
	LIST_INSERT_HEAD(&pool->taken, stack, link);
	return stack;
}

void stack_give(struct stack_pool *pool, struct stack *stack)
{
	assert(pool->live > 0);
	pool->live--;
	LIST_REMOVE(stack, link);
	stack->low = NULL;
	stack->stirred = false;
	stack->deep = true;
	sanitize_stack_clear(stack->base, stack->size);
	if (pool->kept >= STACK_POOL_KEEP) {
		stack_unmap(pool, stack);
		return;
	}
	stack->next = pool->free;
	pool->free = stack;
	pool->kept++;
}

static void give_depth_back(const struct stack_pool *pool, const struct stack *stack)
{
	const size_t used = (size_t)(stack->base + stack->size - stack->low) + MARGIN;
	const size_t kept = (used + pool->page - 1) / pool->page * pool->page;

	if (kept < stack->size) {
		(void)madvise(stack->base, stack->size - kept, MADV_DONTNEED);
	}
}

/* Those that the next fibers get are left as they are. */
static void give_free_back(const struct stack_pool *pool)
{
	struct stack *stack = pool->free;

	for (unsigned i = 0; stack != NULL; i++, stack = stack->next) {
		if (i >= WARM && stack->deep) {
			stack->deep = false;
			(void)madvise(stack->base, stack->size, MADV_DONTNEED);
		}
	}
}

void stack_pool_rest(struct stack_pool *pool)
{
	struct stack *stack;

	give_free_back(pool);

	LIST_FOREACH(stack, &pool->taken, link)
	{
		if (stack->stirred) {
			stack->stirred = false;
			stack->deep = true;
		} else if (stack->deep && stack->low != NULL) {
			give_depth_back(pool, stack);
			stack->deep = false;
		}
	}
}

size_t stack_pool_live(const struct stack_pool *pool)
{
	return pool->live;
}
