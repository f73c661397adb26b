#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/conn.h"

void http_conn_freeze(struct http_conn *conn)
{
	enum http_listening listening = conn->listening;

	conn->thawed_room = http_conn_watches_room(conn);
	http_conn_watch_room(conn, false);
	http_conn_listen(conn, LISTEN_NOT);
	conn->thawed_listening = listening;
	conn->thawed_end = false;
	conn->frozen = true;
}

void http_conn_thaw(struct http_conn *conn)
{
	conn->frozen = false;
	if (conn->thawed_end) {
		http_conn_end(conn);
		return;
	}
	http_conn_listen(conn, conn->thawed_listening);
	if (conn->thawed_room) {
		http_conn_want_room(conn);
	}
}

void http_conn_release(struct http_conn *conn)
{
	assert(conn->frozen);
	conn->frozen = false;
	http_conn_kill(conn);
}

struct http_conn *http_server_adopt(struct http_server *server, int fd, struct str peer,
                                    const struct http_stream_ops *ops, void *stream)
{
	char address[HTTP_PEER_SIZE];
	struct http_conn *conn;

	(void)str_copy(address, sizeof(address), peer);
	conn = http_conn_new(server, fd, address, 0);
	http_conn_deadline(conn, 0);
	http_conn_rest(conn);
	conn->state = CONN_STREAM;
	conn->ops = ops;
	conn->stream = stream;
	return conn;
}

struct http_conn *http_server_frozen(struct http_server *server, const struct http_conn *after)
{
	struct http_conn *conn =
		after != NULL ? LIST_NEXT(after, link) : LIST_FIRST(&server->conns);

	while (conn != NULL && !conn->frozen) {
		conn = LIST_NEXT(conn, link);
	}
	return conn;
}

const struct http_stream_ops *http_conn_ops(const struct http_conn *conn)
{
	return conn->ops;
}

void *http_conn_stream(const struct http_conn *conn)
{
	return conn->stream;
}
