#include "streamer/socket.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "streamer/app.h"
#include "streamer/channel.h"
#include "streamer/socket_frame.h"
#include "streamer/socket_input.h"

enum {
	LEFT_MAX = 1024 * 1024,
	CLOSE_WAIT_MS = 5000, /* for the client's half of the goodbye */
	PING_PARTS = 64,
};

static struct socket *socket_of(struct outlet *outlet)
{
	return CONTAINER_OF(outlet, struct socket, outlet);
}

static const struct feed_options *options_of(const struct socket *socket)
{
	return &socket->outlet.feed->options;
}

/* ---- saying ---- */

bool socket_say(struct socket *socket, struct str json)
{
	struct buf frame;
	bool said;

	buf_init(&frame, SOCKET_FRAME_MAX + WS_HEADER_SIZE);
	socket_frame_text(json, &frame);
	said = !buf_failed(&frame) && outlet_say(&socket->outlet, buf_str(&frame));
	buf_fini(&frame);
	return said;
}

void socket_say_control(struct socket *socket, enum ws_opcode opcode, struct str payload)
{
	char frame[WS_CONTROL_SIZE];
	size_t n = ws_format_control(frame, opcode, payload);

	(void)outlet_say(&socket->outlet, str_make(frame, n));
}

/* ---- sessions ---- */

/* After its last frame. */
static void drop(struct subscriber *subscriber)
{
	struct socket *socket = socket_of(subscriber->outlet);

	socket->subscriptions--;
	subscriber_fini(subscriber);
	free(subscriber);
}

static void over(struct outlet *outlet, struct subscriber *subscriber, enum outlet_over why)
{
	struct socket *socket = socket_of(outlet);

	socket->face->over(socket, subscriber, why);
	drop(subscriber);
}

struct subscriber *socket_follow(struct socket *socket, struct channel *channel, struct cursor at,
                                 uint64_t types, struct err *err)
{
	size_t most = options_of(socket)->subscriptions_max;
	struct subscriber *subscriber;

	if (socket->subscriptions >= most) {
		(void)err_set(err, ERR_LIMIT, "at most %zu sessions are followed on a connection",
		              most);
		return NULL;
	}
	socket->subscriptions++;
	subscriber = mem_calloc(1, sizeof(*subscriber));
	subscriber_init(subscriber, &socket->outlet, channel, socket->face->format, at, types);
	return subscriber;
}

struct subscriber *socket_find(const struct socket *socket, const struct id *sid)
{
	struct subscriber *subscriber;

	LIST_FOREACH(subscriber, &socket->outlet.followings, of_outlet)
	{
		if (!subscriber->leaving && id_eq(&subscriber->channel->sid, sid)) {
			return subscriber;
		}
	}
	return NULL;
}

void socket_unfollow(struct subscriber *subscriber)
{
	if (subscriber_leave(subscriber)) {
		drop(subscriber);
	}
}

static void unfollow_all(struct socket *socket)
{
	struct subscriber *subscriber, *next;

	for (subscriber = LIST_FIRST(&socket->outlet.followings); subscriber != NULL;
	     subscriber = next) {
		next = LIST_NEXT(subscriber, of_outlet);
		socket_unfollow(subscriber);
	}
}

/* ---- the end ---- */

/* Our last frame. */
static void say_close(struct socket *socket, unsigned code, struct str reason)
{
	char frame[WS_CONTROL_SIZE];
	size_t n = ws_format_close(frame, code, reason);

	unfollow_all(socket);
	socket_input_stop(socket);
	socket->closing_ms = clock_mono_ms();
	(void)outlet_say(&socket->outlet, str_make(frame, n));
	socket->outlet.closing = true; /* nothing follows a goodbye (RFC 6455 section 5.5.1) */
}

void socket_close(struct socket *socket, unsigned code, const char *reason)
{
	if (!socket_is_over(socket)) {
		say_close(socket, code, str_of(reason));
		feed_wheel_move(socket->outlet.feed, &socket->outlet, CLOSE_WAIT_MS);
		socket_go_on_reading(socket);
	}
}

/* The peer said goodbye first, or broke the protocol: nothing more is awaited. */
void socket_close_now(struct socket *socket, unsigned code, struct str reason)
{
	if (!socket_is_over(socket)) {
		say_close(socket, code, reason);
		feed_wheel_move(socket->outlet.feed, &socket->outlet, CLOSE_WAIT_MS);
	}
	outlet_finish(&socket->outlet);
}

void socket_destroy(struct socket *socket)
{
	if (socket->face->closed != NULL) {
		socket->face->closed(socket);
	}
	metric_dec(METRIC_SOCKETS, NULL);
	socket_input_free(socket);
	outlet_fini(&socket->outlet);
	free(socket);
}

/* ---- time ---- */

