/* Tenants and their projects, as rows. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "pg/pg.h"

enum { TENANT_ID_MAX = 64 };

/* What `fairlead up` and a first `fairlead admin key create` use. */
#define TENANT_DEFAULT "default"

/* Makes it unless it is there; id is its name too. ERR_INVALID: not a tenant id. */
enum err_code tenant_ensure(struct pg *pg, const char *id, struct err *err) MUST_CHECK;

/* How long a tenant's logs are kept (event/retention.h). */
#define TENANT_RETENTION_DEFAULT UINT64_MAX /* as the setting retention.default says */
enum { TENANT_RETENTION_EVER = 0 };

struct tenant {
	struct str id, name; /* of the arena */
	uint64_t retention_s;
	bool disabled;
};

struct tenant_list {
	struct tenant *items; /* of the arena */
	size_t count;
};

enum err_code tenant_list(struct pg *pg, struct arena *arena, struct tenant_list *ret,
                          struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: no such tenant. */
enum err_code tenant_set_retention(struct pg *pg, const char *id, uint64_t seconds,
                                   struct err *err) MUST_CHECK;

/* ERR_CONFLICT: another has that id or name. ERR_INVALID: not a tenant id. */
enum err_code tenant_create(struct pg *pg, const char *id, const char *name,
                            struct err *err) MUST_CHECK;
/* Nobody of a disabled tenant gets in; what runs goes on. ERR_NOT_FOUND: no such tenant. */
enum err_code tenant_disable(struct pg *pg, const char *id, bool disabled,
                             struct err *err) MUST_CHECK;

/* 1 to 64 letters, digits, dashes and underscores. */
bool tenant_id_ok(struct str id);

/* Makes the project unless it is there. ERR_NOT_FOUND: no such tenant. */
enum err_code tenant_project_ensure(struct pg *pg, const char *tenant, const char *id,
                                    const char *name, struct err *err) MUST_CHECK;
