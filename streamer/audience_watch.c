/* Clients that want to know who looks at a session: the set once, then what changes. */
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "redis/sub.h"
#include "streamer/audience_private.h"
#include "streamer/channel.h"
#include "streamer/feed.h"
#include "streamer/format.h"
#include "streamer/subscriber.h"

enum { FRAME_SIZE_MAX = 512 * 1024 };

/* The frames of each format are made once. */
struct frames {
	struct buf of[FORMAT_COUNT];
};

static void say(struct frames *frames, struct subscriber *subscriber,
                const struct presence_set *set, const struct presence_delta *delta)
{
	const struct format_forms *forms = format_forms((enum format)subscriber->format);
	struct buf *frame = &frames->of[subscriber->format];

	if (frame->len == 0 && forms->presence != NULL) {
		buf_init(frame, FRAME_SIZE_MAX);
		forms->presence(set, delta, &subscriber->channel->sid, frame);
	}
	if (frame->len > 0 && !buf_failed(frame)) {
		(void)outlet_say(subscriber->outlet, buf_str(frame));
	}
}

static void free_frames(struct frames *frames)
{
	for (int format = 0; format < FORMAT_COUNT; format++) {
		buf_fini(&frames->of[format]);
	}
}

/* delta: for those who know the rest; NULL: nothing has changed for them. */
static void tell_watches(struct audience *audience, const struct presence_delta *delta)
{
	struct frames changed = { 0 }, whole = { 0 };
	struct watch *watch;

	LIST_FOREACH(watch, &audience->watches, link)
	{
		if (!watch->is_told) {
			watch->is_told = true;
			if (watch->version == 0 || watch->version != audience->set.version) {
				say(&whole, watch->subscriber, &audience->set, NULL);
			}
		} else if (delta != NULL) {
			say(&changed, watch->subscriber, &audience->set, delta);
		}
	}
	free_frames(&changed);
	free_frames(&whole);
}

void audience_take_set(struct audience *audience, struct presence_set *set)
{
	struct presence_delta delta;

	presence_diff(&audience->set, set, &delta);
	presence_set_fini(&audience->set);
	audience->set = *set;
	audience->is_known = true;
	tell_watches(audience, delta.came_count + delta.gone_count > 0 ? &delta : NULL);
	presence_delta_fini(&delta);
}

static void want_set(struct audience *audience)
{
	if (!LIST_EMPTY(&audience->watches)) {
		audience->wants_set = true;
		audience_enqueue(audience);
	}
}

static void begin_watching(struct audience *audience)
{
	char channel[PRESENCE_CHANNEL_SIZE];

	presence_channel(&audience->sid, channel);
	redis_subscribe(audience->all->feed->sub, str_of(channel)); /* in force, the set is read */
	audience->is_known = false;
}

static void end_watching(struct audience *audience)
{
	char channel[PRESENCE_CHANNEL_SIZE];

	presence_channel(&audience->sid, channel);
	redis_unsubscribe(audience->all->feed->sub, str_of(channel));
	audience->is_known = audience->wants_set = false;
	presence_set_fini(&audience->set);
}

void audience_watch(struct subscriber *subscriber, uint64_t version)
{
	struct audience *audience =
		audience_get(subscriber->channel->feed->audiences, &subscriber->channel->sid);
	struct watch *watch = subscriber->watch;

	if (LIST_EMPTY(&audience->watches)) {
		begin_watching(audience);
	}
	if (watch == NULL) {
		watch = subscriber->watch = mem_calloc(1, sizeof(*watch));
		watch->subscriber = subscriber;
		LIST_INSERT_HEAD(&audience->watches, watch, link);
	}
	watch->is_told = false;
	watch->version = version;
	if (audience->is_known) {
		tell_watches(audience, NULL);
	}
}

void audience_unwatch(struct audience *audience, struct subscriber *subscriber)
{
	LIST_REMOVE(subscriber->watch, link);
	free(subscriber->watch);
	subscriber->watch = NULL;
	if (LIST_EMPTY(&audience->watches)) {
		end_watching(audience);
	}
}

bool audiences_heard(struct audiences *all, struct str channel, struct str payload)
{
	struct presence_delta delta;
	struct audience *audience;
	struct id sid;

	if (!presence_channel_parse(channel, &sid)) {
		return false;
	}
	audience = audience_find(all, &sid);
	if (audience == NULL) {
		return true;
	}
	/* What came while the set was read may be in it or not. */
	if (!audience->is_known || !presence_delta_decode(payload, &delta)) {
		want_set(audience);
		return true;
	}
	switch (presence_apply(&audience->set, &delta)) {
	case PRESENCE_APPLIED: tell_watches(audience, &delta); break;
	case PRESENCE_GAP: want_set(audience); break;
	case PRESENCE_OLD: break;
	}
	presence_delta_fini(&delta);
	return true;
}

void audiences_subscribed(struct audiences *all, struct str channel)
{
	struct audience *audience;
	struct id sid;

	if (presence_channel_parse(channel, &sid) &&
	    (audience = audience_find(all, &sid)) != NULL) {
		want_set(audience);
	}
}
