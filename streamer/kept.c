#include "streamer/kept.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "streamer/channel.h"

static void destroy(struct kept_page *kept)
{
	for (int format = 0; format < FORMAT_COUNT; format++) {
		if (kept->made[format]) {
			ring_fini(&kept->rings[format]);
		}
	}
	free(kept);
}

static void drop(struct kept_page *kept)
{
	struct feed *feed = kept->channel->feed;

	feed->kept_bytes -= kept->bytes;
	feed->ring_bytes -= kept->bytes;
	TAILQ_REMOVE(&feed->kept, kept, link);
	LIST_REMOVE(kept, of_channel);
	kept->dropped = true;
	if (kept->users == 0) {
		destroy(kept);
	}
}

static size_t bytes_of(const struct kept_page *kept)
{
	size_t bytes = sizeof(*kept);

	for (int format = 0; format < FORMAT_COUNT; format++) {
		if (kept->made[format]) {
			bytes += ring_memory(&kept->rings[format]);
		}
	}
	return bytes;
}

void kept_add(struct channel *channel, const struct ring rings[FORMAT_COUNT],
              const bool made[FORMAT_COUNT])
{
	struct feed *feed = channel->feed;
	struct kept_page *kept = mem_calloc(1, sizeof(*kept));

	kept->channel = channel;
	for (int format = 0; format < FORMAT_COUNT; format++) {
		kept->rings[format] = rings[format];
		kept->made[format] = made[format];
	}
	kept->bytes = bytes_of(kept);
	kept->made_ms = clock_mono_ms();
	feed->kept_bytes += kept->bytes;
	feed->ring_bytes += kept->bytes;
	TAILQ_INSERT_TAIL(&feed->kept, kept, link);
	LIST_INSERT_HEAD(&channel->kept, kept, of_channel);
	while (feed->kept_bytes > KEPT_BYTES_MAX) {
		drop(TAILQ_FIRST(&feed->kept));
	}
}

bool kept_has(const struct kept_page *kept, const struct cursor *at, enum format format)
{
	const struct ring *ring = &kept->rings[format];

	return kept->made[format] && at->n < ring->tip.n && ring_place(ring, at) == RING_INSIDE;
}

struct kept_page *kept_hold(struct channel *channel, const struct cursor *at, enum format format)
{
	uint64_t now_ms = clock_mono_ms();
	struct kept_page *kept;

	LIST_FOREACH(kept, &channel->kept, of_channel)
	{
		if (kept->made_ms + KEPT_MS > now_ms && kept_has(kept, at, format)) {
			kept->users++;
			return kept;
		}
	}
	return NULL;
}

void kept_release(struct kept_page *kept)
{
	kept->users--;
	if (kept->users == 0 && kept->dropped) {
		destroy(kept);
	}
}

void kept_forget(struct channel *channel)
{
	struct kept_page *kept;

	while ((kept = LIST_FIRST(&channel->kept)) != NULL) {
		drop(kept);
	}
}

void kept_age(struct feed *feed, uint64_t now_ms)
{
	struct kept_page *kept;

	while ((kept = TAILQ_FIRST(&feed->kept)) != NULL && kept->made_ms + KEPT_MS <= now_ms) {
		drop(kept);
	}
}
