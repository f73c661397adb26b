/*
 * Memory of one request: everything decoded from it is taken from here and given back
 * at once, so handlers contain no free().  Not bounded by itself: what goes in was
 * capped by the reader (head and body limits, row limits).
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

struct arena;

struct arena *arena_new(void) MUST_CHECK;
void arena_free(struct arena *arena); /* and all that was taken from it */

/* Zeroed, aligned for any type; never NULL. */
void *arena_take(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, struct str s);   /* NUL-terminated copy */
struct str arena_str(struct arena *arena, struct str s); /* the same, as a view */
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
size_t arena_used(const struct arena *arena); /* bytes handed out so far */
