#include "streamer/folded.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "event/segment.h"
#include "metric/metric.h"
#include "streamer/channel.h"
#include "streamer/frame.h"
#include "streamer/reader.h"

enum {
	PAGES_MAX = 12,
	DATA_MAX = 1024 * 1024, /* of a block that is folded */
	RING_BYTES = DATA_MAX + FOLD_BLOCK * 1024 + FRAME_MAX,
};

/* The events of a block, as they are read. */
struct source {
	struct log_page pages[PAGES_MAX];
	size_t page_count;
	struct log_event events[FOLD_BLOCK];
	size_t count, bytes;
	struct cursor before;
};

/* ---- what is kept ---- */

static void drop(struct folded *folded)
{
	struct feed *feed = folded->channel->feed;

	for (int format = 0; format < FORMAT_COUNT; format++) {
		if (folded->rings[format] != NULL) {
			ring_fini(folded->rings[format]);
			free(folded->rings[format]);
		}
	}
	feed->folded_bytes -= folded->bytes;
	feed->ring_bytes -= folded->bytes;
	TAILQ_REMOVE(&feed->folded, folded, recent);
	LIST_REMOVE(folded, of_channel);
	free(folded);
}

static struct folded *find(const struct channel *channel, uint64_t block)
{
	struct folded *folded;

	LIST_FOREACH(folded, &channel->folded, of_channel)
	{
		if (folded->block == block) {
			return folded;
		}
	}
	return NULL;
}

const struct folded *folded_find(struct channel *channel, uint64_t block, enum format format)
{
	struct folded_recent *recent = &channel->feed->folded;
	struct folded *folded = find(channel, block);

	if (folded == NULL || (!folded->plain && folded->rings[format] == NULL)) {
		return NULL;
	}
	folded->used_ms = clock_mono_ms();
	TAILQ_REMOVE(recent, folded, recent);
	TAILQ_INSERT_TAIL(recent, folded, recent);
	return folded;
}

static void keep(struct folded *folded)
{
	struct feed *feed = folded->channel->feed;

	feed->folded_bytes += folded->bytes;
	feed->ring_bytes += folded->bytes;
	folded->used_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&feed->folded, folded, recent);
	LIST_INSERT_HEAD(&folded->channel->folded, folded, of_channel);
	while (feed->folded_bytes > FOLDED_BYTES_MAX && TAILQ_FIRST(&feed->folded) != folded) {
		drop(TAILQ_FIRST(&feed->folded));
	}
}

void folded_forget(struct channel *channel)
{
	struct folded *folded;

	channel->folds_forgotten++;
	while ((folded = LIST_FIRST(&channel->folded)) != NULL) {
		drop(folded);
	}
}

void folded_age(struct feed *feed, uint64_t now_ms)
{
	struct folded *folded;

	while ((folded = TAILQ_FIRST(&feed->folded)) != NULL &&
	       folded->used_ms + FOLDED_KEPT_MS <= now_ms) {
		drop(folded);
	}
}

/* ---- reading ---- */

static enum err_code read_page(const struct channel *channel, const struct cursor *after,
                               size_t count, struct log_page *ret, struct err *err)
{
	const struct feed_options *options = &channel->feed->options;
	struct log_range range = { .sid = channel->sid,
		                   .tenant = channel->tenant,
		                   .after = *after,
		                   .max_count = (unsigned)count,
		                   .max_bytes = READER_PAGE_BYTES };
	enum err_code code = log_history(options->store, options->pg, &range, ret, err);

	if (code == ERR_OK) {
		metric_inc(METRIC_REPLAY_READS, ret->reply != NULL ? "redis" : "archive");
	}
	return code;
}

static void take_page(struct source *source, const struct log_page *page)
{
	for (size_t i = 0; i < page->count && source->count < FOLD_BLOCK; i++) {
		source->events[source->count++] = page->events[i];
		source->bytes += page->events[i].data.n;
	}
}

static bool is_whole(const struct source *source)
{
	return source->count == FOLD_BLOCK && source->bytes <= DATA_MAX;
}

/* The source is not whole when there is a gap or too much. */
static enum err_code read_events(const struct channel *channel, uint64_t block,
                                 struct source *source, struct err *err)
{
	struct cursor after = { CURSOR_EPOCH_ANY, block * FOLD_BLOCK };

