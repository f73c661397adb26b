#include "streamer/reader.h"

#include "event/segment.h"
#include "log/log.h"
#include "metric/metric.h"
#include "streamer/channel.h"
#include "streamer/frame.h"
#include "streamer/kept.h"
#include "streamer/subscriber.h"

enum {
	ATTACH_AHEAD = 32, /* a subscriber this little ahead of a read is probably served by it */
	ATTACH_SEARCH = 1024,
	SERVE_SLICE = 64, /* subscribers served before the loop gets its turn */
	PAGE_RING_BYTES = READER_PAGE_BYTES + LOG_REPLAY_MAX * 1024 + FRAME_MAX,
};

static enum err_code read_after(struct channel *channel, const struct cursor *after,
                                struct log_page *ret, struct err *err)
{
	const struct feed_options *options = &channel->feed->options;
	struct log_range range = { .sid = channel->sid,
		                   .tenant = channel->tenant,
		                   .after = *after,
		                   .max_count = LOG_REPLAY_MAX,
		                   .max_bytes = READER_PAGE_BYTES };

	return log_history_on(options->store, options->pg, &range, &channel->trimmed, ret, err);
}

bool reader_is_doubtful(const struct log_store *store, const struct log_page *page)
{
	return page->gap.reason == LOG_GAP_NEVER && !session_is_terminal(page->head.state) &&
	       (page->head.generation != store->generation || !log_generation_known(store));
}

static bool is_doubtful(const struct channel *channel, const struct log_page *page)
{
	return reader_is_doubtful(channel->feed->options.store, page);
}

/* ---- from the tip ---- */

static void catch_up(struct channel *channel)
{
	struct cursor after = channel->tip;
	struct log_page page = { 0 };
	struct err err;
	enum err_code code;

	channel->pins++;
	channel->is_reading = true;
	channel->is_again = false;
	code = read_after(channel, &after, &page, &err);
	channel->is_reading = false;
	if (code != ERR_OK) {
		log_debug("channel.unread", "session=%s code=%s %s", channel->sid.s, err_name(code),
		          err.msg);
		channel_seen(channel); /* not so, but it is tried again at the next sweep */
	} else if (is_doubtful(channel, &page)) {
		channel_seen(channel);
	} else {
		channel_take(channel, &after, &page);
		channel->is_again = channel->is_again || (page.count > 0 && !page.caught_up);
	}
	channel->pins--;
	if (channel->is_again && code == ERR_OK) {
		channel_set_stale(channel);
	}
	log_page_fini(&page);
}

/* ---- history ---- */

/* A page as bytes: in each format that somebody waits for it in. */
struct encoded {
	const struct channel *channel;
	const struct log_page *page;
	struct cursor before; /* with a gap it begins after it */
	struct ring rings[FORMAT_COUNT];
	bool made[FORMAT_COUNT];
};

static void encoded_init(struct encoded *encoded, const struct replay *replay,
                         const struct log_page *page)
{
	*encoded = (struct encoded){ .channel = replay->channel, .page = page };
	encoded->before = page->count == 0 ? page->next : replay->after;
	if (page->gap.reason == LOG_GAP_RETRACTED) {
		encoded->before.n = page->gap.from - 1;
	} else if (page->gap.reason != LOG_GAP_NONE && page->count > 0) {
		encoded->before =
			(struct cursor){ page->events[0].at.epoch, page->events[0].at.n - 1 };
	}
}

static void encoded_fini(struct encoded *encoded)
{
	for (int format = 0; format < FORMAT_COUNT; format++) {
		if (encoded->made[format]) {
			ring_fini(&encoded->rings[format]);
		}
	}
}

