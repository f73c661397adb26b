#include "tenant/project_store.h"

#include "tenant_sql_gen.h"

static const struct text *sql(enum tenant_sql_id id)
{
	return &tenant_sql_texts[id];
}

bool project_id_ok(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '.')) {
			return false;
		}
	}
	return id.n >= 1 && id.n <= PROJECT_ID_MAX;
}

static enum err_code look(struct pg *pg, const struct project_filter *filter, const char *only,
                          struct pg_rows **ret, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->after);
	pg_param_cstr(&params, only);
	pg_param_u64(&params, filter->max + 1);
	return pg_query(pg, filter->tenant, sql(TENANT_SQL_PROJECT_LIST), &params, ret, err);
}

static struct project from_row(struct pg_rows *rows, size_t i, struct arena *arena)
{
	return (struct project){ .id = arena_str(arena, pg_str(rows, i, 0)),
		                 .name = arena_str(arena, pg_str(rows, i, 1)),
		                 .created_us = pg_i64(rows, i, 2) };
}

enum err_code project_list(struct pg *pg, const struct project_filter *filter, struct arena *arena,
                           struct project_page *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = look(pg, filter, NULL, &rows, err);

	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = from_row(rows, i, arena);
	}
	return ERR_OK;
}

enum err_code project_get(struct pg *pg, const char *tenant, const char *id, struct arena *arena,
                          struct project *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	const struct project_filter filter = { .tenant = tenant, .max = 1 };
	enum err_code code = look(pg, &filter, id, &rows, err);

	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such project");
	}
	if (code == ERR_OK) {
		*ret = from_row(rows, 0, arena);
	}
	return code;
}

enum err_code project_insert(struct pg_tx *tx, const char *tenant, const char *id, const char *name,
                             struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, name);
	return pg_tx_query(tx, sql(TENANT_SQL_PROJECT_INSERT), &params, NULL, err);
}

enum err_code project_rename(struct pg *pg, const char *tenant, const char *id, const char *name,
                             struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id);
	pg_param_cstr(&params, name);
	code = pg_query(pg, tenant, sql(TENANT_SQL_PROJECT_RENAME), &params, &rows, err);
	if (code == ERR_OK && pg_rows_affected(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such project");
	}
	return code;
}
