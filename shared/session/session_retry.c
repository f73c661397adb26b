#include "session/session_retry.h"

#include <assert.h>

#include "base/buf.h"
#include "json/write.h"
#include "session_sql_gen.h"

enum { PLAN_MAX = SESSION_RETRIES_MAX * 64 + 16 };

static void write_plan(struct session_retries *retries, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < retries->count; i++) {
		retries->items[i].id = id_new();
		jsonw_array(&w, NULL);
		jsonw_cstr(&w, NULL, retries->items[i].id.s);
		jsonw_cstr(&w, NULL, retries->items[i].of.s);
		jsonw_end_array(&w);
	}
	jsonw_end_array(&w);
}

enum err_code session_retry_add(struct pg_tx *tx, struct session_retries *retries, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct buf plan;
	enum err_code code;

	buf_init(&plan, PLAN_MAX);
	write_plan(retries, &plan);
	pg_param_cstr(&params, buf_cstr(&plan));
	if (retries->generation != 0) {
		pg_param_u64(&params, retries->generation);
	} else {
		pg_param_null(&params);
	}
	code = pg_tx_query(tx, &session_sql_texts[SESSION_SQL_SESSION_RETRY], &params, &rows, err);
	buf_fini(&plan);
	if (code == ERR_OK && pg_u64(rows, 0, 0) != retries->count) {
		return err_set(err, ERR_NOT_FOUND, "a session to be retried is gone");
	}
	return code;
}

enum err_code session_retry_find(struct pg_tx *tx, const struct session_filter *filter,
                                 const char *ids, struct session_retries *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params lock = { 0 }, params = { 0 };
	char states[SESSION_STATES_SIZE];
	enum err_code code;

	assert(filter->max <= SESSION_RETRIES_MAX);
	pg_param_cstr(&lock, filter->tenant);
	code = pg_tx_query(tx, &session_sql_texts[SESSION_SQL_SESSION_REDRIVE_LOCK], &lock, NULL,
	                   err);
	if (code != ERR_OK) {
		return code;
	}
	session_filter_params(filter, &params, states);
	pg_param_cstr(&params, ids);
	pg_param_u64(&params, filter->max);
	code = pg_tx_query(tx, &session_sql_texts[SESSION_SQL_SESSION_DEAD], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	for (size_t i = 0; i < ret->count; i++) {
		if (!id_parse(pg_str(rows, i, 0), &ret->items[i].of)) {
			return err_set(err, ERR_INTERNAL, "session row %s does not decode",
			               pg_str(rows, i, 0).p);
		}
	}
	return ERR_OK;
}
