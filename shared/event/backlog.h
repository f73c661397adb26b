/*
 * Tenants whose logs together have too much that is not archived yet: nobody may fill Redis
 * for the others.
 *
 * Schedulers add up and mark them; every node that appends reads the marks about once a second,
 * and log_append() refuses (log_store.backlogged). The marks are one set under {w}. It goes by
 * itself when no scheduler renews it: then there is no bound per tenant, but still the one per
 * session.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct map;
struct redis;

/* More tenants than this are not marked: with a limit of any use Redis is full long before. */
enum { BACKLOG_TENANTS_MAX = 256, BACKLOG_TTL_MS = 10000 };

struct backlog_marks {
	struct str over[BACKLOG_TENANTS_MAX]; /* are marked now */
	size_t over_count;
	struct str near[BACKLOG_TENANTS_MAX]; /* stay marked if they are */
	size_t near_count;
	bool whole; /* all tenants were looked at: who is in neither list is marked no more */
};

/* Also renews the marks of others. */
enum err_code backlog_mark(struct redis *redis, const struct backlog_marks *marks,
                           struct err *err) MUST_CHECK;

/* *tenants (NULL: none) becomes another map, whose keys are the marked tenants and whose values
 * mean nothing; map_free(). On an error it stays as it is. */
enum err_code backlog_read(struct redis *redis, struct map **tenants, struct err *err) MUST_CHECK;
