/*
 * How many sessions may have a lease at the same time: of a tenant, a user, a project, a type of
 * agent, a key of concurrency; and the weights by which tenants take turns.  A limit counts the
 * leases that live, so nothing can leak; a change takes effect at once.
 */
#pragma once

#include "queue/queue.h"

enum queue_limit_kind {
	QUEUE_LIMIT_TENANT,
	QUEUE_LIMIT_USER,
	QUEUE_LIMIT_PROJECT,
	QUEUE_LIMIT_AGENT,
	QUEUE_LIMIT_KEY, /* 1 unless something is said */
	QUEUE_WEIGHT,    /* of a tenant; 1 unless something is said */
	QUEUE_LIMIT_KIND_COUNT
};

enum { QUEUE_LIMITS_MAX = 64 }; /* in one call */

struct queue_limit {
	enum queue_limit_kind kind;
	const char *tenant; /* NULL: of every tenant that has none of its own; not of a weight */
	const char *name;   /* user, project, type, key; NULL: of the tenant itself */
	uint64_t value;
	bool unset; /* forget it */
};

/* In one shard. ERR_INVALID when one of them is none. */
enum err_code queue_limit_set(const struct queue *queue, const struct queue_limit *limits,
                              size_t count, struct err *err) MUST_CHECK;

/* What a client named, as a name that keys may have: equal texts have equal names. */
void queue_name_of(struct str text, char out[QUEUE_NAME_MAX + 1]);
