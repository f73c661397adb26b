/*
 * How often somebody may ask: limits for keys, users, tenants and addresses by class of route,
 * counted in Redis for all nodes together (gcra.h).
 *
 * A node does not ask Redis at each request.  It takes a few units ahead into a purse and spends
 * those: at most a twentieth of the burst and a quarter of what comes in within RATE_HOLD_MS, one
 * at a time when less than a quarter of the burst is left, and none for longer than RATE_HOLD_MS.
 * What was taken is counted, spent or not.  So never more is let through than the limit and, in
 * any one period, what lay in the purses of all nodes when it began: nodes x burst/20; and nobody
 * is refused but when there is less than that left.  A refusal is remembered until it may be asked
 * again, so who floods costs Redis nothing.
 *
 * While Redis is away each node counts for itself, with the same limits.
 *
 * Redis, all of a tenant in one slot, so that one call takes from all of them:
 *	{r:<tenant>}:t:<class>  {r:<tenant>}:k:<key id>:<class>  {r:<tenant>}:u:<user>:<class>
 *	{r:a<address>}:<class>
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "rate/limits.h"

struct rate;
struct redis;

enum { RATE_HOLD_MS = 2000, RATE_SUBJECTS_MAX = RATE_KIND_COUNT };

struct rate_subject {
	enum rate_kind kind;
	struct str tenant; /* of all but an address */
	struct str name;   /* of a key or user; an address as text */
};

struct rate_verdict {
	bool allowed;
	bool limited;         /* there is a limit; else the rest means nothing */
	enum rate_kind kind;  /* the one that refuses, or has least left */
	uint64_t burst, left; /* of that limit */
	uint64_t reset_ms;    /* until all of the burst is there again */
	uint64_t retry_ms;    /* refused: until it is worth trying */
};

struct rate_options {
	struct redis *redis; /* NULL: this node counts for itself */
	struct rate_limits limits[RATE_KIND_COUNT];
};

struct rate *rate_new(const struct rate_options *options) MUST_CHECK;
void rate_free(struct rate *rate); /* NULL is a no-op */

/* A tenant's own limits for RATE_KEY, RATE_USER or RATE_TENANT in place of all that the options
 * say of the kind; NULL: as the options say. */
void rate_override(struct rate *rate, struct str tenant, enum rate_kind kind,
                   const struct rate_limits *limits);

void rate_override_none(struct rate *rate); /* no tenant has any */

/* On a fiber: may they all ask for this? Takes cost from each, from purses where it can. An
 * address of this host (loopback, a unix socket) is not limited. */
struct rate_verdict rate_spend(struct rate *rate, const struct rate_subject *subjects, size_t count,
                               enum rate_class which, uint64_t cost);

/* On a fiber: exactly, with Redis asked each time: for attempts to guess something. A name of
 * RATE_USER may be any text, also of nobody; tenant "" for what is of no tenant. */
struct rate_verdict rate_take(struct rate *rate, const struct rate_subject *subject,
                              enum rate_class which, uint64_t cost);

/* Is it known here that this one was refused a moment ago? Asks and takes nothing. */
struct rate_verdict rate_look(struct rate *rate, const struct rate_subject *subject,
                              enum rate_class which);

/* ---- pure ---- */

enum { RATE_NAME_SIZE = 160 };

/* The name in Redis, made of ids, hex digits and nothing that a client wrote. IPv6: its /64.
 * False: not limited, since it is of this host. */
bool rate_name(const struct rate_subject *subject, enum rate_class which,
               char out[RATE_NAME_SIZE]) MUST_CHECK;

/* How many may be taken ahead. */
uint64_t rate_slice_max(const struct gcra_limit *limit);
