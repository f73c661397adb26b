/*
 * The queue: which sessions wait, and which worker incarnation has the right to run which.
 *
 * Shard k of n is the keys tagged {q<k>/<n>}; a session's shard is a hash of its tenant.  How many
 * there are all processes learn together (node/generation.h, redis_shards()).  In a shard a
 * session is in exactly one set: ready, delayed, held, leasing, leased, parked, done.  Every
 * transition is one atomic script of at most QUEUE_BATCH_MAX steps, idempotent, by Redis's clock.
 * Tenants take turns by weight (stride), users take turns within their tenant, and a user's
 * sessions are ordered by priority and age: a level of priority is worth ten minutes of age, so
 * that all are served in the end.
 *
 * Limits count the leases that live (queue_limit.h); what would exceed one is held until there is
 * room, and a full tenant or user is passed over.
 *
 * The queue and the log are different slots, so a lease is two steps, each of which may be
 * repeated:
 *   - queue_claim() puts the session in `leasing` with a new attempt number;
 *   - log_open(RAISE, epoch = item.epoch, token = queue_token()) raises the epoch, and is refused
 * if the session has ended, or FENCED if the claim was overtaken;
 *   - queue_opened() moves it to `leased` with the new epoch; only then is the worker told
 * (mail.h).
 *
 * Finish: append the terminal event, then queue_finish().  A lease that is over without its end
 * (its worker is lost, its epoch is not the head's, its opening was FENCED) goes back like this:
 *   - read the head; terminal: queue_finish();
 *   - queue_get(): the attempt is still the current one, or there is nothing to do;
 *   - log_open(RAISE, epoch = that of the head read first, token = "requeue-<attempt>", moves to
 * QUEUED unless it is); FENCED: somebody else was faster;
 *   - queue_requeue() with the new epoch.
 * What was left half done is found by queue_list() of QUEUE_LEASING and QUEUE_LEASED, and completed
 * by any scheduler.  Nothing here is the truth about a session: it can all be rebuilt from
 * PostgreSQL and the heads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

struct redis;

enum {
	QUEUE_SHARDS_MAX = 64,
	QUEUE_BATCH_MAX = 128,
	QUEUE_PRIORITY_MAX = 9, /* 9 is served first */
	QUEUE_TENANT_MAX = 64,
	QUEUE_NAME_MAX = 64, /* of users, projects, types of agents, keys of concurrency */
	QUEUE_WORKER_MAX = 64,
	QUEUE_NEEDS_MAX = 512,
	QUEUE_LIKES_MAX = 256,
	QUEUE_LIMIT_MAX = 4 + QUEUE_TENANT_MAX + QUEUE_NAME_MAX, /* of a limit's name */
	QUEUE_REASON_MAX = 8 + QUEUE_LIMIT_MAX,
	QUEUE_LOST_MAX = 15, /* workers lost, dead or late, before a session is poison anyway */
	QUEUE_TOKEN_SIZE = 48,
};

enum queue_set {
	QUEUE_NONE, /* not in this shard */
	QUEUE_READY,
	QUEUE_DELAYED,
	QUEUE_HELD,
	QUEUE_LEASING,
	QUEUE_LEASED,
	QUEUE_PARKED,
	QUEUE_DONE,
	QUEUE_SET_COUNT
};

const char *queue_set_name(enum queue_set set);
bool queue_set_parse(struct str name, enum queue_set *ret) MUST_CHECK;

/* One shard of one queue. */
struct queue {
	struct redis *redis;
	unsigned shard;
	unsigned shards; /* of so many; 0: as many as there are when it is used */
};

/* The shard of a tenant, of `shards`. Pure. */
unsigned queue_shard_of(struct str tenant, unsigned shards);
/* Of as many as there are now: when there are more, it is still the shard that it was. */
struct queue queue_of_tenant(struct redis *redis, struct str tenant);
struct queue queue_at(struct redis *redis, unsigned shard);

/* ---- what a session needs of a worker, what a worker has ---- */

/*
 * Both are sets of words: "os=linux", "runtime=local", "agent=command". A worker fits when it
 * has every word that the session needs. Built by hand: words of [A-Za-z0-9._:/=+-], joined by
 * commas, "" for none.
 */

enum queue_claimed {
	QUEUE_CLAIMED_NEW,   /* leasing: open its log */
	QUEUE_CLAIMED_BACK,  /* was parked on this worker, is leased again: tell it to go on */
	QUEUE_CLAIMED_EVICT, /* parked, and in the way of one that is ready: tell it to leave */
};

