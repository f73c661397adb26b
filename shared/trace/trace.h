/*
 * Spans: what was done for a trace, from when to when, by whom.
 *
 *	struct trace_span span;
 *
 *	trace_begin(&span, &parent, "task.accept", TRACE_INTERNAL);
 *	...
 *	trace_end(&span, &(struct trace_end){ .attrs = { { "fairlead.task", task.s, 0 } } });
 *
 * A span of a trace that is not recorded, and every span while no collector is named, is empty, and
 * costs a branch.  Ended spans are kept, bounded, for a fiber that sends them in batches by
 * OTLP/HTTP; what the collector does not take in time is dropped and counted.  Nobody waits for it.
 *
 * For the loop's thread only; one per process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/traceparent.h"

struct loop;

/* The numbers of OTLP. */
enum trace_kind { TRACE_INTERNAL = 1, TRACE_SERVER = 2, TRACE_PRODUCER = 4, TRACE_CONSUMER = 5 };

enum { TRACE_ATTRS_MAX = 8, TRACE_TEXT_MAX = 256, TRACE_NAME_MAX = 128, TRACE_RATIO_ONE = 1000000 };

struct trace_span {
	struct traceparent at;           /* what its children get; not sampled: the span is empty */
	char parent[TRACE_SPAN_LEN + 1]; /* "": it is the first */
	const char *name;                /* lives as long as the span */
	enum trace_kind kind;
	int64_t began_us; /* clock_wall_us() */
};

struct trace_attr {
	const char *name; /* NULL ends the list */
	const char *text; /* cut at TRACE_TEXT_MAX; NULL: it is the number */
	int64_t number;
};

struct trace_end {
	const char *failed; /* why; NULL: it went well */
	struct trace_attr attrs[TRACE_ATTRS_MAX];
};

struct trace_options {
	const char *url;     /* these live as long as the process */
	const char *headers; /* "name=value,name=value" */
	const char *ca_file; /* as in fetch.h */
	const char *service, *version, *instance;
	unsigned ratio; /* of TRACE_RATIO_ONE */
};

/* An empty url: everything here does nothing. ERR_INVALID: headers is no such list. */
enum err_code trace_open(struct loop *loop, const struct trace_options *options,
                         struct err *err) MUST_CHECK;
void trace_close(void);
/* The body of a fiber: sends what has ended. */
void trace_run(void *arg);
/* On a fiber, when that one has ended: what is left, for so long and no longer. */
void trace_flush(unsigned timeout_ms);

bool trace_is_on(void);
/* Whether one that begins here is recorded: by its id, so that all nodes agree. */
bool trace_chosen(const char *trace_id);

/* A child of that; NULL, or one that is not sampled: an empty one. */
void trace_begin(struct trace_span *span, const struct traceparent *parent, const char *name,
                 enum trace_kind kind);
/* The first one of a trace that begins here, which nobody asked for; an empty one when the trace is
 * not chosen. */
void trace_begin_first(struct trace_span *span, const char *name, enum trace_kind kind);
/* end may be NULL. The span is empty afterwards, so that ending it twice is harmless. */
void trace_end(struct trace_span *span, const struct trace_end *end);
/* The same of one that ended before. */
void trace_end_at(struct trace_span *span, const struct trace_end *end, int64_t ended_us);

static inline bool trace_records(const struct trace_span *span)
{
	return span->at.sampled;
}
