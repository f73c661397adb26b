#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/conn.h"

void http_stream_open(struct http_conn *conn)
{
	conn->state = CONN_STREAM;
	conn->opening = true;
	loop_defer(conn->server->loop, &conn->task);
}

void http_stream_input(struct http_conn *conn, struct str bytes)
{
	if (conn->opening) { /* its first input */
		buf_add_str(&conn->ahead, bytes);
		if (buf_failed(&conn->ahead)) {
			http_conn_kill(conn);
		}
		return;
	}
	if (conn->ops->input != NULL) {
		conn->ops->input(conn->stream, bytes);
		return;
	}
	conn->ignored += bytes.n;
	if (conn->ignored > HTTP_STREAM_IGNORED_MAX) {
		http_conn_kill(conn);
	}
}

static void open_now(struct http_conn *conn)
{
	struct buf ahead = conn->ahead;

	conn->opening = false;
	http_conn_rest(conn);
	buf_init(&conn->ahead, ahead.cap);
	conn->ops->opened(conn->stream, conn);
	if (ahead.len > 0 && conn->state == CONN_STREAM) {
		http_stream_input(conn, buf_str(&ahead));
	}
	buf_fini(&ahead);
	if (conn->state == CONN_STREAM && conn->server->draining && conn->ops->drain != NULL) {
		conn->ops->drain(conn->stream);
	}
}

void http_stream_turn(struct http_conn *conn)
{
	if (conn->opening && conn->state == CONN_STREAM) {
		open_now(conn);
	}
	if (conn->ops != NULL && (conn->state == CONN_LINGER || conn->state == CONN_DEAD)) {
		const struct http_stream_ops *ops = conn->ops;

		conn->ops = NULL;
		conn->opening = false;
		ops->closed(conn->stream);
	}
}

void http_conn_want_room(struct http_conn *conn)
{
	const struct http_options *options = &conn->server->options;
	unsigned timeout_ms = options->stream_timeout_ms;

	if (!http_conn_watches_room(conn)) {
		http_conn_watch_room(conn, true);
		http_conn_deadline(conn, timeout_ms > 0 ? timeout_ms : options->write_timeout_ms);
	}
}

ssize_t http_conn_writev(struct http_conn *conn, const struct iovec *iov, int count)
{
	size_t all = 0;
	ssize_t n;

	if (conn->state != CONN_STREAM) {
		return -1;
	}
	if (conn->frozen) {
		conn->thawed_room = true;
		return 0;
	}
	for (int i = 0; i < count; i++) {
		all += iov[i].iov_len;
	}
	n = http_conn_send(conn, iov, count);
	if (n < 0 && errno != EAGAIN) {
		http_conn_kill(conn);
		return -1;
	}
	if (n < (ssize_t)all || http_conn_holds(conn)) {
		http_conn_want_room(conn);
	}
	return n < 0 ? 0 : n;
}

void http_conn_end(struct http_conn *conn)
{
	if (conn->frozen) {
		conn->thawed_end = true;
	} else if (conn->state == CONN_STREAM) {
		http_conn_linger(conn);
		loop_defer(conn->server->loop, &conn->task);
	}
}

const char *http_conn_peer(const struct http_conn *conn)
{
	return conn->peer;
}

void http_conn_pause(struct http_conn *conn)
{
	if (conn->state == CONN_STREAM) {
		http_conn_listen(conn, LISTEN_NOT);
	}
}

void http_conn_resume(struct http_conn *conn)
{
	if (conn->state == CONN_STREAM) {
		http_conn_listen(conn, LISTEN_READ);
	}
}

int http_conn_fd(const struct http_conn *conn)
{
	return conn->fd;
}
