/* Why a session waits, as far as the queue knows, and what is known to tell how long (eta.h). */
#pragma once

#include "queue/queue_gate.h"

/* How often sessions start, lately: of a user, a tenant, or all that need the same. Only time in
 * which more of them were ready counts. */
struct queue_pace {
	uint64_t starts;     /* seen, at most 32 are told; 0: nothing is known */
	int64_t last_ms;     /* of the last, Redis's clock */
	bool goes_on;        /* more of them were ready after it */
	int64_t often_ms;    /* of all: until then nothing was seen of users and tenants */
	double mean_ms, var; /* of the time between two starts */
};

/* How long sessions have a working slot. */
struct queue_spent {
	double ms, ended; /* in all, of so many sessions; the last 32 weigh most */
};

/* Its place among the sessions that need the same, each counted only while it is ready. */
struct queue_rank {
	uint64_t ahead, of_user;         /* ready sessions of its user: before it, in all */
	uint64_t users_ahead, users;     /* of its tenant */
	uint64_t tenants_ahead, tenants; /* whose turn comes before its tenant's, in all */
	uint64_t ready;                  /* sessions of all tenants */
};

struct queue_why {
	enum queue_set set;
	char reason[QUEUE_REASON_MAX + 1]; /* why it is held, delayed, parked or done */
	char needs[QUEUE_NEEDS_MAX + 1];
	char incarnation[QUEUE_WORKER_MAX + 1]; /* of leasing, leased, parked, else "" */
	int64_t now_ms, since_ms;               /* Redis's clock; since: in this set */
	int64_t due_ms;                         /* of delayed; else 0 */
	struct queue_rank rank;
	int64_t turns;                   /* that its tenant took beyond its share, lately */
	uint64_t weight, leases;         /* of its tenant */
	char limit[QUEUE_LIMIT_MAX + 1]; /* the first that is full for it, or "" */
	uint64_t used, most, waiting;    /* of that limit; held for it before this one */
	struct queue_gate gate;          /* the first that is shut for it */
	struct queue_pace of_user, of_tenant, of_all;
	struct queue_spent spent_tenant, spent_all;
};

/* ERR_NOT_FOUND: not in this shard. One script, some 30 commands of constant or logarithmic cost.
 */
enum err_code queue_explain(const struct queue *queue, const struct id *sid, struct queue_why *ret,
                            struct err *err) MUST_CHECK;

/* "ms|ended", as queue_demanded() has it too; "" for nothing known. */
bool queue_spent_parse(struct str text, struct queue_spent *ret) MUST_CHECK;
