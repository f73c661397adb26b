#include "streamer/socket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "streamer/app.h"
#include "streamer/channel.h"
#include "streamer/socket_frame.h"
#include "streamer/viewer.h"

enum {
	LEFT_MAX = 1024 * 1024,
	LEFT_SLOW = 32 * 1024, /* answers that wait: beyond it nothing more is asked */
	UNREAD_MAX = 512 * 1024,
	CLOSE_WAIT_MS = 5000, /* for the client's half of the goodbye */
	MESSAGES_A_TURN = 16,
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

static void say_control(struct socket *socket, enum ws_opcode opcode, struct str payload)
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

static void drop_messages(struct socket *socket)
{
	struct inbound_message *message;

	while ((message = STAILQ_FIRST(&socket->messages)) != NULL) {
		STAILQ_REMOVE_HEAD(&socket->messages, link);
		socket->message_count--;
		socket->message_bytes -= message->len;
		free(message);
	}
}

/* Our last frame. */
static void say_close(struct socket *socket, unsigned code, struct str reason)
{
	char frame[WS_CONTROL_SIZE];
	size_t n = ws_format_close(frame, code, reason);

	unfollow_all(socket);
	drop_messages(socket);
	ws_reader_closing(&socket->reader);
	socket->closing_ms = clock_mono_ms();
	(void)outlet_say(&socket->outlet, str_make(frame, n));
	socket->outlet.closing = true; /* nothing follows a goodbye (RFC 6455 section 5.5.1) */
}

static void go_on_reading(struct socket *socket);

void socket_close(struct socket *socket, unsigned code, const char *reason)
{
	if (!socket_is_over(socket)) {
		say_close(socket, code, str_of(reason));
		feed_wheel_move(socket->outlet.feed, &socket->outlet, CLOSE_WAIT_MS);
		go_on_reading(socket);
	}
}

/* The peer said goodbye first, or broke the protocol: nothing more is awaited. */
static void close_now(struct socket *socket, unsigned code, struct str reason)
{
	if (!socket_is_over(socket)) {
		say_close(socket, code, reason);
		feed_wheel_move(socket->outlet.feed, &socket->outlet, CLOSE_WAIT_MS);
	}
	outlet_finish(&socket->outlet);
}

static void destroy(struct socket *socket)
{
	if (socket->face->closed != NULL) {
		socket->face->closed(socket);
	}
	metric_dec(METRIC_SOCKETS, NULL);
	drop_messages(socket);
	ws_reader_fini(&socket->reader);
	ws_inflater_free(socket->inflater);
	buf_fini(&socket->unread);
	outlet_fini(&socket->outlet);
	free(socket);
}

/* ---- messages ---- */

/* Nothing more is read until some of it is done with. */
static bool is_busy(const struct socket *socket)
{
	const struct buf *left = socket->outlet.left;

	return socket->message_count >= SOCKET_IN_FLIGHT ||
	       socket->message_bytes >= options_of(socket)->message_max ||
	       (left != NULL && left->len > LEFT_SLOW);
}

/* Of a client that was said goodbye to only its own goodbye matters. */
static bool may_read(const struct socket *socket)
{
	return socket->closing_ms != 0 || !is_busy(socket);
}

/* A client gets its answers before it is asked more. */
static bool await_room(struct socket *socket)
{
	const struct outlet *outlet = &socket->outlet;

	while (!socket_is_over(socket) && outlet->left != NULL && outlet->left->len > LEFT_SLOW) {
		if (fiber_signal_wait(&socket->room, FIBER_NO_TIMEOUT) != ERR_OK) {
			return false;
		}
	}
	return !socket_is_over(socket);
}

static void handle_one(struct socket *socket, struct inbound_message *message)
{
	STAILQ_REMOVE_HEAD(&socket->messages, link);
	inbound_run(socket, socket->face->inbound, str_make(message->text, message->len));
	socket->message_count--;
	socket->message_bytes -= message->len;
	free(message);
}

static void handle_messages(void *arg)
{
	struct socket *socket = arg;
	const struct principal *principal = &socket->outlet.viewer->principal;
	struct inbound_message *message;
	int handled = 0;

	fiber_set_tag("key=%s tenant=%s", principal->key.s, principal->tenant);
	while (await_room(socket) && (message = STAILQ_FIRST(&socket->messages)) != NULL) {
		handle_one(socket, message);
		go_on_reading(socket);
		if (++handled % MESSAGES_A_TURN == 0 && fiber_yield() != ERR_OK) {
			break;
		}
	}
	socket->fiber = NULL;
	if (socket->gone) {
		destroy(socket);
	}
}

static void take_message(struct socket *socket, struct str text)
{
	struct feed *feed = socket->outlet.feed;
	struct inbound_message *message;

	if (feed->stopping) {
		return; /* a goodbye follows */
	}
	message = mem_calloc(1, sizeof(*message) + text.n);
	message->len = text.n;
	if (text.n > 0) {
		memcpy(message->text, text.p, text.n);
	}
	STAILQ_INSERT_TAIL(&socket->messages, message, link);
	socket->message_count++;
	socket->message_bytes += text.n;
	if (socket->fiber == NULL) {
		socket->fiber = fiber_start(feed->options.loop, &feed->handlers, "socket",
		                            handle_messages, socket);
	}
}

static void inflate(struct socket *socket)
{
	size_t limit = options_of(socket)->message_max;
	struct buf text;
	unsigned code;

	buf_init(&text, limit);
	code = ws_inflate(socket->inflater, socket->reader.payload, true, limit, &text);
	if (code == 0) {
		take_message(socket, buf_str(&text));
	} else {
		close_now(socket, code, STR_LIT("a compressed message is too large or damaged"));
	}
	buf_fini(&text);
}

static void on_message(struct socket *socket)
{
	const struct ws_reader *reader = &socket->reader;

	if (!reader->text) {
		close_now(socket, WS_CODE_UNSUPPORTED, STR_LIT("messages are text"));
	} else if (reader->compressed) {
		inflate(socket);
	} else {
		take_message(socket, reader->payload);
	}
}

/* ---- input ---- */

/* From the front of *in, as far as it can be dealt with now. */
static void take(struct socket *socket, struct str *in)
{
	const struct ws_reader *reader = &socket->reader;

	while (!socket->outlet.ended && may_read(socket)) {
		switch (ws_read(&socket->reader, in)) {
		case WS_READ_MORE: return;
		case WS_READ_MESSAGE: on_message(socket); break;
		case WS_READ_PING: say_control(socket, WS_PONG, reader->payload); break;
		case WS_READ_PONG: break;
		case WS_READ_CLOSE: close_now(socket, reader->code, STR_LIT("")); break;
		case WS_READ_ERROR: close_now(socket, reader->code, str_of(reader->reason)); break;
		}
	}
}

/* What could not be dealt with waits here, and the rest in the socket. */
static void take_or_keep(struct socket *socket, struct str in)
{
	take(socket, &in);
	if (socket->outlet.ended || (in.n == 0 && may_read(socket))) {
		return;
	}
	buf_add_str(&socket->unread, in);
	assert(!buf_failed(&socket->unread)); /* reading stops far below its cap */
	if (!socket->paused) {
		socket->paused = true;
		http_conn_pause(socket->outlet.conn);
	}
}

void socket_input(struct socket *socket, struct str bytes)
{
	socket->heard_ms = clock_mono_ms();
	if (socket->paused) {
		buf_add_str(&socket->unread, bytes);
		assert(!buf_failed(&socket->unread));
	} else {
		take_or_keep(socket, bytes);
	}
}

static void go_on_reading(struct socket *socket)
{
	struct buf unread = socket->unread;

	if (!socket->paused || socket->gone || !may_read(socket)) {
		return;
	}
	socket->paused = false;
	socket->heard_ms = clock_mono_ms();
	buf_init(&socket->unread, UNREAD_MAX);
	take_or_keep(socket, buf_str(&unread));
	buf_fini(&unread);
	if (!socket->paused) {
		http_conn_resume(socket->outlet.conn);
	}
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
		say_control(socket, WS_PING, STR_LIT(""));
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
	if (socket->paused) {
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
	fiber_signal_raise(&socket->room);
	go_on_reading(socket);
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
	if (socket->fiber != NULL) {
		fiber_cancel(socket->fiber, ERR_CANCELLED);
	} else {
		destroy(socket);
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
	ws_reader_init(&socket->reader, options_of(socket)->message_max, deflates);
	if (deflates) {
		/* With the largest window it reads what was made with any; no context is kept
		 * between messages (socket_accept.c). */
		socket->inflater = ws_inflater_new(WS_BITS_MAX, true);
	}
	metric_inc(METRIC_SOCKETS, NULL);
	STAILQ_INIT(&socket->messages);
	buf_init(&socket->unread, UNREAD_MAX);
	fiber_signal_init(&socket->room);
	return socket;
}
