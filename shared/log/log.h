/*
 * One line per event, to standard error, as logfmt or JSON:
 *
 *	log_info("task.claimed", "task=%s worker=%s wait_ms=%" PRIu64, id.s, name, waited);
 *	log_error("pg.failed", "host=%s %s", host, err.msg);
 *	log_warn("drain.started");
 *
 *	ts=2026-01-01T00:00:00.000Z level=info program=fairlead-api event=task.claimed task=...
 *
 * The format alone decides the shape of the line: it is cut into `key=value` fields before any
 * argument is looked at, and each value is quoted as the output needs.  So no argument, whatever it
 * holds, can add a field, end a line or emit a control byte, and callers never quote.  Text without
 * "key=" takes the rest of the format and becomes the field `msg`; a value that is one number
 * stays a number in JSON.  Conversions: d i u x c f s with length modifiers, width, precision and
 * zero padding; anything else ends the line with `bad_format`.
 *
 * A line is at most LOG_LINE_MAX bytes, so a pipe takes it whole (PIPE_BUF); what does not fit is
 * left out and the line says `cut=true`.  Writing never blocks: a full pipe drops the line, and a
 *later line tells how many.  More than `rate` lines of one event in a second are counted, not
 *written.
 *
 * For the loop's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum log_level {
	LOG_LEVEL_ERROR, /* someone must act */
	LOG_LEVEL_WARN,  /* degraded, going on */
	LOG_LEVEL_INFO,  /* a change of state */
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum { LOG_LINE_MAX = 4096, LOG_RATE_DEFAULT = 100 };

struct log_options {
	const char *program;  /* kept by reference */
	enum log_level level; /* the most talkative level that is written */
	enum log_format format;
	unsigned rate; /* lines per event name and second; 0: no limit */
	int fd;
};

/* Before this is called, lines go to standard error as logfmt at level info. May be called again.
 */
void log_setup(const struct log_options *options);
void log_set_level(enum log_level level);

/* What every line tells about who asked: `fn` returns "key=value key=value", "" for nothing. A key
 * that is one of the logger's own gets the prefix "context_". Values hold no spaces (ids and
 * names). */
void log_set_context(const char *(*fn)(void));

/* Writes the counts of lines held back in seconds that are over. Call it about once a second, and
 * at exit. */
void log_tick(void);

struct log_stats {
	uint64_t lines[LOG_LEVEL_COUNT]; /* written */
	uint64_t dropped;                /* the output could not take them */
	uint64_t suppressed;             /* over the rate */
};

void log_stats(struct log_stats *ret);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
void log_write_each(const char *event, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The fields, a format literal and its arguments, may be absent. */
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, (event), " " __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_LEVEL_WARN, (event), " " __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, (event), " " __VA_ARGS__)
#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, (event), " " __VA_ARGS__)
/* One line for each of something: at level info, not bounded by the rate, and without the context,
 * since it may be written for another than who runs. */
#define log_each(event, ...) log_write_each((event), " " __VA_ARGS__)
