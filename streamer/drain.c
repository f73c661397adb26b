#include "streamer/drain.h"

#include "base/clock.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "node/node.h"
#include "streamer/channel.h"
#include "streamer/feed.h"
#include "streamer/outlet.h"
#include "streamer/subscriber.h"

enum {
	TICK_MS = 20,
	RATE_MIN = 200, /* in a second: a few streams need not be spread */
	/* Who takes nothing for so long does not catch up: an eighth of the time there is, but no
	   less than a second. */
	STUCK_PART = 8,
	STUCK_MS = 1000,
};

unsigned drain_share(struct drain_pace *pace, unsigned ready, uint64_t tick_ms, uint64_t left_ms)
{
	double least = RATE_MIN * (double)tick_ms / 1000, share;

	if (left_ms <= tick_ms) {
		return ready;
	}
	share = (double)ready * (double)tick_ms / (double)left_ms;
	pace->owed += share > least ? share : least;
	if (pace->owed >= ready) {
		pace->owed = 0; /* nothing is owed to those who are not ready yet */
		return ready;
	}
	share = pace->owed;
	pace->owed -= (unsigned)share;
	return (unsigned)share;
}

struct tick {
	uint32_t now_ms, stuck_ms;
	bool all; /* time is short: ready or not */
	unsigned ready, share;
};

/* Nothing would be gained by waiting longer. */
static bool is_ready(const struct outlet *outlet, const struct tick *tick)
{
	const struct subscriber *subscriber;

	if (tick->all || tick->now_ms - outlet->wrote_ms > tick->stuck_ms) {
		return true;
	}
	if (!outlet_is_quiet(outlet)) {
		return false;
	}
	LIST_FOREACH(subscriber, &outlet->followings, of_outlet)
	{
		if (subscriber->position.at.n < subscriber->channel->tip.n) {
			return false;
		}
	}
	return true;
}

/* Calls each() for every connection that may be told to go, until it returns false. */
static void walk(struct feed *feed, bool (*each)(struct outlet *outlet, void *arg), void *arg)
{
	for (size_t i = 0; i < feed->wheel_slots; i++) {
		struct outlet *outlet, *next;

		for (outlet = LIST_FIRST(&feed->wheel[i]); outlet != NULL; outlet = next) {
			next = LIST_NEXT(outlet, wheel);
			if (!outlet->ended && !outlet->closing && !each(outlet, arg)) {
				return;
			}
		}
	}
}

static bool count_one(struct outlet *outlet, void *arg)
{
	struct tick *tick = arg;

	tick->ready += is_ready(outlet, tick);
	return true;
}

static bool end_one(struct outlet *outlet, void *arg)
{
	struct tick *tick = arg;

	if (tick->share > 0 && is_ready(outlet, tick)) {
		tick->share--;
		http_conn_drain(outlet->conn);
	}
	return tick->share > 0;
}

void drain_streams(struct node *node, struct feed *feed, unsigned for_ms)
{
	uint64_t now = clock_mono_ms(), until = now + for_ms, patient = now + for_ms * 3ULL / 4;
	struct drain_pace pace = { 0 };

	http_server_retire(node->server);
	feed_end_polls(feed);
	while (feed->outlets > 0 && now < until) {
		struct tick tick = { .now_ms = (uint32_t)now,
			             .stuck_ms = for_ms / STUCK_PART > STUCK_MS
			                                 ? for_ms / STUCK_PART
			                                 : STUCK_MS,
			             .all = now >= patient };

		walk(feed, count_one, &tick);
		tick.share =
			drain_share(&pace, tick.ready, TICK_MS, (tick.all ? until : patient) - now);
		walk(feed, end_one, &tick);
		if (fiber_sleep(TICK_MS) != ERR_OK) {
			return;
		}
		now = clock_mono_ms();
	}
	if (feed->outlets > 0) {
		log_warn("drain.cut", "streams=%zu", feed->outlets);
	}
}