static const struct ring *encoded_ring(struct encoded *encoded, enum format format)
{
	const struct log_page *page = encoded->page;
	struct ring *ring = &encoded->rings[format];
	struct buf frame;

	if (encoded->made[format]) {
		return ring;
	}
	encoded->made[format] = true;
	ring_init(ring, LOG_REPLAY_MAX, PAGE_RING_BYTES, encoded->before);
	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; i < page->count; i++) {
		const struct log_event *event = &page->events[i];

		buf_reset(&frame);
		format_forms(format)->event(event, &encoded->channel->sid, &frame);
		ring_push(ring, &event->at, log_event_class(event), buf_str(&frame));
	}
	buf_fini(&frame);
	return ring;
}

/* Nothing follows its position: it is at the end, or the ring has yet to get there. */
static void serve_end(const struct replay *replay, const struct log_page *page,
                      struct subscriber *subscriber)
{
	struct channel *channel = replay->channel;

	if (page->head.at.n == subscriber->position.at.n) {
		subscriber->position.at = page->head.at;
	}
	if (ring_place(channel_ring(channel, (enum format)subscriber->format),
	               &subscriber->position.at) == RING_INSIDE) {
		(void)subscriber_pump(subscriber);
	} else {
		channel_set_stale(channel);
		subscriber_later(subscriber);
	}
}

static void serve_one(const struct replay *replay, const struct log_page *page,
                      const struct ring *ring, struct subscriber *subscriber)
{
	const struct cursor *at = &subscriber->position.at;
	bool exact = at->n == replay->after.n && at->epoch == replay->after.epoch;
	struct log_gap gap = exact ? page->gap : (struct log_gap){ .reason = LOG_GAP_NONE };

	if (!exact && (page->gap.reason != LOG_GAP_NONE || at->n >= ring->tip.n ||
	               ring_place(ring, at) != RING_INSIDE)) {
		reader_want(subscriber);
	} else if (page->count == 0 && gap.reason == LOG_GAP_NONE) {
		serve_end(replay, page, subscriber);
	} else if (is_doubtful(replay->channel, page)) {
		subscriber_later(subscriber);
	} else {
		subscriber_serve(subscriber, ring, &gap);
	}
}

static void serve(struct replay *replay, const struct log_page *page)
{
	struct subscriber *subscriber;
	struct encoded encoded;
	int served = 0;

	encoded_init(&encoded, replay, page);
	while ((subscriber = TAILQ_FIRST(&replay->readers)) != NULL) {
		subscriber_unlink(subscriber);
		serve_one(replay, page, encoded_ring(&encoded, (enum format)subscriber->format),
		          subscriber);
		if (++served % SERVE_SLICE == 0) {
			(void)fiber_yield();
		}
	}
	if (page->count > 0 && page->gap.reason == LOG_GAP_NONE &&
	    replay->channel->folds_forgotten == replay->forgotten) {
		kept_add(replay->channel, encoded.rings, encoded.made);
	} else {
		encoded_fini(&encoded);
	}
}

static void serve_kept(struct replay *replay, struct kept_page *kept)
{
	struct subscriber *subscriber;
	struct log_gap none = { .reason = LOG_GAP_NONE };
	int served = 0;

	while ((subscriber = TAILQ_FIRST(&replay->readers)) != NULL) {
		enum format format = (enum format)subscriber->format;

		subscriber_unlink(subscriber);
		if (kept_has(kept, &subscriber->position.at, format)) {
			subscriber_serve(subscriber, &kept->rings[format], &none);
		} else {
			reader_want(subscriber);
		}
		if (++served % SERVE_SLICE == 0) {
			(void)fiber_yield();
		}
	}
	kept_release(kept);
}

/* There is no page. A session that is no more has no stream either. */
static void disappoint(struct replay *replay, enum err_code code)
{
	struct subscriber *subscriber;

	while ((subscriber = TAILQ_FIRST(&replay->readers)) != NULL) {
		subscriber_unlink(subscriber);
		if (code == ERR_NOT_FOUND) {
			subscriber_lose(subscriber);
		} else {
			subscriber_later(subscriber);
		}
	}
}

static void attach(struct replay *replay, struct subscriber *subscriber)
{
	subscriber->state = SUBSCRIBER_READING;
	subscriber->replay = replay;
	TAILQ_INSERT_TAIL(&replay->readers, subscriber, link);
}

