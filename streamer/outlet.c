#include "streamer/outlet.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "streamer/subscriber.h"
#include "streamer/viewer.h"

/* What the kernel may hold unsent: the rest waits in the shared ring, once for all. */
enum { UNSENT_MAX = 16 * 1024 };

static void stamp(struct outlet *outlet)
{
	outlet->wrote_ms = (uint32_t)clock_mono_ms();
}

static ssize_t write_conn(void *conn, const struct iovec *iov, int count)
{
	return http_conn_writev(conn, iov, count);
}

void outlet_compress(struct outlet *outlet, struct intake *intake)
{
	outlet->intake = intake;
	intake->write = write_conn;
}

ssize_t outlet_writev(struct outlet *outlet, const struct iovec *iov, int count)
{
	size_t all = 0;
	ssize_t n = outlet->intake != NULL ? intake_writev(outlet->intake, iov, count)
	                                   : http_conn_writev(outlet->conn, iov, count);

	if (n < 0) {
		outlet->ended = true;
		return -1;
	}
	for (int i = 0; i < count; i++) {
		all += iov[i].iov_len;
	}
	outlet->full = (size_t)n < all;
	if (n > 0) {
		stamp(outlet);
	}
	return n;
}

enum intake_share outlet_share(struct outlet *outlet, struct position *position,
                               uint64_t *ret_events)
{
	enum intake_share share = intake_share(outlet->intake, position, ret_events);

	outlet->ended = outlet->ended || share == INTAKE_DEAD;
	outlet->full = share == INTAKE_FULL;
	if (share == INTAKE_SENT || share == INTAKE_FULL) {
		stamp(outlet);
	}
	return share;
}

/* What is kept of wire bytes. False: full, or dead. */
static bool send_kept(struct outlet *outlet)
{
	bool dead = false;

	if (outlet->intake == NULL || intake_flush(outlet->intake, &dead)) {
		return true;
	}
	outlet->ended = outlet->ended || dead;
	outlet->full = true;
	return false;
}

static void drop_left(struct outlet *outlet)
{
	if (outlet->left != NULL) {
		buf_fini(outlet->left);
		free(outlet->left);
		outlet->left = NULL;
	}
}

/* What is left of notes; no frame is half out. False: full, or ended. */
static bool send_left(struct outlet *outlet)
{
	struct buf *left = outlet->left;
	struct iovec iov;
	ssize_t n;

	if (!send_kept(outlet)) {
		return false;
	}
	if (left != NULL) {
		iov = (struct iovec){ left->data, left->len };
		n = outlet_writev(outlet, &iov, 1);
		if (n < 0) {
			return false;
		}
		buf_drop(left, (size_t)n);
		if (left->len > 0) {
			return false;
		}
		drop_left(outlet);
	}
	if (outlet->finishing) {
		if (outlet->intake != NULL) {
			intake_finish(outlet->intake);
		}
		if (send_kept(outlet)) {
			outlet_end(outlet);
		}
		return false;
	}
	return true;
}

bool outlet_admits(struct outlet *outlet, const struct subscriber *subscriber)
{
	if (outlet->ended || outlet->full) {
		return false;
	}
	if (outlet->torn != NULL) {
		return outlet->torn == subscriber;
	}
	return send_left(outlet);
}

void outlet_queue(struct outlet *outlet, struct subscriber *subscriber)
{
	subscriber->state = SUBSCRIBER_FULL;
	TAILQ_INSERT_TAIL(&outlet->waiting, subscriber, link);
}

/* Who may write now; NULL: nobody. */
static struct subscriber *next_turn(struct outlet *outlet)
{
	struct subscriber *next = TAILQ_FIRST(&outlet->waiting);

	if (outlet->torn != NULL) {
		next = outlet->torn->state == SUBSCRIBER_FULL ? outlet->torn : NULL;
	}
	return next != NULL && outlet_admits(outlet, next) ? next : NULL;
}

void outlet_turns(struct outlet *outlet)
{
	struct subscriber *next;

	if (outlet->in_turns) {
		return;
	}
	outlet->in_turns = true;
	while ((next = next_turn(outlet)) != NULL) {
		subscriber_unlink(next);
		(void)subscriber_pump(next);
	}
	outlet->in_turns = false;
}

