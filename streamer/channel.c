#include "streamer/channel.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/sub.h"
#include "streamer/format.h"
#include "streamer/frame.h"
#include "streamer/reader.h"
#include "streamer/subscriber.h"

enum {
	CHANNEL_SLICE = 256,             /* subscribers written to before the loop gets its turn */
	CHANNEL_SHORT_BYTES = 64 * 1024, /* of a ring while memory is short */
	CHANNEL_WRITES_A_MS = 50, /* that is what writing may cost, about a sixth of a core */
};

/* ---- writing ---- */

static void write_to_due(struct loop_task *task)
{
	struct channel *channel = CONTAINER_OF(task, struct channel, task);
	struct subscriber *subscriber;

	for (int i = 0; i < CHANNEL_SLICE; i++) {
		subscriber = TAILQ_FIRST(&channel->due);
		if (subscriber == NULL) {
			break;
		}
		subscriber_unlink(subscriber);
		if (subscriber_pump(subscriber)) {
			lag_wrote(&channel->lag);
		}
	}
	if (!TAILQ_EMPTY(&channel->due)) {
		channel_wake(channel);
	} else if (!channel->is_pausing) {
		lag_done(&channel->lag, &channel->sid);
	}
}

void channel_wake(struct channel *channel)
{
	loop_defer(channel->feed->options.loop, &channel->task);
}

static void begin_round(struct channel *channel)
{
	struct subscriber *subscriber;

	channel->is_pausing = false;
	channel->round_ms = clock_mono_ms();
	TAILQ_FOREACH (subscriber, &channel->at_tip, link) {
		subscriber->state = SUBSCRIBER_DUE;
	}
	TAILQ_CONCAT(&channel->due, &channel->at_tip, link);
	channel_wake(channel);
}

static void on_pause_over(struct loop_timer *timer)
{
	begin_round(CONTAINER_OF(timer, struct channel, pause));
}

/* At once, unless writing to all was begun so shortly before that doing it for each event would
 * cost too much: then what comes meanwhile goes out in one write. A few subscribers never wait.
 * Until then those at the tip stay there: also who is written to in a round that is not over yet
 * gets what came meanwhile in the next one. */
static void begin_round_soon(struct channel *channel)
{
	uint64_t pause_ms = channel->followers / CHANNEL_WRITES_A_MS;
	uint64_t since_ms = clock_mono_ms() - channel->round_ms;

	if (pause_ms > channel->feed->options.tick_ms) {
		pause_ms = channel->feed->options.tick_ms;
	}
	if (since_ms >= pause_ms) {
		loop_timer_clear(&channel->pause);
		begin_round(channel);
	} else if (!channel->is_pausing) {
		channel->is_pausing = true;
		loop_timer_set(&channel->pause, pause_ms - since_ms);
	}
}

/* The rings have changed: everybody at the tip has something to look at. */
static void rouse(struct channel *channel)
{
	struct poll *poll;

	lag_pushed(&channel->lag);
	LIST_FOREACH(poll, &channel->polls, link)
	{
		fiber_signal_raise(&poll->moved);
	}
	if (!TAILQ_EMPTY(&channel->at_tip)) {
		begin_round_soon(channel);
	} else if (TAILQ_EMPTY(&channel->due)) {
		lag_done(&channel->lag, &channel->sid);
	}
}

/* ---- the rings ---- */

/* Before and after whatever changes a ring's memory. */
static void uncount(struct channel *channel, size_t memory)
{
	channel->feed->ring_bytes -= memory;
}

static void count(struct channel *channel, size_t memory)
{
	channel->feed->ring_bytes += memory;
}

static void make_ring(struct channel *channel, struct channel_form *form)
{
	const struct feed_options *options = &channel->feed->options;

	form->ring = mem_calloc(1, sizeof(*form->ring));
	ring_init(form->ring, options->ring_events, options->ring_bytes, channel->tip);
}

static void drop_ring(struct channel *channel, struct channel_form *form)
{
	assert(LIST_EMPTY(&form->squeezes));
	if (form->ring != NULL) {
		uncount(channel, ring_memory(form->ring));
		ring_fini(form->ring);
		free(form->ring);
		form->ring = NULL;
	}
}

/* Nobody has asked for it for a while. */
static bool is_idle(const struct channel_form *form)
{
	return form->ring != NULL && form->followers == 0 &&
	       clock_mono_ms() - form->idle_ms >= FEED_LINGER_MS;
}

static void squeeze_event(struct channel *channel, struct channel_form *form,
                          const struct log_event *event, struct str frame)
{
	struct squeeze *squeeze;

	LIST_FOREACH(squeeze, &form->squeezes, form_link)
	{
		uncount(channel, squeeze_memory(squeeze));
		squeeze_push(squeeze, &event->at, log_event_class(event), frame, clock_mono_ms());
		count(channel, squeeze_memory(squeeze));
	}
}