	while (source->count < FOLD_BLOCK && source->bytes <= DATA_MAX &&
	       source->page_count < PAGES_MAX) {
		struct log_page *page = &source->pages[source->page_count];
		enum err_code code =
			read_page(channel, &after, FOLD_BLOCK - source->count, page, err);

		if (code != ERR_OK) {
			return code;
		}
		source->page_count++;
		if (page->gap.reason != LOG_GAP_NONE || page->count == 0) {
			break;
		}
		take_page(source, page);
		after = page->next;
	}
	return ERR_OK;
}

/* The event that the block follows has the epoch of its first one, unless that begins an epoch. */
static enum err_code find_before(const struct channel *channel, uint64_t block,
                                 struct source *source, struct err *err)
{
	const struct log_event *first = &source->events[0];
	struct cursor after = { CURSOR_EPOCH_ANY, block * FOLD_BLOCK - 1 };
	struct log_page page = { 0 };
	enum err_code code;

	source->before = (struct cursor){ first->at.epoch, block * FOLD_BLOCK };
	if (block == 0) {
		source->before = (struct cursor){ 0, 0 };
		return ERR_OK;
	}
	if (!str_eq(first->type, str_of(event_type_info(EVENT_TYPE_EPOCH)->name))) {
		return ERR_OK;
	}
	code = read_page(channel, &after, 1, &page, err);
	if (code == ERR_OK && (page.count != 1 || page.events[0].at.n != source->before.n)) {
		code = err_set(err, ERR_CONFLICT, "what the block follows is gone");
	}
	if (code == ERR_OK) {
		source->before = page.events[0].at;
	}
	log_page_fini(&page);
	return code;
}

/* ---- making ---- */

static struct ring *encode(const struct channel *channel, enum format format,
                           const struct fold *fold, struct cursor before)
{
	struct ring *ring = mem_calloc(1, sizeof(*ring));
	struct buf frame;

	ring_init(ring, FOLD_BLOCK, RING_BYTES, before);
	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; i < fold->count; i++) {
		const struct log_event *event = &fold->events[i];

		if (fold_is_covered(event)) {
			ring_push_covered(ring, &event->at, log_event_class(event));
			continue;
		}
		buf_reset(&frame);
		format_forms(format)->event(event, &channel->sid, &frame);
		ring_push(ring, &event->at, log_event_class(event), buf_str(&frame));
	}
	buf_fini(&frame);
	return ring;
}

static void make(struct channel *channel, uint64_t block, const struct source *source)
{
	struct folded *folded = mem_calloc(1, sizeof(*folded));
	struct folded *old = find(channel, block);
	struct fold fold;

	folded->channel = channel;
	folded->block = block;
	folded->plain = !is_whole(source);
	folded->bytes = sizeof(*folded);
	if (!folded->plain) {
		fold_events(source->events, source->count, &fold);
		for (int format = 0; format < FORMAT_COUNT; format++) {
			if (channel->forms[format].ring != NULL) {
				folded->rings[format] =
					encode(channel, (enum format)format, &fold, source->before);
				folded->bytes += ring_memory(folded->rings[format]);
			}
		}
		fold_fini(&fold);
	}
	if (old != NULL) {
		drop(old);
	}
	keep(folded);
}

enum err_code folded_make(struct channel *channel, uint64_t block, struct err *err)
{
	struct source *source = mem_calloc(1, sizeof(*source));
	uint64_t forgotten = channel->folds_forgotten;
	enum err_code code = read_events(channel, block, source, err);

	if (code == ERR_OK && is_whole(source)) {
		code = find_before(channel, block, source, err);
	}
	if (code == ERR_OK && forgotten != channel->folds_forgotten) {
		code = err_set(err, ERR_CONFLICT, "the log has changed");
	}
	if (code == ERR_OK) {
		metric_inc(METRIC_BLOCKS_FOLDED, NULL);
		make(channel, block, source);
	}
	for (size_t i = 0; i < source->page_count; i++) {
		log_page_fini(&source->pages[i]);
	}
	free(source);
	return code;
}
