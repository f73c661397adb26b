/* The queue after a loss of Redis: all that waits, from PostgreSQL, first what may start first. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "session/session_store.h"

struct app;

/* Where the next page begins. */
struct refill {
	struct session_waiting_walk walk;
	size_t seen, added;
};

void refill_begin(struct refill *refill);

/* One page; *ret_more: there may be another one. Sessions that are in the queue stay where they
 * are, so two schedulers may do it at once. */
enum err_code refill_page(struct app *app, bool *ret_more, struct err *err) MUST_CHECK;