struct queue_item {
	struct id sid;
	char tenant[QUEUE_TENANT_MAX + 1];
	char user[QUEUE_NAME_MAX + 1];
	enum queue_claimed claimed; /* of queue_claim() */
	unsigned priority;
	uint64_t attempt; /* of leasing: grows with every claim; names the lease */
	uint64_t epoch;   /* that its log is in, as far as the queue was told; guards log_open() */
	char incarnation[QUEUE_WORKER_MAX + 1]; /* of leasing, leased, parked, else "" */
	enum queue_set set;
	char reason[QUEUE_REASON_MAX + 1]; /* why it is held, delayed or done */
	unsigned lost;                     /* workers lost on it */
	int64_t since_ms;                  /* in this set, Redis's clock */
	uint64_t waited_ms;                /* of queue_claim(): how long it was in the set before */
	int64_t queued_ms;                 /* when it was submitted: its age */
};

struct queue_submit {
	struct id sid;
	const char *tenant;
	/* Names (queue_name_ok()) that limits and turns go by; NULL: none. */
	const char *user, *project, *agent;
	const char *key; /* of concurrency: queue_name_of() what the client gave */
	bool first;      /* before all others of its user: it has waited already */
	unsigned priority;
	const char *needs;      /* words */
	const char *likes;      /* words that a worker had better have or hold; NULL: none */
	uint64_t not_before_ms; /* Unix ms; 0: now */
	const char *hold;       /* not NULL: held, with this reason */
	uint64_t
		epoch; /* that its log is in: of log_open() or the head; 0: opens without a guard */
	struct str copy; /* of its row: said to who hands it over at once (offer.h); "": none */
};

/* *ret_set: where it is now; a session that is there already stays where it is. */
enum err_code queue_submit(const struct queue *queue, const struct queue_submit *item,
                           enum queue_set *ret_set, struct err *err) MUST_CHECK;

struct queue_claim {
	const char *incarnation;
	const char *has;   /* words */
	unsigned capacity; /* slots the worker has in all: sessions it works on are counted off */
	unsigned resident; /* sessions that may be on it, parked ones included; 0: as capacity */
	unsigned max;      /* items, at most QUEUE_BATCH_MAX */
};

/* What a claimed session would rather have; both "" when it likes nothing. */
struct queue_wish {
	char needs[QUEUE_NEEDS_MAX + 1];
	char likes[QUEUE_LIKES_MAX + 1];
};

/* items has room for claim->max. */
enum err_code queue_claim(const struct queue *queue, const struct queue_claim *claim,
                          struct queue_item *items, size_t *ret_count, struct err *err) MUST_CHECK;
/* The same, and what each of them would like; wishes has room for as many. */
enum err_code queue_claim_wishes(const struct queue *queue, const struct queue_claim *claim,
                                 struct queue_item *items, struct queue_wish *wishes,
                                 size_t *ret_count, struct err *err) MUST_CHECK;

/* The token for log_open(): one per attempt. */
void queue_token(const struct queue_item *item, char out[QUEUE_TOKEN_SIZE]);

/*
 * The transitions. Each names the attempt it is about (0: whatever it is, for decisions about the
 * session itself), and answers the set the session is in afterwards; ERR_CONFLICT when the attempt
 * is not the current one or the session is in a set from which this is not possible; ERR_NOT_FOUND
 * when it is not in this shard. Repeating one that has been done is ERR_OK.
 */
struct queue_move {
	struct id sid;
	uint64_t attempt;
	uint64_t epoch;     /* that the log is in now; 0: no change. opened, requeue, refuse */
	uint64_t delay_ms;  /* queue_requeue, queue_refuse: not before that much later */
	const char *reason; /* NULL: none */
	const char *lost;   /* queue_requeue: the incarnation that was lost, NULL: none */
	const char *worker; /* queue_place, queue_prefer: the incarnation it is for */
	unsigned slots;     /* queue_place, queue_unpark: of that worker; 0: not asked */
	bool stays;         /* queue_park: never QUEUE_CLAIMED_EVICT: it could not come back */
	bool placeless;     /* queue_park: nor does it count as residing: it waits for others */
};

/* leasing -> leased */
enum err_code queue_opened(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err) MUST_CHECK;
/* leasing -> leasing of another worker. ERR_CONFLICT also when that one has no slot. */
enum err_code queue_place(const struct queue *queue, const struct queue_move *move,
                          enum queue_set *ret, struct err *err) MUST_CHECK;