static void push_page_in(struct channel *channel, enum format format, const struct log_page *page)
{
	const struct feed *feed = channel->feed;
	bool is_short = feed->ring_bytes > feed->options.memory &&
	                feed->options.ring_bytes > CHANNEL_SHORT_BYTES;
	struct channel_form *form = &channel->forms[format];
	struct ring *ring = form->ring;
	struct buf frame;

	uncount(channel, ring_memory(ring));
	ring_limit(ring, is_short ? CHANNEL_SHORT_BYTES : feed->options.ring_bytes);
	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; i < page->count; i++) {
		const struct log_event *event = &page->events[i];

		buf_reset(&frame);
		format_forms(format)->event(event, &channel->sid, &frame);
		ring_push(ring, &event->at, log_event_class(event), buf_str(&frame));
		squeeze_event(channel, form, event, buf_str(&frame));
	}
	buf_fini(&frame);
	count(channel, ring_memory(ring));
}

/* A new epoch may have come after another entry than the one that was the last here. */
static void look_at_epoch(struct channel *channel, const struct log_page *page)
{
	if (page->count > 0 && page->events[page->count - 1].at.epoch != channel->tip.epoch) {
		folded_forget(channel);
		kept_forget(channel);
	}
}

static void push_page_ahead(struct channel *channel, const struct log_page *page)
{
	uncount(channel, ahead_memory(channel->ahead));
	for (size_t i = 0; i < page->count; i++) {
		ahead_push(&channel->ahead, &page->events[i]);
	}
	count(channel, ahead_memory(channel->ahead));
}

static void drop_ahead(struct channel *channel)
{
	uncount(channel, ahead_memory(channel->ahead));
	ahead_free(channel->ahead);
	channel->ahead = NULL;
}

static void push_page(struct channel *channel, const struct log_page *page)
{
	look_at_epoch(channel, page);
	for (int format = 0; format < FORMAT_COUNT; format++) {
		struct channel_form *form = &channel->forms[format];

		if (is_idle(form)) {
			drop_ring(channel, form);
		}
		if (form->ring != NULL) {
			push_page_in(channel, (enum format)format, page);
		}
	}
	push_page_ahead(channel, page);
	if (page->count > 0) {
		channel->tip = page->events[page->count - 1].at;
	}
}

void channel_follow(struct channel *channel, enum format format)
{
	struct channel_form *form = &channel->forms[format];

	if (form->ring == NULL) {
		make_ring(channel, form);
	}
	form->followers++;
	channel->followers++;
}

void channel_unfollow(struct channel *channel, enum format format)
{
	struct channel_form *form = &channel->forms[format];

	channel->followers--;
	if (--form->followers == 0) {
		form->idle_ms = clock_mono_ms();
	}
}

struct squeeze *channel_squeeze(struct channel *channel, enum format format, uint64_t types)
{
	struct channel_form *form = &channel->forms[format];
	struct squeeze *squeeze;
	int squeezes = 0;

	LIST_FOREACH(squeeze, &form->squeezes, form_link)
	{
		if (squeeze->types == types) {
			squeeze->users++;
			return squeeze;
		}
		squeezes++;
	}
	if (squeezes >= CHANNEL_SQUEEZES) {
		return NULL;
	}
	squeeze = squeeze_new(&channel->feed->squeezes, format, types, channel->tip);
	squeeze->users = 1;
	LIST_INSERT_HEAD(&form->squeezes, squeeze, form_link);
	return squeeze;
}

void channel_unsqueeze(struct channel *channel, struct squeeze *squeeze)
{
	if (--squeeze->users == 0) {
		uncount(channel, squeeze_memory(squeeze));
		LIST_REMOVE(squeeze, form_link);
		squeeze_free(squeeze);
	}
}

void channel_seen(struct channel *channel)
{
	struct feed *feed = channel->feed;

	channel->read_ms = clock_mono_ms();
	TAILQ_REMOVE(&feed->sweep, channel, sweep_link);
	TAILQ_INSERT_TAIL(&feed->sweep, channel, sweep_link);
}

/* An entry of a new epoch may follow another entry than our tip: that has to be read. */
static bool follows(const struct channel *channel, const struct log_bell *bell)
{
	const struct cursor *tip = &channel->tip;

	return bell->page.count > 0 && bell->first.n == tip->n + 1 &&
	       bell->first.epoch == tip->epoch;
}

