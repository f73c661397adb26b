#include "http/conn.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/reply.h"
#include "metric/metric.h"
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

/* ---- replies ---- */

/* What is left to send; the count of parts. */
static int unsent(const struct http_exchange *exchange, struct iovec iov[2])
{
	const struct buf *head = &exchange->head, *body = &exchange->reply.body;
	size_t sent = exchange->sent, after = sent > head->len ? sent - head->len : 0;
	bool has_body = http_reply_has_body(&exchange->reply, exchange->req.method);
	int count = 0;

	if (sent < head->len) {
		iov[count++] = (struct iovec){ head->data + sent, head->len - sent };
	}
	if (has_body && after < body->len) {
		iov[count++] = (struct iovec){ body->data + after, body->len - after };
	}
	return count;
}

/* The reply is with the kernel. */
static void on_sent(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	conn->exchange = NULL;
	if (conn->ops != NULL) { /* the request goes, whom it came from stays */
		(void)str_copy(conn->peer, sizeof(conn->peer), exchange->req.peer);
	}
	http_exchange_end(exchange);
	http_conn_watch_room(conn, false);
	if (conn->ops != NULL && !conn->close) {
		http_conn_deadline(conn, 0);
		http_conn_listen(conn, LISTEN_READ);
		http_stream_open(conn);
		return;
	}
	if (conn->ops != NULL || conn->close) {
		http_conn_linger(conn);
		loop_defer(conn->server->loop,
		           &conn->task); /* closed() of a stream that was none */
		return;
	}
	conn->state = CONN_READING;
	http_conn_deadline(conn, conn->server->draining ? HTTP_DRAIN_IDLE_MS
	                                                : conn->server->options.keepalive_ms);
}

/* Send what the socket takes; the rest when it has room. */
static void send_reply(struct http_conn *conn)
{
	struct iovec iov[2];
	int count = unsent(conn->exchange, iov);
	ssize_t n;

	n = http_conn_send(conn, iov, count);
	if (n < 0 && errno != EAGAIN) {
		http_conn_kill(conn);
		return;
	}
	conn->exchange->sent += n > 0 ? (size_t)n : 0;
	if (unsent(conn->exchange, iov) == 0 && !http_conn_holds(conn)) {
		on_sent(conn);
		return;
	}
	if (!http_conn_watches_room(conn)) {
		if (conn->listening == LISTEN_CLOSE) {
			http_conn_listen(conn, LISTEN_NOT);
		}
		http_conn_watch_room(conn, true);
		http_conn_deadline(conn, conn->server->options.write_timeout_ms);
	} else if (n > 0) {
		http_conn_deadline(conn, conn->server->options.write_timeout_ms);
	}
}

static void feed_ahead(struct http_conn *conn);

void http_conn_reply(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct http_reply *reply = &exchange->reply;
	bool streams = reply->stream_ops != NULL && exchange->req.method != HTTP_HEAD;

	conn->state = CONN_WRITING;
	conn->close = conn->close || reply->close || !exchange->parser.head.keep_alive ||
	              conn->server->draining || (exchange->raw && !exchange->whole);
	if (reply->stream_ops != NULL) {
		conn->ops = reply->stream_ops;
		conn->stream = reply->stream;
		conn->close = !streams;
	}
	/* A stream is ended by its connection's end; after 101 the protocol is another one. */
	http_exchange_format(exchange, conn->close || streams);
	send_reply(conn);
	feed_ahead(conn);
}

/* ---- requests ---- */

static void refuse(struct http_conn *conn, enum err_code code, const char *detail)
{
	metric_inc(METRIC_HTTP_REFUSED, err_name(code));
	if (conn->exchange->raw) {
		http_body_break(conn->exchange, code, detail);
		return;
	}
	http_exchange_refuse(conn->exchange, code, detail);
	conn->close = true;
	http_conn_reply(conn);
}

void http_conn_continue(struct http_conn *conn)
{
	static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const struct iovec iov = { line, sizeof(line) - 1 };

	if (http_conn_send(conn, &iov, 1) != (ssize_t)iov.iov_len) {
		http_conn_kill(conn);
	}
}

static void on_head(struct http_conn *conn, bool more)
{
	struct http_exchange *exchange = conn->exchange;
	const struct http_head *head = &exchange->parser.head;
	bool has_body = head->chunked || head->content_length > 0;

	http_exchange_route(exchange);
	if (!has_body) {
		return;
	}
	http_conn_deadline(conn, conn->server->options.body_timeout_ms);
	exchange->timed = true;
	if (!exchange->answered && http_body_is_raw(exchange)) {
		http_body_begin(exchange, head->expect_continue && !more);
		return;
	}
	if (!exchange->answered) {
		if (head->expect_continue && !more) {
			http_conn_continue(conn);
		}
		return;
	}
	if (head->expect_continue || head->content_length > HTTP_DROP_MAX ||
	    exchange->reply.close) {
		conn->close = true;
		http_conn_reply(conn);
	}
}

