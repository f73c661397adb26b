#include "cost/cost_store.h"

#include "cost_sql_gen.h"

static const char *const source_names[COST_SOURCE_COUNT] = {
	[COST_AGENT] = "agent", [COST_TABLE] = "table", [COST_UNKNOWN] = "unknown"
};

static const char *const by_names[COST_BY_COUNT] = {
	[COST_BY_SESSION] = "session", [COST_BY_PROJECT] = "project", [COST_BY_USER] = "user",
	[COST_BY_MODEL] = "model",     [COST_BY_AGENT] = "agent",     [COST_BY_DAY] = "day",
	[COST_BY_TENANT] = "tenant",
};

const char *cost_source_name(enum cost_source source)
{
	return source_names[source];
}

enum cost_source cost_source_of(struct str name)
{
	return str_eq(name, STR_LIT("agent"))   ? COST_AGENT
	       : str_eq(name, STR_LIT("table")) ? COST_TABLE
	                                        : COST_UNKNOWN;
}

const char *cost_by_name(enum cost_by by)
{
	return by_names[by];
}

static const struct text *sql(enum cost_sql_id id)
{
	return &cost_sql_texts[id];
}

/* ---- the ledger ---- */

enum err_code cost_use_add(struct pg *pg, const struct cost_use *use, bool *ret_counted,
                           struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	const struct cost_tokens *tokens = &use->tokens;
	enum err_code code;

	pg_param_cstr(&params, use->tenant);
	pg_param_cstr(&params, use->session.s);
	pg_param_u64(&params, use->epoch);
	pg_param_u64(&params, use->n);
	pg_param_i64(&params, use->at_us);
	pg_param_text(&params, use->model);
	pg_param_cstr(&params, cost_source_name(use->source));
	pg_param_u64(&params, tokens->input);
	pg_param_u64(&params, tokens->output);
	pg_param_u64(&params, tokens->cache_read);
	pg_param_u64(&params, tokens->cache_write);
	pg_param_u64(&params, tokens->reasoning);
	if (use->has_nano) {
		pg_param_i64(&params, use->nano);
	} else {
		pg_param_null(&params);
	}
	code = pg_query(pg, use->tenant, sql(COST_SQL_USAGE_ADD), &params, &rows, err);
	*ret_counted = code == ERR_OK && pg_rows_count(rows) > 0;
	return code;
}

enum err_code cost_sum(struct pg *pg, const struct cost_ask *ask, struct arena *arena,
                       struct cost_sums *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const char *const given[] = { ask->tenant, cost_by_name(ask->by), ask->from,
		                      ask->to,     ask->session,          ask->project,
		                      ask->user,   ask->namespaces,       ask->after };
	struct pg_params params = { 0 };
	enum err_code code;

	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		pg_param_cstr(&params, given[i]);
	}
	pg_param_u64(&params, (uint64_t)ask->max + 1);
	code = pg_query(pg, ask->tenant, sql(COST_SQL_USAGE_SUM), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > ask->max;
	ret->count = ret->more ? ask->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = (struct cost_sum){
			.key = arena_str(arena, pg_str(rows, i, 0)),
			.tokens = { pg_u64(rows, i, 1), pg_u64(rows, i, 2), pg_u64(rows, i, 3),
			            pg_u64(rows, i, 4), pg_u64(rows, i, 5) },
			.known = !pg_is_null(rows, i, 6),
			.nano = pg_i64(rows, i, 6),
			.unpriced = pg_u64(rows, i, 7),
			.agent_nano = pg_i64(rows, i, 8),
			.sessions = pg_u64(rows, i, 9),
		};
	}
	return ERR_OK;
}

enum err_code cost_spent(struct pg *pg, const char *tenant, const struct id *session, uint64_t *ret,
                         struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, session->s);
	code = pg_query(pg, tenant, sql(COST_SQL_USAGE_SPENT), &params, &rows, err);
	*ret = code == ERR_OK && pg_rows_count(rows) > 0 ? pg_u64(rows, 0, 0) : 0;
	return code;
}

/* ---- prices ---- */

enum err_code cost_prices_list(struct pg *pg, struct arena *arena, struct cost_prices *ret,
                               struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, COST_PRICES_MAX);
	code = pg_query(pg, "", sql(COST_SQL_PRICE_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		struct cost_price *price = &ret->items[i];

		*price = (struct cost_price){ .input = pg_i64(rows, i, 1),
			                      .output = pg_i64(rows, i, 2),
			                      .cache_read = pg_i64(rows, i, 3),
			                      .cache_write = pg_i64(rows, i, 4) };
		if (!str_copy(price->model, sizeof(price->model), pg_str(rows, i, 0))) {
			return err_set(err, ERR_BACKEND, "a damaged price");
		}
	}
	return ERR_OK;
}

enum err_code cost_price_set(struct pg *pg, const struct cost_price *price, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const char *flaw = cost_model_flaw(str_of(price->model));
	struct pg_params params = { 0 };
	enum err_code code;

	if (flaw != NULL) {
		return err_set(err, ERR_INVALID, "the name of a model %s", flaw);
	}
	pg_param_cstr(&params, price->model);
	pg_param_i64(&params, price->input);
	pg_param_i64(&params, price->output);
	pg_param_i64(&params, price->cache_read);
	pg_param_i64(&params, price->cache_write);
	pg_param_u64(&params, COST_PRICES_MAX);
	code = pg_query(pg, "", sql(COST_SQL_PRICE_SET), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_LIMIT, "there are %d prices already", COST_PRICES_MAX);
	}
	return code;
}

enum err_code cost_price_delete(struct pg *pg, struct str model, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_text(&params, model);
	code = pg_query(pg, "", sql(COST_SQL_PRICE_DELETE), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "it has no price");
	}
	return code;
}
