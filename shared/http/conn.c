#include "http/conn.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tls/tls.h"

enum { FROZEN_MORE_MS = 1000 };

/* ---- what the connection waits for ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg);

/* What TLS has read already the socket does not announce. */
static void read_on(struct http_conn *conn)
{
	if (conn->listening == LISTEN_READ && conn->tls != NULL && tls_has_input(conn->tls)) {
		event_active(&conn->read_event, EV_READ, 0);
	}
}

/* LISTEN_CLOSE sees the peer leave without taking more of its bytes.  It is edge-triggered and asks
 * for EV_READ too because libevent reports a reset as readable, and never as EV_CLOSED.  An
 * edge-triggered event does not mix with write_event on one descriptor: only BUSY uses it. */
void http_conn_listen(struct http_conn *conn, enum http_listening what)
{
	short events = EV_READ | EV_PERSIST | (what == LISTEN_CLOSE ? EV_CLOSED | EV_ET : 0);

	if (conn->frozen) {
		conn->thawed_listening = what;
		return;
	}
	if (conn->listening == what) {
		return;
	}
	conn->listening = what;
	(void)event_del(&conn->read_event);
	if (what != LISTEN_NOT) {
		(void)event_assign(&conn->read_event, loop_base(conn->server->loop), conn->fd,
		                   events, on_readable, conn);
		(void)event_add(&conn->read_event, NULL);
	}
	read_on(conn);
}

static void on_timer(struct loop_timer *timer);
static void on_writable(evutil_socket_t fd, short what, void *arg);

static struct http_wait *wait_of(struct http_conn *conn)
{
	struct loop *loop = conn->server->loop;
	struct http_wait *wait = conn->wait;

	if (wait == NULL) {
		wait = conn->wait = mem_calloc(1, sizeof(*wait));
		wait->conn = conn;
		loop_timer_init(&wait->timer, loop, on_timer);
		(void)event_assign(&wait->write_event, loop_base(loop), conn->fd,
		                   EV_WRITE | EV_PERSIST, on_writable, conn);
	}
	return wait;
}

bool http_conn_watches_room(const struct http_conn *conn)
{
	return conn->wait != NULL && event_pending(&conn->wait->write_event, EV_WRITE, NULL) != 0;
}

void http_conn_watch_room(struct http_conn *conn, bool wants)
{
	if (wants) {
		(void)event_add(&wait_of(conn)->write_event, NULL);
	} else if (conn->wait != NULL) {
		(void)event_del(&conn->wait->write_event);
	}
}

void http_conn_rest(struct http_conn *conn)
{
	if (conn->wait != NULL && conn->deadline_ms == 0 && !http_conn_watches_room(conn)) {
		loop_timer_clear(&conn->wait->timer);
		free(conn->wait);
		conn->wait = NULL;
	}
}

/* The timer is moved only to come earlier: most deadlines are replaced long before they are due. */
void http_conn_deadline(struct http_conn *conn, unsigned in_ms)
{
	struct http_wait *wait;

	if (in_ms == 0) {
		conn->deadline_ms = 0;
		return;
	}
	wait = wait_of(conn);
	conn->deadline_ms = clock_mono_ms() + in_ms;
	if (wait->armed_ms == 0 || wait->armed_ms > conn->deadline_ms) {
		wait->armed_ms = conn->deadline_ms;
		loop_timer_set(&wait->timer, in_ms);
	}
}

/* ---- the end ---- */

void http_conn_free(struct http_conn *conn)
{
	assert(conn->state == CONN_DEAD);
	loop_undefer(conn->server->loop, &conn->task);
	http_stream_turn(conn);
	LIST_REMOVE(conn, link);
	http_server_forget(conn);
	free(conn->wait);
	free(conn);
}

