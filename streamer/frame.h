/* What goes over a stream of server-sent events (WHATWG HTML, section 9.2), as bytes.  Pure. */
#pragma once

#include "streamer/format.h"

enum {
	FRAME_MAX = EVENT_DATA_MAX + 1024, /* an event's, in any format */
	FRAME_NOTE_MAX = 512,              /* anything else */
};

extern const struct format_forms frame_forms;

/* id, event and data of one event. */
void frame_event(const struct log_event *event, const struct id *sid, struct buf *out);
/* event: gap */
void frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
               struct buf *out);
/* event: end */
void frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
               struct buf *out);
/* Moves the client's Last-Event-ID (section 9.2.6: no data, no dispatch). */
void frame_id(const struct cursor *at, struct buf *out);
/* Moves no cursor. */
void frame_note(const char *type, struct str json, struct buf *out);
void frame_retry(unsigned ms, struct buf *out);
void frame_comment(struct buf *out); /* keep-alive */
/* retry, and event: drain, {"type":"drain","retryMs"}; no id, so the client's stays. */
void frame_drain(unsigned retry_ms, struct buf *out);
