/*
 * The bytes below a connection: a non-blocking socket, TCP or unix, or TLS on it.  Nothing above it
 * knows what carries the bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/err.h"
#include "redis/address.h"

struct tls_client;
struct tls_stream;

struct redis_stream {
	int fd;                 /* -1: closed */
	struct tls_stream *tls; /* NULL: plain */
};

/* Begin to connect. The socket becomes writable when that has ended: ask redis_stream_connected().
 */
enum err_code redis_stream_open(const struct redis_address *address, struct redis_stream *ret,
                                struct err *err) MUST_CHECK;
enum err_code redis_stream_connected(const struct redis_stream *stream, struct err *err) MUST_CHECK;
/* Once it is connected: go on over TLS, with a server of that name. */
void redis_stream_secure(struct redis_stream *stream, struct tls_client *tls, const char *name);
void redis_stream_close(struct redis_stream *stream);

/* ERR_OK with *ret 0: nothing now, wait for the event. Any error: the stream has ended. */
enum err_code redis_stream_read(const struct redis_stream *stream, void *room, size_t n,
                                size_t *ret, struct err *err) MUST_CHECK;
enum err_code redis_stream_write(const struct redis_stream *stream, const struct iovec *iov,
                                 int count, size_t *ret, struct err *err) MUST_CHECK;
/* Is there more to read that the socket does not announce? */
bool redis_stream_has_input(const struct redis_stream *stream);
/* Does room in the socket help, with so much left to write? A handshake waits for the server. */
bool redis_stream_wants_room(const struct redis_stream *stream, size_t left);