static void on_body(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct str piece = exchange->parser.piece;

	if (exchange->answered) {
		exchange->dropped += piece.n;
		if (exchange->dropped > HTTP_DROP_MAX) {
			conn->close = true;
			http_conn_reply(conn);
		}
		return;
	}
	if (exchange->raw) {
		http_body_add(exchange, piece);
		return;
	}
	buf_add_str(&exchange->body, piece);
	if (buf_failed(&exchange->body)) {
		refuse(conn, ERR_TOO_LARGE, NULL);
	}
}

static void on_end(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	http_conn_deadline(conn, 0);
	if (exchange->answered) {
		http_conn_reply(conn);
		return;
	}
	conn->state = CONN_BUSY;
	if (exchange->raw) {
		http_body_end(exchange);
		return;
	}
	exchange->whole = true;
	http_exchange_run(exchange);
}

/* Take requests from the front of *in while nothing is being answered. */
static void feed(struct http_conn *conn, struct str *in)
{
	conn->feeding = true;
	while (conn->state == CONN_READING && (in->n > 0 || conn->exchange != NULL)) {
		if (conn->exchange == NULL) {
			conn->exchange = http_exchange_new(conn);
		}
		switch (http_parse(&conn->exchange->parser, in)) {
		case HTTP_PARSED_MORE:
			if (!conn->exchange->timed) {
				conn->exchange->timed = true;
				http_conn_deadline(conn, conn->server->options.head_timeout_ms);
			}
			conn->feeding = false;
			return;
		case HTTP_PARSED_HEAD: on_head(conn, in->n > 0); break;
		case HTTP_PARSED_BODY: on_body(conn); break;
		case HTTP_PARSED_END: on_end(conn); break;
		case HTTP_PARSED_ERROR:
			refuse(conn, conn->exchange->parser.error, conn->exchange->parser.reason);
			break;
		}
	}
	conn->feeding = false;
}

/* How many requests seem to wait in what was read ahead: each has one empty line at least. */
static size_t count_heads(struct str s)
{
	size_t count = 0;
	const char *at;

	while (s.n >= 4 && (at = memmem(s.p, s.n, "\r\n\r\n", 4)) != NULL) {
		count++;
		s.n -= (size_t)(at + 4 - s.p);
		s.p = at + 4;
	}
	return count;
}

/* Keep bytes for after the current reply, and stop reading when there are enough of them. */
static void keep_ahead(struct http_conn *conn, struct str in)
{
	if (in.n > 0) {
		buf_add_str(&conn->ahead, in);
	}
	assert(!buf_failed(&conn->ahead)); /* reading stops far below its cap */
	if (conn->ahead.len >= HTTP_AHEAD_MAX ||
	    count_heads(buf_str(&conn->ahead)) >= conn->server->options.max_pipelined) {
		http_conn_listen(conn, conn->state == CONN_BUSY ? LISTEN_CLOSE : LISTEN_NOT);
	}
}

static void keep_rest(struct http_conn *conn, struct str rest)
{
	switch (conn->state) {
	case CONN_BUSY:
	case CONN_WRITING: keep_ahead(conn, rest); break;
	case CONN_STREAM:
		/* Not opened yet: its first input. */
		buf_add_str(&conn->ahead, rest);
		if (buf_failed(&conn->ahead)) {
			http_conn_kill(conn);
		}
		break;
	case CONN_READING:
	case CONN_LINGER:
	case CONN_DEAD: break;
	}
}

static void feed_ahead(struct http_conn *conn)
{
	struct buf ahead = conn->ahead;
	struct str in = buf_str(&ahead);

	if (conn->feeding || conn->state != CONN_READING) {
		return;
	}
	buf_init(&conn->ahead, ahead.cap);
	feed(conn, &in);
	keep_rest(conn, in);
	buf_fini(&ahead);
	if (conn->state == CONN_READING && (conn->exchange == NULL || !conn->exchange->paused)) {
		http_conn_listen(conn, LISTEN_READ);
	}
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
		feed(conn, &in);
		keep_rest(conn, in);
		break;
	case CONN_BUSY:
	case CONN_WRITING: keep_ahead(conn, in); break;
	case CONN_STREAM:
		if (conn->opening) {
			keep_rest(conn, in);
		} else {
			http_stream_input(conn, in);
		}
		break;
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
	case CONN_WRITING:
		send_reply(conn);
		feed_ahead(conn);
		break;
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
	struct http_exchange *exchange = conn->exchange;

	switch (conn->state) {
	case CONN_READING:
		if (exchange == NULL) {
			http_conn_kill(conn);
		} else if (exchange->answered) {
			conn->close = true;
			http_conn_reply(conn);
		} else {
			refuse(conn, ERR_SLOW, NULL);
		}
		break;
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

/* It is here for a request that it could not yet say. */
static bool is_shaking_hands(const struct http_conn *conn)
{
	return conn->prefaced || (conn->tls != NULL && !tls_stream_is_open(conn->tls));
}

void http_conn_drain(struct http_conn *conn)
{
	if (conn->state == CONN_READING && conn->exchange == NULL) {
		/* A request may be on its way: it is still answered. */
		http_conn_deadline(conn, is_shaking_hands(conn) ? HTTP_DRAIN_HANDSHAKE_MS
		                                                : HTTP_DRAIN_IDLE_MS);
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
