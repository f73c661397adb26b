/*
 * Allocation that cannot fail: small, bounded sizes only.  Linux overcommits and every
 * process is supervised, so running out aborts with one line instead of running an
 * untested branch.  Sizes that a peer can influence are capped before they get here.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

void *mem_calloc(size_t count, size_t size) MUST_CHECK;
void *mem_realloc(void *old, size_t size) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;
char *mem_strndup(struct str s) MUST_CHECK; /* NUL-terminated copy */

/* For CLEANUP(mem_cleanup) on a char * local. */
void mem_cleanup(char **p);
