/*
 * Inside the driver: one connection that heals itself.
 *
 * It looks up the host's name, connects, introduces itself (AUTH, SELECT, CLIENT SETNAME, INFO for
 * its history and role), then carries bytes out and whole replies in; when it is lost it tries
 *again after a pause with full jitter.  With Sentinels it connects to the master that they name,
 *and goes where they say that it went; a replica is never talked to.  What the bytes mean, and how
 *long to wait for an answer, is its owner's business.
 *
 *	down --(pause)--> resolving --> connecting --> greeting --> up --(lost, dropped)--> down ...
 *
 * The owner's functions run from the loop, never inside a call of this header, and may call any of
 * them, redis_conn_free() included.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/err.h"
#include "redis/redis.h"

struct redis_conn;
struct redis_url;

struct redis_conn_events {
	void (*up)(void *arg);
	void (*down)(void *arg, const struct err *why);      /* after each up, once */
	void (*reply)(void *arg, struct redis_reply *reply); /* the reply is the owner's */
	void (*writable)(void *arg); /* after a write that took less than it was given */
};

/* The URL and timings are copied. NULL: the URL is wrong. */
struct redis_conn *redis_conn_new(struct loop *loop, const struct redis_options *options,
                                  const struct redis_conn_events *events, void *arg,
                                  struct err *err) MUST_CHECK;
/* The same with a URL that was parsed already; it is the connection's from here on, also after
 * NULL. */
struct redis_conn *redis_conn_open(struct loop *loop, struct redis_url *url,
                                   const struct redis_options *options,
                                   const struct redis_conn_events *events, void *arg,
                                   struct err *err) MUST_CHECK;
void redis_conn_free(struct redis_conn *conn);

bool redis_conn_is_up(const struct redis_conn *conn);
const char *redis_conn_run_id(const struct redis_conn *conn);
const char *redis_conn_history(const struct redis_conn *conn); /* redis_history() as it came up */
uint64_t redis_conn_count(const struct redis_conn *conn);      /* times it came up */
uint64_t redis_conn_heard_ms(const struct redis_conn *conn);   /* clock_mono_ms of the last bytes */
const char *redis_conn_trouble(const struct redis_conn *conn); /* why it is not up; "" */

/* How much the kernel took; 0 when not up. A failure is reported by down() on a later turn. */
size_t redis_conn_write(struct redis_conn *conn, const struct iovec *iov, int count);

/* Give the connection up: down(why) on a later turn, then reconnect. Harmless when not up. */
void redis_conn_drop(struct redis_conn *conn, const struct err *why);