static bool is_near(const struct replay *replay, const struct subscriber *subscriber)
{
	uint64_t n = subscriber->position.at.n;

	return n >= replay->after.n && n - replay->after.n < ATTACH_AHEAD;
}

/* The first that waits, and those that stand beside it. */
static void gather(struct replay *replay)
{
	struct subscribers *waiting = &replay->channel->waiting;
	struct subscriber *subscriber = TAILQ_FIRST(waiting), *next;

	replay->after = subscriber->position.at;
	for (int i = 0; subscriber != NULL && i < ATTACH_SEARCH; i++, subscriber = next) {
		next = TAILQ_NEXT(subscriber, link);
		if (is_near(replay, subscriber)) {
			TAILQ_REMOVE(waiting, subscriber, link);
			attach(replay, subscriber);
		}
	}
}

static void read_page(struct replay *replay)
{
	struct channel *channel = replay->channel;
	struct log_page page = { 0 };
	struct err err;
	enum err_code code;

	LIST_INSERT_HEAD(&channel->replays, replay, link);
	code = read_after(channel, &replay->after, &page, &err);
	LIST_REMOVE(replay, link);
	if (code == ERR_OK) {
		metric_inc(METRIC_REPLAY_READS, page.reply != NULL ? "redis" : "archive");
		serve(replay, &page);
	} else {
		log_debug("history.unread", "session=%s code=%s %s", channel->sid.s, err_name(code),
		          err.msg);
		disappoint(replay, code);
	}
	log_page_fini(&page);
}

static void replay_one(struct channel *channel)
{
	struct feed *feed = channel->feed;
	const struct subscriber *first = TAILQ_FIRST(&channel->waiting);
	struct replay replay = { .channel = channel,
		                 .forgotten = channel->folds_forgotten,
		                 .readers = TAILQ_HEAD_INITIALIZER(replay.readers) };
	struct kept_page *kept =
		kept_hold(channel, &first->position.at, (enum format)first->format);

	channel->pins++;
	feed->replaying++;
	gather(&replay);
	if (kept != NULL) {
		serve_kept(&replay, kept);
	} else {
		read_page(&replay);
	}
	feed->replaying--;
	channel->pins--;
}

/* ---- folded blocks ---- */

static uint64_t block_of(const struct subscriber *subscriber)
{
	return fold_block_after(subscriber->position.at.n);
}

/* All who wait for the same block as the first one. */
static void gather_block(struct replay *replay, uint64_t block)
{
	struct subscriber *subscriber, *next;

	for (subscriber = TAILQ_FIRST(&replay->channel->folding); subscriber != NULL;
	     subscriber = next) {
		next = TAILQ_NEXT(subscriber, link);
		if (block_of(subscriber) == block) {
			TAILQ_REMOVE(&replay->channel->folding, subscriber, link);
			attach(replay, subscriber);
		}
	}
}

/* The block is there now: they find it themselves. */
static void send_to_block(struct replay *replay)
{
	struct subscriber *subscriber;
	int served = 0;

	while ((subscriber = TAILQ_FIRST(&replay->readers)) != NULL) {
		subscriber_unlink(subscriber);
		(void)subscriber_pump(subscriber);
		if (++served % SERVE_SLICE == 0) {
			(void)fiber_yield();
		}
	}
}

static void fold_one(struct channel *channel)
{
	struct feed *feed = channel->feed;
	uint64_t block = block_of(TAILQ_FIRST(&channel->folding));
	struct replay replay = { .channel = channel,
		                 .after = { CURSOR_EPOCH_ANY, block * FOLD_BLOCK },
		                 .folds = true,
		                 .readers = TAILQ_HEAD_INITIALIZER(replay.readers) };
	struct err err;
	enum err_code code;

	channel->pins++;
	feed->replaying++;
	gather_block(&replay, block);
	LIST_INSERT_HEAD(&channel->replays, &replay, link);
	code = folded_make(channel, block, &err);
	LIST_REMOVE(&replay, link);
	if (code == ERR_OK) {
		send_to_block(&replay);
	} else {
		log_debug("block.unread", "session=%s code=%s %s", channel->sid.s, err_name(code),
		          err.msg);
		disappoint(&replay, code);
	}
	feed->replaying--;
	channel->pins--;
}

