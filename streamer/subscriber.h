/*
 * One session that is followed on a connection: a position, not a queue.
 *
 * What it gets next is in the ring of its format, or a reader brings a page of history; either way
 * it is written straight from the shared bytes.  A connection that is full is left alone until it
 * has room: what it missed meanwhile is where it was.
 *
 *	NEW -> TIP <-> DUE -> FULL           tip: has all; due: on the list to be written to
 *	        ^-- WAITING -> READING --^   waiting for history, and a reader is at it
 *	        ^-- FOLDING -> READING --^   the same for a slow one, which gets folded blocks
 *	             ^-- LATER <--'          it could not be read
 *	any -> OVER                          nothing more is written to it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "event/log.h"
#include "streamer/format.h"
#include "streamer/outlet.h"
#include "streamer/pace.h"
#include "streamer/position.h"

struct channel;
struct replay;
struct seat;
struct watch;

enum subscriber_state {
	SUBSCRIBER_NEW,
	SUBSCRIBER_TIP,
	SUBSCRIBER_DUE,
	SUBSCRIBER_FULL, /* waits for room on its outlet, or for its turn there */
	SUBSCRIBER_WAITING,
	SUBSCRIBER_FOLDING,
	SUBSCRIBER_READING,
	SUBSCRIBER_LATER,
	SUBSCRIBER_LOOSE, /* on no list: somebody is at it */
	SUBSCRIBER_OVER,
};

struct subscriber {
	struct outlet *outlet;
	struct channel *channel;
	struct replay *replay; /* READING */
	struct position position;
	uint8_t state;    /* enum subscriber_state */
	uint8_t format;   /* enum format */
	bool leaving : 1; /* it is over when its half frame is out */
	bool slow : 1;    /* it gets folded blocks until it has caught up */
	uint32_t shown;   /* n of the last copy that came before its turn, its lower half */
	struct pace pace;
	TAILQ_ENTRY(subscriber) link;
	LIST_ENTRY(subscriber) of_outlet;
	struct seat *seat;   /* in the session's audience; NULL: it has none */
	struct watch *watch; /* of it: its client is told who comes and goes; NULL: it is not */
};

/* What one connection costs beside http's own, when it follows one session. */
enum { SUBSCRIBER_BYTES_MAX = 256 };

/* What follows after `at` in the channel, of these types, onto the outlet. */
void subscriber_init(struct subscriber *subscriber, struct outlet *outlet, struct channel *channel,
                     enum format format, struct cursor at, uint64_t types);
/* Off all lists. Its outlet has ended, or no frame of its is half out. */
void subscriber_fini(struct subscriber *subscriber);

/* Take it off the list it is on; the caller decides what becomes of it. */
void subscriber_unlink(struct subscriber *subscriber);
/* Write what there is, until it has all (true), its turn is over, or the outlet is full. It is on
 * no list, and may be gone afterwards. */
bool subscriber_pump(struct subscriber *subscriber);
/* The same, from a page of history that begins where it stands; gap is what comes first. */
void subscriber_serve(struct subscriber *subscriber, const struct ring *page,
                      const struct log_gap *gap);
void subscriber_later(struct subscriber *subscriber);
/* Its session is no more. */
void subscriber_lose(struct subscriber *subscriber);
/* Stop following, between two frames: at once (true: it is over, the caller frees it), or later, by
 * its outlet's over(). */
bool subscriber_leave(struct subscriber *subscriber);
/* Tell the client where it is, when events were passed over since it last knew. */
bool subscriber_tell(struct subscriber *subscriber);
