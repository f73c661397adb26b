/*
 * TLS over a non-blocking socket (RFC 8446, RFC 5246), by OpenSSL, which nothing outside of this
 * folder sees: 1.2 and later, forward secrecy and AEAD only, no renegotiation, no compression, no
 * early data.
 *
 * A server's certificate can be replaced while its streams go on.  A stream never holds more than
 * one record that the socket did not take, and gives its buffers back when it is idle.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/err.h"

struct tls_client;
struct tls_server;
struct tls_stream;

/* ---- a server ---- */

/* The PEM files of its certificate, with those that lead to a root, and of its key. NULL: they
 * cannot be read, or do not fit each other. */
struct tls_server *tls_server_new(const char *certificate, const char *key,
                                  struct err *err) MUST_CHECK;
void tls_server_free(struct tls_server *server); /* after its streams */

/* Read the files again, for the streams that begin from now on. On an error, also for a certificate
 * that has ended, the old ones stay. */
enum err_code tls_server_reload(struct tls_server *server, struct err *err) MUST_CHECK;
/* Have the files changed since they were last read, and were they the same at the last call: two
 * files are replaced one after the other. */
bool tls_server_is_outdated(struct tls_server *server);
int64_t tls_server_ends_s(const struct tls_server *server); /* its certificate; since 1970 */

/* ---- a client ---- */

struct tls_client_options {
	const char *ca;                /* PEM of whom it believes; NULL: whom the system does */
	const char *certificate, *key; /* its own, where one is asked for; NULL: none */
};

struct tls_client *tls_client_new(const struct tls_client_options *options,
                                  struct err *err) MUST_CHECK;
void tls_client_free(struct tls_client *client); /* after its streams */
/* The server has to be of that name, or address. A handshake begins with the first write or read.
 */
struct tls_stream *tls_connect(struct tls_client *client, int fd, const char *name);

/* ---- a stream ---- */

/* The descriptor stays the caller's, who closes it after tls_stream_free(). The handshake is a part
 * of reading. */
struct tls_stream *tls_accept(struct tls_server *server, int fd);
void tls_stream_free(struct tls_stream *stream);
bool tls_stream_is_open(const struct tls_stream *stream); /* the handshake is done */
/* After EPROTO: why, in OpenSSL's words. */
const char *tls_stream_trouble(const struct tls_stream *stream);

/* As read(2): 0 when the peer has ended; -1 with errno EAGAIN, or EPROTO when it cannot go on. */
ssize_t tls_read(struct tls_stream *stream, void *room, size_t size);
/* Is there something that the socket will not announce: read again. */
bool tls_has_input(const struct tls_stream *stream);

/* As writev(2). What it took and the socket did not goes with the next write, or tls_flush(). */
ssize_t tls_writev(struct tls_stream *stream, const struct iovec *iov, int count);
bool tls_has_output(const struct tls_stream *stream); /* wait for room, then tls_flush() */
/* False: the socket is broken. */
bool tls_flush(struct tls_stream *stream) MUST_CHECK;
/* Tell the peer that nothing follows; it may have to be flushed. */
void tls_end(struct tls_stream *stream);
