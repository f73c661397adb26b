#include "streamer/move.h"

#include <unistd.h>

#include "base/arena.h"
#include "http/http.h"
#include "log/log.h"
#include "node/node.h"
#include "streamer/app.h"
#include "streamer/channel.h"
#include "streamer/record.h"
#include "streamer/socket_move.h"
#include "streamer/sse_stream.h"
#include "streamer/viewer.h"

enum move move_out(struct http_conn *conn, struct arena *arena, struct record *ret)
{
	*ret = (struct record){ .peer = str_of(http_conn_peer(conn)) };
	if (http_conn_ops(conn) == &socket_ops) {
		return socket_record(http_conn_stream(conn), arena, ret);
	}
	if (http_conn_ops(conn) == &sse_stream_ops) {
		ret->followed = arena_take(arena, sizeof(*ret->followed));
		return sse_stream_record(http_conn_stream(conn), ret) ? MOVE_NOW : MOVE_NEVER;
	}
	return MOVE_NEVER;
}

/* It is read from where the other streamer had seen its end. NULL: not a session of this tenant. */
static struct channel *channel_of(struct feed *feed, const struct record *record,
                                  const struct record_followed *followed)
{
	const struct log_head head = { .found = true,
		                       .at = followed->tip,
		                       .state = followed->state };
	const char *tenant = record->principal.tenant;
	struct channel *channel = feed_channel(feed, &followed->sid, tenant, &head);

	if (!str_eq(str_of(channel->tenant), str_of(tenant))) {
		return NULL;
	}
	channel_set_stale(channel);
	return channel;
}

static void sse_in(struct node *node, struct feed *feed, const struct record *record, int fd)
{
	struct channel *channel = channel_of(feed, record, &record->followed[0]);
	struct viewer *viewer;
	void *stream;

	if (channel == NULL) {
		(void)close(fd);
		return;
	}
	viewer = viewer_hold(feed->options.viewers, &record->principal);
	stream = sse_stream_of(record, channel, viewer);
	sse_stream_adopt(
		stream, record,
		http_server_adopt(node->server, fd, record->peer, &sse_stream_ops, stream));
}

static void socket_in(struct node *node, struct feed *feed, const struct record *record, int fd)
{
	struct socket *socket = socket_of(node->app, record,
	                                  viewer_hold(feed->options.viewers, &record->principal));

	if (socket == NULL) {
		(void)close(fd);
		return;
	}
	for (size_t i = 0; i < record->count; i++) {
		struct channel *channel = channel_of(feed, record, &record->followed[i]);

		if (channel != NULL) {
			socket_restore(socket, &record->followed[i], channel);
		}
	}
	socket_adopt(socket, record,
	             http_server_adopt(node->server, fd, record->peer, &socket_ops, socket));
}

void move_in(struct node *node, const struct record *record, int fd)
{
	const struct app *app = node->app;

	switch (record->kind) {
	case RECORD_SSE: sse_in(node, app->feed, record, fd); break;
	case RECORD_SOCKET: socket_in(node, app->feed, record, fd); break;
	}
}