void channel_bell(struct channel *channel, struct str payload)
{
	struct log_bell bell;

	if (!log_bell_decode(payload, &bell)) {
		channel_set_stale(channel);
		return;
	}
	if (follows(channel, &bell)) {
		lag_heard(&channel->lag, &bell);
		push_page(channel, &bell.page);
		channel->state = bell.state;
		channel_seen(channel);
		rouse(channel);
	} else if (bell.last.epoch != channel->tip.epoch || bell.last.n > channel->tip.n) {
		lag_heard(&channel->lag, &bell);
		channel_set_stale(channel);
	}
	log_page_fini(&bell.page);
}

/* Begin again where the events of the page begin: whoever stands elsewhere asks history. */
static void begin_again(struct channel *channel, const struct log_page *page)
{
	struct cursor before = page->next;

	if (page->count > 0) {
		before = (struct cursor){ page->events[0].at.epoch, page->events[0].at.n - 1 };
	}
	for (int format = 0; format < FORMAT_COUNT; format++) {
		struct ring *ring = channel->forms[format].ring;
		struct squeeze *squeeze;

		if (ring != NULL) {
			uncount(channel, ring_memory(ring));
			ring_reset(ring, before);
		}
		LIST_FOREACH(squeeze, &channel->forms[format].squeezes, form_link)
		{
			uncount(channel, squeeze_memory(squeeze));
			squeeze_reset(squeeze, before);
		}
	}
	channel->tip = before;
	folded_forget(channel);
	kept_forget(channel);
	drop_ahead(channel);
}

/* A doorbell may have brought more while the page was read: then it is read again. */
static bool has_moved(const struct channel *channel, const struct cursor *after)
{
	return channel->tip.n != after->n || channel->tip.epoch != after->epoch;
}

void channel_take(struct channel *channel, const struct cursor *after, const struct log_page *page)
{
	bool again = page->gap.reason != LOG_GAP_NONE ||
	             (page->count > 0 && page->events[0].at.n != after->n + 1);

	if (has_moved(channel, after)) {
		channel_set_stale(channel);
		return;
	}
	if (again) {
		begin_again(channel, page);
	}
	push_page(channel, page);
	if (page->caught_up) {
		channel->state = page->head.state;
		channel_seen(channel);
	}
	if (again || page->count > 0 || channel_ended(channel)) {
		rouse(channel);
	}
}

bool channel_ended(const struct channel *channel)
{
	return session_is_terminal(channel->state);
}

void channel_set_stale(struct channel *channel)
{
	struct feed *feed = channel->feed;

	if (channel->is_reading) {
		channel->is_again = true;
		return;
	}
	if (!channel->is_stale) {
		channel->is_stale = true;
		TAILQ_INSERT_TAIL(&feed->stale, channel, stale_link);
	}
	reader_wake(feed);
}

/* ---- life ---- */

struct channel *channel_new(struct feed *feed, const struct id *sid, const char *tenant,
                            const struct log_head *head)
{
	struct channel *channel = mem_calloc(1, sizeof(*channel));
	char bell[LOG_KEY_SIZE];

	channel->feed = feed;
	channel->sid = *sid;
	(void)str_copy(channel->tenant, sizeof(channel->tenant), str_of(tenant));
	channel->tip = head->at;
	channel->state = head->state;
	channel->task.run = write_to_due;
	loop_timer_init(&channel->pause, feed->options.loop, on_pause_over);
	channel->read_ms = channel->idle_ms = clock_mono_ms();
	TAILQ_INIT(&channel->at_tip);
	TAILQ_INIT(&channel->due);
	TAILQ_INIT(&channel->waiting);
	TAILQ_INIT(&channel->folding);
	LIST_INIT(&channel->folded);
	LIST_INIT(&channel->kept);
	LIST_INIT(&channel->replays);
	LIST_INIT(&channel->polls);
	TAILQ_INSERT_TAIL(&feed->sweep, channel, sweep_link);
	log_bell_channel(sid, bell);
	redis_subscribe(feed->sub, str_of(bell));
	return channel;
}

void channel_free(struct channel *channel)
{
	struct feed *feed = channel->feed;
	char bell[LOG_KEY_SIZE];

	assert(channel->followers == 0 && channel->pins == 0);
	log_bell_channel(&channel->sid, bell);
	redis_unsubscribe(feed->sub, str_of(bell));
	TAILQ_REMOVE(&feed->sweep, channel, sweep_link);
	if (channel->is_stale) {
		TAILQ_REMOVE(&feed->stale, channel, stale_link);
	}
	if (channel->is_hungry) {
		TAILQ_REMOVE(&feed->hungry, channel, hungry_link);
	}
	loop_undefer(feed->options.loop, &channel->task);
	loop_timer_clear(&channel->pause);
	for (int format = 0; format < FORMAT_COUNT; format++) {
		drop_ring(channel, &channel->forms[format]);
	}
	folded_forget(channel);
	kept_forget(channel);
	drop_ahead(channel);
	free(channel);
}
