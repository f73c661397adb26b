/* What webhooks were told, and how it went, for people. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "pg/pg.h"

enum { WEBHOOK_REDRIVE_MAX = 1000 };

struct webhook_log_filter {
	const char *tenant;
	const char *webhook, *session, *state; /* NULL: any */
	uint64_t before;                       /* UINT64_MAX: from the newest */
	unsigned max;
};
struct webhook_log {
	struct str *items; /* JSON objects, of the arena; the newest first */
	size_t count;
	uint64_t next; /* what the next page is before; 0: this is the last */
};
enum err_code webhook_log_list(struct pg *pg, const struct webhook_log_filter *filter,
                               struct arena *arena, struct webhook_log *ret,
                               struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND */
enum err_code webhook_log_get(struct pg *pg, const char *tenant, const char *id,
                              struct arena *arena, struct str *ret, struct err *err) MUST_CHECK;

/* To be told again: that message, or the oldest dead letters of a webhook (NULL: of any). */
struct webhook_redrive {
	const char *tenant, *message, *webhook;
};
enum err_code webhook_redrive(struct pg *pg, const struct webhook_redrive *what, uint64_t *ret,
                              struct err *err) MUST_CHECK;

/* A message of type webhook.test for that webhook. ERR_NOT_FOUND */
enum err_code webhook_test(struct pg *pg, const char *tenant, const struct id *webhook,
                           const struct id *message, struct err *err) MUST_CHECK;
