/* What of the sessions' logs only Redis has: the archiver copies a log that is still when it has
 * 128 new events, or ten seconds later. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "cli/backup.h"

struct local;

/* Wait until all events that there are now are in PostgreSQL, for_ms at most; *ret: those that then
 * were not, and whether Redis could be asked at all. */
enum err_code backup_await_archive(struct local *local, uint64_t for_ms, struct backup_behind *ret,
                                   struct err *err) MUST_CHECK;
