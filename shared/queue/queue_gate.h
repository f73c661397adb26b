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

/* QUEUE_GATE_SOFT keeps nobody from anything: it is only told. */
enum queue_gate_kind {
	QUEUE_GATE_NONE,
	QUEUE_GATE_BREAKER,
	QUEUE_GATE_BUDGET,
	QUEUE_GATE_SOFT,
	QUEUE_GATE_KIND_COUNT
};

enum { QUEUE_GATE_NAME_MAX = 2 + QUEUE_LIMIT_MAX, QUEUE_GATE_MORE_MAX = 128 };

struct queue_gate {
	enum queue_gate_kind kind;
	char name[QUEUE_GATE_NAME_MAX + 1]; /* as limits have: "a:<tenant>:<type>" */
	int64_t until_ms;                   /* Redis's clock; of a budget 0: until it is opened */
	struct id trial;                    /* of a breaker: the session on trial; nil: none is */
	int64_t trial_until_ms;             /* and how long it is waited for */
	uint64_t well;                      /* of those on trial */
	char more[QUEUE_GATE_MORE_MAX + 1]; /* of a budget: what others are told of it */
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

/* The name of a gate of that kind (not a breaker's) for what a limit may be of, but for types and
 * keys. */
void queue_gate_name(const struct queue_limit *of, enum queue_gate_kind kind,
                     char out[QUEUE_GATE_NAME_MAX + 1]);
/* Of a budget: nothing of it starts until that time (Unix ms; 0: until it is opened). */
enum err_code queue_gate_shut(const struct queue *queue, const struct queue_gate *gate,
                              struct err *err) MUST_CHECK;
/* Harmless when it is of another kind by now. */
enum err_code queue_gate_open(const struct queue *queue, const struct queue_gate *gate,
                              struct err *err) MUST_CHECK;

/* The gates of a shard of one kind, `max` at most; breakers that are closed have none. */
enum err_code queue_gates(const struct queue *queue, enum queue_gate_kind kind,
                          struct queue_gate *items, size_t max, size_t *ret_count,
                          struct err *err) MUST_CHECK;

/* What a session's tenant, user and project have spent, and are told of: the first of each kind;
 * QUEUE_GATE_NONE: none. about: of queue_about(). */
enum err_code queue_gates_of(const struct queue *queue, struct str about, struct queue_gate *hard,
                             struct queue_gate *soft, struct err *err) MUST_CHECK;

/* Of the scripts' answers. text "": none. */
bool queue_gate_parse(struct str name, struct str text, struct queue_gate *ret) MUST_CHECK;