/* leasing -> delayed, for delay_ms at most: the first slot of that worker is its. */
enum err_code queue_prefer(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err) MUST_CHECK;
/* leasing, leased -> ready or delayed; costs the session nothing */
enum err_code queue_refuse(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err) MUST_CHECK;
/* leasing, leased, parked -> ready or delayed; with worker QUEUE_LOST_MAX lost -> held, reason
 * "poison": schedulers find it poison before (scheduler/retake.c) */
enum err_code queue_requeue(const struct queue *queue, const struct queue_move *move,
                            enum queue_set *ret, struct err *err) MUST_CHECK;
/* leased -> parked: waits for a person, its working slot is free; only its key of concurrency still
 * counts */
enum err_code queue_park(const struct queue *queue, const struct queue_move *move,
                         enum queue_set *ret, struct err *err) MUST_CHECK;
/* parked -> leased; QUEUE_PARKED while its worker has no slot: then queue_claim() brings it back
 * before all others */
enum err_code queue_unpark(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err) MUST_CHECK;
#define QUEUE_EVICTED "evicted" /* the reason to give, by which who has an answer knows it */
/* parked -> held, reason given: its worker has let it go. queue_release() when it may go on: it is
 * the first of its user then, and kept its key of concurrency. */
enum err_code queue_evict(const struct queue *queue, const struct queue_move *move,
                          enum queue_set *ret, struct err *err) MUST_CHECK;
/* ready, delayed -> held */
enum err_code queue_hold(const struct queue *queue, const struct queue_move *move,
                         enum queue_set *ret, struct err *err) MUST_CHECK;
/* held, delayed -> ready */
enum err_code queue_release(const struct queue *queue, const struct queue_move *move,
                            enum queue_set *ret, struct err *err) MUST_CHECK;
/* any -> done */
enum err_code queue_finish(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err) MUST_CHECK;

/* The same for many at once; sets[i] is QUEUE_NONE where it was not possible. */
enum { QUEUE_MOVES_MAX = 64 };
struct queue_moves {
	const struct queue_move *items;
	enum queue_set *sets;
	size_t count;
};
enum err_code queue_opened_all(const struct queue *queue, const struct queue_moves *moves,
                               struct err *err) MUST_CHECK;
enum err_code queue_finish_all(const struct queue *queue, const struct queue_moves *moves,
                               struct err *err) MUST_CHECK;

struct queue_promoted {
	size_t count;     /* delayed -> ready; QUEUE_BATCH_MAX: there is more to do at once */
	uint64_t next_ms; /* until the next is due, 0: none is waiting */
	size_t woken;     /* held or full for a limit that had room */
	size_t drift;     /* counted by a limit, but no lease: 0 unless there is a bug */
};

/* Also forgets what has been done for longer than keep_done_ms. */
enum err_code queue_promote(const struct queue *queue, uint64_t keep_done_ms,
                            struct queue_promoted *ret, struct err *err) MUST_CHECK;

/* ---- looking ---- */

enum err_code queue_get(const struct queue *queue, const struct id *sid, struct queue_item *ret,
                        struct err *err) MUST_CHECK; /* ERR_NOT_FOUND */

/* How many of the workers lost on it were only late (lease_late()). */
enum err_code queue_late(const struct queue *queue, const struct id *sid, unsigned *ret,
                         struct err *err) MUST_CHECK; /* ERR_NOT_FOUND */

/* The caller's room for an answer. */
struct queue_page {
	struct queue_item *items;
	size_t max; /* at most QUEUE_BATCH_MAX are returned at once */
	size_t count;
};

/* What has been in a set (not QUEUE_NONE or QUEUE_READY) for older_ms, oldest first; of delayed:
 * what is overdue by that. */
enum err_code queue_list(const struct queue *queue, enum queue_set set, uint64_t older_ms,
                         struct queue_page *page, struct err *err) MUST_CHECK;

/* What an incarnation holds here (leasing, leased, parked). For a lost worker: until it is empty.
 */
enum err_code queue_of_worker(const struct queue *queue, const char *incarnation,
                              struct queue_page *page, struct err *err) MUST_CHECK;

struct queue_counts {
	uint64_t in[QUEUE_SET_COUNT];
};
enum err_code queue_count(const struct queue *queue, struct queue_counts *ret,
                          struct err *err) MUST_CHECK;

/* Rung when something became ready ("ready <how many>", "ready 1 <sid>"), or workers have room
 * again
 * ("room <incarnation> ..."); for redis_subscribe(). What is leased as it comes has a channel of
 * its own (offer.h). */
enum { QUEUE_KEY_SIZE = 128 };
void queue_bell_channel(const struct queue *queue, char out[QUEUE_KEY_SIZE]);
