#include "tenant/tenant_store.h"

#include "tenant_sql_gen.h"

bool tenant_id_ok(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_')) {
			return false;
		}
	}
	return id.n >= 1 && id.n <= TENANT_ID_MAX;
}

enum err_code tenant_ensure(struct pg *pg, const char *id, struct err *err)
{
	struct pg_params params = { 0 };

	if (!tenant_id_ok(str_of(id))) {
		return err_set(err, ERR_INVALID, "a tenant id is 1 to %d letters, digits, - and _",
		               TENANT_ID_MAX);
	}
	pg_param_cstr(&params, id);
	pg_param_cstr(&params, id);
	return pg_query(pg, "", &tenant_sql_texts[TENANT_SQL_TENANT_ENSURE], &params, NULL, err);
}

enum err_code tenant_project_ensure(struct pg *pg, const char *tenant, const char *id,
                                    const char *name, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, name);
	return pg_query(pg, tenant, &tenant_sql_texts[TENANT_SQL_TENANT_PROJECT_ENSURE], &params,
	                NULL, err);
}