/* ---- the pool ---- */

static struct channel *take_stale(struct feed *feed)
{
	struct channel *channel = TAILQ_FIRST(&feed->stale);

	if (channel != NULL) {
		TAILQ_REMOVE(&feed->stale, channel, stale_link);
		channel->is_stale = false;
	}
	return channel;
}

static void set_hungry(struct channel *channel)
{
	if (!channel->is_hungry) {
		channel->is_hungry = true;
		TAILQ_INSERT_TAIL(&channel->feed->hungry, channel, hungry_link);
	}
}

static bool is_hungry(const struct channel *channel)
{
	return !TAILQ_EMPTY(&channel->waiting) || !TAILQ_EMPTY(&channel->folding);
}

/* Sessions take turns. */
static struct channel *take_hungry(struct feed *feed)
{
	struct channel *channel;

	if (feed->replaying >= READERS_REPLAYING_MAX) {
		return NULL;
	}
	while ((channel = TAILQ_FIRST(&feed->hungry)) != NULL) {
		TAILQ_REMOVE(&feed->hungry, channel, hungry_link);
		channel->is_hungry = false;
		if (is_hungry(channel)) {
			return channel;
		}
	}
	return NULL;
}

static void feed_one(struct channel *channel)
{
	channel->pins++;
	if (!TAILQ_EMPTY(&channel->waiting)) {
		replay_one(channel);
	}
	if (!TAILQ_EMPTY(&channel->folding)) {
		fold_one(channel);
	}
	channel->pins--;
	if (is_hungry(channel)) {
		set_hungry(channel);
	}
}

static void read_all(void *arg)
{
	struct feed *feed = arg;
	struct channel *channel;

	feed->starting--;
	while (!feed->stopping) {
		if ((channel = take_stale(feed)) != NULL) {
			reader_wake(feed);
			catch_up(channel);
		} else if ((channel = take_hungry(feed)) != NULL) {
			reader_wake(feed);
			feed_one(channel);
		} else {
			break;
		}
	}
}

void reader_wake(struct feed *feed)
{
	bool work = !TAILQ_EMPTY(&feed->stale) || !TAILQ_EMPTY(&feed->hungry);

	if (work && feed->starting == 0 && !feed->stopping && feed->readers.count < READERS_MAX) {
		feed->starting++;
		(void)fiber_start(feed->options.loop, &feed->readers, "reader", read_all, feed);
	}
}

void reader_want(struct subscriber *subscriber)
{
	struct channel *channel = subscriber->channel;
	struct replay *replay;

	LIST_FOREACH(replay, &channel->replays, link)
	{
		if (!replay->folds && replay->after.n == subscriber->position.at.n &&
		    replay->after.epoch == subscriber->position.at.epoch) {
			attach(replay, subscriber);
			return;
		}
	}
	subscriber->state = SUBSCRIBER_WAITING;
	TAILQ_INSERT_TAIL(&channel->waiting, subscriber, link);
	set_hungry(channel);
	reader_wake(channel->feed);
}

void reader_want_folded(struct subscriber *subscriber)
{
	struct channel *channel = subscriber->channel;
	struct replay *replay;

	LIST_FOREACH(replay, &channel->replays, link)
	{
		if (replay->folds && fold_block_after(replay->after.n) == block_of(subscriber)) {
			attach(replay, subscriber);
			return;
		}
	}
	subscriber->state = SUBSCRIBER_FOLDING;
	TAILQ_INSERT_TAIL(&channel->folding, subscriber, link);
	set_hungry(channel);
	reader_wake(channel->feed);
}
