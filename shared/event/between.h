/*
 * Every event of a stretch of a session's log, whichever tier has it, page by page: one page is
 * held at a time.  Who looks back from the end takes it block by block (BETWEEN_BLOCK), so that it
 * reads no more than it needs.
 */
#pragma once

#include "base/attr.h"
#include "event/log.h"

struct pg;

enum { BETWEEN_BLOCK = 128 }; /* as much as a read gives */

struct between {
	const struct log_store *store;
	struct pg *pg;
	struct id sid;
	const char *tenant;
	/* Oldest first; the event is only lent. */
	void (*each)(void *arg, const struct log_event *event);
	void *arg;
	unsigned reads; /* so far */
};

/* n after+1 to through; those that no tier has are left out. On a fiber. */
enum err_code between_read(struct between *between, uint64_t after, uint64_t through,
                           struct err *err) MUST_CHECK;
