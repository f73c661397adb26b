#include "streamer/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "event/segment.h"
#include "log/log.h"
#include "redis/redis.h"
#include "redis/sub.h"
#include "streamer/audience.h"
#include "streamer/channel.h"
#include "streamer/flight.h"
#include "streamer/outlet.h"
#include "streamer/reader.h"
#include "streamer/subscriber.h"

enum {
	REDIS_BACKOFF_MAX_MS = 1000,
	STOP_MS = 10000,
	RETURN_PARTS = 64,
	SOUGHT_KEY_SIZE = sizeof("head ") + ID_LEN + 1 + AUTH_TENANT_MAX,
};

/* ---- channels ---- */

static struct channel *find(const struct feed *feed, const struct id *sid)
{
	return map_get(feed->by_sid, str_make(sid->s, ID_LEN));
}

static void forget(struct channel *channel)
{
	struct feed *feed = channel->feed;

	TAILQ_REMOVE(&feed->lingering, channel, idle_link);
	feed->lingering_count--;
	(void)map_remove(feed->by_sid, str_make(channel->sid.s, ID_LEN));
	channel_free(channel);
}

struct channel *feed_channel(struct feed *feed, const struct id *sid, const char *tenant,
                             const struct log_head *head)
{
	struct channel *channel = find(feed, sid);

	if (channel == NULL) {
		channel = channel_new(feed, sid, tenant, head);
		(void)map_put(feed->by_sid, str_make(sid->s, ID_LEN), channel);
		TAILQ_INSERT_TAIL(&feed->lingering, channel, idle_link);
		feed->lingering_count++;
	}
	return channel;
}

struct sought {
	const struct log_store *store;
	struct pg *pg;
	const struct id *sid;
	const char *tenant;
};

static enum err_code seek(const void *what, void *ret, struct err *err)
{
	const struct sought *sought = what;
	struct log_head *head = ret;
	const struct log_range range = { *sought->sid, sought->tenant, { 0, 0 }, 1, 1 };
	struct log_page page;
	enum err_code code = log_head_get(sought->store, sought->sid, sought->tenant, head, err);

	if (code != ERR_OK || head->found) {
		return code;
	}
	code = log_history(sought->store, sought->pg, &range, &page, err);
	if (code == ERR_OK) {
		*head = page.head;
		log_page_fini(&page);
	}
	return code;
}

static const struct flight_kind seeking = { sizeof(struct log_head), seek, NULL };

enum err_code feed_look(struct feed *feed, const struct id *sid, const char *tenant,
                        struct log_head *ret, struct err *err)
{
	const struct log_store *store = feed->options.store;
	const struct channel *channel = find(feed, sid);
	const struct sought sought = { store, feed->options.pg, sid, tenant };
	char key[SOUGHT_KEY_SIZE];
	struct flight *flight;
	enum err_code code;

	if (channel != NULL && redis_connected(store->redis)) {
		if (!str_eq(str_of(channel->tenant), str_of(tenant))) {
			return err_set(err, ERR_NOT_FOUND, "no such session");
		}
		*ret = (struct log_head){ .found = true,
			                  .state = channel->state,
			                  .at = channel->tip };
		return ERR_OK;
	}
	(void)snprintf(key, sizeof(key), "head %s %s", sid->s, tenant);
	code = flight_hold(feed->options.flights, str_of(key), &seeking, &sought, &flight, err);
	if (code == ERR_OK) {
		memcpy(ret, flight->fetched, sizeof(*ret));
		flight_release(flight);
	}
	return code;
}

/* ---- doorbells ---- */

static struct channel *channel_of_bell(const struct feed *feed, struct str bell)
{
	struct id sid;

	return log_bell_parse_channel(bell, &sid) ? find(feed, &sid) : NULL;
}

static void on_message(void *arg, struct str bell, struct str payload)
{
	struct channel *channel = channel_of_bell(arg, bell);

	if (channel != NULL) {
		channel_bell(channel, payload);
	} else {
		(void)audiences_heard(((struct feed *)arg)->audiences, bell, payload);
	}
}

