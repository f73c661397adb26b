#include "webhook/webhook_log.h"

#include "webhook_sql_gen.h"

enum { SEQ, JSON };

static const struct text *sql(enum webhook_sql_id id)
{
	return &webhook_sql_texts[id];
}

enum err_code webhook_log_list(struct pg *pg, const struct webhook_log_filter *filter,
                               struct arena *arena, struct webhook_log *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->webhook);
	pg_param_cstr(&params, filter->session);
	pg_param_cstr(&params, filter->state);
	if (filter->before == UINT64_MAX) {
		pg_param_null(&params);
	} else {
		pg_param_u64(&params, filter->before);
	}
	pg_param_u64(&params, (uint64_t)filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(WEBHOOK_SQL_MESSAGE_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows) > filter->max ? filter->max : pg_rows_count(rows);
	ret->next = pg_rows_count(rows) > filter->max ? pg_u64(rows, ret->count - 1, SEQ) : 0;
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = arena_str(arena, pg_str(rows, i, JSON));
	}
	return ERR_OK;
}

enum err_code webhook_log_get(struct pg *pg, const char *tenant, const char *id,
                              struct arena *arena, struct str *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id);
	code = pg_query(pg, tenant, sql(WEBHOOK_SQL_MESSAGE_GET), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such message");
	}
	if (code == ERR_OK) {
		*ret = arena_str(arena, pg_str(rows, 0, JSON));
	}
	return code;
}

enum err_code webhook_redrive(struct pg *pg, const struct webhook_redrive *what, uint64_t *ret,
                              struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, what->tenant);
	pg_param_cstr(&params, what->message);
	pg_param_cstr(&params, what->webhook);
	pg_param_u64(&params, WEBHOOK_REDRIVE_MAX);
	code = pg_query(pg, what->tenant, sql(WEBHOOK_SQL_MESSAGE_REDRIVE), &params, &rows, err);
	*ret = code == ERR_OK ? pg_rows_count(rows) : 0;
	return code;
}

enum err_code webhook_test(struct pg *pg, const char *tenant, const struct id *webhook,
                           const struct id *message, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, webhook->s);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, message->s);
	code = pg_query(pg, tenant, sql(WEBHOOK_SQL_WEBHOOK_TEST), &params, &rows, err);
	return code == ERR_OK && pg_rows_count(rows) == 0
	               ? err_set(err, ERR_NOT_FOUND, "no such webhook")
	               : code;
}
