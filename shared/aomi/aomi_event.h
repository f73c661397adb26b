/*
 * One event of a session's log as clients of the AOMI surface know it: a SystemEvent.  Pure.
 */
#pragma once

#include "aomi/aomi.h"
#include "base/buf.h"
#include "event/event.h"

enum aomi_kind {
	AOMI_INLINE,   /* InlineCall: for the page, with the next answer */
	AOMI_ERROR,    /* SystemError */
	AOMI_NOTICE,   /* SystemNotice: on the stream */
	AOMI_CALLBACK, /* AsyncCallback: on the stream */
	AOMI_TITLE,    /* title_changed: only on the stream */
	AOMI_KIND_COUNT
};

static inline unsigned aomi_bit(enum aomi_kind kind)
{
	return 1U << (unsigned)kind;
}

/* What chat, state and interrupt tell, and what /api/events does. */
#define AOMI_POLLED   (aomi_bit(AOMI_INLINE) | aomi_bit(AOMI_ERROR))
#define AOMI_STREAMED (aomi_bit(AOMI_NOTICE) | aomi_bit(AOMI_CALLBACK))

/* False: it is none. Else its value is appended: JSON text of a string, or of any value for
 * AOMI_INLINE and AOMI_CALLBACK. */
bool aomi_event_of(const struct log_event *event, enum aomi_kind *ret_kind, struct buf *out);

const char *aomi_kind_name(enum aomi_kind kind); /* "InlineCall"; NULL: none in an answer */

/* {"InlineCall":value} */
void aomi_event_write(enum aomi_kind kind, struct str value, struct buf *out);

/* The object of /api/updates, with the client's name of the chat in it. False: it has none there.
 */
bool aomi_update_write(enum aomi_kind kind, struct str value, struct str session, struct buf *out);

/* "12:34:56 UTC" */
enum { AOMI_TIME_SIZE = sizeof("12:34:56 UTC") };
void aomi_time(int64_t ts_ms, char out[AOMI_TIME_SIZE]);

/* ---- what the surface itself appends: data of an event; {NULL, 0}: too large ---- */

/* Of POST /api/system. The message is JSON text or plain. */
struct str aomi_system_note(struct str message, struct arena *arena);
struct str aomi_system_message(struct str message, struct arena *arena);
#define AOMI_SYSTEM_PREFIX "Response of system endpoint: "
/* Of a new title. */
struct str aomi_title_note(struct str title, struct arena *arena);
