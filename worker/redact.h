/*
 * Secrets that must not be seen, in a stream of text: bytes in, the same bytes out with
 * "[REDACTED]" or "[REDACTED:NAME]" where a secret was.  Pure; time per byte does not grow with the
 * number of secrets.
 *
 * What is looked for is known by its shape (redact_pattern.c: keys of the usual services, bearer
 * tokens, JSON web tokens, private keys, passwords in URLs), or by its value: each secret that an
 * agent was given, as it is, line by line when it has several, and as base64, base64url,
 * percent-encoded and JSON-escaped text.
 *
 * However the text is cut into pieces, the result is the same: the end of a piece that may be the
 * begin of a secret is held back until it is known what it is.  What is held back is never longer
 * than the longest value in its longest form, or the few kilobytes that a shape needs to be known.
 *
 * A text that stands still is given out by redact_flush(). The part of a secret that it ends with,
 * if that is REDACT_PART_MIN bytes or more, is replaced, and so is what follows of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum {
	REDACT_VALUE_MIN = 8, /* bytes; a shorter value would be found everywhere */
	REDACT_PART_MIN = 4,
};

struct redact_value {
	struct str name, value;
};

/* What is looked for. It does not change, and any number of streams may share it. */
struct redact;

/* Values below REDACT_VALUE_MIN are passed over. Copies them, and wipes its copies in the end. */
struct redact *redact_new(const struct redact_value *values, size_t count) MUST_CHECK;
void redact_free(struct redact *redact); /* NULL is fine */

struct redact_stream;

struct redact_stream *redact_stream_new(const struct redact *redact) MUST_CHECK;
void redact_stream_free(struct redact_stream *stream); /* NULL is fine */

/* Appends what is known to be fit to be seen. */
void redact_feed(struct redact_stream *stream, struct str bytes, struct buf *out);
/* Appends what is held back; the text may go on. */
void redact_flush(struct redact_stream *stream, struct buf *out);
/* The same, and the text has ended: the begin of a secret that never came is no secret. The stream
 * is as new. */
void redact_end(struct redact_stream *stream, struct buf *out);

size_t redact_held(const struct redact_stream *stream); /* bytes */
/* Whether the text is in the middle of what may be, or is, a secret. */
bool redact_is_open(const struct redact_stream *stream);

/* Marks are one character from here on: where all of an event is secrets, their marks would not
 * fit. */
void redact_be_brief(struct redact_stream *stream);
