/* Tenants and their projects, as rows. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "pg/pg.h"

enum { TENANT_ID_MAX = 64 };

/* What `fairlead up` and a first `fairlead admin key create` use. */
#define TENANT_DEFAULT "default"

/* Makes it unless it is there; id is its name too. ERR_INVALID: not a tenant id. */
enum err_code tenant_ensure(struct pg *pg, const char *id, struct err *err) MUST_CHECK;

/* 1 to 64 letters, digits, dashes and underscores. */
bool tenant_id_ok(struct str id);

/* Makes the project unless it is there. ERR_NOT_FOUND: no such tenant. */
enum err_code tenant_project_ensure(struct pg *pg, const char *tenant, const char *id,
                                    const char *name, struct err *err) MUST_CHECK;
