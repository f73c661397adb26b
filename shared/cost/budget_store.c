#include "cost/budget_store.h"

#include "cost_sql_gen.h"

static int64_t limit_at(const struct pg_rows *rows, size_t i, unsigned column)
{
	return pg_is_null(rows, i, column) ? BUDGET_NONE : pg_i64(rows, i, column);
}

static bool decode(const struct pg_rows *rows, size_t i, struct budget *ret)
{
	*ret = (struct budget){ .limits = { limit_at(rows, i, 4), limit_at(rows, i, 5),
		                            limit_at(rows, i, 6), limit_at(rows, i, 7) },
		                .nano = pg_i64(rows, i, 8),
		                .tokens = pg_i64(rows, i, 9) };
	return str_copy(ret->tenant, sizeof(ret->tenant), pg_str(rows, i, 0)) &&
	       budget_kind_parse(pg_str(rows, i, 1), &ret->kind) &&
	       str_copy(ret->name, sizeof(ret->name), pg_str(rows, i, 2)) &&
	       budget_period_parse(pg_str(rows, i, 3), &ret->period);
}

/* What it is of. */
static void add_name(struct pg_params *params, const struct budget *budget)
{
	pg_param_cstr(params, budget->tenant);
	pg_param_cstr(params, budget_kind_name(budget->kind));
	pg_param_cstr(params, budget->name);
	pg_param_cstr(params, budget_period_name(budget->period));
}

enum err_code budget_list(struct pg *pg, const char *tenant, const struct budget *after,
                          int64_t now_us, struct budget *items, size_t max, size_t *ret_count,
                          struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	char today[BUDGET_DATE_SIZE], month[BUDGET_DATE_SIZE];
	struct pg_params params = { 0 };
	enum err_code code;

	budget_first_day(BUDGET_DAY, now_us, today);
	budget_first_day(BUDGET_MONTH, now_us, month);
	pg_param_cstr(&params, tenant);
	if (after != NULL) {
		add_name(&params, after);
	} else {
		for (unsigned i = 0; i < 4; i++) {
			pg_param_cstr(&params, "");
		}
	}
	pg_param_cstr(&params, today);
	pg_param_cstr(&params, month);
	pg_param_u64(&params, max);
	code = pg_query(pg, tenant != NULL ? tenant : "", &cost_sql_texts[COST_SQL_BUDGET_LIST],
	                &params, &rows, err);
	*ret_count = code == ERR_OK ? pg_rows_count(rows) : 0;
	for (size_t i = 0; i < *ret_count; i++) {
		if (!decode(rows, i, &items[i])) {
			return err_set(err, ERR_BACKEND, "a damaged budget");
		}
	}
	return code;
}

static void add_limit(struct pg_params *params, int64_t limit)
{
	if (limit == BUDGET_NONE) {
		pg_param_null(params);
	} else {
		pg_param_i64(params, limit);
	}
}

enum err_code budget_set(struct pg *pg, const struct budget *budget, bool *ret_new, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	add_name(&params, budget);
	add_limit(&params, budget->limits.soft_nano);
	add_limit(&params, budget->limits.hard_nano);
	add_limit(&params, budget->limits.soft_tokens);
	add_limit(&params, budget->limits.hard_tokens);
	pg_param_u64(&params, BUDGETS_MAX);
	code = pg_query(pg, budget->tenant, &cost_sql_texts[COST_SQL_BUDGET_SET], &params, &rows,
	                err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_LIMIT, "the tenant has %d budgets already", BUDGETS_MAX);
	}
	*ret_new = code == ERR_OK && pg_bool(rows, 0, 0);
	return code;
}

enum err_code budget_delete(struct pg *pg, const struct budget *budget, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	add_name(&params, budget);
	code = pg_query(pg, budget->tenant, &cost_sql_texts[COST_SQL_BUDGET_DELETE], &params, &rows,
	                err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no such budget");
	}
	return code;
}
