/*
 * The queue after a loss of Redis: workers attest what they have, and what waits is put in again
 * from PostgreSQL.
 *
 * Neither is the truth about a session: the epoch of its log is. What the queue believes wrongly (a
 * lease that is over, a session that has ended) is put right like any other half-done lease.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "queue/queue.h"

enum { QUEUE_ABOUT_MAX = 1280, QUEUE_ATTEST_MAX = 32, QUEUE_REFILL_MAX = 32 };

/* What the queue was told of a session when it was submitted, in its own words: a worker keeps it
 * while it has the session. */
struct queue_about {
	char text[QUEUE_ABOUT_MAX]; /* "": not known */
};

/* ERR_NOT_FOUND: it is not in this shard. */
enum err_code queue_about(const struct queue *queue, const struct id *sid, struct queue_about *ret,
                          struct err *err) MUST_CHECK;

struct queue_attest {
	struct id sid;
	const struct queue_about *about;
	uint64_t epoch, attempt;
	bool parked, stays, placeless; /* as of queue_park() */
	const char *reason;            /* of parked; NULL: none */
	bool taken;                    /* the answer: it is the incarnation's, */
	uint64_t attempt_now;          /* under this number; else the log knows more */
};

/* At most QUEUE_ATTEST_MAX, all of this shard. */
enum err_code queue_attest(const struct queue *queue, const char *incarnation,
                           struct queue_attest *items, size_t count, struct err *err) MUST_CHECK;

/*
 * At most QUEUE_REFILL_MAX, all of this shard; those that are there stay where they are. since_ms:
 * Unix ms, their ages. attempts: a number that no attempt of them had reached before the loss.
 * Their epochs are not looked at.
 */
struct queue_refill {
	const struct queue_submit *items;
	const int64_t *since_ms;
	size_t count;
	uint64_t attempts;
};
enum err_code queue_refill(const struct queue *queue, const struct queue_refill *refill,
                           size_t *ret_added, struct err *err) MUST_CHECK;

/*
 * One step of removing the keys of a queue that was laid out in another way, by fewer shards or by
 * a version before this one. *cursor: 0 at first; 0 again when all was seen.
 */
enum err_code queue_drop_former(struct redis *redis, uint64_t *cursor, size_t *ret_dropped,
                                struct err *err) MUST_CHECK;
