/* Requests one after the other on a connection, and the reply to each. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "http/conn.h"
#include "http/reply.h"
#include "metric/metric.h"

static void feed_ahead(struct http_conn *conn);

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
	conn->asked = true;
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

void http_conn_reply(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct http_reply *reply = &exchange->reply;
	bool streams = reply->stream_ops != NULL && exchange->req.method != HTTP_HEAD;

	conn->state = CONN_WRITING;
	conn->close = conn->close || reply->close || !exchange->parser.head.keep_alive ||
	              conn->server->will_drain || (exchange->raw && !exchange->whole);
	if (reply->stream_ops != NULL) {
		conn->ops = reply->stream_ops;
		conn->stream = reply->stream;
		conn->close = !streams;
	}
	/* A stream is ended by its connection's end; after 101 the protocol is another one. */
	http_exchange_format(exchange, conn->close || streams);
	http_dialog_room(conn);
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
	case CONN_STREAM: http_stream_input(conn, rest); break;
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

void http_dialog_input(struct http_conn *conn, struct str in)
{
	if (conn->state == CONN_READING) {
		feed(conn, &in);
		keep_rest(conn, in);
	} else {
		keep_ahead(conn, in);
	}
}

void http_dialog_room(struct http_conn *conn)
{
	send_reply(conn);
	feed_ahead(conn);
}

void http_dialog_overdue(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	if (exchange == NULL) {
		http_conn_kill(conn);
	} else if (exchange->answered) {
		conn->close = true;
		http_conn_reply(conn);
	} else {
		refuse(conn, ERR_SLOW, NULL);
	}
}
