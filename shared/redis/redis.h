/*
 * One Redis connection of this process: pipelined by loop turn, with a deadline per
 * command, reconnecting by itself with backoff.
 *
 * hiredis serves as the codec only (its reader); the connection object is ours.  Everything said in
 * one loop turn leaves in one write.
 *
 * What a failed call means: ERR_UNAVAILABLE: it was never sent, or the server refused it for now
 * (loading, read-only, out of memory): it did not run.  ERR_UNKNOWN: it was sent and the
 * connection was lost before the answer: it may have run.  ERR_TIMEOUT: sent, no answer in
 * time: may run yet.  ERR_BACKEND: the server answered with an error, word for word in err->msg.
 *
 * While the connection is down commands wait for it, each up to its own deadline, so a short
 * reconnect is invisible.  At most 64 MiB of commands are held; beyond that: ERR_UNAVAILABLE.
 * A host name is resolved for each attempt to connect, on a thread.
 *
 * With Sentinels the connection is to the master that they name, and is given up when they name
 * another one, or when it refuses a write because it was demoted.
 *
 * A process opens one connection for commands, one for blocking reads if it needs any, and a struct
 * redis_sub for pub/sub; a dead peer of one never delays another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "base/text.h"
#include "loop/fiber.h"

struct loop;
struct redis;
struct redis_reply;

struct redis_options {
	const char *url;         /* redis://[user:password@]host[:port][/db], rediss://...,
	                            unix:///path?db=0&password=..., or
	                            sentinel://host[:port],host.../master (url.h) */
	unsigned timeout_ms;     /* per command, and for connecting */
	unsigned backoff_max_ms; /* reconnect: full jitter from 50 ms up to this */
};

struct redis *redis_new(struct loop *loop, const struct redis_options *options, struct err *err)
	MUST_CHECK;                   /* NULL: the URL is wrong; it connects in the background */
void redis_free(struct redis *redis); /* what is in flight ends with ERR_CANCELLED */

bool redis_connected(const struct redis *redis);

struct redis_stats {
	size_t waiting, in_flight; /* commands */
	size_t held;               /* bytes of them */
};
struct redis_stats redis_stats(const struct redis *redis);

/* The run id of the server as of the last connect ("" before the first); and a counter that grows
 * with each connection, so that a caller can tell that it talks to another server than before. */
const char *redis_run_id(const struct redis *redis);
uint64_t redis_connection(const struct redis *redis);
/* A counter that grows with each connection to a server of another history than before. */
uint64_t redis_server(const struct redis *redis);

/* Which server that is, and since when: its run id, and what its replication id begins with, which
 * is another one after each promotion (so that one which was demoted and promoted again is told
 * from what it was), and when a server gets its first replica.  A word, asked on the current fiber.
 * ERR_UNAVAILABLE: it is a replica now. */
enum { REDIS_HISTORY_SIZE = 64 };
enum err_code redis_history(struct redis *redis, char out[REDIS_HISTORY_SIZE],
                            struct err *err) MUST_CHECK;

/* Into how many shards keys are laid out on this server, 1 until told: kept for those who make
 * keys, by who knows it. */
unsigned redis_shards(const struct redis *redis);
void redis_set_shards(struct redis *redis, unsigned shards);

/* Wait until connected. ERR_UNAVAILABLE after timeout_ms. */
enum err_code redis_wait_connected(struct redis *redis, uint64_t timeout_ms,
                                   struct err *err) MUST_CHECK;

/* ---- commands: an argument vector, built in place, in the caller's memory ---- */

enum { REDIS_ARGS_MAX = 600 };

struct redis_cmd; /* heap, reusable */

struct redis_cmd *redis_cmd_new(void) MUST_CHECK;
void redis_cmd_free(struct redis_cmd *cmd);
void redis_cmd_cleanup(struct redis_cmd **cmd); /* for CLEANUP() */
void redis_cmd_reset(struct redis_cmd *cmd);
/* It is meant for the server that we are connected to, or were last: if the next connection is to
 * another one it ends with ERR_UNAVAILABLE. */
void redis_cmd_same_server(struct redis_cmd *cmd);
void redis_arg(struct redis_cmd *cmd,
               struct str s); /* borrowed until redis_send() or redis_call() returns */
void redis_arg_cstr(struct redis_cmd *cmd, const char *s);
void redis_arg_u64(struct redis_cmd *cmd, uint64_t v); /* formatted into cmd */
void redis_arg_i64(struct redis_cmd *cmd, int64_t v);
void redis_argf(struct redis_cmd *cmd, const char *fmt, ...) PRINTF_LIKE(2, 3); /* into cmd */

/* Send and wait on the current fiber. On ERR_OK *ret is the caller's: redis_reply_free(). */
enum err_code redis_call(struct redis *redis, struct redis_cmd *cmd, struct redis_reply **ret,
                         struct err *err) MUST_CHECK;

/* The same in two steps, to have several in flight from one fiber. */
struct redis_op {
	struct fiber_op op;        /* wait for it with fiber_wait() or fiber_wait_all() */
	struct redis_reply *reply; /* NULL, or after ERR_OK the caller's to free */
	void *request;             /* the driver's, NULL when not in flight */
};
/* cmd is copied: it may be reset and used again at once. Zero op before its first use. */
void redis_send(struct redis *redis, struct redis_op *op, struct redis_cmd *cmd);

/* ---- scripts: EVALSHA, and once EVAL when the server does not have it ---- */

/* redis_script_begin() puts the three leading words into an empty cmd; the caller adds key_count
 * keys, then the arguments. redis_script() may be repeated with the same cmd. */
void redis_script_begin(struct redis_cmd *cmd, const struct text *script, unsigned key_count);
enum err_code redis_script(struct redis *redis, const struct text *script, struct redis_cmd *cmd,
                           struct redis_reply **ret, struct err *err) MUST_CHECK;

/* ---- replies ---- */

enum redis_type {
	REDIS_NIL,
	REDIS_STRING,
	REDIS_STATUS,
	REDIS_INTEGER,
	REDIS_ARRAY,
	REDIS_ERROR, /* only inside an array (EXEC): a reply that is one becomes the call's error */
};

void redis_reply_free(struct redis_reply *reply);
void redis_reply_cleanup(struct redis_reply **reply); /* for CLEANUP() */
enum redis_type redis_reply_type(const struct redis_reply *reply);
struct str
redis_reply_str(const struct redis_reply *reply);         /* string, status or error; else empty */
int64_t redis_reply_int(const struct redis_reply *reply); /* integer; else 0 */
size_t redis_reply_len(const struct redis_reply *reply);  /* array; else 0 */
/* Element i, or a static nil when there is none: a malformed reply never needs a NULL check. */
const struct redis_reply *redis_reply_at(const struct redis_reply *reply, size_t i);
/* A decimal string or an integer; false for anything else. */
bool redis_reply_u64(const struct redis_reply *reply, uint64_t *ret) MUST_CHECK;