/* Many connections that were opened together do not ping together. */
static void plan_ping(struct socket *socket, uint64_t now_ms)
{
	struct feed *feed = socket->outlet.feed;
	uint64_t every_ms = feed->options.ping_ms;

	socket->ping_ms =
		now_ms + every_ms - every_ms / 8 * (feed->pings++ % PING_PARTS) / PING_PARTS;
}

static void tell_all(struct socket *socket)
{
	struct subscriber *subscriber;

	LIST_FOREACH(subscriber, &socket->outlet.followings, of_outlet)
	{
		(void)subscriber_tell(subscriber);
	}
}

static void ping(struct socket *socket, uint64_t now_ms)
{
	struct outlet *outlet = &socket->outlet;

	if (outlet->left == NULL) { /* else it has enough to answer to */
		socket_say_control(socket, WS_PING, STR_LIT(""));
	}
	if (outlet_is_quiet(outlet)) {
		tell_all(socket);
	}
	plan_ping(socket, now_ms);
}

static void give_up(struct socket *socket)
{
	char frame[WS_CONTROL_SIZE];
	size_t n = ws_format_close(frame, WS_CODE_GOING_AWAY, STR_LIT("pings are not answered"));

	(void)outlet_say(&socket->outlet, str_make(frame, n));
	outlet_end(&socket->outlet);
}

static uint64_t go_round(struct outlet *outlet)
{
	struct socket *socket = socket_of(outlet);
	uint64_t now_ms = clock_mono_ms(), silence_ms = options_of(socket)->silence_ms;

	if (socket->closing_ms != 0) {
		if (now_ms - socket->closing_ms >= CLOSE_WAIT_MS) {
			outlet_end(outlet);
		}
		return CLOSE_WAIT_MS;
	}
	if (socket_is_paused(socket)) {
		socket->heard_ms = now_ms; /* we do not listen */
	} else if (now_ms - socket->heard_ms >= silence_ms) {
		give_up(socket);
		return silence_ms;
	}
	if (now_ms >= socket->ping_ms) {
		ping(socket, now_ms);
	}
	return socket->ping_ms < socket->heard_ms + silence_ms
	               ? socket->ping_ms - now_ms
	               : socket->heard_ms + silence_ms - now_ms;
}

static void say(struct outlet *outlet, const char *type, struct str json)
{
	(void)type; /* it is a member */
	(void)socket_say(socket_of(outlet), json);
}

static void dismiss(struct outlet *outlet, const char *why)
{
	socket_close(socket_of(outlet), SOCKET_CODE_UNAUTHORIZED, why);
}

static const struct outlet_face outlet_face = {
	.name = "socket",
	.over = over,
	.round = go_round,
	.say = say,
	.dismiss = dismiss,
	.left_max = LEFT_MAX,
};

/* ---- as a stream ---- */

void socket_begin(struct socket *socket)
{
	socket->heard_ms = clock_mono_ms();
	plan_ping(socket, socket->heard_ms);
}

static void opened(void *arg, struct http_conn *conn)
{
	struct socket *socket = arg;

	socket_begin(socket);
	outlet_open(&socket->outlet, conn);
	if (socket->face->opened != NULL) {
		socket->face->opened(socket);
	}
}

static void input(void *arg, struct str bytes)
{
	socket_input(arg, bytes);
}

static void writable(void *arg)
{
	struct socket *socket = arg;

	socket->heard_ms = clock_mono_ms(); /* it has taken something */
	outlet_writable(&socket->outlet);
	socket_go_on(socket);
}

static void drain(void *arg)
{
	struct socket *socket = arg;
	struct buf note;

	if (!socket_is_over(socket)) {
		buf_init(&note, SOCKET_FRAME_MAX);
		format_forms(socket->face->format)
			->drain(feed_return_ms(socket->outlet.feed), &note);
		(void)outlet_say(&socket->outlet, buf_str(&note));
		buf_fini(&note);
		socket_close(socket, WS_CODE_RESTART, "this node stops; connect again");
	}
}

static void closed(void *arg)
{
	struct socket *socket = arg;
	struct subscriber *subscriber;

	socket->gone = true;
	socket->outlet.ended = true;
	while ((subscriber = LIST_FIRST(&socket->outlet.followings)) != NULL) {
		drop(subscriber);
	}
	if (!socket_input_cancel(socket)) {
		socket_destroy(socket);
	}
}

const struct http_stream_ops socket_ops = {
	.opened = opened,
	.writable = writable,
	.input = input,
	.drain = drain,
	.closed = closed,
};

struct socket *socket_new(struct app *app, const struct socket_face *face, struct viewer *viewer,
                          bool deflates)
{
	struct socket *socket = mem_calloc(1, sizeof(*socket));

	socket->face = face;
	socket->app = app;
	outlet_init(&socket->outlet, &outlet_face, app->feed, viewer);
	socket->deflates = deflates;
	metric_inc(METRIC_SOCKETS, NULL);
	return socket;
}
