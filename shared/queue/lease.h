/*
 * The lease belongs to a worker incarnation; sessions hang off it.
 *
 * An incarnation is one life of a worker process: its id is new at every start. It renews every
 * lease.renew; without that for LEASE_TTL_MS of time in which Redis served it is lost, for good.
 * The clock of leases stands still while nobody sweeps: a sweep that finds more than a second since
 * the last one does not count that gap, so an outage of Redis or of all schedulers expires nobody.
 *
 * A holder stops LEASE_MARGIN_MS before that by its own clock: a guard on a busy machine wakes late
 * and needs a moment to freeze a whole tree of processes, while a successor may begin at once.
 *
 * Keys are tagged {w}: a registry is one slot. {w:<worker>} tags a worker's mailbox.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "queue/queue.h"

enum {
	LEASE_TTL_MS = 1500,
	LEASE_MARGIN_MS = 200,
	LEASE_SWEEP_MAX = 128,
	LEASE_HOLDS_MAX = 1024,
	LEASE_KEY_MAX = 64
};

struct lease_worker {
	char incarnation[QUEUE_WORKER_MAX + 1];
	char worker[QUEUE_WORKER_MAX + 1]; /* its id, the same over restarts */
	char name[QUEUE_WORKER_MAX + 1];
	unsigned slots;
	unsigned resident; /* sessions that may be on it, parked ones included; 0: as slots */
	bool draining;     /* gets no new sessions */
	bool leaving;      /* of lease_list(): it says so itself */
	bool cordoned;     /* of lease_list(): an operator did */
	char has[QUEUE_NEEDS_MAX + 1]; /* words: labels and capabilities (queue.h) */
	/* Words of what it has ready to use, so that some sessions start sooner: "repo=<name>" of a
	 * mirror, by queue_name_of() its URL. */
	char holds[LEASE_HOLDS_MAX + 1];
	char version[32];
	/* The one that this process was before, to lease_register(): it was lost, not dead. "":
	 * none. */
	char former[QUEUE_WORKER_MAX + 1];
	char key[LEASE_KEY_MAX + 1]; /* to which secrets for it are sealed (cred/box.h); "": none */
	int64_t since_ms;            /* registered, Redis's clock */
	/* Of Redis, in which it has told all it has: 0: it did not yet. */
	uint64_t generation;
};

/* Begin an incarnation, also in a Redis that lost it. Also renews. ERR_FENCED: it was lost. */
enum err_code lease_register(struct redis *redis, const struct lease_worker *worker,
                             struct err *err) MUST_CHECK;

/* Change what it says about itself. Also renews. ERR_FENCED: as lease_renew(). */
enum err_code lease_describe(struct redis *redis, const struct lease_worker *worker,
                             struct err *err) MUST_CHECK;

/* ERR_FENCED: it was lost or never registered: freeze, kill, start over with a new incarnation. The
 * caller counts its own deadline: sent_at (its monotonic clock, before the call) + LEASE_TTL_MS -
 * LEASE_MARGIN_MS. */
enum err_code lease_renew(struct redis *redis, const char *incarnation, struct err *err) MUST_CHECK;

/* An orderly end: the incarnation is lost at once, without waiting. Repeating is ERR_OK. */
enum err_code lease_end(struct redis *redis, const char *incarnation, struct err *err) MUST_CHECK;

/*
 * Expire what is due. names gets incarnations that are lost and not yet forgotten, oldest first:
 * for each, every shard's queue_of_worker() is emptied, then lease_forget(). *ret_next_ms: until
 * the next could expire.
 */
struct lease_lost {
	char incarnation[QUEUE_WORKER_MAX + 1];
	char worker[QUEUE_WORKER_MAX + 1];
	int64_t since_ms;
};
enum err_code lease_sweep(struct redis *redis, struct lease_lost *lost, size_t max,
                          size_t *ret_count, struct err *err) MUST_CHECK;
enum err_code lease_forget(struct redis *redis, const char *incarnation,
                           struct err *err) MUST_CHECK;

/* Whether it is alive as far as the last sweep knows. */
enum err_code lease_lives(struct redis *redis, const char *incarnation, bool *ret,
                          struct err *err) MUST_CHECK;

/* How many of these ("a,b,", at most QUEUE_LOST_MAX) were lost only because they were late: their
 * workers were `former` to another incarnation since. */
enum err_code lease_late(struct redis *redis, struct str incarnations, unsigned *ret,
                         struct err *err) MUST_CHECK;

/* Which worker an incarnation is of, dead or alive. ERR_NOT_FOUND: it was forgotten. */
enum err_code lease_worker_of(struct redis *redis, const char *incarnation,
                              char out[QUEUE_WORKER_MAX + 1], struct err *err) MUST_CHECK;

/*
 * Workers that get no new sessions, by name: what lease_list() marks as draining. A copy of what
 * PostgreSQL has (cordon/cordon_store.h), brought again after a loss.
 */
enum { LEASE_CORDONS_MAX = 1024 };
struct lease_cordon {
	char name[QUEUE_WORKER_MAX + 1];
	bool drain; /* what it has goes elsewhere too */
};
enum err_code lease_cordon_set(struct redis *redis, const struct lease_cordon *cordon,
                               struct err *err) MUST_CHECK;
enum err_code lease_cordon_clear(struct redis *redis, const char *name, struct err *err) MUST_CHECK;
/* cordons has room for LEASE_CORDONS_MAX. */
enum err_code lease_cordons(struct redis *redis, struct lease_cordon *cordons, size_t *ret_count,
                            struct err *err) MUST_CHECK;

/* Rung when a worker registers or ends in order, or a cordon changes; for redis_subscribe(). */
void lease_bell_channel(char out[QUEUE_KEY_SIZE]);

/* The living, oldest first. */
enum err_code lease_list(struct redis *redis, struct lease_worker *workers, size_t max,
                         size_t *ret_count, struct err *err) MUST_CHECK;