/* What was appended between the look at the head and now did not ring here. */
static void on_subscribed(void *arg, struct str bell)
{
	struct channel *channel = channel_of_bell(arg, bell);

	if (channel != NULL) {
		channel_set_stale(channel);
	} else {
		audiences_subscribed(((struct feed *)arg)->audiences, bell);
	}
}

void feed_refresh(struct feed *feed)
{
	struct channel *channel;

	TAILQ_FOREACH (channel, &feed->sweep, sweep_link) {
		channel_set_stale(channel);
	}
}

/* ---- time ---- */

static void sweep(struct feed *feed, uint64_t now_ms)
{
	uint64_t every_ms = map_count(feed->by_sid) * 1000 / FEED_SWEEP_RATE;
	struct channel *channel;

	if (every_ms < FEED_SWEEP_MS) {
		every_ms = FEED_SWEEP_MS;
	}
	TAILQ_FOREACH (channel, &feed->sweep, sweep_link) {
		if (channel->read_ms + every_ms > now_ms) {
			break;
		}
		if (!channel_ended(channel)) {
			channel_set_stale(channel);
		}
	}
}

static void stop_lingering(struct feed *feed, uint64_t now_ms)
{
	struct channel *channel, *next;

	for (channel = TAILQ_FIRST(&feed->lingering); channel != NULL; channel = next) {
		next = TAILQ_NEXT(channel, idle_link);
		if (channel->idle_ms + FEED_LINGER_MS > now_ms &&
		    feed->lingering_count <= FEED_LINGERING_MAX) {
			break;
		}
		if (channel->pins == 0) {
			forget(channel);
		}
	}
}

static void try_later_ones(struct feed *feed)
{
	struct subscriber *subscriber, *last = TAILQ_LAST(&feed->later, subscribers);

	while (last != NULL && (subscriber = TAILQ_FIRST(&feed->later)) != NULL) {
		subscriber_unlink(subscriber);
		(void)subscriber_pump(subscriber);
		last = subscriber == last ? NULL : last;
	}
}

void feed_wheel_put(struct feed *feed, struct outlet *outlet, uint64_t in_ms)
{
	uint64_t slots = in_ms / FEED_TICK_MS + 1;

	if (slots >= feed->wheel_slots) {
		slots = feed->wheel_slots - 1;
	}
	LIST_INSERT_HEAD(&feed->wheel[(feed->wheel_at + slots) % feed->wheel_slots], outlet, wheel);
}

void feed_wheel_move(struct feed *feed, struct outlet *outlet, uint64_t in_ms)
{
	LIST_REMOVE(outlet, wheel);
	feed_wheel_put(feed, outlet, in_ms);
}

static void turn_wheel(struct feed *feed)
{
	struct feed_slot *due = &feed->wheel[++feed->wheel_at % feed->wheel_slots];
	struct outlet *outlet;

	/* None is put back here: a whole turn is not one of the distances. */
	while ((outlet = LIST_FIRST(due)) != NULL) {
		LIST_REMOVE(outlet, wheel);
		feed_wheel_put(feed, outlet, outlet->face->round(outlet));
	}
}

static void on_tick(struct loop_timer *timer)
{
	struct feed *feed = CONTAINER_OF(timer, struct feed, tick);
	uint64_t now_ms = clock_mono_ms();

	sweep(feed, now_ms);
	stop_lingering(feed, now_ms);
	squeeze_pool_tick(&feed->squeezes, now_ms);
	audiences_tick(feed->audiences, now_ms);
	folded_age(feed, now_ms);
	kept_age(feed, now_ms);
	if (feed->wheel_at % FEED_LATER_TICKS == 0) {
		try_later_ones(feed);
	}
	turn_wheel(feed);
	loop_timer_set(timer, FEED_TICK_MS);
}

/* ---- life ---- */

static void on_resumed(void *arg)
{
	feed_refresh(arg);
}

static const struct redis_sub_events bells = { on_message, on_subscribed, on_resumed };

