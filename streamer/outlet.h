/*
 * One client connection as those who write to it see it: the sessions followed on it take turns.
 *
 * Frames are never mixed: while the socket holds half of a frame nobody but its subscriber may
 * write, then what is left of notes goes out, then whoever waits, one after the other.  A turn
 * is bounded, so that the replay of one session does not keep another from being live.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "http/http.h"
#include "streamer/feed.h"
#include "streamer/intake.h"
#include "streamer/position.h"

struct outlet;
struct viewer;

LIST_HEAD(followings, subscriber);

/* Why nothing more comes for a subscriber. */
enum outlet_over {
	OUTLET_ENDED, /* its session has, and it was told so */
	OUTLET_LOST,  /* its session is no more */
	OUTLET_LEFT,  /* it left: what it had half out is whole */
};

/* What kind of client it is. */
struct outlet_face {
	const char *name;
	/* It is on no list, and not touched again by the caller: it may be freed. */
	void (*over)(struct outlet *outlet, struct subscriber *subscriber, enum outlet_over why);
	/* The wheel has come round to it: say something where that is due. Returns when to come
	 * round again. */
	uint64_t (*round)(struct outlet *outlet);
	/* Something about the connection: json is an object whose member type is that. */
	void (*say)(struct outlet *outlet, const char *type, struct str json);
	/* Its key allows no more: end it. It was told why. */
	void (*dismiss)(struct outlet *outlet, const char *why);
	size_t left_max; /* of notes that wait for room: beyond it the connection is ended */
};

struct outlet {
	struct http_conn *conn; /* NULL until it is open */
	const struct outlet_face *face;
	struct feed *feed;
	struct viewer *viewer;
	struct intake *intake;        /* how it takes compressed bytes; NULL: it takes none */
	struct buf *left;             /* of notes; NULL: nothing */
	struct subscriber *torn;      /* its frame is half out */
	struct subscribers waiting;   /* for room, or for their turn */
	struct followings followings; /* all its subscribers */
	LIST_ENTRY(outlet) wheel;
	LIST_ENTRY(outlet) of_viewer;
	uint64_t stream;    /* its name for clients */
	uint32_t wrote_ms;  /* clock_mono_ms, its lower half */
	bool full : 1;      /* until the socket has room */
	bool finishing : 1; /* end it when left is out */
	bool closing : 1;   /* it was said goodbye to: that it is out, or its answer, is awaited */
	bool ended : 1;     /* by us or by the peer: nobody writes any more */
	bool in_turns : 1;  /* inside outlet_turns() */
};

/* Holds the viewer, which is the outlet's from now on. */
void outlet_init(struct outlet *outlet, const struct outlet_face *face, struct feed *feed,
                 struct viewer *viewer);
void outlet_fini(struct outlet *outlet); /* without subscribers */
/* Before it is open: its client takes compressed bytes. The intake is the outlet's from now on. */
void outlet_compress(struct outlet *outlet, struct intake *intake);

/* From the stream's functions. */
void outlet_open(struct outlet *outlet, struct http_conn *conn);
void outlet_writable(struct outlet *outlet);
/* One that was open in another process: these notes are left, and it was silent for that long.
 * Whoever was torn or waited is pumped by the caller, the torn one first. */
void outlet_adopt(struct outlet *outlet, struct http_conn *conn, struct str left, bool finishing,
                  uint32_t silent_ms);

/* May it write now? Not while the socket is full, or another's frame or a note is half out. */
bool outlet_admits(struct outlet *outlet, const struct subscriber *subscriber);
/* It is on no list: give it its turn later. */
void outlet_queue(struct outlet *outlet, struct subscriber *subscriber);
/* Bytes taken, of frames: whoever is admitted says afterwards whether one is half out. -1: dead. */
ssize_t outlet_writev(struct outlet *outlet, const struct iovec *iov, int count);
/* Shared pieces instead, after the position, which is not inside a frame. They count as out even
 * when the socket takes less: the outlet keeps the rest. */
enum intake_share outlet_share(struct outlet *outlet, struct position *position,
                               uint64_t *ret_events);
/* Let those who wait write while there is room. */
void outlet_turns(struct outlet *outlet);
/* Does anybody wait for the subscriber's half frame to be finished? */
bool outlet_is_wanted(const struct outlet *outlet);

/* Put a note, whole frames, between frames, soon. False: it is ended, or closing. */
bool outlet_say(struct outlet *outlet, struct str note);
/* Its client took nothing for so long that it was closed. */
bool outlet_has_stalled(const struct outlet *outlet);
/* Nothing is half out or waits to be written. */
bool outlet_is_quiet(const struct outlet *outlet);

void outlet_finish(struct outlet *outlet); /* end it when all notes are out */
void outlet_end(struct outlet *outlet);    /* now; clients can resume elsewhere */
