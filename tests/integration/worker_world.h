/*
 * A real fairlead-worker with a Redis of its own; the test plays scheduler and API.
 * Failed expectations end the test where they are; processes die with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "event/log.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "queue/lease.h"
#include "queue/queue.h"
#include "tests/integration/redis_server.h"

struct worker_world {
	struct loop *loop;
	struct redis *redis;
	struct log_store store;
	struct redis_server server;
	struct fiber_group duties; /* of the test: sweeping, archiving */
	char dir[64], state[96], repo[96], log_path[96];
	pid_t worker;
	struct lease_worker registered; /* the living one, of worker_await() */
	void (*body)(struct worker_world *world);
};

/* keeps: Redis has an append-only file. */
void worker_world_run(void (*body)(struct worker_world *world), bool keeps);

/* Start the program with NAME=VALUE beside the usual environment (NULL: nothing), and wait until it
 * is registered. */
void worker_start(struct worker_world *world, const char *setting);
/* Wait for an incarnation that is not world->registered. */
void worker_await(struct worker_world *world);
void worker_signal(const struct worker_world *world, int signo);
int worker_reap(struct worker_world *world); /* as from waitpid() */
void worker_kill(struct worker_world *world);

/* One session as the test sees it. */
struct given {
	struct id sid;
	uint64_t attempt, epoch;
	struct cursor read; /* of text */
	uint64_t last_n;
	struct buf text; /* its events: "<cursor> <type> <data>\n" */
	enum session_state state;
};

/* What is run: argv as JSON words ("\"sh\",\"-c\",\"...\""). NULL: none. */
struct order {
	const char *type; /* of the agent; NULL: command */
	const char *argv;
	const char *settings; /* more members of settings, with a leading comma */
	const char *repo;     /* its url; NULL: mode none */
	const char *delivery; /* mode */
	const char *runtime;  /* more members of runtime, with a leading comma */
	unsigned attempt, of; /* 0: not said */
};

void given_submit(struct worker_world *world, struct given *given); /* a new session, queued */
/* Lease whatever is ready to the registered worker, and send it the order (NULL: not yet). */
void given_lease(struct worker_world *world, struct given *given, const struct order *order);
void given_mail(struct worker_world *world, const struct given *given, const struct order *order);
void given_run(struct worker_world *world, struct given *given, const struct order *order);
void given_fini(struct given *given);

/* Read the log until its text contains this; n must be dense, the text is kept. */
void given_await(struct worker_world *world, struct given *given, const char *needle);
void given_await_for(struct worker_world *world, struct given *given, const char *needle,
                     uint64_t timeout_ms);
/* What was read of it has these, one after the other; the test fails where not. */
void given_in_order(const struct given *given, const char *const *needles, size_t count);
/* Until that state is the head's. */
void given_await_state(struct worker_world *world, struct given *given, enum session_state state);
/* Until it is another. */
void given_await_change(struct worker_world *world, struct given *given, enum session_state from);
unsigned given_lost(struct worker_world *world, const struct given *given); /* workers, on it */
void given_done(struct worker_world *world, const struct given *given);     /* out of the queue */
enum queue_set given_set(struct worker_world *world, const struct given *given);
void given_await_set(struct worker_world *world, const struct given *given, enum queue_set set);

/* Move it as the API does, then send the command. */
void given_command(struct worker_world *world, const struct given *given, const char *kind,
                   const char *payload);
void given_command_of(struct worker_world *world, const struct given *given, const struct id *id,
                      const char *kind, const char *payload);
void given_move(struct worker_world *world, const struct given *given, enum session_state to);
/* A DELETE: the epoch is raised, the state is cancelled. */
void given_cancel(struct worker_world *world, const struct given *given);

/* Processes whose command line has this word; those of the test itself excluded. */
unsigned count_processes(const char *word);
void await_no_process(const char *word);
/* Whether every child of the guard whose command line has this word is stopped. */
bool agents_are_frozen(const char *word);
uint64_t rss_kib(pid_t pid);
void announce_generation(struct worker_world *world, uint64_t generation);