struct feed *feed_new(const struct feed_options *options, struct err *err)
{
	struct feed *feed = mem_calloc(1, sizeof(*feed));
	const struct redis_options redis = { .url = options->redis_url,
		                             .timeout_ms = options->redis_timeout_ms,
		                             .backoff_max_ms = REDIS_BACKOFF_MAX_MS };

	feed->options = *options;
	feed->sub = redis_sub_new(options->loop, &redis, &bells, feed, err);
	if (feed->sub == NULL) {
		free(feed);
		return NULL;
	}
	feed->audiences = audiences_new(feed);
	feed->by_sid = map_new();
	TAILQ_INIT(&feed->sweep);
	TAILQ_INIT(&feed->stale);
	TAILQ_INIT(&feed->hungry);
	TAILQ_INIT(&feed->lingering);
	TAILQ_INIT(&feed->later);
	/* A sign of life breaks what a client shares: be fresh by then. */
	squeeze_pool_init(&feed->squeezes, options->compress, options->keepalive_ms / 4 * 3);
	TAILQ_INIT(&feed->folded);
	TAILQ_INIT(&feed->kept);
	feed->wheel_slots = options->keepalive_ms / FEED_TICK_MS + 3;
	feed->wheel = mem_calloc(feed->wheel_slots, sizeof(*feed->wheel));
	loop_timer_init(&feed->tick, options->loop, on_tick);
	loop_timer_set(&feed->tick, FEED_TICK_MS);
	return feed;
}

static void free_all(struct feed *feed)
{
	struct channel *channel;

	loop_timer_clear(&feed->tick);
	while ((channel = TAILQ_FIRST(&feed->lingering)) != NULL) {
		forget(channel);
	}
	redis_sub_free(feed->sub);
	map_free(feed->by_sid);
	audiences_free(feed->audiences);
	squeeze_pool_fini(&feed->squeezes);
	free(feed->wheel);
	free(feed);
}

void feed_end_polls(struct feed *feed)
{
	struct channel *channel;
	struct poll *poll;

	feed->polls_over = true;
	TAILQ_FOREACH (channel, &feed->sweep, sweep_link) {
		LIST_FOREACH(poll, &channel->polls, link)
		{
			fiber_signal_raise(&poll->moved);
		}
	}
}

unsigned feed_return_ms(struct feed *feed)
{
	uint64_t part = feed->drained++ % RETURN_PARTS;

	return (unsigned)(feed->options.retry_ms * part / RETURN_PARTS);
}

static void stop_fibers(struct fiber_group *group, const char *what)
{
	fiber_group_cancel(group, ERR_CANCELLED);
	if (fiber_group_wait(group, STOP_MS) != ERR_OK) {
		log_warn("feed.stuck", "%s=%zu", what, group->count);
	}
}

void feed_stop(struct feed *feed)
{
	feed->stopping = true;
	feed_end_polls(feed);
	stop_fibers(&feed->readers, "readers");
	stop_fibers(&feed->handlers, "handlers");
	audiences_stop(feed->audiences);
	feed->stopped = true;
	if (feed->outlets == 0) {
		free_all(feed);
	}
}

void feed_follow(struct channel *channel, enum format format)
{
	struct feed *feed = channel->feed;

	if (channel->followers == 0) {
		TAILQ_REMOVE(&feed->lingering, channel, idle_link);
		feed->lingering_count--;
	}
	channel_follow(channel, format);
}

void feed_unfollow(struct channel *channel, enum format format)
{
	struct feed *feed = channel->feed;

	channel_unfollow(channel, format);
	if (channel->followers == 0) {
		channel->idle_ms = clock_mono_ms();
		TAILQ_INSERT_TAIL(&feed->lingering, channel, idle_link);
		feed->lingering_count++;
	}
}

void feed_hold(struct feed *feed)
{
	feed->outlets++;
}

void feed_release(struct feed *feed)
{
	if (--feed->outlets == 0 && feed->stopped) {
		free_all(feed);
	}
}
