/*
 * A small Fairlead under a virtual clock: schedulers, workers and clients on fibers of their own,
 * a Redis that is the model, rows that stand for PostgreSQL, and a network in between.
 *
 * What decides is what ships: the Lua, the calls of shared/queue and shared/event, the duties of
 * the scheduler (sweep, promote, take back, admit, restore) and the worker's lease keeper.  The
 * doors of the process are replaced at link time (doors.c): a command to Redis leaves, arrives and
 * is answered as three happenings, each at its time, and between any two of them another player
 * may act, die, freeze or be cut off.  Everything is drawn from the seed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cost/budget.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "node/node.h"
#include "queue/lease.h"
#include "queue/queue.h"
#include "queue/queue_again.h"
#include "queue/queue_limit.h"
#include "scheduler/app.h"
#include "session/session_store.h"
#include "tests/sim/bridge.h"
#include "tests/sim/bugs.h"
#include "tests/sim/model.h"
#include "worker/lease_keeper.h"

enum {
	SESSIONS_MAX = 40,
	TENANTS_MAX = 3,
	PLAYERS_MAX = 8,
	HOSTS_MAX = 3,
	JOBS_MAX = 8,
	ALOUD_MAX = 16,
	TAKEN_MAX = 16,
	OFFERED_MAX = 12,
	KEPT_MAX = 24,
	PLAYER_FIBERS_MAX = 40,
	SEEN_MAX = 96,
	SPENT_MAX = 6,
	NAMES_MAX = 32,
};

/* ---- what happens, and when ---- */

struct happening {
	uint64_t at_us, serial;
	void (*run)(struct happening *happening);
	size_t place; /* in the heap, from 1; 0: it is not planned */
};

enum player_kind { PLAYER_CLIENT, PLAYER_SCHEDULER, PLAYER_WORKER };

struct job {
	bool active, gone; /* gone: the worker has given it up */
	bool doubted;      /* the lease was away */
	bool parked;       /* the queue may believe so */
	bool too_late;     /* its log was in no state for what it said last */
	struct player *player;
	struct id sid;
	unsigned session;
	uint64_t epoch, attempt, seq,
		taken;      /* taken: the generation its journal was given back in */
	bool unpark, evict; /* what the scheduler told */
	struct fiber_signal told;
	char incarnation[QUEUE_WORKER_MAX + 1];
	uint64_t run;             /* the attempt that it began as: names its batches */
	unsigned anew;            /* how often it began to count them anew */
	struct queue_about about; /* what the queue knows of it */
	struct kept {
		struct cursor at;
		char type[24], data[128], producer[96], state[16];
		uint64_t seq;
		int64_t ts_ms;
	} * kept; /* its journal; NULL in a world that loses nothing */
	size_t kept_count;
	uint64_t base; /* it begins after this n */
	bool whole;    /* the journal has no hole */
};

struct player {
	struct world *world;
	enum player_kind kind;
	unsigned number;
	bool dead;
	bool holds_back; /* frozen before what it says has left it */
	uint64_t frozen_until, cut_until, fault_us;
	uint64_t sent_us, answered_us; /* a connection keeps the order */
	uint64_t connection;
	struct fiber_group group;
	struct fiber *fibers[PLAYER_FIBERS_MAX];
	size_t fiber_count;
	struct happening back; /* it is started again, or learns the generation */
	struct happening learns;
	struct node node;
	struct app app; /* of a scheduler */
	struct duty grant, follow;
	unsigned follow_at;
	char former[ID_LEN + 1];            /* who offered before it died */
	struct queue_item taken[TAKEN_MAX]; /* of its offers, and not handed over yet */
	size_t taken_count;
	/* of a worker */
	struct lease_keeper keeper;
	struct fiber_signal mail;
	char read[48];
	struct {
		size_t n;
		char payload[256];
	} aloud[ALOUD_MAX]; /* what was said to it aloud, and not heard yet */
	size_t aloud_count;
	struct job jobs[JOBS_MAX];
	unsigned slots;
};

/* What PostgreSQL has of a session, and what everybody was told of it. */
struct record {
	struct id sid;
	const char *tenant;
	bool committed, queued;
	char user[16], key[16], project[16];
	char user_name[QUEUE_NAME_MAX + 1], key_name[QUEUE_NAME_MAX + 1]; /* the queue's */
	unsigned priority;
	uint64_t not_before_ms, accepted_us;
	enum session_state state; /* as followed */
	struct cursor at, archived;
	uint64_t epoch, generation; /* the highest, and its Redis */
	bool cancelled;
	struct {
		uint64_t epoch, n, hash;
	} seen[SEEN_MAX]; /* ids that were ever there, with what they were */
	size_t seen_count;
	struct cursor checked;
	bool ended;                           /* its log has a terminal entry */
	char orphan_of[QUEUE_WORKER_MAX + 1]; /* the queue has it on one that has no lease */
	uint64_t orphan_us;                   /* since */
	uint64_t ran_attempt;                 /* the last that its worker was told of */
};

