#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "tls/context.h"
#include "tls/tls.h"

/* A record or the server's side of a handshake is far less; a peer that has us answer without
 * reading the answers (key updates, refused renegotiations) ends here. */
enum { OUT_MAX = 64 * 1024 };

struct tls_stream {
	struct tls_context *context;
	SSL *ssl;
	int fd;
	bool open;   /* the handshake is done */
	bool ended;  /* the socket has nothing more */
	bool broken; /* it cannot go on: */
	const char *trouble;
	struct buf out; /* records that the socket did not take */
};

/* ---- the carrier: what OpenSSL takes for a socket that is never full ---- */

static int carrier_read(BIO *bio, char *room, int size)
{
	struct tls_stream *stream = BIO_get_data(bio);
	ssize_t n = recv(stream->fd, room, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(bio);
	}
	stream->ended = n == 0;
	return (int)n;
}

static int carrier_write(BIO *bio, const char *bytes, int size)
{
	struct tls_stream *stream = BIO_get_data(bio);
	size_t n = (size_t)size;
	ssize_t sent = 0;

	BIO_clear_retry_flags(bio);
	if (stream->out.len == 0) {
		sent = send(stream->fd, bytes, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			return -1;
		}
		sent = sent < 0 ? 0 : sent;
	}
	buf_add(&stream->out, bytes + sent, n - (size_t)sent);
	return buf_failed(&stream->out) ? -1 : size;
}

static long carrier_control(BIO *bio, int what, long number, void *pointer)
{
	const struct tls_stream *stream = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	switch (what) {
	case BIO_CTRL_FLUSH: return 1;
	case BIO_CTRL_EOF: return stream->ended;
	default: return 0;
	}
}

void tls_context_init(struct tls_context *context)
{
	context->carrier = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fairlead");
	(void)BIO_meth_set_read(context->carrier, carrier_read);
	(void)BIO_meth_set_write(context->carrier, carrier_write);
	(void)BIO_meth_set_ctrl(context->carrier, carrier_control);
	context->room = mem_calloc(1, TLS_RECORD_MAX);
}

/* ---- life ---- */

struct tls_stream *tls_stream_new(struct tls_context *context, int fd)
{
	struct tls_stream *stream = mem_calloc(1, sizeof(*stream));
	BIO *bio = BIO_new(context->carrier);

	stream->context = context;
	stream->fd = fd;
	stream->ssl = SSL_new(context->ssl);
	assert(bio != NULL && stream->ssl != NULL);
	buf_init(&stream->out, OUT_MAX);
	BIO_set_data(bio, stream);
	BIO_set_init(bio, 1);
	SSL_set_bio(stream->ssl, bio, bio);
	return stream;
}

SSL *tls_stream_ssl(struct tls_stream *stream)
{
	return stream->ssl;
}

bool tls_stream_is_open(const struct tls_stream *stream)
{
	return stream->open;
}

const char *tls_stream_trouble(const struct tls_stream *stream)
{
	return stream->trouble;
}

static void count_handshake(const struct tls_stream *stream, const char *outcome)
{
	if (SSL_is_server(stream->ssl)) {
		metric_inc(METRIC_TLS_HANDSHAKES, outcome);
	}
}

void tls_stream_free(struct tls_stream *stream)
{
	if (stream == NULL) {
		return;
	}
	if (!stream->open && !stream->broken) {
		count_handshake(stream, "unfinished");
	}
	SSL_free(stream->ssl);
	buf_fini(&stream->out);
	free(stream);
}

static void notice_open(struct tls_stream *stream)
{
	if (!stream->open && SSL_is_init_finished(stream->ssl)) {
		stream->open = true;
		count_handshake(stream, SSL_session_reused(stream->ssl) ? "resumed" : "full");
	}
}

static const char *trouble_of(const SSL *ssl)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (verdict != X509_V_OK) {
		return X509_verify_cert_error_string(verdict);
	}
	return reason != NULL ? reason : "the connection broke";
}

/* After an operation that gave n <= 0: what read(2) would say. */
static ssize_t failed(struct tls_stream *stream, int n)
{
	switch (SSL_get_error(stream->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
	case SSL_ERROR_ZERO_RETURN: return 0;
	default: break;
	}
	if (!stream->open && !stream->broken) {
		count_handshake(stream, "failed");
	}
	if (!stream->broken) {
		stream->broken = true;
		stream->trouble = trouble_of(stream->ssl);
	}
	ERR_clear_error();
	errno = EPROTO;
	return -1;
}

/* ---- in ---- */

ssize_t tls_read(struct tls_stream *stream, void *room, size_t size)
{
	int n;

	ERR_clear_error();
	n = SSL_read(stream->ssl, room, size < INT_MAX ? (int)size : INT_MAX);
	notice_open(stream);
	return n > 0 ? n : failed(stream, n);
}

bool tls_has_input(const struct tls_stream *stream)
{
	return SSL_has_pending(stream->ssl) == 1;
}

/* ---- out ---- */

bool tls_flush(struct tls_stream *stream)
{
	while (stream->out.len > 0) {
		ssize_t n = send(stream->fd, stream->out.data, stream->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR) {
			return errno == EAGAIN;
		}
		buf_drop(&stream->out, n > 0 ? (size_t)n : 0);
	}
	buf_fini(&stream->out);
	return true;
}

bool tls_has_output(const struct tls_stream *stream)
{
	return stream->out.len > 0;
}

/* Where the bytes after the first `skip` of them are, up to a record's worth in one piece. */
static struct str gather(struct tls_context *context, const struct iovec *iov, int count,
                         size_t skip)
{
	size_t n = 0;
	int i = 0;

	while (i < count && skip >= iov[i].iov_len) {
		skip -= iov[i++].iov_len;
	}
	if (i < count && (i + 1 == count || iov[i].iov_len - skip >= TLS_RECORD_MAX)) {
		n = iov[i].iov_len - skip;
		return str_make((const char *)iov[i].iov_base + skip,
		                n < TLS_RECORD_MAX ? n : TLS_RECORD_MAX);
	}
	for (; i < count && n < TLS_RECORD_MAX; i++) {
		size_t part = iov[i].iov_len - skip, room = TLS_RECORD_MAX - n;

		part = part < room ? part : room;
		memcpy(context->room + n, (const char *)iov[i].iov_base + skip, part);
		n += part;
		skip = 0;
	}
	return str_make(context->room, n);
}

ssize_t tls_writev(struct tls_stream *stream, const struct iovec *iov, int count)
{
	size_t taken = 0;

	if (!tls_flush(stream)) {
		return -1;
	}
	while (stream->out.len == 0) {
		struct str piece = gather(stream->context, iov, count, taken);
		int n;

		if (piece.n == 0) {
			return (ssize_t)taken;
		}
		ERR_clear_error();
		n = SSL_write(stream->ssl, piece.p, (int)piece.n);
		notice_open(stream);
		if (n <= 0 && taken == 0) {
			return failed(stream, n) == 0 ? (errno = EPIPE, -1) : -1;
		}
		if (n <= 0) {
			break; /* the next one says why */
		}
		taken += (size_t)n;
	}
	if (taken == 0) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)taken;
}

void tls_end(struct tls_stream *stream)
{
	if (stream->open && !stream->broken) {
		ERR_clear_error();
		(void)SSL_shutdown(stream->ssl);
		ERR_clear_error();
	}
}
