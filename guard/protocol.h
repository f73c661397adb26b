/*
 * What fairlead-worker and fairlead-guard say to each other over the control socket: one
 * short text line a message, LF at its end, at most GUARD_LINE_MAX bytes.
 *
 * The deadline is absolute, in milliseconds of CLOCK_BOOTTIME: both ends run on one host, a
 * line that was delayed (a stopped worker, a starved guard) can therefore never lengthen a
 * lease, and time spent suspended counts as it does for everybody else.
 *
 * Pure: bytes to messages and back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { GUARD_LINE_MAX = 256, GUARD_TEXT_MAX = 200 };

/* Exit codes of fairlead-guard itself. */
enum { GUARD_EXIT_OK = 0, GUARD_EXIT_USAGE = 2 };

enum guard_verb {
	/* worker to guard */
	GUARD_DEADLINE, /* ms: freeze everything at this time of CLOCK_BOOTTIME; 0: never */
	GUARD_FREEZE,   /* answered by GUARD_FROZEN */
	GUARD_THAW,     /* answered by GUARD_THAWED, or GUARD_FROZEN while the lease is over */
	GUARD_SIGNAL,   /* number: to the process group of the command */
	GUARD_STOP,     /* ms of grace between SIGTERM and SIGKILL of all descendants */
	GUARD_KILL,
	GUARD_FENCED, /* another worker has the session: as GUARD_KILL */
	/* guard to worker */
	GUARD_STARTED, /* pid */
	GUARD_LATE,    /* the deadline was over: nothing was started */
	GUARD_EXITED,  /* number, by_signal: how the command itself ended */
	GUARD_FROZEN,
	GUARD_THAWED,
	GUARD_GONE,  /* no descendant is left; the last message */
	GUARD_ERROR, /* text: the command could not be started */
	GUARD_VERB_COUNT
};

struct guard_message {
	enum guard_verb verb;
	uint64_t number; /* ms, pid, signal or exit code */
	bool by_signal;  /* GUARD_EXITED only */
	char text[GUARD_TEXT_MAX + 1];
};

/* One line without its LF. False if it is not a message. */
bool guard_parse(struct str line, struct guard_message *ret) MUST_CHECK;

/* The line with its LF, NUL-terminated; returns its length. */
size_t guard_format(const struct guard_message *message, char out[GUARD_LINE_MAX + 1]);

/* Splits a byte stream into messages. Zero it to begin. */
struct guard_reader {
	char line[GUARD_LINE_MAX];
	size_t used;
};

enum guard_read { GUARD_READ_MORE, GUARD_READ_MESSAGE, GUARD_READ_BAD };

/* Consume *in up to the end of one message. GUARD_READ_BAD: a line was too long or unknown; it is
 * skipped and reading may go on. */
enum guard_read guard_next(struct guard_reader *reader, struct str *in, struct guard_message *ret);
