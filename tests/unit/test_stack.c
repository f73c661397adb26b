#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/stack.h"
#include "tests/support/test.h"

__attribute__((noinline)) static int recurse(volatile int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return depth > 1000000 ? frame[0] : recurse(depth + 1) + frame[0];
}

/* Where the guard page of the running fiber must be; set in the child that overruns it. */
static uintptr_t guard_start, guard_end;

enum { EXIT_IN_GUARD = 42, EXIT_ELSEWHERE = 43 };

static void on_fault(int signo, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)signo;
	(void)context;
	_exit(at >= guard_start && at < guard_end ? EXIT_IN_GUARD : EXIT_ELSEWHERE);
}

static void overruns_its_stack(void *arg)
{
	volatile int *result = arg;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	/* The first frames are in the uppermost page. */
	uintptr_t top = ((uintptr_t)__builtin_frame_address(0) + page) & ~(page - 1);

	guard_end = top - FIBER_STACK;
	guard_start = guard_end - page;
	*result = recurse(0);
}

static void child_overruns(void)
{
	static char other_stack[64 * 1024];
	const stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
	struct loop *loop = loop_new();
	int result;
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	action.sa_sigaction = on_fault;
	if (loop != NULL && sigaltstack(&stack, NULL) == 0 &&
	    sigaction(SIGSEGV, &action, NULL) == 0) {
		(void)fiber_start(loop, NULL, "overrun", overruns_its_stack, &result);
		loop_run(loop);
	}
	_exit(EXIT_FAILURE);
}

static void a_stack_overflow_faults_in_the_guard_page(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		child_overruns();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_IN_GUARD);
}

static bool is_mapped(void *page)
{
	unsigned char resident;

	return mincore(page, 1, &resident) == 0; /* ENOMEM when it is not */
}

static void free_stacks_are_kept_up_to_a_bound(void **state)
{
	enum { TAKEN = STACK_POOL_KEEP + 40 };
	struct stack_pool *pool = stack_pool_new();
	static struct stack *stacks[TAKEN];
	static void *bases[TAKEN];
	int mapped = 0;

	(void)state;
	for (int i = 0; i < TAKEN; i++) {
		stacks[i] = stack_take(pool);
		bases[i] = stacks[i]->base;
		stacks[i]->base[0] = 1;
		stacks[i]->base[stacks[i]->size - 1] = 1;
	}
	assert_int_equal(stack_pool_live(pool), TAKEN);
	for (int i = 0; i < TAKEN; i++) {
		stack_give(pool, stacks[i]);
	}
	for (int i = 0; i < TAKEN; i++) {
		mapped += is_mapped(bases[i]);
	}
	assert_int_equal(mapped, STACK_POOL_KEEP);
	stack_pool_free(pool);
	assert_false(is_mapped(bases[0]));
}

static bool is_resident(void *page)
{
	unsigned char resident;

	return mincore(page, 1, &resident) == 0 && (resident & 1U) != 0;
}

static void most_free_stacks_hold_no_memory_after_a_rest(void **state)
{
	enum { TAKEN = 40, MOST = 30 };
	struct stack_pool *pool = stack_pool_new();
	struct stack *stacks[TAKEN];
	int resident = 0;

	(void)state;
	for (int i = 0; i < TAKEN; i++) {
		stacks[i] = stack_take(pool);
		stacks[i]->base[0] = 1;
	}
	for (int i = 0; i < TAKEN; i++) {
		stack_give(pool, stacks[i]);
		assert_true(is_resident(stacks[i]->base));
	}
	stack_pool_rest(pool);
	for (int i = 0; i < TAKEN; i++) {
		resident += is_resident(stacks[i]->base);
	}
	assert_true(resident <= TAKEN - MOST);
	stack_pool_free(pool);
}

/* ---- those that wait ---- */

enum { DEEP = 64 * 1024 };

struct rester {
	struct fiber_signal go;
	struct loop *loop;
	unsigned char *top; /* the end of its uppermost page */
	volatile bool went_on;
};

__attribute__((noinline)) static void go_deep(void)
{
	volatile unsigned char frame[DEEP];

	for (size_t i = 0; i < DEEP; i++) {
		frame[i] = (unsigned char)i;
	}
	assert_int_equal(frame[DEEP - 1], (unsigned char)(DEEP - 1));
}

static void waits_after_it_was_deep(void *arg)
{
	struct rester *r = arg;
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	volatile uint64_t kept = 0x0123456789abcdefU;

	r->top = (unsigned char *)(((uintptr_t)__builtin_frame_address(0) + page) & ~(page - 1));
	go_deep();
	assert_int_equal(fiber_signal_wait(&r->go, FIBER_NO_TIMEOUT), ERR_OK);
	assert_true(kept == 0x0123456789abcdefU);
	go_deep();
	r->went_on = true;
}

/* Pages of its stack that are in memory. */
static unsigned resident(const struct rester *r)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char pages[FIBER_STACK / 1024];
	unsigned count = 0;

	assert_int_equal(mincore(r->top - FIBER_STACK, FIBER_STACK, pages), 0);
	for (size_t i = 0; i < FIBER_STACK / page; i++) {
		count += pages[i] & 1U;
	}
	return count;
}

static void looks_at_it(void *arg)
{
	struct rester *r = arg;
	struct stack_pool *pool = loop_stacks(r->loop);

	while (r->top == NULL) {
		assert_int_equal(fiber_yield(), ERR_OK);
	}
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_true(resident(r) >= DEEP / (unsigned)sysconf(_SC_PAGESIZE));
	stack_pool_rest(pool); /* it ran just now */
	assert_true(resident(r) >= DEEP / (unsigned)sysconf(_SC_PAGESIZE));
	stack_pool_rest(pool);
	assert_true(resident(r) <= 3);
	fiber_signal_raise(&r->go);
	while (!r->went_on) {
		assert_int_equal(fiber_yield(), ERR_OK);
	}
	loop_stop(r->loop);
}

static void a_fiber_that_waits_keeps_only_what_it_uses_of_its_stack(void **state)
{
	struct rester r = { .loop = loop_new() };

	(void)state;
	fiber_signal_init(&r.go);
	(void)fiber_start(r.loop, NULL, "rester", waits_after_it_was_deep, &r);
	(void)fiber_start(r.loop, NULL, "looker", looks_at_it, &r);
	loop_run(r.loop);
	loop_free(r.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fiber_that_waits_keeps_only_what_it_uses_of_its_stack),
		cmocka_unit_test(a_stack_overflow_faults_in_the_guard_page),
		cmocka_unit_test(free_stacks_are_kept_up_to_a_bound),
		cmocka_unit_test(most_free_stacks_hold_no_memory_after_a_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
