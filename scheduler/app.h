/*
 * What a fairlead-scheduler owns: its duties, the doorbells that wake them, and where their slow
 * walks are.  Any number of schedulers run beside each other; none knows of the others.
 */
#pragma once

#include <stdint.h>

#include "node/node.h"
#include "queue/lease.h"
#include "queue/queue.h"
#include "scheduler/ahead.h"
#include "scheduler/backlog.h"
#include "scheduler/duty.h"
#include "scheduler/epochs.h"
#include "scheduler/fleet.h"
#include "scheduler/measure.h"
#include "scheduler/moves.h"
#include "scheduler/offers.h"
#include "scheduler/refill.h"
#include "session/session_wait.h"

struct fetch;
struct redis_sub;

enum { ASTRAY_MAX = 16, ARCHIVE_FIBERS = 4, LEARNED_MAX = 1024 };

/* The words of the setting scheduler.placement. */
enum { PLACEMENT_SPREAD, PLACEMENT_PACK };

/* How long workers took to have a repository (choose.h). */
struct learned {
	char repo[32]; /* its word */
	uint64_t ms;
};

enum duty_id {
	DUTY_GRANT,
	DUTY_SWEEP,
	DUTY_PROMOTE,
	DUTY_ADMIT,
	DUTY_RESTORE,
	DUTY_ARCHIVE,
	DUTY_DELIVER,
	DUTY_BRANCH,
	DUTY_CORDON,
	DUTY_MEASURE,
	DUTY_BACKLOG,
	DUTY_RETAIN,
	DUTY_RELEASE,
	DUTY_DEADLINE,
	DUTY_FIRE,
	DUTY_EPOCHS,
	DUTY_LIMITS,
	DUTY_FLAG,
	DUTY_PRICES,
	DUTY_BUDGETS,
	DUTY_ASKS,
	DUTY_UPLOADS,
	DUTY_WEBHOOKS,
	DUTY_OFFER,
	DUTY_TAKEN,
	DUTY_MOVES, /* and the other fibers that share `moves` */
	DUTY_COUNT = DUTY_MOVES + ARCHIVE_FIBERS
};

/* Whether a tenant has rules that answer for people (rules.h). */
enum { RULED_MAX = 256, RULED_TENANT_MAX = 64 };
struct ruled {
	char tenant[RULED_TENANT_MAX + 1]; /* "": none yet */
	bool any;
	uint64_t looked_ms;
};

/* Parked, but queued by its log, when it was last looked at. */
struct astray {
	struct id sid;
	uint64_t seen_ms;
};

struct app {
	struct node *node;
	struct redis_sub *sub;
	struct fiber_group fibers; /* the duties' */
	struct duty duties[DUTY_COUNT];

	/* grant */
	struct fleet fleet;
	uint64_t looked_ms, resent_ms;
	struct astray astray[ASTRAY_MAX];
	unsigned astray_next;
	uint64_t rung[QUEUE_SHARDS_MAX]; /* sessions that became ready since it was asked */
	unsigned first_shard;            /* of the next turn: all have their turn to be it */
	unsigned subscribed;             /* to the bells of so many shards */
	unsigned turn;
	unsigned handing; /* handovers under way */
	struct fiber_signal handed;
	struct epochs epochs;
	struct ahead ahead;
	struct offers offers;
	struct learned *learned; /* LEARNED_MAX */
	struct ruled ruled[RULED_MAX];

	/* limits: what is in Redis, by which connection, and when all of it was */
	uint64_t limits_version, limits_connection, limits_swept_ms;

	/* reconcile */
	struct refill refill;
	struct id admit_after, begun_after, restore_after;
	uint64_t admitted_ms; /* when all that was accepted was last looked at */
	uint64_t admit_began_ms, admit_walked_ms; /* wall clock: this walk, the last whole one */
	bool admit_all;                           /* the next walk does */
	uint64_t restoring;                       /* the generation that is being walked */
	bool begun;                               /* what had begun is done there */
	uint64_t restored;    /* in which all that lives is with a worker or in the queue */
	uint64_t rebuilt;     /* in which all of it has its log */
	uint64_t cleared;     /* in which nothing of a former layout is left */
	uint64_t connection;  /* to Redis: the one that the generation is of */
	uint64_t restore_due; /* clock_mono_ms: before that workers give back their journals */

	/* archive */
	struct moves moves;
	struct id archive_after;
	bool archive_all;        /* this walk takes what has lingered too */
	uint64_t archive_all_ms; /* when the last such began: clock_mono_ms */

	/* release, deadline: where the last page ended */
	struct session_wait released;
	struct session_overdue overdue;

	struct backlog backlog;
	struct measure measure;

	struct id holder; /* of what only one of us may have: nobody else's */

	/* webhooks */
	struct fetch *fetch;
	unsigned telling; /* messages on their way */

	/* deliver */
	struct id deliver_session;
	uint64_t deliver_seq;
};

extern const struct node_options app_node;

/* There are moves that wait. */
void app_ring_archivers(struct app *app);

/* The shard of a tenant. */
struct queue app_queue(const struct app *app, const char *tenant);
