/*
 * Who looks at which session through this streamer, told to the others (presence/presence.h); and
 * the clients here that want to know who does.
 *
 * Streams of one user in one role on one session share a seat.  It is told of when it is taken, and
 * when it was empty for a moment: a client that reconnects has not left.  What is to be told is
 * told soon, not at once, many at a time, by a few fibers; a Redis that is away delays that and
 * nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/id.h"
#include "base/str.h"

struct audiences;
struct feed;
struct subscriber;

enum {
	AUDIENCE_GRACE_MS = 3000, /* until a seat that is empty counts as left */
	AUDIENCE_RETRY_MS = 1000, /* after Redis did not answer */
	AUDIENCE_FIBERS = 8,      /* that tell, at once */
};

struct audiences *audiences_new(struct feed *feed) MUST_CHECK;
/* On a fiber: nothing more is told. Those who looked here count as silent soon, or look through
 * another streamer by then. */
void audiences_stop(struct audiences *all);
void audiences_free(struct audiences *all); /* NULL: nothing; nobody has a seat any more */

/* The subscriber follows its session from now on, as whom its connection acts for. */
void audience_join(struct subscriber *subscriber);
/* It follows no more. */
void audience_leave(struct subscriber *subscriber);
/* Its connection acts in another role now. */
void audience_move(struct subscriber *subscriber);

/* Its client wants to know: it is told who is there, unless it knows the set of that version (0: of
 * none), and from then on who comes and goes. */
void audience_watch(struct subscriber *subscriber, uint64_t version);

/* ---- from the feed ---- */

void audiences_tick(struct audiences *all, uint64_t now_ms);
/* From the channel of presence: false: it is not one of those. */
bool audiences_heard(struct audiences *all, struct str channel, struct str payload);
/* In force from here on. */
void audiences_subscribed(struct audiences *all, struct str channel);
