/* Tasks as rows. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "pg/pg.h"
#include "task/task.h"

struct task_acceptance {
	const char *tenant;
	const char *created_by;       /* the principal: a key's id */
	const struct task_spec *spec; /* as task_decode() left it */
};

struct task_accepted {
	struct id task;
	struct id *sessions; /* of the arena, in the order of agents */
	size_t count;
};

/*
 * The task and its sessions (state queued), in the caller's transaction: accepted once that is
 * committed, and then, not before, the sessions go into the queue and session_mark_queued().
 * ERR_NOT_FOUND: the project is not one of the tenant's. After an error roll back.
 */
enum err_code task_accept(struct pg_tx *tx, const struct task_acceptance *acceptance,
                          struct arena *arena, struct task_accepted *ret,
                          struct err *err) MUST_CHECK;