static void on_turn(struct loop_task *task)
{
	struct http_conn *conn = CONTAINER_OF(task, struct http_conn, task);
	struct http_server *server = conn->server;

	http_stream_turn(conn);
	if (conn->state == CONN_DEAD) {
		http_conn_free(conn);
		http_server_settled(server);
	}
}

void http_conn_kill(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	if (conn->state == CONN_DEAD) {
		return;
	}
	conn->state = CONN_DEAD;
	conn->exchange = NULL;
	(void)event_del(&conn->read_event);
	http_conn_watch_room(conn, false);
	if (conn->wait != NULL) {
		loop_timer_clear(&conn->wait->timer);
	}
	tls_stream_free(conn->tls);
	conn->tls = NULL;
	(void)close(conn->fd);
	conn->fd = -1;
	buf_fini(&conn->ahead);
	conn->server->conn_count--;
	if (exchange != NULL) {
		exchange->conn = NULL;
		if (exchange->fiber != NULL) {
			fiber_cancel(exchange->fiber, ERR_CANCELLED);
		} else {
			http_exchange_end(exchange);
		}
	}
	loop_defer(conn->server->loop, &conn->task);
}

void http_conn_linger(struct http_conn *conn)
{
	conn->state = CONN_LINGER;
	conn->ignored = 0;
	buf_fini(&conn->ahead);
	if (conn->tls != NULL) {
		tls_end(conn->tls);
	}
	http_conn_watch_room(conn, http_conn_holds(conn));
	if (!http_conn_shut(conn)) {
		return;
	}
	http_conn_deadline(conn, http_conn_holds(conn) ? conn->server->options.write_timeout_ms
	                                               : HTTP_LINGER_MS);
	http_conn_listen(conn, LISTEN_READ);
}

/* ---- events ---- */

/* The peer has closed its side, or all of it. */
static void on_close(struct http_conn *conn)
{
	if (conn->state == CONN_WRITING || (conn->state == CONN_LINGER && http_conn_holds(conn))) {
		/* It may still read what it asked for. */
		conn->close = true;
		http_conn_listen(conn, LISTEN_NOT);
		return;
	}
	http_conn_kill(conn);
}

static void on_bytes(struct http_conn *conn, struct str in)
{
	switch (conn->state) {
	case CONN_READING:
	case CONN_BUSY:
	case CONN_WRITING: http_dialog_input(conn, in); break;
	case CONN_STREAM: http_stream_input(conn, in); break;
	case CONN_LINGER:
		conn->ignored += in.n;
		if (conn->ignored > HTTP_LINGER_BYTES) {
			http_conn_kill(conn);
		}
		break;
	case CONN_DEAD: break;
	}
}

static bool has_failed(const struct http_conn *conn)
{
	int error = 0;
	socklen_t size = sizeof(error);

	return getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *conn = arg;
	bool ahead = conn->state == CONN_BUSY || conn->state == CONN_WRITING || conn->opening;
	size_t size = ahead ? HTTP_AHEAD_MAX : HTTP_READ_SIZE;
	ssize_t n;

	(void)fd;
	if (conn->prefaced) {
		http_preface_read(conn);
		return;
	}
	if (conn->listening == LISTEN_CLOSE) {
		if ((what & EV_CLOSED) != 0 || has_failed(conn)) {
			on_close(conn);
		}
		return;
	}
	n = http_conn_read(conn, conn->server->scratch, size);
	if (n > 0) {
		on_bytes(conn, str_make(conn->server->scratch, (size_t)n));
		read_on(conn);
	} else if (n == 0) {
		on_close(conn);
	} else if (errno != EAGAIN && errno != EINTR) {
		http_conn_kill(conn);
	}
	if (conn->state == CONN_READING && http_conn_holds(conn)) {
		http_conn_watch_room(conn, true); /* for what the handshake says */
	}
}

