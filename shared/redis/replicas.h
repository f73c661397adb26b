/*
 * Until what was written is in replicas too (WAIT), for those who promise that it survives a
 * failover.
 *
 * On a connection of its own, because WAIT holds up whatever is behind it.  One question at a time
 * is under way, for all who asked before it was sent.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "redis/redis.h"

struct redis_replicas;

struct redis_replicas_options {
	const char *url;
	unsigned count;      /* so many replicas */
	unsigned wait_ms;    /* within so long */
	unsigned timeout_ms; /* of the connection, as in redis_options */
	unsigned backoff_max_ms;
};

/* Its fibers are of that group, cannot be cancelled, and end by themselves within wait_ms and
 * timeout_ms. */
struct redis_replicas *redis_replicas_new(struct loop *loop, struct fiber_group *group,
                                          const struct redis_replicas_options *options,
                                          struct err *err) MUST_CHECK;
void redis_replicas_free(struct redis_replicas *replicas); /* nobody waits, no fiber is left */

/* On a fiber. ERR_OK: what `written` was answered before this call, while its server was that one
 * (redis_server()), is in the replicas. ERR_UNKNOWN: not in time, or that server is not the master
 * any more: it may be lost yet. */
enum err_code redis_replicas_wait(struct redis_replicas *replicas, const struct redis *written,
                                  uint64_t server, struct err *err) MUST_CHECK;
