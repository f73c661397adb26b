/*
 * The output of a command, bytes to records: what becomes its `log` events.
 *
 * A record ends at a line feed or before LINES_TEXT_MAX bytes, is always valid UTF-8 without
 * NUL (each becomes U+FFFD), and keeps escape sequences as they are.  A line that is rewritten
 * with carriage returns (a progress bar) yields its latest state at most once in flush_ms, and
 * always its last one.  A line that stays unfinished for flush_ms (a prompt) is handed out as
 * it is; what follows it is marked as its continuation.
 *
 * Pure: bytes and a time in, records out, whatever the bytes were split into.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "base/utf8.h"

enum { LINES_TEXT_MAX = 8192 };

enum lines_kind {
	LINES_WHOLE,    /* up to a line feed, or to the end of the output */
	LINES_PART,     /* more of this line follows in the next record */
	LINES_PROGRESS, /* a state of this line that will be overwritten */
};

struct lines_record {
	struct str text; /* valid until the next call */
	enum lines_kind kind;
	bool continues; /* the record before was a LINES_PART of the same line; text may be empty
	                   then */
};

struct lines {
	uint64_t flush_ms;
	uint64_t shown_ms; /* when a state of this line was last handed out, or its text began */
	struct utf8 utf8;
	char queue[UTF8_OUT_MAX]; /* decoded, not yet looked at */
	size_t queued;
	bool taken;     /* text was handed out and is to be dropped at the next call */
	bool shown;     /* text was handed out as a state and nothing came since */
	bool returned;  /* a carriage return came last */
	bool rewritten; /* a carriage return was followed by something else than a line feed */
	bool continues;
	size_t len;
	char *text; /* LINES_TEXT_MAX bytes, while there is any */
};

void lines_init(struct lines *lines, uint64_t flush_ms);
void lines_fini(struct lines *lines);

/* Consume *in up to the next record. False: *in is used up and no record is complete. */
bool lines_take(struct lines *lines, struct str *in, uint64_t now_ms,
                struct lines_record *ret) MUST_CHECK;

/* When lines_flush() has something to give; 0: not until more was fed. */
uint64_t lines_due(const struct lines *lines);
bool lines_flush(struct lines *lines, uint64_t now_ms, struct lines_record *ret) MUST_CHECK;

/* The output has ended: call it until it is false. */
bool lines_finish(struct lines *lines, struct lines_record *ret) MUST_CHECK;