static void on_stream_room(struct http_conn *conn)
{
	http_conn_watch_room(conn, false);
	http_conn_deadline(conn, 0);
	if (conn->ops->writable != NULL) {
		conn->ops->writable(conn->stream);
	}
	if (conn->state == CONN_STREAM) {
		http_conn_rest(conn);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *conn = arg;

	(void)fd;
	(void)what;
	if (!http_conn_flush(conn)) {
		return;
	}
	switch (conn->state) {
	case CONN_WRITING: http_dialog_room(conn); break;
	case CONN_STREAM: on_stream_room(conn); break;
	case CONN_LINGER:
		http_conn_watch_room(conn, false);
		http_conn_deadline(conn, HTTP_LINGER_MS);
		(void)http_conn_shut(conn);
		break;
	case CONN_READING:
	case CONN_BUSY:
	case CONN_DEAD: http_conn_watch_room(conn, false); break;
	}
}

/* A peer that does not take what it asked for: what is queued for it is dropped with the
 * connection. */
static void reset(struct http_conn *conn)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	http_conn_kill(conn);
}

static void on_overdue(struct http_conn *conn)
{
	switch (conn->state) {
	case CONN_READING: http_dialog_overdue(conn); break;
	case CONN_WRITING:
	case CONN_STREAM: reset(conn); break;
	case CONN_BUSY:
	case CONN_LINGER:
	case CONN_DEAD: http_conn_kill(conn); break;
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct http_wait *wait = CONTAINER_OF(timer, struct http_wait, timer);
	struct http_conn *conn = wait->conn;
	uint64_t now = clock_mono_ms();

	wait->armed_ms = 0;
	if (conn->deadline_ms == 0) {
		return;
	}
	if (conn->frozen) {
		conn->deadline_ms = now + FROZEN_MORE_MS; /* nobody could have kept it */
	}
	if (now < conn->deadline_ms) {
		wait->armed_ms = conn->deadline_ms;
		loop_timer_set(&wait->timer, conn->deadline_ms - now);
		return;
	}
	conn->deadline_ms = 0;
	on_overdue(conn);
}

/* It is here for a request that it could not yet say: a load balancer does not say it again to
 * another node if it may have been heard. */
static bool is_new(const struct http_conn *conn)
{
	return !conn->asked || conn->prefaced ||
	       (conn->tls != NULL && !tls_stream_is_open(conn->tls));
}

void http_conn_drain(struct http_conn *conn)
{
	if (conn->state == CONN_READING && conn->exchange == NULL) {
		/* A request may be on its way: it is still answered. */
		http_conn_deadline(conn, is_new(conn) ? HTTP_DRAIN_FIRST_MS : HTTP_DRAIN_IDLE_MS);
	} else if (conn->state == CONN_STREAM && !conn->opening) {
		if (conn->ops->drain != NULL) {
			conn->ops->drain(conn->stream);
		} else {
			http_conn_end(conn);
		}
	}
}

struct http_conn *http_conn_new(struct http_server *server, int fd, const char *peer, unsigned how)
{
	struct http_conn *conn = mem_calloc(1, sizeof(*conn));
	struct event_base *base = loop_base(server->loop);

	conn->server = server;
	conn->fd = fd;
	conn->state = CONN_READING;
	conn->listening = LISTEN_NOT;
	conn->prefaced = (how & HTTP_LISTEN_PROXY) != 0;
	if ((how & HTTP_LISTEN_TLS) != 0) {
		conn->tls = tls_accept(server->options.tls, fd);
	}
	conn->task.run = on_turn;
	buf_init(&conn->ahead, HTTP_AHEAD_MAX + HTTP_READ_SIZE + HTTP_AHEAD_MAX);
	(void)str_copy(conn->peer, sizeof(conn->peer), str_of(peer));
	(void)event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, conn);
	LIST_INSERT_HEAD(&server->conns, conn, link);
	server->conn_count++;
	http_conn_deadline(conn, server->options.head_timeout_ms);
	http_conn_listen(conn, LISTEN_READ);
	return conn;
}
