/*
 * What one session says: its appends, in order, one batch in flight.
 *
 * Events are queued here and leave in batches from a fiber of the reporter's own.  Whoever
 * adds one waits while the queue is full, and so stops reading the agent's pipe: a log that takes
 * no more (a limit, an outage, a lease that is over) costs bounded memory.  An append without
 * an answer is repeated with its sequence until it is answered, so an event is there once.
 *
 * After a loss of Redis the journal is given back and the log is awaited; an epoch that was raised
 * for a rebuild only is adopted, since nobody else got the session.  Any other epoch, or an end
 * that was made elsewhere, means that the session is not ours any more: it is `lost`, and nothing
 * more is said.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/traceparent.h"
#include "event/log.h"
#include "worker/journal.h"
#include "worker/lease_keeper.h"

struct loop;
struct redact;
struct reporter;

struct reporter_options {
	struct loop *loop;
	const struct log_store *store; /* its generation changes under us */
	const struct lease_keeper *lease;
	struct journal *journal; /* the caller's */
	struct id sid;
	const char *tenant;
	uint64_t epoch;
	const char *producer;
	const struct redact *redact; /* what may not be seen; the caller's */
	void (*lost)(void *arg);     /* on the reporter's fiber, once */
	void (*ours)(void *arg);     /* after reporter_doubt() */
	void *arg;
};

/* The strings are copied. */
struct reporter *reporter_new(const struct reporter_options *options) MUST_CHECK;
/* What was not sent is dropped. No fiber may be inside a call. */
void reporter_free(struct reporter *reporter);

/* From now on events that stand for themselves have that as their `traceparent`; the caller's, who
 * may change it. */
void reporter_trace(struct reporter *reporter, const struct traceparent *at);

/* Queue an event, without its secrets; data is copied. ERR_FENCED when the session is lost,
 * ERR_CANCELLED... */
enum err_code reporter_add(struct reporter *reporter, enum event_type type,
                           struct str data) MUST_CHECK;
/* The same, of what has none: it went through a redact_stream. */
enum err_code reporter_add_clean(struct reporter *reporter, enum event_type type,
                                 struct str data) MUST_CHECK;

/* Move the session, after everything that was queued before, and wait until that is answered.
 * ERR_ILLEGAL_MOVE: it is in *ret_state, from where this move does not exist. */
enum err_code reporter_move(struct reporter *reporter, unsigned from, enum session_state to,
                            struct str data, enum session_state *ret_state) MUST_CHECK;

/* Wait until all that was queued is in the log. */
enum err_code reporter_flush(struct reporter *reporter, uint64_t timeout_ms) MUST_CHECK;

uint64_t reporter_epoch(const struct reporter *reporter);

/* Redis is there again: give the journal back without waiting for something to say. */
void reporter_redis_back(struct reporter *reporter);
/* Whether this generation of Redis has it. */
bool reporter_gave_back(const struct reporter *reporter);
/* Others may have been given it: `ours` or `lost` follows, once the log is there again. */
void reporter_doubt(struct reporter *reporter);
/* The head was seen in a newer epoch: find out whether that is still us. */
void reporter_look(struct reporter *reporter);
/* The archive has everything through this n: the journal need not. */
void reporter_archived(struct reporter *reporter, uint64_t through);