/* A budget: what was used of it is a row's; it counts in its period. */
struct spent {
	const char *tenant;
	enum budget_kind kind;
	const char *name;
	enum budget_period period;
	enum budget_level level;
	char day[BUDGET_DATE_SIZE]; /* when */
};

struct shape {
	unsigned sessions, schedulers, hosts, slots, tenants;
	bool fair, loses_redis, offers;
};

/* What stands, as who asked for it was answered. */
struct offered {
	char holder[QUEUE_WORKER_MAX + 1]; /* "": nobody */
	uint64_t till_ms;
	struct {
		char incarnation[QUEUE_WORKER_MAX + 1];
		uint64_t slots, places;
		char has[64];
	} items[OFFERED_MAX];
	size_t count;
};

struct world {
	uint64_t seed, now_us, serial, faults_end_us;
	struct dice dice;
	struct model *model;
	struct loop *loop;
	struct shape shape;
	struct happening **heap; /* from 1 */
	size_t heap_count, heap_room;
	struct player players[PLAYERS_MAX];
	size_t player_count;
	struct record records[SESSIONS_MAX];
	struct spent spent[SPENT_MAX];
	size_t spent_count;
	uint64_t generation, stalled_until, broken_us;
	struct happening fault, loss;
	bool woken; /* a fiber has to run before the next happening */
	bool over;  /* the players are sent home */
	bool failed;
	char why[256];
	enum bug bug;
	uint64_t ids;
	/* check.c */
	struct {
		char name[48];
		size_t count;
	} limits[NAMES_MAX];
	size_t limit_count;
	struct {
		char name[QUEUE_WORKER_MAX + 1];
		size_t count; /* sessions that it works on, as the queue had it */
	} hosts[NAMES_MAX];
	size_t host_count;
	unsigned passed[TENANTS_MAX];
	struct offered offered;
	struct {
		char of[96]; /* a tenant, or "<tenant>:<user>" */
		double pass, last;
	} turns[NAMES_MAX];
	size_t turn_count;
	struct queue_item rung; /* what the script that runs has said is taken */
	char rung_holder[QUEUE_WORKER_MAX + 1];
	unsigned rung_count;
	unsigned direct; /* that were leased as they came */
	char last_lost[QUEUE_WORKER_MAX + 1];
	uint64_t calls_max;
	bool limits_changed;
	bool trace;
};

extern struct world *world;

uint64_t roll(uint64_t sides);
bool chance(unsigned one_in); /* never once the faults have ended */
void plan(struct happening *happening, uint64_t at_us);
void unplan(struct happening *happening);
void world_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
void world_tell(const char *fmt, ...) PRINTF_LIKE(1, 2); /* with SIM_TRACE */

/* False: an invariant was broken; world_last_failure() says which. */
bool world_run(struct loop *loop, uint64_t seed, enum bug bug, bool trace);
const char *world_last_failure(void);
uint64_t world_direct(void); /* how many were leased as they came, in all worlds so far */

/* ---- players ---- */

struct player *player_of(const void *connection); /* of a struct redis or struct pg */
struct player *player_current(void);              /* of the running fiber; NULL: none */
struct fiber *player_spawn(struct player *player, const char *name, fiber_fn *fn, void *arg);
void player_kill(struct player *player);
void player_ails(struct player *player, uint64_t until_us); /* something happens to it */
/* It dies, and Redis loses everything a moment later. */
void world_lose_opener(struct player *player);
struct record *record_of(const struct id *sid);

void client_start(struct player *player);
void scheduler_start(struct player *player);
bool scheduler_holds(const struct player *player,
                     struct str payload);                       /* who offered what was taken */
void scheduler_hear(struct player *player, struct str payload); /* "taken ..." */
void worker_start(struct player *player);
void worker_hear(struct player *player, struct str payload);
void worker_ring(struct player *player);

/* ---- doors.c ---- */

unsigned doors_publish(void *arg, struct str channel, struct str payload);
void doors_break(void); /* every connection to Redis is lost */
enum err_code pg_door(const void *pg, struct err *err) MUST_CHECK;

/* ---- rows.c ---- */

/* As PostgreSQL has it; strings are the record's. */
struct session row_of(const struct record *record);

/* ---- check.c: after a command has run ---- */

struct ran {
	struct player *player;
	const char *script; /* NULL: none */
	const struct str *words;
	size_t count;
	const struct model_reply *reply;
};
void check_after(const struct ran *ran);
void check_rung(struct str payload); /* while a script runs: "taken ..." */
void check_forget(void);             /* Redis has lost something */
bool check_all_done(void);
