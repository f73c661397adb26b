#include "streamer/position.h"

#include <assert.h>

/* Is there something of it for this reader? */
static bool is_wanted(const struct position *position, const struct ring_frame *frame)
{
	return frame->len > 0 && (position->types >> frame->type & 1) != 0;
}

/* What stands for the event after n, which is in the ring. */
static const struct ring_frame *frame_after(const struct ring *ring, uint64_t n)
{
	const struct ring_frame *frame = ring_at(ring, n + 1);

	while (frame->covered) {
		frame = ring_at(ring, frame->at.n + 1);
	}
	return frame;
}

/* Neighbours are one run of bytes. */
static bool joins(const struct ring_frame *frame, uint64_t run_start, size_t run)
{
	return run > 0 && frame->start == run_start + run;
}

static void flush(const struct ring *ring, uint64_t start, size_t run, struct plan *plan)
{
	if (run > 0) {
		plan->count += ring_pieces(ring, start, run, &plan->iov[plan->count]);
	}
}

/* What is half out is finished, whatever is wanted by now. */
static bool is_torn(const struct position *position, const struct ring_frame *frame)
{
	return position->sent > 0 &&
	       (position->sent >= frame->len || position->sent_of != (uint32_t)frame->at.epoch);
}

void position_plan_until(const struct position *position, const struct ring *ring, uint64_t until,
                         size_t bytes_max, struct plan *ret)
{
	const struct ring_frame *frame;
	uint64_t run_start = 0;
	size_t run = 0, skip = position->sent;

	ret->count = 0;
	ret->bytes = 0;
	ret->torn = false;
	for (uint64_t n = position->at.n; n < ring->tip.n && n < until; n = frame->at.n) {
		size_t len;

		frame = frame_after(ring, n);
		if (skip > 0 && is_torn(position, frame)) {
			ret->torn = true;
			return;
		}
		if (skip == 0 && !is_wanted(position, frame)) {
			continue;
		}
		len = frame->len - skip;
		if (ret->bytes > 0 && ret->bytes + len > bytes_max) {
			break;
		}
		if (joins(frame, run_start, run)) {
			run += len;
		} else if (ret->count + 4 > PLAN_PIECES) {
			break;
		} else {
			flush(ring, run_start, run, ret);
			run_start = frame->start + skip;
			run = len;
		}
		ret->bytes += len;
		skip = 0;
	}
	flush(ring, run_start, run, ret);
}

void position_plan(const struct position *position, const struct ring *ring, size_t bytes_max,
                   struct plan *ret)
{
	position_plan_until(position, ring, UINT64_MAX, bytes_max, ret);
}

bool position_fits(const struct position *position, const struct ring *ring)
{
	const struct ring_frame *last = ring_at(ring, position->at.n);

	return last == NULL || !last->covered ||
	       !is_wanted(position, frame_after(ring, position->at.n));
}

uint64_t position_advance(struct position *position, const struct ring *ring, size_t bytes)
{
	uint64_t completed = 0;

	while (position->at.n < ring->tip.n) {
		const struct ring_frame *frame = frame_after(ring, position->at.n);
		size_t len = frame->len - position->sent;

		if (position->sent == 0 && !is_wanted(position, frame)) {
			position->untold += (uint32_t)(frame->at.n - position->at.n);
		} else if (bytes >= len) {
			bytes -= len;
			position->sent = 0;
			position->untold = 0;
			completed++;
		} else {
			position->sent += (uint32_t)bytes;
			position->sent_of = (uint32_t)frame->at.epoch;
			return completed;
		}
		position->at = frame->at;
	}
	assert(bytes == 0);
	return completed;
}
