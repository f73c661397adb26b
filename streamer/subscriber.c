#include "streamer/subscriber.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "streamer/channel.h"
#include "streamer/frame.h"
#include "streamer/reader.h"

enum {
	WRITES_A_TURN = 4,
	DRAIN_PARTS = 64,
	UNTOLD_MAX = 128, /* events passed over before the client is told where it is */
	LEFT_MAX = 16 * 1024,
	/* What the kernel may hold unsent: the rest waits in the shared ring, once for all. */
	UNSENT_MAX = 64 * 1024,
};

/* ---- lists ---- */

static struct subscribers *list_of(const struct subscriber *subscriber)
{
	struct channel *channel = subscriber->channel;

	switch ((enum subscriber_state)subscriber->state) {
	case SUBSCRIBER_TIP: return &channel->tip;
	case SUBSCRIBER_DUE: return &channel->due;
	case SUBSCRIBER_WAITING: return &channel->waiting;
	case SUBSCRIBER_READING: return &subscriber->replay->readers;
	case SUBSCRIBER_LATER: return &channel->feed->later;
	case SUBSCRIBER_NEW:
	case SUBSCRIBER_FULL:
	case SUBSCRIBER_GONE: break;
	}
	return NULL;
}

void subscriber_unlink(struct subscriber *subscriber)
{
	struct subscribers *list = list_of(subscriber);

	if (list != NULL) {
		TAILQ_REMOVE(list, subscriber, link);
	}
	subscriber->state = SUBSCRIBER_FULL;
}

static void join(struct subscriber *subscriber, enum subscriber_state state)
{
	subscriber->state = (uint8_t)state;
	TAILQ_INSERT_TAIL(list_of(subscriber), subscriber, link);
}

void subscriber_later(struct subscriber *subscriber)
{
	join(subscriber, SUBSCRIBER_LATER);
}

void subscriber_end(struct subscriber *subscriber)
{
	subscriber_unlink(subscriber);
	subscriber->state = SUBSCRIBER_GONE;
	http_conn_end(subscriber->conn);
}

/* ---- writing ---- */

static void stamp(struct subscriber *subscriber)
{
	subscriber->wrote_ms = (uint32_t)clock_mono_ms();
}

/* What is left of notes. False: full, or gone. */
static bool send_left(struct subscriber *subscriber)
{
	struct buf *left = subscriber->left;
	struct iovec iov;
	ssize_t n;

	if (left == NULL) {
		return true;
	}
	iov = (struct iovec){ left->data, left->len };
	n = http_conn_writev(subscriber->conn, &iov, 1);
	if (n < 0) {
		subscriber->state = SUBSCRIBER_GONE;
		return false;
	}
	buf_drop(left, (size_t)n);
	if (left->len > 0) {
		return false;
	}
	buf_fini(left);
	free(left);
	subscriber->left = NULL;
	return true;
}

/* A note comes between frames. False: it is not all out: full, or gone. */
static bool say(struct subscriber *subscriber, const struct buf *note)
{
	assert(subscriber->position.sent == 0);
	if (subscriber->left == NULL) {
		subscriber->left = mem_calloc(1, sizeof(*subscriber->left));
		buf_init(subscriber->left, LEFT_MAX);
	}
	buf_add_str(subscriber->left, buf_str(note));
	if (buf_failed(subscriber->left)) {
		subscriber_end(subscriber);
		return false;
	}
	stamp(subscriber);
	return send_left(subscriber);
}

static bool say_id(struct subscriber *subscriber)
{
	struct buf note;
	bool out;

	buf_init(&note, FRAME_NOTE_MAX);
	frame_id(&subscriber->position.at, &note);
	subscriber->position.untold = 0;
	out = say(subscriber, &note);
	buf_fini(&note);
	return out;
}

static void say_end(struct subscriber *subscriber)
{
	const struct channel *channel = subscriber->channel;
	struct buf note;

	buf_init(&note, FRAME_NOTE_MAX);
	frame_end(channel->state, &subscriber->position.at, &channel->sid, &note);
	subscriber->ending = true;
	if (say(subscriber, &note)) {
		subscriber_end(subscriber);
	}
	buf_fini(&note);
}

/* False: full, or gone. */
static bool send_from(struct subscriber *subscriber, const struct ring *ring)
{
	struct position *position = &subscriber->position;
	struct plan plan;
	ssize_t n = 0;

	position_plan(position, ring, &plan);
	if (plan.torn) {
		subscriber_end(subscriber);
		return false;
	}
	if (plan.count > 0) {
		n = http_conn_writev(subscriber->conn, plan.iov, plan.count);
		if (n < 0) {
			subscriber->state = SUBSCRIBER_GONE;
			return false;
		}
		stamp(subscriber);
	}
	metric_add(METRIC_EVENTS_DELIVERED, NULL,
	           (double)position_advance(position, ring, (size_t)n));
	if ((size_t)n < plan.bytes) {
		return false;
	}
	return position->untold < UNTOLD_MAX || say_id(subscriber);
}

static void arrive(struct subscriber *subscriber)
{
	if (channel_ended(subscriber->channel)) {
		say_end(subscriber);
	} else {
		join(subscriber, SUBSCRIBER_TIP);
	}
}

void subscriber_pump(struct subscriber *subscriber)
{
	struct channel *channel = subscriber->channel;
	struct position *position = &subscriber->position;

	subscriber->state = SUBSCRIBER_FULL;
	if (!send_left(subscriber)) {
		return;
	}
	if (subscriber->ending) {
		subscriber_end(subscriber);
		return;
	}
	for (int i = 0; i < WRITES_A_TURN; i++) {
		if (ring_place(&channel->ring, &position->at) != RING_INSIDE) {
			reader_want(subscriber);
			return;
		}
		position->at = ring_cursor(&channel->ring, &position->at);
		if (position->at.n == channel->ring.tip.n) {
			arrive(subscriber);
			return;
		}
		if (!send_from(subscriber, &channel->ring)) {
			return;
		}
	}
	join(subscriber, SUBSCRIBER_DUE);
	channel_wake(channel);
}

