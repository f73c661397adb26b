/*
 * What goes over a native WebSocket (RFC 6455 section 5), as bytes: JSON objects in text frames.
 * Pure.
 *
 * Our frames are not masked (section 5.1), so that one copy serves every connection.
 */
#pragma once

#include "streamer/format.h"

extern const struct format_forms socket_frame_forms;

/* One text frame, whole. */
void socket_frame_text(struct str text, struct buf *out);

/* {"type":"event","sessionId","id","seq","event":{what server-sent events have as data}} */
void socket_frame_event(const struct log_event *event, const struct id *sid, struct buf *out);
/* {"type":"gap","sessionId","id","seq","from","to","reason"} */
void socket_frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
                      struct buf *out);
/* {"type":"end","sessionId","id","seq","status"} */
void socket_frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
                      struct buf *out);
/* {"type":"cursor","sessionId","id","seq"} */
void socket_frame_where(const struct cursor *at, const struct id *sid, struct buf *out);
/* {"type":"drain","retryMs"} */
void socket_frame_drain(unsigned retry_ms, struct buf *out);
/* {"type":"presence","sessionId","users":[{"user","displayName","role","since"}]}, or with joined
 * and left in place of users */
void socket_frame_presence(const struct presence_set *set, const struct presence_delta *delta,
                           const struct id *sid, struct buf *out);
void socket_frame_ping(struct buf *out); /* section 5.5.2 */
