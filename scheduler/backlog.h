/*
 * Duty: which tenants have more that is not archived than tenant.unarchived_max (event/backlog.h).
 * A walk over the heads of all sessions that are not archived to their end, a bounded part of it
 * each turn.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"

struct app;
struct map;

/* Where the walk is. Zeroed: at its beginning. */
struct backlog {
	struct id after;
	struct map *sums; /* tenant -> struct sum */
};

void backlog_fini(struct backlog *backlog);
enum err_code backlog_turn(struct app *app, struct err *err) MUST_CHECK;
