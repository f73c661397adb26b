#include "streamer/socket_input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "streamer/viewer.h"
#include "ws/deflate.h"

enum {
	LEFT_SLOW = 32 * 1024, /* answers that wait: beyond it nothing more is asked */
	UNREAD_MAX = 512 * 1024,
	MESSAGES_A_TURN = 16,
};

static size_t message_max(const struct socket *socket)
{
	return socket->outlet.feed->options.message_max;
}

/* ---- life ---- */

static struct socket_input *input_of(struct socket *socket)
{
	struct socket_input *input = socket->input;

	if (input == NULL) {
		input = socket->input = mem_calloc(1, sizeof(*input));
		ws_reader_init(&input->reader, message_max(socket), socket->deflates);
		if (socket->closing_ms != 0) {
			ws_reader_closing(&input->reader);
		}
		STAILQ_INIT(&input->messages);
		buf_init(&input->unread, UNREAD_MAX);
		fiber_signal_init(&input->room);
	}
	return input;
}

static void drop_messages(struct socket_input *input)
{
	struct inbound_message *message;

	while ((message = STAILQ_FIRST(&input->messages)) != NULL) {
		STAILQ_REMOVE_HEAD(&input->messages, link);
		input->message_count--;
		input->message_bytes -= message->len;
		free(message);
	}
}

void socket_input_free(struct socket *socket)
{
	struct socket_input *input = socket->input;

	if (input != NULL) {
		drop_messages(input);
		ws_reader_fini(&input->reader);
		buf_fini(&input->unread);
		free(input);
		socket->input = NULL;
	}
}

/* Nothing of the client's is here. */
static void rest(struct socket *socket)
{
	const struct socket_input *input = socket->input;

	if (input != NULL && input->fiber == NULL && !input->paused && input->message_count == 0 &&
	    ws_reader_is_idle(&input->reader)) {
		socket_input_free(socket);
	}
}

void socket_input_stop(struct socket *socket)
{
	if (socket->input != NULL) {
		drop_messages(socket->input);
		ws_reader_closing(&socket->input->reader);
	}
}

bool socket_input_cancel(struct socket *socket)
{
	bool handles = socket->input != NULL && socket->input->fiber != NULL;

	if (handles) {
		fiber_cancel(socket->input->fiber, ERR_CANCELLED);
	}
	return handles;
}

bool socket_is_paused(const struct socket *socket)
{
	return socket->input != NULL && socket->input->paused;
}

/* ---- messages ---- */

/* Answers wait that the client does not take. */
static bool is_slow(const struct socket *socket)
{
	const struct buf *left = socket->outlet.left;

	return left != NULL && left->len > LEFT_SLOW;
}

/* Of a client that was said goodbye to only its own goodbye matters; of others nothing more is
 * read until some of what they sent is done with. */
static bool may_read(const struct socket *socket)
{
	const struct socket_input *input = socket->input;

	return socket->closing_ms != 0 ||
	       (input->message_count < SOCKET_IN_FLIGHT &&
	        input->message_bytes < message_max(socket) && !is_slow(socket));
}

/* A client gets its answers before it is asked more. */
static bool await_room(struct socket *socket)
{
	while (!socket_is_over(socket) && is_slow(socket)) {
		if (fiber_signal_wait(&socket->input->room, FIBER_NO_TIMEOUT) != ERR_OK) {
			return false;
		}
	}
	return !socket_is_over(socket);
}

static void handle_one(struct socket *socket, struct inbound_message *message)
{
	struct socket_input *input = socket->input;

	STAILQ_REMOVE_HEAD(&input->messages, link);
	inbound_run(socket, socket->face->inbound, str_make(message->text, message->len));
	input->message_count--;
	input->message_bytes -= message->len;
	free(message);
}

static void handle_messages(void *arg)
{
	struct socket *socket = arg;
	struct socket_input *input = socket->input; /* it stays while there is a fiber */
	const struct principal *principal = &socket->outlet.viewer->principal;
	struct inbound_message *message;
	int handled = 0;

	fiber_set_tag("key=%s tenant=%s", principal->key.s, principal->tenant);
	while (await_room(socket) && (message = STAILQ_FIRST(&input->messages)) != NULL) {
		handle_one(socket, message);
		socket_go_on_reading(socket);
		if (++handled % MESSAGES_A_TURN == 0 && fiber_yield() != ERR_OK) {
			break;
		}
	}
	input->fiber = NULL;
	if (socket->gone) {
		socket_destroy(socket);
	} else {
		rest(socket);
	}
}

