/*
 * Numbers and strings as bytes, for what passes between two streamers: little-endian, strings with
 * their length before them.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

void wire_put(struct buf *out, uint64_t value, unsigned bytes); /* the lower ones */
void wire_put_str(struct buf *out, struct str value);           /* at most UINT32_MAX */

/* What is read; once something is missing, everything is 0 or empty, and bad stays set. */
struct wire {
	struct str in;
	bool bad;
};

uint64_t wire_get(struct wire *wire, unsigned bytes);
/* At most max bytes; they stay where they are. */
struct str wire_get_str(struct wire *wire, size_t max);
