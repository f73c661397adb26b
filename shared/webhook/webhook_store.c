#include "webhook/webhook_store.h"

#include "webhook_sql_gen.h"

enum {
	ID,
	PROJECT,
	NAME,
	URL,
	EVENTS,
	SECRET_N,
	STATE,
	REASON,
	CREATED_BY,
	CREATED,
	UPDATED,
	FAILING,
	FAILURES
};

static const struct text *sql(enum webhook_sql_id id)
{
	return &webhook_sql_texts[id];
}

static struct webhook from_row(const struct pg_rows *rows, size_t i, struct arena *arena)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	struct webhook row = {
		.spec = { TEXT(PROJECT), TEXT(NAME), TEXT(URL), TEXT(EVENTS) },
		.secret_n = pg_u64(rows, i, SECRET_N),
		.failures = pg_u64(rows, i, FAILURES),
		.state = TEXT(STATE),
		.reason = TEXT(REASON),
		.created_by = TEXT(CREATED_BY),
		.created_us = pg_i64(rows, i, CREATED),
		.updated_us = pg_i64(rows, i, UPDATED),
		.failing_us = pg_i64(rows, i, FAILING),
	};
#undef TEXT
	(void)!id_parse(pg_str(rows, i, ID), &row.id);
	return row;
}

enum err_code webhook_list(struct pg *pg, const struct webhook_filter *filter, struct arena *arena,
                           struct webhook_list *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, id_is_nil(&filter->before) ? NULL : filter->before.s);
	pg_param_u64(&params, (uint64_t)filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(WEBHOOK_SQL_WEBHOOK_LIST), &params, &rows, err);
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

enum err_code webhook_get(struct pg *pg, const char *tenant, const struct id *id,
                          struct arena *arena, struct webhook *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	code = pg_query(pg, tenant, sql(WEBHOOK_SQL_WEBHOOK_GET), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such webhook");
	}
	if (code == ERR_OK) {
		*ret = from_row(rows, 0, arena);
	}
	return code;
}

/* A statement that returns the id of the one webhook that it changed. */
static enum err_code change(struct pg *pg, const char *tenant, enum webhook_sql_id query,
                            const struct pg_params *params, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	enum err_code code = pg_query(pg, tenant, sql(query), params, &rows, err);

	return code == ERR_OK && pg_rows_count(rows) == 0
	               ? err_set(err, ERR_NOT_FOUND, "no such webhook")
	               : code;
}

static void add_key(struct pg_params *params, const char *tenant, const struct id *id)
{
	pg_param_cstr(params, id->s);
	pg_param_cstr(params, tenant);
}

static void add_spec(struct pg_params *params, const struct webhook_spec *spec)
{
	pg_param_text(params, spec->project);
	pg_param_text(params, spec->name);
	pg_param_text(params, spec->url);
	pg_param_text(params, spec->events);
}

enum err_code webhook_replace(struct pg *pg, const char *tenant, const struct id *id,
                              const struct webhook_spec *spec, struct err *err)
{
	struct pg_params params = { 0 };

	add_key(&params, tenant, id);
	add_spec(&params, spec);
	return change(pg, tenant, WEBHOOK_SQL_WEBHOOK_REPLACE, &params, err);
}

enum err_code webhook_delete(struct pg *pg, const char *tenant, const struct id *id,
                             struct err *err)
{
	struct pg_params params = { 0 };

	add_key(&params, tenant, id);
	return change(pg, tenant, WEBHOOK_SQL_WEBHOOK_DELETE, &params, err);
}

enum err_code webhook_set_state(struct pg *pg, const char *tenant, const struct id *id,
                                const char *state, struct err *err)
{
	struct pg_params params = { 0 };

	add_key(&params, tenant, id);
	pg_param_cstr(&params, state);
	return change(pg, tenant, WEBHOOK_SQL_WEBHOOK_SET_STATE, &params, err);
}

enum err_code webhook_rotate(struct pg *pg, const char *tenant, const struct id *id,
                             struct err *err)
{
	struct pg_params params = { 0 };

	add_key(&params, tenant, id);
	return change(pg, tenant, WEBHOOK_SQL_WEBHOOK_ROTATE, &params, err);
}

enum err_code webhook_insert(struct pg *pg, const char *tenant, const char *by, const struct id *id,
                             const struct webhook_spec *spec, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;

	add_key(&params, tenant, id);
	add_spec(&params, spec);
	pg_param_cstr(&params, by);
	pg_param_u64(&params, WEBHOOK_OF_TENANT_MAX);
	code = change(pg, tenant, WEBHOOK_SQL_WEBHOOK_INSERT, &params, err);
	return code == ERR_NOT_FOUND
	               ? err_set(err, ERR_CONFLICT, "there are too many webhooks: delete some")
	               : code;
}

enum err_code webhook_task_rotate(struct pg *pg, const char *tenant, uint64_t *ret_n,
                                  struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(WEBHOOK_SQL_WEBHOOK_TASK_ROTATE), &params, &rows, err);
	*ret_n = code == ERR_OK ? pg_u64(rows, 0, 0) : 0;
	return code;
}
