/*
 * Workers that get no new sessions, as rows: by name, so that a cordon outlives the worker's
 * process and the machine it is on, and Redis.  queue/lease.h has the copy that placement goes by.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "pg/pg.h"
#include "queue/lease.h"

struct cordon_list {
	struct lease_cordon *items; /* of the arena */
	size_t count;
};

enum err_code cordon_list(struct pg *pg, struct arena *arena, struct cordon_list *ret,
                          struct err *err) MUST_CHECK;
/* drain: what it has goes elsewhere too. by: whose decision it is. Replaces an earlier one. */
enum err_code cordon_set(struct pg *pg, const struct lease_cordon *cordon, const char *by,
                         struct err *err) MUST_CHECK;
/* There may be none. */
enum err_code cordon_clear(struct pg *pg, const char *name, struct err *err) MUST_CHECK;