bool outlet_is_wanted(const struct outlet *outlet)
{
	return outlet->left != NULL || !TAILQ_EMPTY(&outlet->waiting);
}

static void keep_left(struct outlet *outlet, struct str bytes)
{
	if (bytes.n == 0) {
		return;
	}
	if (outlet->left == NULL) {
		outlet->left = mem_calloc(1, sizeof(*outlet->left));
		buf_init(outlet->left, outlet->face->left_max);
	}
	buf_add_str(outlet->left, bytes);
	if (buf_failed(outlet->left)) {
		outlet_end(outlet);
	}
}

bool outlet_say(struct outlet *outlet, struct str note)
{
	assert(outlet->conn != NULL);
	if (outlet->ended || outlet->closing) {
		return false;
	}
	keep_left(outlet, note);
	if (outlet->ended) {
		return false;
	}
	if (!outlet->full && outlet->torn == NULL) {
		(void)send_left(outlet);
	}
	return !outlet->ended;
}

bool outlet_is_quiet(const struct outlet *outlet)
{
	return !outlet->ended && !outlet->finishing && !outlet->full && outlet->torn == NULL &&
	       outlet->left == NULL;
}

void outlet_finish(struct outlet *outlet)
{
	outlet->finishing = true;
	if (outlet->ended || outlet->torn != NULL) {
		return;
	}
	if (!outlet->full) {
		(void)send_left(outlet);
	} else if (outlet->left == NULL && outlet->intake == NULL) {
		outlet_end(outlet);
	}
}

/* A stream that is cut is no whole one: its end is worth a try. */
static void finish_stream(struct outlet *outlet)
{
	if (outlet->intake != NULL && outlet->torn == NULL && outlet->left == NULL &&
	    !outlet->full) {
		intake_finish(outlet->intake);
		(void)send_kept(outlet);
	}
}

void outlet_end(struct outlet *outlet)
{
	if (!outlet->ended) {
		finish_stream(outlet);
		outlet->ended = true;
		http_conn_end(outlet->conn);
	}
}

void outlet_open(struct outlet *outlet, struct http_conn *conn)
{
	int unsent = UNSENT_MAX;

	outlet->conn = conn;
	if (outlet->intake != NULL) {
		outlet->intake->conn = conn;
	}
	/* Not a TCP socket: then there is no such option, and no need for it. */
	(void)setsockopt(http_conn_fd(conn), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
	                 sizeof(unsent));
	stamp(outlet);
	feed_wheel_put(outlet->feed, outlet, 0);
	viewer_opened(outlet);
}

void outlet_adopt(struct outlet *outlet, struct http_conn *conn, struct str left, bool finishing,
                  uint32_t silent_ms)
{
	outlet->conn = conn;
	if (outlet->intake != NULL) {
		outlet->intake->conn = conn;
	}
	outlet->finishing = finishing;
	outlet->wrote_ms = (uint32_t)clock_mono_ms() - silent_ms;
	keep_left(outlet, left);
	feed_wheel_put(outlet->feed, outlet, 0);
}

void outlet_writable(struct outlet *outlet)
{
	outlet->full = false;
	if (!outlet->ended && outlet->torn == NULL && !send_left(outlet)) {
		return;
	}
	outlet_turns(outlet);
}

void outlet_init(struct outlet *outlet, const struct outlet_face *face, struct feed *feed,
                 struct viewer *viewer)
{
	*outlet = (struct outlet){ .face = face, .feed = feed, .stream = viewer_stream_name() };
	viewer_join(viewer, outlet);
	feed_hold(feed);
	TAILQ_INIT(&outlet->waiting);
	LIST_INIT(&outlet->followings);
}

bool outlet_has_stalled(const struct outlet *outlet)
{
	uint32_t silent_ms = (uint32_t)clock_mono_ms() - outlet->wrote_ms;

	return outlet->full && silent_ms >= outlet->feed->options.stall_ms;
}

void outlet_fini(struct outlet *outlet)
{
	if (outlet_has_stalled(outlet)) {
		metric_inc(METRIC_STREAMS_STALLED, NULL);
	}
	assert(LIST_EMPTY(&outlet->followings));
	if (outlet->wheel.le_prev != NULL) {
		LIST_REMOVE(outlet, wheel);
	}
	drop_left(outlet);
	intake_free(outlet->intake);
	viewer_part(outlet);
	feed_release(outlet->feed);
}
