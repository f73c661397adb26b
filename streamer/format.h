/*
 * The forms in which a session is told: one for each kind of client.  Pure.
 *
 * The bytes of an event are the same for every connection of its format and whichever tier it was
 * read from: they are made once for all, and a frame that was cut by a full socket can be
 * continued from another copy of it.
 */
#pragma once

#include "base/buf.h"
#include "base/id.h"
#include "event/log.h"

struct presence_delta;
struct presence_set;

enum format {
	FORMAT_SSE,      /* server-sent events: frame.h */
	FORMAT_SOCKET,   /* native WebSocket: socket_frame.h */
	FORMAT_CONSUMER, /* WebSocket of agent bridges: consumer_frame.h */
	FORMAT_COUNT,
};

/* How each thing is said. */
struct format_forms {
	/* Nothing appended: this event has no form here. */
	void (*event)(const struct log_event *event, const struct id *sid, struct buf *out);
	/* A copy of it out of its turn: its data says so, and the client's place does not move. */
	void (*ahead)(const struct log_event *event, const struct id *sid, struct buf *out);
	/* Events that are not to be had; at is where the stream goes on. */
	void (*gap)(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
	            struct buf *out);
	/* The last of a session that has ended. */
	void (*end)(enum session_state state, const struct cursor *at, const struct id *sid,
	            struct buf *out);
	/* Where the client is by now, without an event. */
	void (*where)(const struct cursor *at, const struct id *sid, struct buf *out);
	/* Who looks at the session: all of them, or (delta not NULL) what has just changed. NULL,
	 * or nothing appended: it is not told. */
	void (*presence)(const struct presence_set *set, const struct presence_delta *delta,
	                 const struct id *sid, struct buf *out);
	void (*keep_alive)(struct buf *out);
	/* This node goes away: come back, to another one, after that time. */
	void (*drain)(unsigned retry_ms, struct buf *out);
};

const struct format_forms *format_forms(enum format format);
