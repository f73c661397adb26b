/*
 * The right of this process to run sessions: one incarnation, registered and renewed.
 *
 * Its end is counted here, by this host's monotonic clock from before each renewal was sent, and
 * handed to all guards through `renewed`: what happens to Redis, to this process or to the network,
 * agents freeze in time.  While Redis is silent nothing else happens: the next renewal that is
 * answered thaws them.  Only an answer that the incarnation is lost ends its sessions, or orphan_ms
 * without one after the lease was over: then the keeper gives it up itself, for the schedulers to
 * find when Redis is back.  It then begins another one.
 *
 * A Redis that lost its history knows of no incarnation.  Then it joins again under its name: first
 * as one that takes nothing, then its sessions are attested, then as before.  Whoever dies in
 * between was registered, so what it attested is taken back.  If the lease was over meanwhile,
 * schedulers of the history that is gone may have given its sessions to others: they are `doubted`,
 * which comes before `renewed`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "queue/lease.h"

struct redis;

struct lease_keeper_options {
	struct redis *redis;
	uint64_t renew_ms;
	uint64_t orphan_ms;
	/* What this worker says about itself; .incarnation is the keeper's to fill. */
	struct lease_worker worker;
	/* A new incarnation was given; the lease lasts until then (clock_mono_ms); it is lost. All
	 * on the keeper's fiber. */
	void (*begun)(void *arg, const char *incarnation);
	void (*renewed)(void *arg, uint64_t until_ms);
	void (*lost)(void *arg);
	/* The generation of Redis as far as it is known, 0: not at the moment; whether it is still
	 * that, asked anew (ERR_OK: it is); and telling the queue what this worker has. On the
	 * keeper's fiber. NULL: an incarnation does not outlive a loss of Redis. */
	const uint64_t *generation;
	const uint64_t *server; /* redis_server() that the generation is of */
	enum err_code (*is_same)(void *arg, struct err *err);
	enum err_code (*attest)(void *arg, struct err *err);
	void (*doubted)(void *arg);
	void *arg;
};

struct lease_keeper {
	struct lease_keeper_options options;
	bool registered; /* options.worker.incarnation is alive as far as we know */
	bool says;       /* what it says about itself has changed */
	bool closed;
	uint64_t generation; /* that it is registered in */
	uint64_t until_ms;
	struct fiber_signal wake;
	struct fiber_signal changed; /* registered or renewed: effects may go on */
};

void lease_keeper_init(struct lease_keeper *keeper, const struct lease_keeper_options *options);

/* The body of a fiber; returns when it is cancelled or closed. */
void lease_keeper_run(void *arg); /* the keeper */

/* Whether anything may leave this worker now: events, pushes. */
bool lease_keeper_holds(const struct lease_keeper *keeper);

/* Something is here now that sessions may want (holds.h): schedulers hear of it. */
void lease_keeper_hold(struct lease_keeper *keeper, struct str word);

/* The generation has changed: join it now. */
void lease_keeper_redis_back(struct lease_keeper *keeper);

/* Tell the schedulers to give us nothing more, or to give us sessions again. */
void lease_keeper_drain(struct lease_keeper *keeper, bool draining);

/* An orderly end: what this incarnation still holds is placed elsewhere at once. ERR_OK also when
 * it held nothing. */
enum err_code lease_keeper_end(struct lease_keeper *keeper, struct err *err) MUST_CHECK;
