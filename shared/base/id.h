/*
 * Identifiers: ULIDs by value (https://github.com/ulid/spec), 26 characters of
 * Crockford base 32, sortable by creation time.  Within one process and millisecond
 * they are monotonic.  Parsing accepts lower case and stores upper case.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { ID_LEN = 26 };

struct id {
	char s[ID_LEN + 1]; /* NUL-terminated; "" is the nil id */
};

struct id id_new(void);
struct id id_make(uint64_t unix_ms, const unsigned char entropy[10]); /* pure */
bool id_parse(struct str s, struct id *ret) MUST_CHECK;
uint64_t id_time_ms(const struct id *id); /* 0 for the nil id */

static inline bool id_is_nil(const struct id *id)
{
	return id->s[0] == '\0';
}

static inline bool id_eq(const struct id *a, const struct id *b)
{
	return memcmp(a->s, b->s, sizeof(a->s)) == 0;
}