static bool say_gap(struct subscriber *subscriber, const struct log_gap *gap)
{
	struct buf note;
	bool out;

	buf_init(&note, FRAME_NOTE_MAX);
	frame_gap(gap, &subscriber->position.at, &subscriber->channel->sid, &note);
	metric_inc(METRIC_GAPS, log_gap_name(gap->reason));
	subscriber->position.untold = 0;
	out = say(subscriber, &note);
	buf_fini(&note);
	return out;
}

void subscriber_serve(struct subscriber *subscriber, const struct ring *page,
                      const struct log_gap *gap)
{
	struct position *position = &subscriber->position;

	subscriber->state = SUBSCRIBER_FULL;
	if (gap->reason != LOG_GAP_NONE) {
		if (position->sent > 0) {
			subscriber_end(subscriber); /* the event that is half out is in the gap */
			return;
		}
		position->at = page->before;
		if (!say_gap(subscriber, gap)) {
			return;
		}
	}
	while (position->at.n < page->tip.n) {
		if (!send_from(subscriber, page)) {
			return;
		}
	}
	subscriber_pump(subscriber);
}

/* Is it between two frames, with nothing of ours to write? */
static bool is_quiet(const struct subscriber *subscriber)
{
	if (subscriber->position.sent > 0 || subscriber->left != NULL) {
		return false;
	}
	switch ((enum subscriber_state)subscriber->state) {
	case SUBSCRIBER_TIP:
	case SUBSCRIBER_WAITING:
	case SUBSCRIBER_READING:
	case SUBSCRIBER_LATER: return true;
	case SUBSCRIBER_NEW:
	case SUBSCRIBER_DUE:
	case SUBSCRIBER_FULL:
	case SUBSCRIBER_GONE: break;
	}
	return false;
}

void subscriber_keep_alive(struct subscriber *subscriber)
{
	enum subscriber_state state = (enum subscriber_state)subscriber->state;
	struct buf note;

	if (!is_quiet(subscriber)) {
		return;
	}
	buf_init(&note, FRAME_NOTE_MAX);
	if (subscriber->position.untold > 0) {
		frame_id(&subscriber->position.at, &note);
		subscriber->position.untold = 0;
	} else {
		frame_comment(&note);
	}
	subscriber_unlink(subscriber);
	if (say(subscriber, &note)) {
		join(subscriber, state);
	}
	buf_fini(&note);
}

/* ---- the stream ---- */

static void opened(void *stream, struct http_conn *conn)
{
	struct subscriber *subscriber = stream;
	int unsent = UNSENT_MAX;
	struct buf note;

	subscriber->conn = conn;
	/* Not a TCP socket: then there is no such option, and no need for it. */
	(void)setsockopt(http_conn_fd(conn), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
	                 sizeof(unsent));
	subscriber->state = SUBSCRIBER_FULL;
	feed_wheel_put(subscriber->channel->feed, subscriber);
	buf_init(&note, FRAME_NOTE_MAX);
	frame_retry(subscriber->channel->feed->options.retry_ms, &note);
	if (say(subscriber, &note)) {
		subscriber_pump(subscriber);
	}
	buf_fini(&note);
}

static void writable(void *stream)
{
	struct subscriber *subscriber = stream;

	if (subscriber->state == SUBSCRIBER_FULL) {
		subscriber_pump(subscriber);
	}
}

/* Clients come back at different times, to another streamer. */
static void drain(void *stream)
{
	struct subscriber *subscriber = stream;
	struct feed *feed = subscriber->channel->feed;
	size_t part = feed->drained++ % DRAIN_PARTS;
	struct buf note;

	if (subscriber->state == SUBSCRIBER_GONE) {
		return;
	}
	subscriber_unlink(subscriber);
	if (subscriber->position.sent == 0) {
		buf_init(&note, FRAME_NOTE_MAX);
		frame_retry((unsigned)(feed->options.retry_ms * part / DRAIN_PARTS), &note);
		(void)say(subscriber, &note);
		buf_fini(&note);
	}
	if (subscriber->state != SUBSCRIBER_GONE) {
		subscriber_end(subscriber);
	}
}

static void closed(void *stream)
{
	struct subscriber *subscriber = stream;
	struct channel *channel = subscriber->channel;

	subscriber_unlink(subscriber);
	if (subscriber->wheel.le_prev != NULL) {
		LIST_REMOVE(subscriber, wheel);
	}
	if (subscriber->left != NULL) {
		buf_fini(subscriber->left);
		free(subscriber->left);
	}
	metric_dec(METRIC_SUBSCRIBERS, NULL);
	free(subscriber);
	feed_unfollow(channel);
}

const struct http_stream_ops subscriber_ops = {
	.opened = opened,
	.writable = writable,
	.drain = drain,
	.closed = closed,
};

struct subscriber *subscriber_new(struct channel *channel, struct cursor at, uint64_t types)
{
	struct subscriber *subscriber = mem_calloc(1, sizeof(*subscriber));

	subscriber->channel = channel;
	subscriber->position = (struct position){ .at = at, .types = types };
	subscriber->state = SUBSCRIBER_NEW;
	metric_inc(METRIC_SUBSCRIBERS, NULL);
	feed_follow(channel);
	return subscriber;
}
