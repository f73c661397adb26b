/*
 * Sessions that wait: for another one to end, or that may not live beyond a moment.  For the
 * schedulers' duties, across tenants; both walk in pages, and go on where a page ended.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "pg/pg.h"

enum { SESSION_WAITS_MAX = 128, SESSION_TENANT_MAX = 64 };

/* One that waits for `after`, a session or a task, and was not seen to be done with it. */
struct session_wait {
	struct id id, after;
	char tenant[SESSION_TENANT_MAX + 1];
	bool met; /* it has ended, or is gone */
};

struct session_waits {
	struct session_wait items[SESSION_WAITS_MAX];
	size_t count;
};

/* What waits for `only` (NULL: all), from behind `last` on (NULL: the first). */
enum err_code session_after_walk(struct pg *pg, const struct id *only,
                                 const struct session_wait *last, struct session_waits *ret,
                                 struct err *err) MUST_CHECK;
/* It waits no more. Repeating it changes nothing. */
enum err_code session_after_met(struct pg *pg, const struct session_wait *wait,
                                struct err *err) MUST_CHECK;

enum { SESSION_WAITING_MAX = 256 };

/* Sessions of a tenant that wait for the same. */
struct session_waiting {
	char tenant[SESSION_TENANT_MAX + 1];
	char reason[16]; /* turn, time, session, answer */
	uint64_t sessions, oldest_s;
};

/* Of all tenants, most sessions first; items has room for SESSION_WAITING_MAX. Of more than 200,000
 * sessions that wait not all are counted. */
enum err_code session_waiting_all(struct pg *pg, struct session_waiting *items, size_t *ret_count,
                                  struct err *err) MUST_CHECK;

struct session_overdue {
	struct id id;
	char tenant[SESSION_TENANT_MAX + 1];
	int64_t deadline_us;
};

struct session_overdues {
	struct session_overdue items[SESSION_WAITS_MAX];
	size_t count;
};

/* Living past their deadline, from behind `last` on (NULL: the first). */
enum err_code session_overdue_walk(struct pg *pg, const struct session_overdue *last,
                                   struct session_overdues *ret, struct err *err) MUST_CHECK;
