/*
 * Any bytes to valid UTF-8, one byte at a time: what does not belong becomes U+FFFD, one for
 * each maximal prefix of a well-formed sequence (Unicode 15, section 3.9, "U+FFFD
 * Substitution of Maximal Subparts"), so a character that arrives in two reads stays whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum { UTF8_OUT_MAX = 7 }; /* of one push: a replacement and a character */

/* Zero it to begin. */
struct utf8 {
	unsigned char seen[4];
	uint8_t len, need; /* bytes seen of the character, bytes it has */
};

/* Returns how many bytes were written to out: 0 while a character is incomplete. */
size_t utf8_push(struct utf8 *utf8, unsigned char c, char out[UTF8_OUT_MAX]);

/* The end: an incomplete character is replaced. */
size_t utf8_finish(struct utf8 *utf8, char out[UTF8_OUT_MAX]);

/* For who refuses instead: false at the first byte that no character can have there. After it, and
 * after utf8_push(), begin anew. */
bool utf8_check(struct utf8 *utf8, struct str s) MUST_CHECK;

/* Is everything checked so far whole characters? */
bool utf8_is_whole(const struct utf8 *utf8);

/* Append s to buf, made valid. */
void utf8_clean(struct str s, struct buf *buf);
