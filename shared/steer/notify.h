/* Tell the worker that has a session's lease. What it is about is durable elsewhere, so a note
 * that is lost only costs a moment: a scheduler tells it again. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "queue/queue.h"

struct redis;

/* The queue that a tenant's sessions are in. */
struct queue steer_queue(struct redis *redis, const char *tenant);

struct steer_holder {
	char incarnation[QUEUE_WORKER_MAX + 1], worker[QUEUE_WORKER_MAX + 1];
	uint64_t epoch, attempt;
};
/* Who has the lease. ERR_NOT_FOUND: nobody. */
enum err_code steer_find_holder(struct redis *redis, const char *tenant, const struct id *sid,
                                struct steer_holder *ret, struct err *err) MUST_CHECK;

/* One that made room while it waited may go on: what it waits for, or a command, is there. Harmless
 * for any other. */
enum err_code steer_bring_back(const struct queue *queue, const struct queue_item *item,
                               struct err *err) MUST_CHECK;

struct steer_note {
	const char *tenant;
	struct id sid;
	const char *kind; /* of mail */
	uint64_t epoch;   /* 0: the lease's */
	struct str body;
};
/* Nobody has the lease: brings it back if it made room. */
void steer_notify(struct redis *redis, const struct steer_note *note);

/* Why the queue holds a session that lost its worker while it was paused. */
#define STEER_HOLD_PAUSED "paused"
/* It may go on, and begins again. ERR_OK also when it is not held for that. */
enum err_code steer_release(struct redis *redis, const char *tenant, const struct id *sid,
                            struct err *err) MUST_CHECK;
