/*
 * One connection that follows a session: a position, not a queue.
 *
 * What it gets next is in the ring, or a reader brings a page of history; either way it is written
 * straight from the shared bytes.  A connection that is full is left alone until it has room:
 * what it missed meanwhile is where it was.
 *
 *	NEW -> TIP <-> DUE -> FULL           tip: has all; due: on the list to be written to
 *	        ^-- WAITING -> READING --^   waiting for history, and a reader is at it
 *	             ^-- LATER <--'          it could not be read
 *	any -> GONE                          ended by us or by the peer: closed() follows
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "event/log.h"
#include "http/http.h"
#include "streamer/position.h"

struct channel;
struct replay;

enum subscriber_state {
	SUBSCRIBER_NEW,
	SUBSCRIBER_TIP,
	SUBSCRIBER_DUE,
	SUBSCRIBER_FULL,
	SUBSCRIBER_WAITING,
	SUBSCRIBER_READING,
	SUBSCRIBER_LATER,
	SUBSCRIBER_GONE,
};

struct subscriber {
	struct http_conn *conn;
	struct channel *channel;
	struct replay *replay; /* READING */
	struct buf *left;      /* of a note, when the socket was full */
	struct position position;
	uint32_t wrote_ms; /* clock_mono_ms, its lower half */
	uint8_t state;
	bool ending; /* close it when left is out */
	TAILQ_ENTRY(subscriber) link;
	LIST_ENTRY(subscriber) wheel;
};

extern const struct http_stream_ops subscriber_ops;

/* To be handed to a reply as its stream; freed by its closed(). */
struct subscriber *subscriber_new(struct channel *channel, struct cursor at, uint64_t types);

/* Take it off the list it is on; the caller decides what becomes of it. */
void subscriber_unlink(struct subscriber *subscriber);
/* Write what there is, until it has all or is full. It is on no list. */
void subscriber_pump(struct subscriber *subscriber);
/* The same, from a page of history that begins where it stands; gap is what comes first. */
void subscriber_serve(struct subscriber *subscriber, const struct ring *page,
                      const struct log_gap *gap);
void subscriber_later(struct subscriber *subscriber);
void subscriber_end(struct subscriber *subscriber); /* close it; it can resume elsewhere */
/* Say something, unless there is more to say already. */
void subscriber_keep_alive(struct subscriber *subscriber);
