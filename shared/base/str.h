/*
 * Borrowed bytes, and the only number parsers of the project.
 *
 * A struct str never owns what it points at and need not end in NUL.  Parsers are
 * strict: the whole input must be the value, no sign, no space, no leading "+".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct str {
	const char *p;
	size_t n;
};

#define STR_FMT    ".*s"
#define STR_ARG(s) (int)(s).n, (s).p
#define STR_LIT(s) ((struct str){ (s), sizeof(s) - 1 })

static inline struct str str_of(const char *cstr)
{
	return (struct str){ cstr, cstr != NULL ? strlen(cstr) : 0 };
}

static inline struct str str_make(const char *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* SP and HTAB at both ends */

/* The first separator splits *rest: what was before it is returned, *rest is what follows.
 * Without one all of *rest is returned and *rest becomes { NULL, 0 }. */
struct str str_split(struct str *rest, char separator);

/* Copy into out (size bytes, NUL-terminated). False, and out is "", if it does not fit. */
bool str_copy(char *out, size_t size, struct str s);

/* Bytes of the UTF-8 sequence (RFC 3629) that s begins with; 0 when it begins with none. */
size_t str_utf8_step(struct str s);
bool str_is_utf8(struct str s); /* RFC 3629: no surrogates, no overlong forms */

/* 1 to 20 decimal digits, at most max. */
bool parse_u64(struct str s, uint64_t max, uint64_t *ret) MUST_CHECK;
bool parse_i64(struct str s, int64_t *ret) MUST_CHECK; /* one optional '-' */
bool parse_hex_u64(struct str s, uint64_t *ret) MUST_CHECK;
