/*
 * The bytes below a connection: a non-blocking socket, TCP or unix.
 *
 * This is the seam for TLS: nothing above it knows what carries the bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/err.h"

struct redis_url;

struct redis_address {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Resolves a host name, and may block for it: called once, when the process starts.  Numeric
 * addresses and unix paths never block. */
enum err_code redis_address_of(const struct redis_url *url, struct redis_address *ret,
                               struct err *err) MUST_CHECK;

/* The same of what is an address already; ERR_UNAVAILABLE: it is not. Never blocks. */
enum err_code redis_address_numeric(const char *host, unsigned port, struct redis_address *ret,
                                    struct err *err) MUST_CHECK;

/* Where that is, for people: host:port. */
enum { REDIS_NAME_SIZE = 128 };
void redis_name_of(const char *host, unsigned port, char out[REDIS_NAME_SIZE]);

/* Begin to connect. The socket becomes writable when that has ended: ask redis_stream_connected().
 */
enum err_code redis_stream_open(const struct redis_address *address, int *ret_fd,
                                struct err *err) MUST_CHECK;
enum err_code redis_stream_connected(int fd, struct err *err) MUST_CHECK;

/* ERR_OK with *ret 0: nothing now, wait for the event. Any error: the stream has ended. */
enum err_code redis_stream_read(int fd, void *room, size_t n, size_t *ret,
                                struct err *err) MUST_CHECK;
enum err_code redis_stream_write(int fd, const struct iovec *iov, int count, size_t *ret,
                                 struct err *err) MUST_CHECK;
