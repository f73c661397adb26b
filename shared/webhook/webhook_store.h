/* Subscriptions of a tenant as rows. Changes belong into a transaction (pg_join()). */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "pg/pg.h"
#include "webhook/webhook.h"

/* What can be said of one. */
struct webhook_spec {
	struct str project, name, url; /* project "": all */
	struct str events;             /* comma list */
};

struct webhook {
	struct id id;
	struct webhook_spec spec;
	uint64_t secret_n, failures; /* failures: in a row, up to now */
	struct str state, reason;    /* active, paused, disabled; why */
	struct str created_by;
	int64_t created_us, updated_us;
	int64_t failing_us; /* since when; 0: it does not */
};

struct webhook_list {
	struct webhook *items; /* of the arena */
	size_t count;
	bool more;
};
struct webhook_filter {
	const char *tenant;
	struct id before; /* nil: from the newest */
	unsigned max;
};
enum err_code webhook_list(struct pg *pg, const struct webhook_filter *filter, struct arena *arena,
                           struct webhook_list *ret, struct err *err) MUST_CHECK;
/* All of these: ERR_NOT_FOUND. */
enum err_code webhook_get(struct pg *pg, const char *tenant, const struct id *id,
                          struct arena *arena, struct webhook *ret, struct err *err) MUST_CHECK;
enum err_code webhook_replace(struct pg *pg, const char *tenant, const struct id *id,
                              const struct webhook_spec *spec, struct err *err) MUST_CHECK;
enum err_code webhook_delete(struct pg *pg, const char *tenant, const struct id *id,
                             struct err *err) MUST_CHECK;
/* "active" or "paused". */
enum err_code webhook_set_state(struct pg *pg, const char *tenant, const struct id *id,
                                const char *state, struct err *err) MUST_CHECK;
/* The secret before signs too, for a day. */
enum err_code webhook_rotate(struct pg *pg, const char *tenant, const struct id *id,
                             struct err *err) MUST_CHECK;

/* ERR_CONFLICT: the tenant has WEBHOOK_OF_TENANT_MAX. */
enum err_code webhook_insert(struct pg *pg, const char *tenant, const char *by, const struct id *id,
                             const struct webhook_spec *spec, struct err *err) MUST_CHECK;
/* The same as webhook_rotate(), of what signs the webhooks of tasks. */
enum err_code webhook_task_rotate(struct pg *pg, const char *tenant, uint64_t *ret_n,
                                  struct err *err) MUST_CHECK;
