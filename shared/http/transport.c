#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/conn.h"
#include "tls/tls.h"

ssize_t http_conn_read(struct http_conn *conn, void *room, size_t size)
{
	return conn->tls != NULL ? tls_read(conn->tls, room, size) : read(conn->fd, room, size);
}

ssize_t http_conn_send(struct http_conn *conn, const struct iovec *iov, int count)
{
	ssize_t n;

	if (conn->tls != NULL) {
		return tls_writev(conn->tls, iov, count);
	}
	do {
		n = writev(conn->fd, iov, count);
	} while (n < 0 && errno == EINTR);
	return n;
}

bool http_conn_holds(const struct http_conn *conn)
{
	return conn->tls != NULL && tls_has_output(conn->tls);
}

bool http_conn_flush(struct http_conn *conn)
{
	if (conn->tls != NULL && !tls_flush(conn->tls)) {
		http_conn_kill(conn);
		return false;
	}
	return !http_conn_holds(conn);
}

bool http_conn_shut(struct http_conn *conn)
{
	if (http_conn_holds(conn)) {
		return true; /* once that has gone */
	}
	if (shutdown(conn->fd, SHUT_WR) != 0) {
		http_conn_kill(conn);
		return false;
	}
	return true;
}
