/*
 * A position in a session's log: <epoch>-<n>.  Pure.
 *
 * n is dense over the session's whole life and starts at 1; the epoch only grows.  Clients
 * treat the text as opaque.  0-0 is before the first entry.  A plain integer n (starting_after,
 * resume_after_seq, last_seen_seq) is a cursor whose epoch is CURSOR_EPOCH_ANY.
 *
 * Both fit a double, because Lua computes with them; epochs stay below 10^14, since Redis's
 * Lua prints larger numbers in exponent form.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

#define CURSOR_EPOCH_MAX UINT64_C(99999999999999)
#define CURSOR_N_MAX     ((UINT64_C(1) << 53) - 1)

enum { CURSOR_EPOCH_ANY = 0, CURSOR_SIZE = 14 + 1 + 16 + 1 };

struct cursor {
	uint64_t epoch;
	uint64_t n;
};

/* Strict: decimal, no sign, no space, no leading zero; 0-0, or both parts at least 1. */
bool cursor_parse(struct str s, struct cursor *ret) MUST_CHECK;
bool cursor_parse_n(struct str s, struct cursor *ret) MUST_CHECK; /* plain n; 0 gives 0-0 */
void cursor_format(const struct cursor *cursor, char out[CURSOR_SIZE]);

/* <0, 0, >0. With an epoch missing on either side only n is compared. */
int cursor_compare(const struct cursor *a, const struct cursor *b);

static inline bool cursor_is_start(const struct cursor *cursor)
{
	return cursor->n == 0;
}
