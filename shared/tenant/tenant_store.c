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

enum err_code tenant_list(struct pg *pg, struct arena *arena, struct tenant_list *ret,
                          struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const struct pg_params params = { 0 };
	enum err_code code =
		pg_query(pg, "", &tenant_sql_texts[TENANT_SQL_TENANT_LIST], &params, &rows, err);

	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = (struct tenant){
			.id = arena_str(arena, pg_str(rows, i, 0)),
			.name = arena_str(arena, pg_str(rows, i, 1)),
			.retention_s = pg_is_null(rows, i, 2) ? TENANT_RETENTION_DEFAULT
			                                      : pg_u64(rows, i, 2),
			.disabled = pg_bool(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err_code tenant_set_retention(struct pg *pg, const char *id, uint64_t seconds, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id);
	if (seconds == TENANT_RETENTION_DEFAULT) {
		pg_param_null(&params);
	} else {
		pg_param_u64(&params, seconds);
	}
	code = pg_query(pg, "", &tenant_sql_texts[TENANT_SQL_TENANT_RETENTION], &params, &rows,
	                err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no tenant %s", id);
	}
	return code;
}

enum err_code tenant_create(struct pg *pg, const char *id, const char *name, struct err *err)
{
	struct pg_params params = { 0 };

	if (!tenant_id_ok(str_of(id))) {
		return err_set(err, ERR_INVALID, "a tenant id is 1 to %d letters, digits, - and _",
		               TENANT_ID_MAX);
	}
	pg_param_cstr(&params, id);
	pg_param_cstr(&params, name);
	return pg_query(pg, "", &tenant_sql_texts[TENANT_SQL_TENANT_CREATE], &params, NULL, err);
}

enum err_code tenant_disable(struct pg *pg, const char *id, bool disabled, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id);
	pg_param_bool(&params, disabled);
	code = pg_query(pg, "", &tenant_sql_texts[TENANT_SQL_TENANT_DISABLE], &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no tenant %s", id);
	}
	return code;
}
