/*
 * What goes over /ws/consumer/{id}: the events of a session in the shapes that consumers of agent
 * bridges know (docs/consumer.md has the table), as text frames of RFC 6455 (socket_frame.h). Pure.
 *
 * An event is one frame or none; each frame that stands for an event has its id and seq beside its
 * own members, and `covers` when it stands for several.  What does not read as JSON that we take is
 * told as an adapter_drop: nothing that has a form is left out in silence.
 */
#pragma once

#include "streamer/format.h"

extern const struct format_forms consumer_frame_forms;

/* The frame's JSON text alone; nothing appended: it has no form here. */
void consumer_frame_json(const struct log_event *event, struct buf *out);

/* Is it one of those that message_history has: what was said, done and answered, not how it came.
 */
bool consumer_frame_is_history(enum event_type type);

void consumer_frame_event(const struct log_event *event, const struct id *sid, struct buf *out);
/* {"type":"replay_gap","from","to","reason","id","seq"} */
void consumer_frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
                        struct buf *out);
/* {"type":"session_lifecycle","subtype":"session_ended","metadata":{"status"},"id","seq"} */
void consumer_frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
                        struct buf *out);
/* {"type":"presence_update","ref"?,"consumers":[{"userId","displayName","role"}]} */
void consumer_frame_consumers(const struct presence_set *set, struct str ref, struct buf *out);
/* The same, when few enough are there that each may be told at each change. */
void consumer_frame_presence(const struct presence_set *set, const struct presence_delta *delta,
                             const struct id *sid, struct buf *out);
/* {"type":"cursor","id","seq"} */
void consumer_frame_where(const struct cursor *at, const struct id *sid, struct buf *out);
