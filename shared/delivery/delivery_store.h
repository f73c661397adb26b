/*
 * Deliveries as rows: commits that wait to become a branch of a user's repository.
 *
 * A worker pushes what it made to refs/fairlead/<sid>/<epoch> and says so in the session's log.
 * Whoever follows the log leaves a row; a scheduler looks at it when the session has ended.  Ended
 * well, and in that epoch or one that was only rebuilt: it is delivered.  Anything else and it
 * never is.  Since the end of a session is final, there is at most one commit that is ever
 * delivered, however many workers and schedulers try.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "pg/pg.h"

enum delivery_state {
	DELIVERY_WAITING,
	DELIVERY_DONE,       /* the branch is at the commit */
	DELIVERY_FAILED,     /* the repository refused it */
	DELIVERY_SUPERSEDED, /* its worker was lost, or the attempt failed: another one made another
	                      */
	DELIVERY_DROPPED,    /* the session did not end well */
	DELIVERY_STATE_COUNT
};

const char *delivery_state_name(enum delivery_state state);

/* What a `delivery` event said. */
struct delivery_new {
	struct id session;
	uint64_t epoch;         /* of the event */
	struct str ref, commit; /* refs/fairlead/..., and what it is at */
};

/* Nothing when the task names no branch, or it is there. */
enum err_code delivery_add(struct pg *pg, const char *tenant, const struct delivery_new *delivery,
                           struct err *err) MUST_CHECK;

/* One that waits, of a session that has ended. */
struct delivery {
	struct id session;
	struct str tenant, ref, commit, url, branch; /* of the arena */
	struct str worker;                           /* that made it, "" unknown */
	struct str session_state;
	uint64_t epoch;
	unsigned asked; /* times that a worker was asked */
	bool due;       /* ask (again) */
};

struct delivery_list {
	struct delivery *items; /* of the arena */
	size_t count;
};

/* Of all tenants, the first `max` of those that are due or were asked. */
enum err_code delivery_waiting(struct pg *pg, unsigned max, struct arena *arena,
                               struct delivery_list *ret, struct err *err) MUST_CHECK;

/* A worker is asked; not due again for that long. *ret_ours false: another scheduler asks. */
enum err_code delivery_ask(struct pg *pg, const struct delivery *delivery, uint64_t again_ms,
                           bool *ret_ours, struct err *err) MUST_CHECK;

/* Repeating it changes nothing. */
enum err_code delivery_end(struct pg *pg, const struct delivery *delivery,
                           enum delivery_state state, const char *reason,
                           struct err *err) MUST_CHECK;

/* What became of the newest one of a session, as a JSON object; {NULL, 0}: there is none. */
enum err_code delivery_get(struct pg *pg, const char *tenant, const struct id *session,
                           struct arena *arena, struct str *ret, struct err *err) MUST_CHECK;
