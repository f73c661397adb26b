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
	STACK_COUNT, /* the order of starting; stopping is the reverse */
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
