/*
 * A chat as its clients see it, made from the logs of its sessions and from nothing else.  Pure.
 *
 *	view = aomi_view_new(max);
 *	for each session, the oldest first:
 *		aomi_view_begin(view, part, prompt, since)
 *		aomi_view_event() for each event, in order
 *	aomi_view_waiting() for each message that no agent has got yet
 *	aomi_view_end(view, state, now)
 *	... read ...
 *
 * Of the messages and events the newest are kept: memory is bounded whatever the logs hold.
 */
#pragma once

#include "aomi/aomi_event.h"
#include "base/id.h"
#include "json/write.h"
#include "session/session.h"

struct aomi_view;

enum {
	AOMI_MESSAGES_MAX = 1000,
	AOMI_CONTENT_MAX = 64 * 1024, /* bytes of one message; the rest is left out */
	AOMI_EVENTS_MAX = 256,
	AOMI_STARTED_MAX = 64, /* commands that are remembered */
	AOMI_QUIET_MS = 1000,  /* an agent without turns that says nothing for so long waits */
};

/* messages_max: at most AOMI_MESSAGES_MAX. */
struct aomi_view *aomi_view_new(unsigned messages_max) MUST_CHECK;
void aomi_view_free(struct aomi_view *view);

/* The session that carried on from there; prompt "": none, or what is read begins after it. */
void aomi_view_begin(struct aomi_view *view, uint64_t part, struct str prompt, int64_t ts_ms);
void aomi_view_event(struct aomi_view *view, const struct log_event *event);
/* Did the worker say that it gives that command to the agent? */
bool aomi_view_has_started(const struct aomi_view *view, const struct id *command);
void aomi_view_waiting(struct aomi_view *view, struct str text, int64_t ts_ms);
/* state: of the last session. has_session false: there is none. */
void aomi_view_end(struct aomi_view *view, bool has_session, enum session_state state,
                   int64_t now_ms);

bool aomi_view_is_processing(const struct aomi_view *view);
size_t aomi_view_message_count(const struct aomi_view *view);
/* [ChatMessage] */
void aomi_view_messages(const struct aomi_view *view, struct jsonw *w, const char *name);

/* [SystemEvent] of these kinds: a set of aomi_bit(). */
struct aomi_events {
	unsigned kinds;
	const struct aomi_cursor *after; /* NULL: from where the last turn began */
	bool all;                        /* after NULL: from the beginning */
	size_t last;                     /* only so many, the newest; 0: all */
};
void aomi_view_events(const struct aomi_view *view, const struct aomi_events *which,
                      struct jsonw *w, const char *name);

/* Where the view ends. part 0: nothing has been. */
struct aomi_cursor aomi_view_cursor(const struct aomi_view *view);

/* {"sender","content","tool_result","timestamp","is_streaming"} of a system message. */
void aomi_message_write(struct jsonw *w, struct str content, int64_t ts_ms);
