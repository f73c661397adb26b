#include "streamer/socket_move.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "streamer/audience.h"
#include "streamer/channel.h"
#include "streamer/consumer.h"
#include "streamer/follow.h"
#include "streamer/viewer.h"

static const struct socket_face *const faces[] = { &follow_face, &consumer_face };

/* ---- out ---- */

/* Bytes of the client that were read, but not dealt with. False: one of its messages is. */
static bool unread_input(const struct socket *socket, struct arena *arena, struct str *ret)
{
	struct buf bytes;
	bool whole;

	buf_init(&bytes, SIZE_MAX / 2);
	whole = socket_input_pending(socket, &bytes);
	*ret = arena_str(arena, buf_str(&bytes));
	buf_fini(&bytes);
	return whole;
}

static struct str own_state(const struct socket *socket, struct arena *arena)
{
	struct str own = STR_LIT("");
	struct buf bytes;

	if (socket->face->record != NULL) {
		buf_init(&bytes, RECORD_BYTES_MAX);
		socket->face->record(socket, &bytes);
		own = arena_str(arena, buf_str(&bytes));
		buf_fini(&bytes);
	}
	return own;
}

static void record_sessions(const struct socket *socket, struct arena *arena, struct record *ret)
{
	const struct subscriber *subscriber;

	ret->count = 0;
	ret->followed = arena_take(arena, (socket->subscriptions + 1) * sizeof(*ret->followed));
	LIST_FOREACH(subscriber, &socket->outlet.followings, of_outlet)
	{
		const struct channel *channel = subscriber->channel;

		ret->followed[ret->count++] =
			(struct record_followed){ .sid = channel->sid,
			                          .tip = channel->tip,
			                          .state = channel->state,
			                          .position = subscriber->position,
			                          .leaving = subscriber->leaving,
			                          .watches = subscriber->watch != NULL,
			                          .shown = subscriber->shown };
	}
}

enum move socket_record(const struct socket *socket, struct arena *arena, struct record *ret)
{
	const struct outlet *outlet = &socket->outlet;
	struct str input;

	if (socket_is_over(socket) || outlet->finishing) {
		return MOVE_NEVER;
	}
	if (!unread_input(socket, arena, &input)) {
		return MOVE_LATER; /* a message is being handled: its answer is ours to give */
	}
	ret->kind = RECORD_SOCKET;
	ret->principal = outlet->viewer->principal;
	ret->stream = outlet->stream;
	ret->silent_ms = (uint32_t)clock_mono_ms() - outlet->wrote_ms;
	ret->left = outlet->left != NULL ? buf_str(outlet->left) : STR_LIT("");
	ret->socket = (struct record_socket){ .face = str_of(socket->face->name),
		                              .own = own_state(socket, arena),
		                              .deflates = socket->deflates,
		                              .input = input };
	if (outlet->intake != NULL) {
		ret->gzip = intake_record(outlet->intake);
	}
	record_sessions(socket, arena, ret);
	return MOVE_NOW;
}

/* ---- in ---- */

/* It goes on at a piece that refers to nothing before it, after what was left of the last one. */
static void share(struct socket *socket, const struct record_gzip *gzip)
{
	struct intake *intake = intake_new(INTAKE_MESSAGES);

	buf_add_str(&intake->raw, gzip->raw);
	outlet_compress(&socket->outlet, intake);
}

struct socket *socket_of(struct app *app, const struct record *record, struct viewer *viewer)
{
	for (size_t i = 0; i < ARRAY_LEN(faces); i++) {
		const struct socket_face *face = faces[i];
		struct socket *socket;

		if (!str_eq(record->socket.face, str_of(face->name))) {
			continue;
		}
		socket = socket_new(app, face, viewer, record->socket.deflates);
		socket->outlet.stream = record->stream;
		if (record->gzip.is_it) {
			share(socket, &record->gzip);
		}
		if (face->adopt == NULL || face->adopt(socket, record->socket.own)) {
			return socket;
		}
		socket_ops.closed(socket);
		return NULL;
	}
	viewer_release(viewer);
	return NULL;
}

void socket_restore(struct socket *socket, const struct record_followed *followed,
                    struct channel *channel)
{
	const struct position *position = &followed->position;
	struct subscriber *subscriber = mem_calloc(1, sizeof(*subscriber));

	socket->subscriptions++;
	subscriber_init(subscriber, &socket->outlet, channel, socket->face->format, position->at,
	                position->types);
	subscriber->position = *position;
	subscriber->leaving = followed->leaving;
	subscriber->shown = followed->shown;
	if (position->sent > 0) {
		socket->outlet.torn = subscriber;
	}
}

/* Any of them may be gone after one was written to. */
static struct subscriber *next_new(const struct socket *socket)
{
	struct subscriber *subscriber;

	LIST_FOREACH(subscriber, &socket->outlet.followings, of_outlet)
	{
		if (subscriber->state == SUBSCRIBER_NEW) {
			return subscriber;
		}
	}
	return NULL;
}

/* All are told again: what changed on the way is in it. */
static void watch_again(struct socket *socket, const struct record *record)
{
	for (size_t i = 0; i < record->count; i++) {
		struct subscriber *subscriber = socket_find(socket, &record->followed[i].sid);

		if (record->followed[i].watches && subscriber != NULL) {
			audience_watch(subscriber, 0);
		}
	}
}

void socket_adopt(struct socket *socket, const struct record *record, struct http_conn *conn)
{
	struct subscriber *subscriber;

	socket_begin(socket);
	outlet_adopt(&socket->outlet, conn, record->left, false, record->silent_ms);
	watch_again(socket, record);
	if (socket->outlet.torn != NULL) {
		subscriber_pump(socket->outlet.torn);
	}
	while ((subscriber = next_new(socket)) != NULL) {
		subscriber_pump(subscriber);
	}
	outlet_writable(&socket->outlet); /* when there was nobody to write what is left */
	if (record->socket.input.n > 0) {
		socket_input(socket, record->socket.input);
	}
}
