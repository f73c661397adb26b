/* Giving a journal back to a Redis that lost the tail of a session's log. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"

struct journal;
struct log_store;

/*
 * Everything the journal has beyond the tail. ERR_OK also when there was nothing to give;
 * ERR_FENCED: the log is open again, too late or not needed; ERR_SEQUENCE: there is a hole before
 * the journal; ERR_STALE: another generation is known.
 */
enum err_code restore_journal(const struct log_store *store, const struct id *sid,
                              const struct journal *journal, struct err *err) MUST_CHECK;

/* What an earlier process left in dir: each is given back and removed. */
void restore_leftovers(const struct log_store *store, const char *dir);
