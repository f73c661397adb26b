/*
 * The state file of `fairlead up`: what runs, where, since when.  Written every second by
 * the supervisor, read by every other command of this machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "cli/home.h"

enum { STATE_SERVICES_MAX = 16, STATE_FRESH_MS = 5000 };

struct state_service {
	char name[32];
	pid_t pid; /* 0: down */
	uint16_t port;
	unsigned restarts;
	int64_t started_us;
};

struct state {
	char version[32];
	char url[128];
	pid_t pid;
	bool ready;
	int64_t started_us, heartbeat_us; /* wall clock */
	size_t count;
	struct state_service services[STATE_SERVICES_MAX];
};

enum err_code state_write(const struct home *home, const struct state *state,
                          struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: nothing was ever started there. */
enum err_code state_read(const struct home *home, struct state *ret, struct err *err) MUST_CHECK;
/* To say where else to look: a user of this machine who is not root has no state of his own while
 * root's Fairlead runs. False: he has, or it does not, or this is root. */
bool state_of_root(struct state *ret);
/* Is the supervisor of this state alive and beating? */
bool state_is_live(const struct state *state);