static void take_message(struct socket *socket, struct str text)
{
	struct socket_input *input = socket->input;
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
	STAILQ_INSERT_TAIL(&input->messages, message, link);
	input->message_count++;
	input->message_bytes += text.n;
	if (input->fiber == NULL) {
		input->fiber = fiber_start(feed->options.loop, &feed->handlers, "socket",
		                           handle_messages, socket);
	}
}

/* With the largest window it reads what was made with any; no context is kept between messages
 * (socket_accept.c). */
static void inflate(struct socket *socket, struct str payload)
{
	struct ws_inflater *inflater = ws_inflater_new(WS_BITS_MAX, true);
	size_t limit = message_max(socket);
	struct buf text;
	unsigned code;

	buf_init(&text, limit);
	code = ws_inflate(inflater, payload, true, limit, &text);
	if (code == 0) {
		take_message(socket, buf_str(&text));
	} else {
		socket_close_now(socket, code,
		                 STR_LIT("a compressed message is too large or damaged"));
	}
	buf_fini(&text);
	ws_inflater_free(inflater);
}

static void on_message(struct socket *socket)
{
	const struct ws_reader *reader = &socket->input->reader;

	if (!reader->text) {
		socket_close_now(socket, WS_CODE_UNSUPPORTED, STR_LIT("messages are text"));
	} else if (reader->compressed) {
		inflate(socket, reader->payload);
	} else {
		take_message(socket, reader->payload);
	}
}

/* ---- input ---- */

/* From the front of *in, as far as it can be dealt with now. */
static void take(struct socket *socket, struct str *in)
{
	struct ws_reader *reader = &socket->input->reader;

	while (!socket->outlet.ended && may_read(socket)) {
		switch (ws_read(reader, in)) {
		case WS_READ_MORE: return;
		case WS_READ_MESSAGE: on_message(socket); break;
		case WS_READ_PING: socket_say_control(socket, WS_PONG, reader->payload); break;
		case WS_READ_PONG: break;
		case WS_READ_CLOSE: socket_close_now(socket, reader->code, STR_LIT("")); break;
		case WS_READ_ERROR:
			socket_close_now(socket, reader->code, str_of(reader->reason));
			break;
		}
	}
}

/* What could not be dealt with waits here, and the rest in the socket. */
static void take_or_keep(struct socket *socket, struct str in)
{
	struct socket_input *input = socket->input;

	take(socket, &in);
	if (socket->outlet.ended || (in.n == 0 && may_read(socket))) {
		return;
	}
	buf_add_str(&input->unread, in);
	assert(!buf_failed(&input->unread)); /* reading stops far below its cap */
	if (!input->paused) {
		input->paused = true;
		http_conn_pause(socket->outlet.conn);
	}
}

void socket_input(struct socket *socket, struct str bytes)
{
	struct socket_input *input = input_of(socket);

	socket->heard_ms = clock_mono_ms();
	if (input->paused) {
		buf_add_str(&input->unread, bytes);
		assert(!buf_failed(&input->unread));
	} else {
		take_or_keep(socket, bytes);
		rest(socket);
	}
}

void socket_go_on_reading(struct socket *socket)
{
	struct socket_input *input = socket->input;
	struct buf unread;

	if (input == NULL || !input->paused || socket->gone || !may_read(socket)) {
		return;
	}
	unread = input->unread;
	input->paused = false;
	socket->heard_ms = clock_mono_ms();
	buf_init(&input->unread, UNREAD_MAX);
	take_or_keep(socket, buf_str(&unread));
	buf_fini(&unread);
	if (!input->paused) {
		http_conn_resume(socket->outlet.conn);
	}
	rest(socket);
}

void socket_go_on(struct socket *socket)
{
	if (socket->input != NULL) {
		fiber_signal_raise(&socket->input->room);
		socket_go_on_reading(socket);
	}
}

/* ---- for another streamer ---- */

bool socket_input_pending(const struct socket *socket, struct buf *out)
{
	const struct socket_input *input = socket->input;

	if (input == NULL) {
		return true;
	}
	if (input->fiber != NULL) {
		return false;
	}
	ws_reader_pending(&input->reader, out);
	buf_add_str(out, buf_str(&input->unread));
	return true;
}
