/*
 * The services of one machine, described: which programs `fairlead up` runs, with which
 * arguments, environment, folders and ports.  Describes only; up.c runs them.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "cli/home.h"
#include "cli/service.h"
#include "cli/state.h"

enum stack_part {
	STACK_REDIS,
	STACK_POSTGRES,
	STACK_API_1,
	STACK_API_2,
	STACK_STREAMER_1,
	STACK_STREAMER_2,
	STACK_SCHEDULER,
	STACK_WORKER,
	STACK_HAPROXY,
	STACK_COUNT, /* the order of starting */
};

/*
 * Stopping goes layer by layer: haproxy, so that nothing new comes in; then all programs at once,
 * since each of them may end at any time; then the data, which they need to the last. A program may
 * take drain.timeout (20 s) after what it does before: a worker gives its agents
 * worker.stop_grace (10 s). Whoever takes longer, also by settings of its own, is killed.
 */
enum {
	STACK_STOP_FRONT_MS = 5000,
	STACK_STOP_PROGRAM_MS = 35000,
	STACK_STOP_DATA_MS = 30000,
	STACK_STOP_MS = STACK_STOP_FRONT_MS + STACK_STOP_PROGRAM_MS + STACK_STOP_DATA_MS +
	                3 * SERVICE_KILLED_MS,
};

struct stack_options {
	uint16_t port;              /* haproxy's: what users talk to */
	const char *bind;           /* its address */
	const char *external_redis; /* URLs; NULL: private ones */
	const char *external_postgres;
};

struct stack {
	struct arena *arena; /* all strings of the services */
	const struct home *home;
	struct stack_options options;
	uint16_t ports[STACK_COUNT]; /* 0: none */
	const char *redis_url, *pg_url, *url;
	const char *pg_bin; /* folder of postgres and initdb, "" when external */
	struct service services[STACK_COUNT];
	bool used[STACK_COUNT]; /* false: external */
	struct service initdb;  /* run once, when there is no database yet */
};

/* Find the programs and ports, make the configuration files. Ports of `last` (a former state, may
 * be NULL) are kept when free. */
enum err_code stack_describe(struct stack *stack, const struct home *home,
                             const struct stack_options *options, const struct state *last,
                             struct arena *arena, struct err *err) MUST_CHECK;
