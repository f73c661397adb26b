/* Who offers workers to what comes (queue/offer.h), as far as Redis can tell: subscriptions. */
#pragma once

#include <stdlib.h>

#include "queue/offer.h"
#include "redis/sub.h"
#include "tests/support/world.h"

static inline void holders_on_message(void *arg, struct str channel, struct str payload)
{
	(void)arg;
	(void)channel;
	(void)payload;
}

static inline void holders_on_subscribed(void *arg, struct str channel)
{
	(void)channel;
	fiber_signal_raise(arg);
}

static inline void holders_on_resumed(void *arg)
{
	(void)arg;
}

/* Whoever offers listens on shard 0: else nothing is leased at once. Free it with redis_sub_free().
 */
static inline struct redis_sub *holders_listen(struct world *world, const char *const holders[],
                                               size_t count)
{
	static const struct redis_sub_events events = { .message = holders_on_message,
		                                        .subscribed = holders_on_subscribed,
		                                        .resumed = holders_on_resumed };
	static struct fiber_signal heard;
	const struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	const struct queue queue = queue_at(world->redis, 0);
	char channel[QUEUE_KEY_SIZE];
	struct redis_sub *sub;
	struct err err;

	fiber_signal_init(&heard);
	sub = redis_sub_new(world->loop, &options, &events, &heard, &err);
	assert_non_null(sub);
	for (size_t i = 0; i < count; i++) {
		queue_taken_channel(&queue, holders[i], channel);
		redis_subscribe(sub, str_of(channel));
		assert_int_equal(fiber_signal_wait(&heard, WORLD_TIMEOUT_MS), ERR_OK);
	}
	return sub;
}
