/*
 * How long logs are kept.  What was written longer ago than its tenant keeps it is removed from the
 * archive, segment by segment, also of sessions that go on; how far is remembered in the session's
 * row, and a reader from before that is told.  A session that has ended, and of whose log nothing
 * is left, is removed with its row, and its task with the last of its sessions.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "event/log.h"

struct pg;

enum { RETENTION_MAX = 256 };

/* The log of one session, as far as it is too old. */
struct retention_due {
	struct id sid;
	char tenant[LOG_MOVES_TENANT_MAX + 1];
	struct cursor through;
};

/* default_s: for tenants that say nothing; 0: for ever. At most RETENTION_MAX into due. */
enum err_code retention_list(struct pg *pg, uint64_t default_s, struct retention_due *due,
                             size_t *ret_count, struct err *err) MUST_CHECK;

/* From Redis first, so that a reader finds it in the archive until it is nowhere. *ret_segments:
 * how many went; 0 also when the log waits for its rebuild or for its archiver: later then. */
enum err_code retention_remove(const struct log_store *store, struct pg *pg,
                               const struct retention_due *due, size_t *ret_segments,
                               struct err *err) MUST_CHECK;

/* The rows of ended sessions of whose logs nothing is left; *ret_count at most RETENTION_MAX. */
enum err_code retention_end(struct pg *pg, uint64_t default_s, size_t *ret_count,
                            struct err *err) MUST_CHECK;
