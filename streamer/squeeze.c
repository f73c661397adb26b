#include "streamer/squeeze.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ws/frame.h"

enum { ID_BITS = 40 };

_Static_assert(SQUEEZE_PIECE_MAX + WS_HEADER_SIZE <= SQUEEZE_BYTES, "a piece fits");

/* ---- memory ---- */

void squeeze_pool_init(struct squeeze_pool *pool, size_t max, uint64_t silent_ms)
{
	*pool = (struct squeeze_pool){ .max = max, .silent_ms = silent_ms };
	TAILQ_INIT(&pool->warm);
	buf_init(&pool->piece, SQUEEZE_PIECE_MAX);
	buf_init(&pool->frame, SQUEEZE_PIECE_MAX + WS_HEADER_SIZE);
}

void squeeze_pool_fini(struct squeeze_pool *pool)
{
	assert(pool->count == 0);
	buf_fini(&pool->piece);
	buf_fini(&pool->frame);
}

static void cool(struct squeeze *squeeze)
{
	if (squeeze->is_warm) {
		squeeze->is_warm = false;
		squeeze->pool->count--;
		TAILQ_REMOVE(&squeeze->pool->warm, squeeze, warm_link);
	}
	press_rest(squeeze->press);
}

void squeeze_pool_tick(struct squeeze_pool *pool, uint64_t now_ms)
{
	struct squeeze *oldest = TAILQ_FIRST(&pool->warm);

	while (oldest != NULL && now_ms - oldest->pushed_ms >= pool->silent_ms) {
		cool(oldest);
		oldest = TAILQ_FIRST(&pool->warm);
	}
}

/* It is about to compress. False: there is no memory for it now. */
static bool warm(struct squeeze *squeeze, uint64_t now_ms)
{
	struct squeeze_pool *pool = squeeze->pool;
	struct squeeze *oldest = TAILQ_FIRST(&pool->warm);

	if (squeeze->is_warm) {
		TAILQ_REMOVE(&pool->warm, squeeze, warm_link);
	} else {
		if (pool->count >= pool->max) {
			if (oldest == NULL || now_ms - oldest->pushed_ms < SQUEEZE_BUSY_MS) {
				return false;
			}
			cool(oldest);
		}
		squeeze->is_warm = true;
		pool->count++;
	}
	TAILQ_INSERT_TAIL(&pool->warm, squeeze, warm_link);
	return true;
}

/* ---- the ring ---- */

static struct squeeze_mark *mark_of(const struct squeeze *squeeze, uint64_t n)
{
	return &squeeze->marks[n & (squeeze->slots - 1)];
}

/* The ring may have grown by its newest frame, which has no mark yet. */
static void grow_marks(struct squeeze *squeeze)
{
	const struct ring *ring = &squeeze->ring;
	struct squeeze_mark *marks;

	if (squeeze->slots == ring->slots) {
		return;
	}
	marks = mem_calloc(ring->slots, sizeof(*marks));
	for (uint64_t n = ring->before.n + 1; n < ring->tip.n; n++) {
		marks[n & (ring->slots - 1)] = *mark_of(squeeze, n);
	}
	free(squeeze->marks);
	squeeze->marks = marks;
	squeeze->slots = ring->slots;
}

static void drop_marks(struct squeeze *squeeze)
{
	free(squeeze->marks);
	squeeze->marks = NULL;
	squeeze->slots = 0;
}

/* What of a frame is compressed: of a message, what is behind the header (RFC 6455 section 5.2). */
static struct str body_of(enum format format, struct str frame)
{
	size_t head = 0;

	if (format != FORMAT_SSE) {
		unsigned length = (unsigned char)frame.p[1];

		head = length < 126 ? 2 : (length == 126 ? 4 : 10);
	}
	return str_make(frame.p + head, frame.n - head);
}

/* As it is sent. A message does not carry what each piece ends with (RFC 7692 section 7.2.1). */
static void wrap(enum format format, struct str piece, struct buf *out)
{
	char head[WS_HEADER_SIZE];

	if (format != FORMAT_SSE) {
		piece.n -= PRESS_TAIL;
		buf_add(out, head,
		        ws_format_header(head, WS_TEXT, WS_FINAL | WS_COMPRESSED, piece.n));
	}
	buf_add_str(out, piece);
}

/* Somebody may have been sent something of its own since the last one. */
static bool must_be_fresh(const struct squeeze *squeeze, uint64_t now_ms)
{
	return now_ms - squeeze->pushed_ms >= squeeze->pool->silent_ms ||
	       (squeeze->is_missed && squeeze->since_fresh >= SQUEEZE_FRESH_EVERY);
}

static void make_piece(struct squeeze *squeeze, struct str body, uint64_t now_ms,
                       struct squeeze_mark *mark, struct buf *piece)
{
	struct press *press = squeeze->press;

	if (body.n > SQUEEZE_PLAIN_MAX || !warm(squeeze, now_ms)) {
		press_refresh(press);
		return;
	}
	if (must_be_fresh(squeeze, now_ms)) {
		press_refresh(press);
	}
	mark->is_fresh = press_is_fresh(press);
	if (!press_piece(press, body, SQUEEZE_PIECE_MAX, piece)) {
		return;
	}
	if (mark->is_fresh) {
		squeeze->since_fresh = 0;
		squeeze->is_missed = false;
	}
	squeeze->since_fresh++;
	mark->id = ++squeeze->last;
	mark->before = squeeze->sum;
	squeeze->sum.crc = press_crc(squeeze->sum.crc, body);
	squeeze->sum.len += body.n;
	mark->after = squeeze->sum;
}

