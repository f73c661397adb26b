/*
 * All sessions that this streamer follows, and what they share: one subscription connection for the
 * doorbells, a pool of reading fibers, one timer, one wheel of keep-alives.
 *
 * Nothing is lost when a streamer dies: whatever is here is a copy of the log, and every subscriber
 * has its cursor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "event/log.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "streamer/folded.h"
#include "streamer/format.h"
#include "streamer/kept.h"
#include "streamer/squeeze.h"

struct audiences;
struct channel;
struct flights;
struct map;
struct pg;
struct redis_sub;
struct steer_trail;
struct outlet;
struct subscriber;
struct viewers;

TAILQ_HEAD(channels, channel);
TAILQ_HEAD(subscribers, subscriber);
LIST_HEAD(feed_slot, outlet);

enum {
	FEED_TICK_MS = 250,
	FEED_LATER_TICKS = 2,
	FEED_LINGER_MS = 10000, /* a session that nobody follows is kept for the next one */
	FEED_LINGERING_MAX = 1024,
	FEED_SWEEP_MS = 2000,   /* doorbells may be lost: each session is looked at this often */
	FEED_SWEEP_RATE = 1000, /* or less often, so that no more than this are in a second */
};

struct feed_options {
	struct loop *loop;
	const struct log_store *store;
	struct pg *pg;
	const char *redis_url;
	unsigned redis_timeout_ms;
	unsigned keepalive_ms;
	unsigned retry_ms;      /* for clients */
	unsigned stall_ms;      /* a client that takes nothing for this long is closed */
	unsigned tick_ms;       /* events of one session may wait this long for each other */
	unsigned fold_after_ms; /* behind and full for this long a reader is slow */
	const struct steer_trail *trail; /* the caller's: of what clients ask by frames */
	struct viewers *viewers;         /* the caller's, as the next; they outlive the feed */
	struct flights *flights;
	size_t ring_events, ring_bytes;
	size_t compress; /* sessions that are compressed at once; 0: none */
	size_t memory;   /* of all rings: beyond it a ring that changes is cut short */
	/* Of sockets. */
	size_t message_max;
	unsigned ping_ms, silence_ms;
	size_t subscriptions_max; /* on one */
};

struct feed {
	struct feed_options options;
	struct redis_sub *sub;
	struct audiences *audiences;
	struct map *by_sid;
	struct channels sweep;     /* all of them, the longest unread first */
	struct channels stale;     /* to be read from their tip */
	struct channels hungry;    /* with subscribers that wait for history */
	struct channels lingering; /* without subscribers, the longest first */
	size_t lingering_count;
	/* Of all of them, and of what may come ahead, of folded blocks and pages that are kept: */
	size_t ring_bytes;
	size_t folded_bytes, kept_bytes;
	struct folded_recent folded;
	struct kept_pages kept;
	struct squeeze_pool squeezes;
	struct subscribers later; /* what they asked for could not be read: soon again */
	struct fiber_group readers;
	struct fiber_group handlers; /* of what clients send over sockets */
	size_t starting;             /* readers that have not run yet */
	size_t replaying;            /* readers that read history */
	size_t drained;              /* connections told to come back later */
	size_t pings;                /* planned */
	struct loop_timer tick;
	struct feed_slot *wheel;
	size_t wheel_slots;
	uint64_t wheel_at; /* ticks so far */
	size_t outlets;    /* connections that use it */
	size_t polls;      /* requests that wait for a session to move */
	bool polls_over;   /* no more */
	bool stopping, stopped;
};

/* NULL and err when the address of Redis is wrong. */
struct feed *feed_new(const struct feed_options *options, struct err *err) MUST_CHECK;
/* On a fiber: no more reads, and no more frames of clients are handled; those in flight are
 * cancelled and waited for. It is freed when the
 * last of its connections is: nobody else may use it any more. */
void feed_stop(struct feed *feed);

/* Redis is there again, or another one: read every session from its tip. */
void feed_refresh(struct feed *feed);

/* On a fiber: the head of a session, from here when it is followed, else from its log.
 * ERR_NOT_FOUND: not this tenant's either. */
enum err_code feed_look(struct feed *feed, const struct id *sid, const char *tenant,
                        struct log_head *ret, struct err *err) MUST_CHECK;

/* The session, followed from the head on unless it was before. */
struct channel *feed_channel(struct feed *feed, const struct id *sid, const char *tenant,
                             const struct log_head *head);

void feed_follow(struct channel *channel, enum format format); /* one more follower */
void feed_unfollow(struct channel *channel, enum format format);

/* Whoever waits for a session to move is answered now, and nobody waits from here on. */
void feed_end_polls(struct feed *feed);

void feed_hold(struct feed *feed); /* one more connection */
void feed_release(struct feed *feed);

/* Come round to it after that time, or sooner when the wheel is too small. It is not on it. */
void feed_wheel_put(struct feed *feed, struct outlet *outlet, uint64_t in_ms);
void feed_wheel_move(struct feed *feed, struct outlet *outlet, uint64_t in_ms); /* it is on it */

/* When the next one who is sent away may come back: another time for each. */
unsigned feed_return_ms(struct feed *feed);
