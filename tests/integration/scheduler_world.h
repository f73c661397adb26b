/*
 * Schedulers as processes, a Redis of one's own, and workers that live in the test: they
 * register, renew, read their mail, and do with a session what the test says.
 */
#pragma once

#include "event/log.h"
#include "loop/fiber.h"
#include "pg_world.h"
#include "queue/lease.h"
#include "queue/mail.h"
#include "queue/queue.h"
#include "redis_server.h"
#include "task_world.h"

enum {
	STAGE_SCHEDULERS = 2,
	STAGE_WORKERS = 4,
	STAGE_SEEN = 256,
	STAGE_WAIT_MS = 20000,
	STAGE_SETTINGS = 4
};

/* One order to run, however often it came. */
struct order {
	struct id sid;
	uint64_t epoch, attempt;
	size_t times;
	uint64_t number, most; /* of attempts, as the order says */
};

struct player {
	struct stage *stage;
	struct lease_worker lease;
	char after[MAIL_ID_SIZE];
	bool silent; /* neither renews nor reads */
	struct order orders[STAGE_SEEN];
	size_t count;
	size_t commands;    /* notes of kind "command" */
	size_t deliveries;  /* of kind "deliver" */
	char delivery[512]; /* the body of the last one */
	char drain[16];     /* the last of "drain" and "undrain" */
	char command[512];  /* the last of them */
};

struct stage {
	struct world *world;
	struct redis_server server;
	struct redis *redis;
	struct log_store store;
	pid_t schedulers[STAGE_SCHEDULERS];
	struct player players[STAGE_WORKERS];
	struct fiber_group fibers;
	const char *settings[STAGE_SETTINGS]; /* NAME=value, of schedulers started from now on; may
	                                         be NULL */
};

void stage_open(struct stage *stage, struct world *world);
void stage_close(struct stage *stage);

void stage_start_scheduler(struct stage *stage, unsigned i);
void stage_kill_scheduler(struct stage *stage, unsigned i); /* -9 */
/* SIGTERM; it must end well, having freed everything. */
void stage_stop_scheduler(struct stage *stage, unsigned i);
/* From here on what Redis has survives stage_lose_redis(). */
void stage_keep_redis(struct stage *stage);
/* Another server at the same address: empty, unless it keeps. */
void stage_lose_redis(struct stage *stage);

/* A new incarnation that renews and reads its mail. */
struct player *stage_worker(struct stage *stage, unsigned i, const char *incarnation,
                            unsigned slots);

/* The last order for a session, NULL when there is none. */
const struct order *player_order(const struct player *player, const struct id *sid);
size_t player_orders(const struct player *player, const struct id *sid);

/* Wait until the condition holds; fails the test after STAGE_WAIT_MS. Returns how long it took. */
typedef bool(stage_check)(struct stage *stage, void *arg);
uint64_t stage_await(struct stage *stage, stage_check *check, void *arg, const char *what);

/* What a worker does. False: refused (fenced, or the log waits for its rebuild). */
bool stage_append(struct stage *stage, const struct order *order, enum event_type type,
                  const char *data);
bool stage_move(struct stage *stage, const struct order *order, enum session_state to,
                const char *data);
/* running, then completed with exit code 0, then the queue. */
void stage_complete(struct stage *stage, const struct order *order);

struct log_head stage_head(struct stage *stage, const struct id *sid);
enum queue_set stage_set(struct stage *stage, const struct id *sid);

/* Of the session's row, as text; "" for NULL. column is one of those in scheduler_world.c. */
void stage_row(struct stage *stage, const struct id *sid, const char *column, char out[128]);
