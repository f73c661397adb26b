#include "streamer/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_SLOTS = 16, FIRST_BYTES = 4096 };

void ring_init(struct ring *ring, size_t events_max, size_t bytes_max, struct cursor before)
{
	assert(events_max > 0 && bytes_max > 0);
	*ring = (struct ring){
		.events_max = events_max, .bytes_max = bytes_max, .before = before, .tip = before
	};
}

void ring_fini(struct ring *ring)
{
	free(ring->bytes);
	free(ring->frames);
	*ring = (struct ring){ 0 };
}

void ring_reset(struct ring *ring, struct cursor before)
{
	size_t events_max = ring->events_max, bytes_max = ring->bytes_max;

	ring_fini(ring);
	ring_init(ring, events_max, bytes_max, before);
}

size_t ring_memory(const struct ring *ring)
{
	return ring->size + ring->slots * sizeof(*ring->frames);
}

static struct ring_frame *slot_of(const struct ring *ring, uint64_t n)
{
	return &ring->frames[n & (ring->slots - 1)];
}

const struct ring_frame *ring_at(const struct ring *ring, uint64_t n)
{
	return n > ring->before.n && n <= ring->tip.n ? slot_of(ring, n) : NULL;
}

static uint64_t first_byte(const struct ring *ring)
{
	return ring->count > 0 ? slot_of(ring, ring->before.n + 1)->start : ring->end;
}

static void evict(struct ring *ring)
{
	ring->before = slot_of(ring, ring->before.n + 1)->at;
	ring->count--;
}

static size_t power_of_two(size_t least, size_t from)
{
	while (from < least) {
		from *= 2;
	}
	return from;
}

static void grow_slots(struct ring *ring)
{
	size_t slots = power_of_two(ring->count + 1, ring->slots > 0 ? ring->slots : FIRST_SLOTS);
	struct ring_frame *frames;

	if (slots == ring->slots) {
		return;
	}
	frames = mem_calloc(slots, sizeof(*frames));
	for (uint64_t n = ring->before.n + 1; n <= ring->tip.n; n++) {
		frames[n & (slots - 1)] = *slot_of(ring, n);
	}
	free(ring->frames);
	ring->frames = frames;
	ring->slots = slots;
}

/* Put bytes at a position; the circle has room for them. */
static void put(char *circle, size_t size, uint64_t at, const char *bytes, size_t n)
{
	size_t from = at & (size - 1);
	size_t part = n < size - from ? n : size - from;

	memcpy(circle + from, bytes, part);
	if (n > part) {
		memcpy(circle, bytes + part, n - part);
	}
}

static size_t bytes_used(const struct ring *ring)
{
	return (size_t)(ring->end - first_byte(ring));
}

static void resize_bytes(struct ring *ring, size_t size)
{
	uint64_t start = first_byte(ring);
	struct iovec iov[2];
	char *bytes = mem_calloc(size, 1);
	int count = bytes_used(ring) > 0 ? ring_pieces(ring, start, bytes_used(ring), iov) : 0;

	for (int i = 0; i < count; i++) {
		put(bytes, size, start, iov[i].iov_base, iov[i].iov_len);
		start += iov[i].iov_len;
	}
	free(ring->bytes);
	ring->bytes = bytes;
	ring->size = size;
}

static void grow_bytes(struct ring *ring, size_t by)
{
	size_t size =
		power_of_two(bytes_used(ring) + by, ring->size > 0 ? ring->size : FIRST_BYTES);

	if (size != ring->size) {
		resize_bytes(ring, size);
	}
}

static void make_room(struct ring *ring, size_t bytes)
{
	while (ring->count > 0 && bytes_used(ring) + bytes > ring->bytes_max) {
		evict(ring);
	}
}

void ring_limit(struct ring *ring, size_t bytes_max)
{
	size_t size = power_of_two(bytes_max, FIRST_BYTES);

	assert(bytes_max > 0);
	ring->bytes_max = bytes_max;
	make_room(ring, 0);
	if (ring->size > size) {
		resize_bytes(ring, size);
	}
}

void ring_push(struct ring *ring, const struct cursor *at, unsigned type, struct str frame)
{
	assert(at->n == ring->tip.n + 1);
	while (ring->count >= ring->events_max) {
		evict(ring);
	}
	make_room(ring, frame.n);
	if (frame.n > ring->bytes_max) {
		ring->before = ring->tip = *at;
		return;
	}
	grow_slots(ring);
	if (frame.n > 0) {
		grow_bytes(ring, frame.n);
		put(ring->bytes, ring->size, ring->end, frame.p, frame.n);
	}
	*slot_of(ring, at->n) = (struct ring_frame){
		.at = *at, .start = ring->end, .len = (uint32_t)frame.n, .type = (uint8_t)type
	};
	ring->end += frame.n;
	ring->tip = *at;
	ring->count++;
}

void ring_push_covered(struct ring *ring, const struct cursor *at, unsigned type)
{
	ring_push(ring, at, type, STR_LIT(""));
	slot_of(ring, at->n)->covered = true;
}

struct cursor ring_cursor(const struct ring *ring, const struct cursor *at)
{
	const struct ring_frame *frame = ring_at(ring, at->n);

	return frame != NULL ? frame->at : ring->before;
}

enum ring_place ring_place(const struct ring *ring, const struct cursor *at)
{
	struct cursor held;

	if (at->n < ring->before.n) {
		return RING_BEHIND;
	}
	if (at->n > ring->tip.n) {
		return RING_AHEAD;
	}
	held = ring_cursor(ring, at);
	return at->epoch == CURSOR_EPOCH_ANY || held.epoch == at->epoch ? RING_INSIDE
	                                                                : RING_STRANGE;
}

int ring_pieces(const struct ring *ring, uint64_t start, size_t len, struct iovec *iov)
{
	size_t from = start & (ring->size - 1);
	size_t part = len < ring->size - from ? len : ring->size - from;

	assert(start + len <= ring->end && len > 0);
	iov[0] = (struct iovec){ ring->bytes + from, part };
	if (part == len) {
		return 1;
	}
	iov[1] = (struct iovec){ ring->bytes, len - part };
	return 2;
}
