/*
 * Pub/sub on a connection of its own.  Messages may be lost at any time (a reconnect, a
 * slow peer): a subscriber treats them as doorbells and reads the truth elsewhere.
 * Callbacks run on the loop, never inside the calls below, and may make any of those calls.
 * A server is asked for a sign of life every two seconds; a dead peer is found within two seconds
 * and twice timeout_ms.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "redis/redis.h"

struct redis_sub;

struct redis_sub_events {
	void (*message)(void *arg, struct str channel, struct str payload);
	/* This channel is in force from here on; again after each loss. May be NULL. */
	void (*subscribed)(void *arg, struct str channel);
	/* Subscriptions are in force again after a loss: whatever was missed must be read. Also the
	 * first time. */
	void (*resumed)(void *arg);
};

struct redis_sub *redis_sub_new(struct loop *loop, const struct redis_options *options,
                                const struct redis_sub_events *events, void *arg,
                                struct err *err) MUST_CHECK;
void redis_sub_free(struct redis_sub *sub);

/* Idempotent; remembered across reconnects. */
void redis_subscribe(struct redis_sub *sub, struct str channel);
void redis_unsubscribe(struct redis_sub *sub, struct str channel);
