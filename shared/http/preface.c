/* The PROXY header of a connection, read without a byte of what follows it: that may be TLS. */
#include <errno.h>
#include <sys/socket.h>

#include "http/conn.h"
#include "http/proxy.h"
#include "metric/metric.h"
#include "tls/tls.h"

static void refuse(struct http_conn *conn, enum err_code code)
{
	metric_inc(METRIC_HTTP_REFUSED, err_name(code));
	http_conn_kill(conn);
}

static void on_header(struct http_conn *conn, const struct http_proxy_head *head)
{
	conn->prefaced = false;
	buf_reset(&conn->ahead);
	if (!head->told) {
		return; /* the proxy itself, which asks for its own */
	}
	(void)str_copy(conn->peer, sizeof(conn->peer), str_of(head->peer));
	if (!http_server_count(conn->server, conn->peer, &conn->counted)) {
		refuse(conn, ERR_LIMIT);
	}
}

/* Take from the socket what belongs to the header, of all that is known to be there. */
static void take(struct http_conn *conn, size_t n)
{
	ssize_t got = recv(conn->fd, conn->server->scratch, n, 0);

	if (got != (ssize_t)n) {
		http_conn_kill(conn);
	}
}

void http_preface_read(struct http_conn *conn)
{
	size_t had = conn->ahead.len;
	struct http_proxy_head head;
	ssize_t n = recv(conn->fd, conn->server->scratch, HTTP_PROXY_MAX, MSG_PEEK);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			http_conn_kill(conn);
		}
		return;
	}
	buf_add(&conn->ahead, conn->server->scratch, (size_t)n);
	switch (http_proxy_parse(buf_str(&conn->ahead), &head)) {
	case HTTP_PROXY_MORE: take(conn, (size_t)n); break;
	case HTTP_PROXY_DONE:
		take(conn, head.size - had);
		if (conn->state != CONN_DEAD) {
			on_header(conn, &head);
		}
		break;
	case HTTP_PROXY_BAD: refuse(conn, ERR_INVALID); break;
	}
}
