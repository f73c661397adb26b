#include "loop/switch.h"

#include <stdint.h>
#include <string.h>

enum { ALIGNED = 16 };

#if defined(__x86_64__)

/* From the lowest address; what switch_to() pops and returns to. */
struct first_frame {
	uint64_t kept[6]; /* r15, r14, r13, r12, rbx, rbp: 0 ends a debugger's walk */
	void (*main)(void);
	uint64_t nobody; /* whom main() would return to */
};

void *switch_begin(unsigned char *base, size_t size, void (*main)(void))
{
	const struct first_frame frame = { .main = main };
	unsigned char *top = base + (size - (uintptr_t)(base + size) % ALIGNED);

	memcpy(top - sizeof(frame), &frame, sizeof(frame));
	return top - sizeof(frame);
}

/* The compiler must not conclude from what it sees here that anything survives the call. */
#	if defined(__clang__)
__attribute__((naked, noinline))
#	else
__attribute__((naked, noinline, noipa))
#	endif
void switch_to(__attribute__((unused)) void **ret_here, __attribute__((unused)) void *there)
{
	__asm__("pushq %rbp\n\t"
	        "pushq %rbx\n\t"
	        "pushq %r12\n\t"
	        "pushq %r13\n\t"
	        "pushq %r14\n\t"
	        "pushq %r15\n\t"
	        "movq %rsp, (%rdi)\n\t"
	        "movq %rsi, %rsp\n\t"
	        "popq %r15\n\t"
	        "popq %r14\n\t"
	        "popq %r13\n\t"
	        "popq %r12\n\t"
	        "popq %rbx\n\t"
	        "popq %rbp\n\t"
	        "ret");
}

#else

#	include <ucontext.h>

void *switch_begin(unsigned char *base, size_t size, void (*main)(void))
{
	size_t room = size - sizeof(ucontext_t);
	void *at = base + (room - (uintptr_t)(base + room) % ALIGNED);
	ucontext_t *context = at;

	(void)getcontext(context);
	context->uc_stack.ss_sp = base;
	context->uc_stack.ss_size = (size_t)((unsigned char *)at - base);
	context->uc_link = NULL;
	makecontext(context, main, 0);
	return context;
}

void switch_to(void **ret_here, void *there)
{
	ucontext_t here;

	*ret_here = &here;
	(void)swapcontext(&here, there);
}

#endif
