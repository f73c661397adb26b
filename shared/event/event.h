/*
 * The types of events (event.def), one event as it is read, and its JSON.  Pure.
 *
 * The prefix is log_event_: event_ and struct event belong to libevent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "event/cursor.h"

enum event_type {
#define X(id, name, who, kind, see, profile, help) EVENT_TYPE_##id,
#include "event/event.def"
#undef X
	EVENT_TYPE_COUNT
};

enum event_who { EVENT_WHO_ANY, EVENT_WHO_SYSTEM };
enum event_see { EVENT_SEE_ANY, EVENT_SEE_PARTICIPANT, EVENT_SEE_ADMIN };
enum event_kind {
	EVENT_KIND_KEEP,
	EVENT_KIND_PLAIN,
	EVENT_KIND_TEXT,
	EVENT_KIND_LINES,
	EVENT_KIND_LAST
};

/* How much of a session a reader wants to see, from everything to the least. */
enum event_profile {
	EVENT_PROFILE_FULL,
	EVENT_PROFILE_NO_DELTAS,
	EVENT_PROFILE_MILESTONES,
	EVENT_PROFILE_STATUS,
	EVENT_PROFILE_COUNT
};

struct event_type_info {
	const char *name;
	enum event_who who;
	enum event_kind kind;
	enum event_see see;
	enum event_profile profile; /* the least detailed one that has it */
	const char *help;
};

const struct event_type_info *event_type_info(enum event_type type);
bool event_type_parse(struct str name, enum event_type *ret) MUST_CHECK;

const char *event_profile_name(enum event_profile profile); /* "no-deltas" */
bool event_profile_parse(struct str name, enum event_profile *ret) MUST_CHECK;

enum {
	EVENT_DATA_MAX =
		192 * 1024,    /* bytes of one event's data; larger content goes by reference */
	EVENT_BATCH_MAX = 128, /* events */
	EVENT_BATCH_BYTES = 256 * 1024,
	EVENT_DEPTH_MAX = 64,
	EVENT_LEVEL_MAX = 8,
	EVENT_PRODUCER_MAX = 64,
	EVENT_COST = 64, /* what an entry costs beside its data, for the limits */
};

/* One entry of a log. Everything it points at belongs to whoever read it. */
struct log_event {
	struct cursor at;
	int64_t ts_ms;       /* wall clock of Redis */
	struct str type;     /* always a name of event.def */
	struct str level;    /* of log events, else "" */
	struct str data;     /* JSON text of one object: the members beside the envelope */
	struct str producer; /* "" for none */
	uint64_t seq;        /* the producer's batch */
	struct str state;    /* the state this event moved the session to, else "" */
};

/* What sets of events are made of, one bit each: the types, lines of a process's output (log events
 * of the streams stdout and stderr), and what this version does not know. */
enum { EVENT_CLASS_OUTPUT = EVENT_TYPE_COUNT, EVENT_CLASS_UNKNOWN, EVENT_CLASS_COUNT };
_Static_assert(EVENT_CLASS_COUNT <= 64, "a set of events is one word");

unsigned log_event_class(const struct log_event *event);
/* The set of what is of these types (a set of 1 << enum event_type). */
uint64_t event_classes_of(uint64_t types);
/* The set of what these readers see: EVENT_SEE_ANY is an observer. */
uint64_t event_classes_seen(enum event_see who);
/* Who participates, and who administers besides: who only observes is nothing else. */
enum event_see event_see_of(bool participates, bool administers);
/* The set of what the profile has; FULL has every bit. */
uint64_t event_classes_in(enum event_profile profile);

/* Appends {"type":...,"ts":...,"sessionId":...,"seq":n,"id":"<epoch>-<n>", members of data}.
 * Members of data that are named like the envelope's were refused when it was appended. */
void log_event_json(const struct log_event *event, struct str sid, struct buf *out);

/* Of the log's limits: bytes that an event counts for. The scripts compute the same. */
static inline uint64_t log_event_cost(const struct log_event *event)
{
	return event->data.n + EVENT_COST;
}

/* 1 to EVENT_PRODUCER_MAX of A-Z a-z 0-9 . _ : - */
bool event_producer_ok(struct str producer);
/* Workers' producers begin so, and nobody else's may: they do not count against the most producers
 * that a log may have, so that no outside producer can keep a worker from its session. */
#define EVENT_PRODUCER_WORKER "w:"
/*
 * Whether data may be an event's: JSON text (RFC 8259, UTF-8) of one object on one line, nested at
 * most EVENT_DEPTH_MAX, at most EVENT_DATA_MAX bytes, and without a top-level member that is named
 * like one of the envelope (type, ts, sessionId, seq, id, covers, ahead) or with an escape in its
 * name. *ret_level is the value of its member "level" when that is a short string, else empty.
 */
bool event_data_ok(struct str data, struct str *ret_level) MUST_CHECK;

/* How grave a log event is: 1 trace, 2 debug, 3 info, 4 warn, 5 error; 0: none of these. */
enum { EVENT_GRADES = 6 };
unsigned log_event_grade(struct str level);
const char *log_event_grade_name(unsigned grade); /* NULL beyond the last */

/* The table of types as docs/events.md. */
void event_docs(struct buf *out);
