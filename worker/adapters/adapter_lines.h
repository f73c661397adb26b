/*
 * What an agent prints, bytes to lines.  Pure: whatever the bytes were split into, the lines are
 * the same.  A line longer than ADAPTER_LINE_MAX is dropped whole.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

struct adapter_lines {
	struct buf rest; /* of a line that goes on */
	bool taken;      /* rest was handed out and is to be dropped at the next call */
	bool dropping;   /* to the end of a line that is too long */
};

enum adapter_line { ADAPTER_LINE_NONE, ADAPTER_LINE_WHOLE, ADAPTER_LINE_TOO_LONG };

void adapter_lines_init(struct adapter_lines *lines);
void adapter_lines_fini(struct adapter_lines *lines);

/* Consume *in up to the end of the next line, *ret is that without its break (LF or CR LF) and
 * valid until the next call. NONE: *in is used up. Empty lines are left out. */
enum adapter_line adapter_lines_take(struct adapter_lines *lines, struct str *in,
                                     struct str *ret) MUST_CHECK;

/* The output has ended: what it ended with, if that had no break. */
bool adapter_lines_finish(struct adapter_lines *lines, struct str *ret) MUST_CHECK;
