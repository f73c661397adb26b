/*
 * New sessions for sessions that have ended: the same task and agent, tried once more.  What they
 * waited for and their deadline are left behind.
 */
#pragma once

#include "session/session_store.h"

enum { SESSION_RETRIES_MAX = 100 };

struct session_retry {
	struct id id; /* the new one's */
	struct id of;
};

struct session_retries {
	struct session_retry items[SESSION_RETRIES_MAX];
	size_t count;
	/* Of the Redis in which their logs are made (task_store.h); 0: not known. */
	uint64_t generation;
};

/* Names the new ones and inserts them, in the caller's transaction. ERR_NOT_FOUND: one of them is
 * not there. */
enum err_code session_retry_add(struct pg_tx *tx, struct session_retries *retries,
                                struct err *err) MUST_CHECK;

/* What failed and passes the filter, oldest first, at most filter->max; ids: a comma list of those
 * that may, NULL: any. No other transaction of the tenant finds them before this one has ended. */
enum err_code session_retry_find(struct pg_tx *tx, const struct session_filter *filter,
                                 const char *ids, struct session_retries *ret,
                                 struct err *err) MUST_CHECK;
