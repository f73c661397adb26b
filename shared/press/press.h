/*
 * Deflate (RFC 1951) for bytes that many connections share: what goes in is compressed once, and
 * every reader gets the same bytes.
 *
 * Each piece ends at a byte with an empty stored block (a sync flush), so it can be sent at once
 * and read at once.  A piece refers to those before it, back to the last fresh one: a reader
 * begins at a fresh piece, and goes on without leaving one out or getting others in between.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/* The window is 2^PRESS_BITS bytes. Each piece ends with PRESS_TAIL bytes, 00 00 ff ff. */
enum { PRESS_BITS = 13, PRESS_TAIL = 4 };

struct press; /* about 48 KiB once it was used, until it rests */

struct press *press_new(void) MUST_CHECK;
void press_free(struct press *press); /* NULL: nothing */

/* The next piece refers to nothing before it. */
void press_refresh(struct press *press);
/* The same, and give the memory back until then. */
void press_rest(struct press *press);
bool press_is_fresh(const struct press *press);

/* Append a piece, of at most max bytes. False when it would be longer: nothing is appended, and the
 * next is fresh. */
bool press_piece(struct press *press, struct str plain, size_t max, struct buf *out) MUST_CHECK;

/* ---- checksums (RFC 1952 section 8) of what was plain ---- */

uint32_t press_crc(uint32_t crc, struct str plain); /* 0 to begin */
/* Of a, then b of that length. */
uint32_t press_crc_join(uint32_t a, uint32_t b, uint64_t b_len);
/* Of what was added to a to make it whole. */
uint32_t press_crc_rest(uint32_t a, uint32_t whole, uint64_t rest_len);
