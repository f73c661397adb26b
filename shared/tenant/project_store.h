/* Projects: what a tenant's tasks are sorted by. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "pg/pg.h"

enum { PROJECT_ID_MAX = 64, PROJECT_NAME_MAX = 128 };

struct project {
	struct str id, name; /* of the arena */
	int64_t created_us;
};

struct project_filter {
	const char *tenant;
	const char *after; /* NULL: from the first on */
	unsigned max;
};

struct project_page {
	struct project *items; /* of the arena, by id */
	size_t count;
	bool more;
};

/* 1 to 64 letters, digits, dashes, dots and underscores. */
bool project_id_ok(struct str id);

enum err_code project_list(struct pg *pg, const struct project_filter *filter, struct arena *arena,
                           struct project_page *ret, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: the tenant has none with that id. */
enum err_code project_get(struct pg *pg, const char *tenant, const char *id, struct arena *arena,
                          struct project *ret, struct err *err) MUST_CHECK;
/* ERR_CONFLICT: another has that id or name. */
enum err_code project_insert(struct pg_tx *tx, const char *tenant, const char *id, const char *name,
                             struct err *err) MUST_CHECK;
/* The same, and ERR_NOT_FOUND. */
enum err_code project_rename(struct pg *pg, const char *tenant, const char *id, const char *name,
                             struct err *err) MUST_CHECK;
