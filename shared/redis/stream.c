#include "redis/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/tls.h"

enum { KEEPALIVE_IDLE_S = 15, KEEPALIVE_INTERVAL_S = 5, KEEPALIVE_PROBES = 3 };

/* Best effort: without these a dead peer is found by the deadline of the next command only. */
static void tune_tcp(int fd)
{
	static const int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S,
			 probes = KEEPALIVE_PROBES;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

enum err_code redis_stream_open(const struct redis_address *address, struct redis_stream *ret,
                                struct err *err)
{
	int family = address->addr.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "redis: socket: %s", strerror(errno));
	}
	if (family != AF_UNIX) {
		tune_tcp(fd);
	}
	if (connect(fd, (const struct sockaddr *)&address->addr, address->len) != 0 &&
	    errno != EINPROGRESS) {
		(void)err_set(err, ERR_UNAVAILABLE, "redis: connect: %s", strerror(errno));
		(void)close(fd);
		return err->code;
	}
	*ret = (struct redis_stream){ .fd = fd };
	return ERR_OK;
}

enum err_code redis_stream_connected(const struct redis_stream *stream, struct err *err)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
		error = errno;
	}
	if (error != 0) {
		return err_set(err, ERR_UNAVAILABLE, "redis: connect: %s", strerror(error));
	}
	return ERR_OK;
}

void redis_stream_secure(struct redis_stream *stream, struct tls_client *tls, const char *name)
{
	stream->tls = tls_connect(tls, stream->fd, name);
}

void redis_stream_close(struct redis_stream *stream)
{
	tls_stream_free(stream->tls);
	(void)close(stream->fd);
	*stream = (struct redis_stream){ .fd = -1 };
}

/* An errno after read or write: nothing now, or why it has ended. */
static enum err_code outcome(const struct redis_stream *stream, const char *what, struct err *err)
{
	if (errno == EAGAIN || errno == EINTR) {
		return ERR_OK;
	}
	if (errno == EPROTO && stream->tls != NULL) {
		return err_set(err, ERR_UNKNOWN, "redis: TLS: %s", tls_stream_trouble(stream->tls));
	}
	return err_set(err, ERR_UNKNOWN, "redis: %s: %s", what, strerror(errno));
}

enum err_code redis_stream_read(const struct redis_stream *stream, void *room, size_t n,
                                size_t *ret, struct err *err)
{
	ssize_t got =
		stream->tls != NULL ? tls_read(stream->tls, room, n) : recv(stream->fd, room, n, 0);

	*ret = 0;
	if (got > 0) {
		*ret = (size_t)got;
		return ERR_OK;
	}
	if (got == 0) {
		return err_set(err, ERR_UNKNOWN, "redis: the server closed the connection");
	}
	return outcome(stream, "read", err);
}

enum err_code redis_stream_write(const struct redis_stream *stream, const struct iovec *iov,
                                 int count, size_t *ret, struct err *err)
{
	ssize_t put = stream->tls != NULL ? tls_writev(stream->tls, iov, count)
	                                  : writev(stream->fd, iov, count);

	*ret = 0;
	if (put >= 0) {
		*ret = (size_t)put;
		return ERR_OK;
	}
	return outcome(stream, "write", err);
}

bool redis_stream_has_input(const struct redis_stream *stream)
{
	return stream->tls != NULL && tls_has_input(stream->tls);
}

bool redis_stream_wants_room(const struct redis_stream *stream, size_t left)
{
	if (stream->tls == NULL) {
		return left > 0;
	}
	return tls_has_output(stream->tls) || (left > 0 && tls_stream_is_open(stream->tls));
}
