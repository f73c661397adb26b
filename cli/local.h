/*
 * Operator commands that talk to PostgreSQL themselves, with its settings taken from the
 * environment (FAIRLEAD_PG_URL[_FILE], FAIRLEAD_PEPPER[_FILE]) or from the system that `fairlead
 * up` runs on this machine.
 */
#pragma once

#include "auth/auth_bell.h"
#include "base/attr.h"
#include "base/id.h"
#include "cli/home.h"

struct pg;
struct loop;
struct redis;

enum { LOCAL_PEPPER_MAX = 512 };

struct local {
	struct loop *loop;
	struct pg *pg;
	const char *pg_url;
	struct home home;
	char pepper[LOCAL_PEPPER_MAX + 1]; /* "" when there is none */
	void *arg;
	int (*fn)(struct local *local);
	int status;
};

/* The Redis that is known here (FAIRLEAD_REDIS_URL, or the one that runs here); it connects in the
 * background. NULL: none is, or its address is wrong. */
struct redis *local_redis(const struct local *local, unsigned timeout_ms) MUST_CHECK;

/* Tell the streamers that a key or a user has changed, if Redis is known and answers at once: they
 * find out by themselves half a second later. On a fiber. */
void local_ring(struct local *local, enum auth_bell_kind kind, const struct id *id);

/* Run fn on a fiber with a database; returns what it returned, or EXIT_FAILED with a sentence. */
int local_run(int (*fn)(struct local *local), void *arg);
