/* Tasks as rows. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/traceparent.h"
#include "idempotency/idempotency.h"
#include "pg/pg.h"
#include "task/task.h"

struct task_acceptance {
	const char *tenant;
	const char *created_by;       /* the principal: a key's id */
	const char *owner;            /* whose key it is; "": nobody was named */
	const struct task_spec *spec; /* as task_decode() left it */
	bool after_met;               /* what spec->queue_after names has ended already */
	/* Of the Redis in which the logs are made, so that their first epoch need not be stored
	 * afterwards; 0: not known, it must be. */
	uint64_t generation;
	struct traceparent trace; /* what its spans are parts of; not sampled: none */
};

struct task_accepted {
	struct id task;
	struct id *sessions; /* of the arena, in the order of agents */
	size_t count;
};

/*
 * The task and its sessions (state queued), in the caller's transaction: accepted once that is
 * committed, and then, not before, the sessions go into the queue and session_mark_queued().
 * ERR_NOT_FOUND: the project is not one of the tenant's. After an error roll back.
 */
enum err_code task_accept(struct pg_tx *tx, const struct task_acceptance *acceptance,
                          struct arena *arena, struct task_accepted *ret,
                          struct err *err) MUST_CHECK;
/* Several of one tenant and generation, in one transaction of their own and one round trip: after
 * ERR_OK all are accepted, else none (ERR_UNKNOWN, ERR_TIMEOUT: it is not known). */
struct task_item {
	const struct task_acceptance *acceptance;
	struct arena *arena;
	struct task_accepted accepted; /* after task_plan(), or ERR_OK */
	/* With a key: accepted once, with the answer. Its outcome then decides; no two of a list
	 * have the same key. */
	const struct idempotency_claim *claim;
	struct idempotency_find once;
};
/* Names the task and its sessions beforehand, so that the answer can be written. */
void task_plan(struct task_item *item);
enum err_code task_accept_all(struct pg *pg, struct task_item *const items[], size_t count,
                              struct err *err) MUST_CHECK;

/* What spec->queue_after may name. */
struct task_after_ask {
	const char *tenant;
	struct str id;
	const char *namespaces; /* comma list of those that may be seen; NULL: any */
};
struct task_after {
	uint64_t sessions; /* 0: there is none */
	bool ended;        /* all of them */
};
/* In tx, or alone when that is NULL. */
enum err_code task_after_get(struct pg *pg, struct pg_tx *tx, const struct task_after_ask *ask,
                             struct task_after *ret, struct err *err) MUST_CHECK;
