/*
 * What keeps sessions from starting though limits would let them; those that live go on.
 *
 * A breaker, of a tenant's agents of one type: when too many starts fail within a while nothing
 * starts for a while, then one at a time, on trial, until some went well in a row.  Sessions wait
 * meanwhile.  A budget that is spent, of a tenant, a user or a project.  All of it is in the
 * queue's keys, so a claim sees it in the same step; after a loss of Redis breakers are closed.
 */
#pragma once

#include "queue/queue_limit.h"

struct queue_breaker_rule {
	unsigned failures;  /* that many */
	uint64_t window_ms; /* within that time open it */
	uint64_t open_ms;   /* for so long */
	unsigned successes; /* of those on trial close it */
};

struct queue_agents {
	const char *tenant;
	const char *agent; /* type */
};

/* Both are names. */
bool queue_agents_ok(const struct queue_agents *of);

enum queue_gate_kind { QUEUE_GATE_NONE, QUEUE_GATE_BREAKER, QUEUE_GATE_BUDGET };

struct queue_gate {
	enum queue_gate_kind kind;
	char name[QUEUE_LIMIT_MAX + 1]; /* as limits have: "a:<tenant>:<type>" */
	int64_t until_ms;               /* Redis's clock; of a budget 0: until it is opened */
	struct id trial;                /* of a breaker: the session on trial; nil: none is */
	int64_t trial_until_ms;         /* and how long it is waited for */
	uint64_t well;                  /* of those on trial */
	struct id budget;               /* of a budget */
};

/* A start failed; token names it, so that it counts once (a name, queue_name_ok()). *ret: that
 * opened the breaker, or opened it again. */
enum err_code queue_gate_fail(const struct queue *queue, const struct queue_agents *of,
                              const char *token, const struct queue_breaker_rule *rule, bool *ret,
                              struct err *err) MUST_CHECK;
/* A start went well. *ret: that closed the breaker. Of a session that is not on trial it changes
 * nothing. */
enum err_code queue_gate_pass(const struct queue *queue, const struct queue_agents *of,
                              const struct id *sid, const struct queue_breaker_rule *rule,
                              bool *ret, struct err *err) MUST_CHECK;
/* Closed, and what failed is forgotten. *ret: it was open. */
enum err_code queue_gate_reset(const struct queue *queue, const struct queue_agents *of, bool *ret,
                               struct err *err) MUST_CHECK;

/* The breakers of a shard that are not closed, `max` at most. */
enum err_code queue_breakers(const struct queue *queue, struct queue_gate *items, size_t max,
                             size_t *ret_count, struct err *err) MUST_CHECK;

/* Of the scripts' answers. text "": none. */
bool queue_gate_parse(struct str name, struct str text, struct queue_gate *ret) MUST_CHECK;
