/*
 * Builds one log line: pure, bounded, always well-formed.  Private to shared/log.
 *
 * Begin, add fields, end.  A field that does not fit is cut inside its value or left out; room for
 * closing the line is kept back from the start.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"
#include "log/log.h"

struct log_line {
	enum log_format format;
	size_t len;
	bool cut;
	bool empty; /* no field yet */
	char text[LOG_LINE_MAX];
};

void log_line_begin(struct log_line *line, enum log_format format);
void log_line_field(struct log_line *line, struct str key, struct str value);
void log_line_number(struct log_line *line, struct str key, uint64_t value);
void log_line_context(struct log_line *line, struct str context);
void log_line_format(struct log_line *line, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void log_line_end(struct log_line *line); /* text[0..len) is the line with its newline */
