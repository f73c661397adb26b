/*
 * What is known of archived segments without opening them: where they begin and end, when, and how
 * many events of which type they hold.  So a page of the few events that match among a million
 * opens the few segments that have them.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "event/log.h"

struct pg;

/* Events that are looked for. */
struct event_filter {
	uint64_t classes; /* set of 1 << log_event_class() */
	unsigned grade;   /* of log events: at least this log_event_grade(); 0: all */
};

bool event_filter_matches(const struct event_filter *filter, const struct log_event *event);
bool event_filter_is_all(const struct event_filter *filter);

/* Under this name a segment counts the events of a class. */
const char *segment_class_name(unsigned class);

/* A part of one session's log: n from..to. */
struct segment_part {
	struct id sid;
	const char *tenant;
	uint64_t from, to;
};

/* The segments that lie within the part. */
struct segment_span {
	uint64_t first;      /* n; 0: there are none */
	struct cursor end;   /* the last event */
	bool counted;        /* of all of them it is known what they hold */
	struct log_gap hole; /* the first between two of them */
};

enum err_code segment_span(struct pg *pg, const struct segment_part *part, struct segment_span *ret,
                           struct err *err) MUST_CHECK;

/* Of the segments within the part: those that have the matching events `skip`.. `skip` + `count` -
 * 1, counted from one end. */
struct segment_find {
	struct segment_part part;
	struct event_filter filter;
	bool descending;
	uint64_t skip, count;
};

struct segment_hit {
	uint64_t first, last; /* n of its ends */
	uint64_t first_epoch;
	uint64_t before; /* matching events in the segments before it */
};

struct segment_hits {
	struct segment_hit *items; /* in order; free() them */
	size_t count;              /* at most find->count */
	uint64_t total;            /* matching events in all segments within the part */
};

enum err_code segment_find(struct pg *pg, const struct segment_find *find, struct segment_hits *ret,
                           struct err *err) MUST_CHECK;

/* The segment that holds the first archived event of that moment or later. *ret_last: the
 * archive's last n; 0: there is none, *ret is zeroed. */
enum err_code segment_at_time(struct pg *pg, const struct segment_part *session, int64_t ms,
                              struct segment_hit *ret, uint64_t *ret_last,
                              struct err *err) MUST_CHECK;
