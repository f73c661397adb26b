/*
 * From a claim to the worker: where it shall run, its epoch, its order.  A batch is taken further
 * in one go, its steps for all sessions at once.  Each step may be the last one before a kill: what
 * is half done after two seconds is completed by any scheduler, by the same steps.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "event/log.h"
#include "queue/queue.h"
#include "trace/trace.h"

struct app;
struct arena;
struct session;

enum { HANDOVER_MAX = 24, HANDOVERS_MAX = 8 };

struct handover_lease {
	struct queue_item item;
	const struct session *row; /* NULL: to be read; the batch's arena's */
	char worker[QUEUE_WORKER_MAX + 1];
	bool alive, leased;
	enum err_code code; /* of raising the epoch, later of telling its worker */
	enum err_code alive_code;
	struct log_result result;
	struct trace_span span; /* of giving it (lease_trace.h) */
	struct err err;
};

struct handover {
	struct app *app;
	struct queue queue;
	struct handover_lease leases[HANDOVER_MAX];
	struct queue_wish wishes[HANDOVER_MAX];
	size_t count;
	struct arena *arena; /* NULL: no row is known */
	int64_t claimed_us;  /* clock_wall_us() */
};

/* Claimed just now: on a fiber of its own; takes the batch, from mem_calloc(). Waits while
 * HANDOVERS_MAX are under way. */
void handover_start(struct handover *batch);

/* Before a step of a walk that nobody waits for: sessions that are being handed over go first, for
 * *left_ms at most, which is what is left of it afterwards: a walk gets on, however many they are.
 */
enum { HANDOVER_PASS_MS = 100 };
void handover_let_pass(struct app *app, uint64_t *left_ms);

/* Claimed some time ago, worker NULL: by one that is not alive. */
enum err_code handover_one(struct app *app, const struct queue_item *item, const char *worker,
                           struct err *err) MUST_CHECK;
