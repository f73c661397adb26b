/*
 * What AddressSanitizer, ThreadSanitizer and valgrind must be told about stacks that are
 * not a thread's own.  Every function here is empty in a build without them.
 * Sources: sanitizer/common_interface_defs.h, sanitizer/tsan_interface.h, valgrind.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#	define SANITIZE_ASAN 1
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer)
#		define SANITIZE_ASAN 1
#	endif
#endif
#ifndef SANITIZE_ASAN
#	define SANITIZE_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#	define SANITIZE_TSAN 1
#elif defined(__has_feature)
#	if __has_feature(thread_sanitizer)
#		define SANITIZE_TSAN 1
#	endif
#endif
#ifndef SANITIZE_TSAN
#	define SANITIZE_TSAN 0
#endif

#if SANITIZE_ASAN
#	include <sanitizer/asan_interface.h>
#	include <sanitizer/common_interface_defs.h>
#endif
#if SANITIZE_TSAN
#	include <sanitizer/tsan_interface.h>
#endif
#if !SANITIZE_ASAN && !SANITIZE_TSAN && __has_include(<valgrind/valgrind.h>)
#	define SANITIZE_VALGRIND 1
#	include <valgrind/valgrind.h>
#else
#	define SANITIZE_VALGRIND 0
#endif

/* The two sides of a switch: a fiber's stack and the stack of the loop that runs it. */
struct sanitize_switch {
	void *fake;         /* ASan's fake stack of the side that is left */
	const void *bottom; /* the loop's stack, learned on arrival in the fiber */
	size_t size;
	void *tsan_fiber, *tsan_loop;
};

static inline unsigned sanitize_stack_add(const unsigned char *base, size_t size)
{
#if SANITIZE_VALGRIND
	return (unsigned)VALGRIND_STACK_REGISTER(base, base + size);
#else
	(void)base;
	(void)size;
	return 0;
#endif
}

static inline void sanitize_stack_remove(unsigned id)
{
#if SANITIZE_VALGRIND
	VALGRIND_STACK_DEREGISTER(id);
#else
	(void)id;
#endif
}

/* The frames left on a stack that its fiber will not return to are not in the next one's way. */
static inline void sanitize_stack_clear(const unsigned char *base, size_t size)
{
#if SANITIZE_ASAN
	__asan_unpoison_memory_region(base, size);
#else
	(void)base;
	(void)size;
#endif
}

static inline void sanitize_begin(struct sanitize_switch *s)
{
#if SANITIZE_TSAN
	s->tsan_fiber = __tsan_create_fiber(0);
#else
	(void)s;
#endif
}

static inline void sanitize_end(struct sanitize_switch *s)
{
#if SANITIZE_TSAN
	__tsan_destroy_fiber(s->tsan_fiber);
#else
	(void)s;
#endif
}

/* On the loop's stack, before switching to the fiber; keep is given back to
 * sanitize_entered_loop(). */
static inline void sanitize_leave_loop(struct sanitize_switch *s, void **keep,
                                       const unsigned char *base, size_t size)
{
#if SANITIZE_ASAN
	__sanitizer_start_switch_fiber(keep, base, size);
#else
	*keep = NULL;
	(void)base;
	(void)size;
#endif
#if SANITIZE_TSAN
	s->tsan_loop = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(s->tsan_fiber, 0);
#else
	(void)s;
#endif
}

static inline void sanitize_entered_loop(void *keep)
{
#if SANITIZE_ASAN
	__sanitizer_finish_switch_fiber(keep, NULL, NULL);
#else
	(void)keep;
#endif
}

/* On the fiber's stack, first thing after each switch to it. */
static inline void sanitize_entered_fiber(struct sanitize_switch *s)
{
#if SANITIZE_ASAN
	__sanitizer_finish_switch_fiber(s->fake, &s->bottom, &s->size);
#else
	(void)s;
#endif
}

static inline void sanitize_leave_fiber(struct sanitize_switch *s, bool last)
{
#if SANITIZE_ASAN
	__sanitizer_start_switch_fiber(last ? NULL : &s->fake, s->bottom, s->size);
#else
	(void)last;
#endif
#if SANITIZE_TSAN
	__tsan_switch_to_fiber(s->tsan_loop, 0);
#else
	(void)s;
#endif
}
