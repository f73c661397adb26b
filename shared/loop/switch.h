/*
 * From one stack to another.  swapcontext() asks the kernel for the signal mask at each switch,
 * which no fiber changes, and that is most of what it costs: on x86-64 what the ABI wants kept is
 * put on the stack that is left, and nothing else (System V ABI, AMD64 supplement, section 3.2.1;
 * the modes of floating point are not changed either).  Elsewhere it is swapcontext().
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"

/* Where to switch to for main(), which never returns, to begin at the top of that stack. */
void *switch_begin(unsigned char *base, size_t size, void (*main)(void)) MUST_CHECK;

/* Returns when somebody switches to what *ret_here then says. */
void switch_to(void **ret_here, void *there);
