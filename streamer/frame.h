/*
 * What goes over a stream of server-sent events (WHATWG HTML, section 9.2), as bytes.  Pure.
 *
 * The bytes of an event are the same whichever tier it was read from, so a frame that was cut by a
 * full socket can be continued from another copy of it.
 */
#pragma once

#include "base/buf.h"
#include "base/id.h"
#include "event/log.h"

enum {
	FRAME_MAX = EVENT_DATA_MAX + 1024, /* an event's */
	FRAME_NOTE_MAX = 512,              /* anything else */
};

/* id, event and data of one event. */
void frame_event(const struct log_event *event, const struct id *sid, struct buf *out);
/* event: gap; at is where the stream goes on. */
void frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
               struct buf *out);
/* event: end; the last of a session that has ended. */
void frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
               struct buf *out);
/* Moves the client's Last-Event-ID without an event (section 9.2.6: no data, no dispatch). */
void frame_id(const struct cursor *at, struct buf *out);
void frame_retry(unsigned ms, struct buf *out);
void frame_comment(struct buf *out); /* keep-alive */
