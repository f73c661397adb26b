/*
 * A stream as it moves from one streamer to the next: all that the next one needs to go on at the
 * very byte.  Pure.
 *
 * Both sides may be of different builds, so nothing here is a number of an enum whose order may
 * change: states go by name, classes of events by a table of names that is sent before.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/str.h"
#include "event/event.h"
#include "press/gzip.h"
#include "session/session.h"
#include "streamer/position.h"

struct arena;

enum {
	RECORD_FOLLOWED_MAX = 1024, /* sessions of one stream */
	RECORD_BYTES_MAX = 96 * 1024,
	RECORD_RAW_MAX = 40 * 1024, /* of them, what is kept of a gzip stream */
	RECORD_CLASSES_MAX = 64,    /* bits of a set */
};

/* Only plain connections move: what encrypts them would have to move too. */
enum record_kind {
	RECORD_SSE = 1, /* server-sent events over plain TCP or a unix socket */
	RECORD_SOCKET,  /* a WebSocket over the same */
};

/* One session that is followed. */
struct record_followed {
	struct id sid;
	struct cursor tip; /* the last event that this session was known to have */
	enum session_state state;
	struct position position;
	bool leaving;   /* it is no longer followed once its half frame is out */
	bool watches;   /* the client is told who looks at it */
	uint32_t shown; /* n of the last copy that came before its turn, its lower half */
};

/* Of a WebSocket. */
struct record_socket {
	struct str face;  /* "follow" */
	struct str own;   /* what the face keeps of it */
	bool deflates;    /* the client may compress its messages */
	struct str input; /* bytes of the client that were read, but not dealt with */
};

/* A gzip stream, and where it is. */
struct record_gzip {
	bool is_it; /* false: a plain one */
	bool is_over;
	struct gzip_sum sum;
	uint32_t open; /* as in struct gzip */
	uint8_t head;
	struct str raw; /* wire bytes not sent yet */
};

struct record {
	enum record_kind kind;
	struct str peer;
	struct principal principal;
	uint64_t stream;    /* its name for clients */
	uint32_t silent_ms; /* since something was written */
	bool finishing;     /* it ends when left is out */
	struct str left;    /* of notes: bytes not sent yet */
	struct record_gzip gzip;
	struct record_socket socket;
	size_t count;
	struct record_followed *followed;
};

void record_encode(const struct record *record, struct buf *out);

/* What each bit of a set of events means to whoever made the records. */
struct record_classes {
	size_t count;
	unsigned classes[RECORD_CLASSES_MAX]; /* log_event_class(); EVENT_CLASS_COUNT: none of ours
	                                       */
};

/* Ours, as a list of names for the other side. */
void record_classes_format(struct buf *out);
/* False: more names than a set has bits. */
bool record_classes_parse(struct str names, struct record_classes *ret) MUST_CHECK;

/* The record that *in begins with is taken from it. False: it is none. Strings point into *in, the
 * rest into the arena. */
bool record_decode(struct str *in, const struct record_classes *classes, struct arena *arena,
                   struct record *ret) MUST_CHECK;
