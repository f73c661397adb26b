#include "streamer/source.h"

#include "base/clock.h"
#include "metric/metric.h"
#include "streamer/channel.h"
#include "streamer/subscriber.h"

enum {
	AHEAD_PARTS = 5,    /* of the time after which a reader is slow */
	AHEAD_BACKLOG = 64, /* what comes this soon need not come before its turn */
};

/* Events that it has yet to get. */
static uint64_t distance(const struct subscriber *subscriber)
{
	uint64_t tip = subscriber->channel->tip.n, at = subscriber->position.at.n;

	return tip > at ? tip - at : 0;
}

void source_full(struct subscriber *subscriber)
{
	if (distance(subscriber) > 0) {
		pace_full(&subscriber->pace, (uint32_t)clock_mono_ms(), distance(subscriber));
	}
}

void source_caught_up(struct subscriber *subscriber)
{
	pace_caught_up(&subscriber->pace);
	subscriber->slow = false;
}

/* ---- before its turn ---- */

/* It is behind for a while now. */
static bool lags(const struct subscriber *subscriber)
{
	unsigned for_ms = subscriber->channel->feed->options.fold_after_ms / AHEAD_PARTS;

	return subscriber->slow ||
	       (subscriber->pace.since_ms != 0 &&
	        pace_is_behind(&subscriber->pace, (uint32_t)clock_mono_ms(), for_ms));
}

const struct log_event *source_ahead(const struct subscriber *subscriber)
{
	const struct position *position = &subscriber->position;
	uint64_t after = position->at.n + AHEAD_BACKLOG;
	int32_t shown = (int32_t)(subscriber->shown - (uint32_t)after);

	if (subscriber->channel->ahead == NULL || !lags(subscriber)) {
		return NULL;
	}
	return ahead_after(subscriber->channel->ahead, after + (shown > 0 ? (uint64_t)shown : 0),
	                   position->types);
}

/* ---- folded or not ---- */

/* It is behind the ring: is it slow too? */
static void look_at_pace(struct subscriber *subscriber)
{
	unsigned after_ms = subscriber->channel->feed->options.fold_after_ms;

	if (!subscriber->slow && subscriber->pace.since_ms != 0 &&
	    pace_look(&subscriber->pace, (uint32_t)clock_mono_ms(), distance(subscriber),
	              after_ms)) {
		subscriber->slow = true;
		metric_inc(METRIC_SUBSCRIBERS_SLOWED, NULL);
	}
}

/* Is the block that it is in whole by now? */
static bool may_fold(const struct subscriber *subscriber)
{
	return subscriber->slow && subscriber->position.sent == 0 &&
	       subscriber->channel->tip.n >= folded_end(subscriber->position.at.n);
}

static const struct folded *find_folded(const struct subscriber *subscriber)
{
	return folded_find(subscriber->channel, fold_block_after(subscriber->position.at.n),
	                   (enum format)subscriber->format);
}

/* May it go on in this block, and need not get its events as they are? */
static bool suits(const struct subscriber *subscriber, const struct folded *folded)
{
	const struct position *position = &subscriber->position;
	const struct ring *ring = folded->rings[subscriber->format];

	return !folded->plain && ring_place(ring, &position->at) == RING_INSIDE &&
	       (position->folded || position_fits(position, ring));
}

bool source_begins_block(const struct subscriber *subscriber)
{
	const struct folded *folded;

	if (subscriber->position.at.n % FOLD_BLOCK != 0 || !may_fold(subscriber)) {
		return false;
	}
	folded = find_folded(subscriber);
	return folded == NULL || !folded->plain;
}

/* One who is slow gets them only to the end of the block. */
void source_plain(const struct subscriber *subscriber, const struct ring *ring, struct source *ret)
{
	*ret = (struct source){ .ring = ring, .until = UINT64_MAX, .bytes_max = PLAN_BYTES };
	if (subscriber->slow) {
		ret->until = folded_end(subscriber->position.at.n);
	}
}

/* What it gets when events as they are will not do: SOURCE_READ: they will. */
static enum source_kind find_block(const struct subscriber *subscriber, struct source *ret)
{
	bool halfway = subscriber->position.folded;
	const struct folded *folded;

	if (!halfway && !may_fold(subscriber)) {
		return SOURCE_READ;
	}
	folded = find_folded(subscriber);
	if (folded == NULL) {
		return SOURCE_BLOCK;
	}
	if (!suits(subscriber, folded)) {
		return halfway ? SOURCE_TORN : SOURCE_READ;
	}
	*ret = (struct source){ .ring = folded->rings[subscriber->format],
		                .until = UINT64_MAX,
		                .bytes_max = PLAN_BYTES,
		                .folded = true };
	return SOURCE_RING;
}

enum source_kind source_find(struct subscriber *subscriber, struct source *ret)
{
	const struct ring *ring =
		channel_ring(subscriber->channel, (enum format)subscriber->format);
	bool inside = ring_place(ring, &subscriber->position.at) == RING_INSIDE;
	enum source_kind kind;

	if (!inside) {
		look_at_pace(subscriber);
	}
	kind = find_block(subscriber, ret);
	if (kind == SOURCE_READ && inside) {
		source_plain(subscriber, ring, ret);
		return SOURCE_RING;
	}
	return kind;
}