void squeeze_push(struct squeeze *squeeze, const struct cursor *at, unsigned type, struct str frame,
                  uint64_t now_ms)
{
	struct squeeze_mark mark = { .is_wanted =
		                             frame.n > 0 && (squeeze->types >> type & 1) != 0 };
	struct buf *piece = &squeeze->pool->piece, *out = &squeeze->pool->frame;

	buf_reset(piece);
	buf_reset(out);
	if (mark.is_wanted) {
		make_piece(squeeze, body_of(squeeze->format, frame), now_ms, &mark, piece);
		squeeze->pushed_ms = now_ms;
	}
	if (mark.id > 0) {
		wrap(squeeze->format, buf_str(piece), out);
	}
	ring_push(&squeeze->ring, at, type, buf_str(out));
	grow_marks(squeeze);
	*mark_of(squeeze, at->n) = mark;
}

void squeeze_reset(struct squeeze *squeeze, struct cursor before)
{
	ring_reset(&squeeze->ring, before);
	drop_marks(squeeze);
	press_refresh(squeeze->press);
}

/* ---- reading ---- */

static bool may_follow(const struct squeeze_mark *mark, uint64_t last)
{
	return mark->id > 0 && (mark->is_fresh || mark->id == last + 1);
}

static bool add_piece(const struct squeeze *squeeze, const struct ring_frame *frame,
                      struct plan *plan)
{
	struct iovec *newest = plan->count > 0 ? &plan->iov[plan->count - 1] : NULL;
	struct iovec iov[2];
	int count = ring_pieces(&squeeze->ring, frame->start, frame->len, iov);

	if (plan->count + count > PLAN_PIECES || plan->bytes + frame->len > PLAN_BYTES) {
		return false;
	}
	if (newest != NULL && (char *)newest->iov_base + newest->iov_len == iov[0].iov_base) {
		newest->iov_len += iov[0].iov_len;
	} else {
		plan->iov[plan->count++] = iov[0];
	}
	if (count > 1) {
		plan->iov[plan->count++] = iov[1];
	}
	plan->bytes += frame->len;
	return true;
}

void squeeze_plan(const struct squeeze *squeeze, uint64_t last, const struct cursor *at,
                  struct plan *ret)
{
	ret->count = 0;
	ret->bytes = 0;
	ret->torn = false;
	for (uint64_t n = at->n + 1; n <= squeeze->ring.tip.n; n++) {
		const struct ring_frame *frame = ring_at(&squeeze->ring, n);
		const struct squeeze_mark *mark;

		if (frame == NULL) {
			return;
		}
		mark = mark_of(squeeze, n);
		if (mark->is_wanted) {
			if (!may_follow(mark, last) || !add_piece(squeeze, frame, ret)) {
				return;
			}
			last = mark->id;
		}
	}
}

uint64_t squeeze_fresh_after(const struct squeeze *squeeze, uint64_t n)
{
	const struct ring *ring = &squeeze->ring;

	n = n < ring->before.n ? ring->before.n : n;
	while (++n <= ring->tip.n) {
		if (mark_of(squeeze, n)->id > 0 && mark_of(squeeze, n)->is_fresh) {
			return n;
		}
	}
	return 0;
}

void squeeze_advance(const struct squeeze *squeeze, struct position *position, size_t bytes,
                     struct squeeze_step *ret)
{
	*ret = (struct squeeze_step){ 0 };
	for (uint64_t n = position->at.n + 1; n <= squeeze->ring.tip.n; n++) {
		const struct ring_frame *frame = ring_at(&squeeze->ring, n);
		const struct squeeze_mark *mark = mark_of(squeeze, n);

		if (!mark->is_wanted) {
			position->untold++;
		} else if (bytes == 0) {
			return;
		} else {
			size_t part = bytes < frame->len ? bytes : frame->len;

			if (part < frame->len) {
				ret->rest_count = ring_pieces(&squeeze->ring, frame->start + part,
				                              frame->len - part, ret->rest);
			}
			bytes -= part;
			ret->first = ret->first != NULL ? ret->first : mark;
			ret->newest = mark;
			ret->events++;
			position->untold = 0;
		}
		position->at = frame->at;
	}
	assert(bytes == 0);
}

/* ---- life ---- */

struct squeeze *squeeze_new(struct squeeze_pool *pool, enum format format, uint64_t types,
                            struct cursor before)
{
	struct squeeze *squeeze = mem_calloc(1, sizeof(*squeeze));

	squeeze->pool = pool;
	squeeze->press = press_new();
	squeeze->format = format;
	squeeze->types = types;
	/* No two of them ever give a piece the same id. */
	squeeze->last = ++pool->made << ID_BITS;
	ring_init(&squeeze->ring, SQUEEZE_EVENTS, SQUEEZE_BYTES, before);
	return squeeze;
}

void squeeze_free(struct squeeze *squeeze)
{
	cool(squeeze);
	press_free(squeeze->press);
	ring_fini(&squeeze->ring);
	drop_marks(squeeze);
	free(squeeze);
}

size_t squeeze_memory(const struct squeeze *squeeze)
{
	return ring_memory(&squeeze->ring) + squeeze->slots * sizeof(*squeeze->marks);
}
