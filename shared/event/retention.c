#include "event/retention.h"

#include "event_sql_gen.h"
#include "metric/metric.h"
#include "pg/pg.h"

enum err_code retention_list(struct pg *pg, uint64_t default_s, struct retention_due *due,
                             size_t *ret_count, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, default_s);
	pg_param_u64(&params, RETENTION_MAX);
	code = pg_query(pg, "", &event_sql_texts[EVENT_SQL_RETENTION_DUE], &params, &rows, err);
	if (code != ERR_OK) {
		return err_wrap(err, "retention");
	}
	*ret_count = 0;
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		struct retention_due *one = &due[*ret_count];

		if (id_parse(pg_str(rows, i, 1), &one->sid) &&
		    str_copy(one->tenant, sizeof(one->tenant), pg_str(rows, i, 0))) {
			one->through = (struct cursor){ pg_u64(rows, i, 2), pg_u64(rows, i, 3) };
			(*ret_count)++;
		}
	}
	return ERR_OK;
}

/* *ret_out: Redis does not have it, or not any more. */
static enum err_code leave_redis(const struct log_store *store, const struct retention_due *due,
                                 bool *ret_out, struct err *err)
{
	const struct log_trim trim = {
		.sid = due->sid, .tenant = due->tenant, .to = due->through.n, .trim = due->through
	};
	struct log_result result;
	enum err_code code = log_trim(store, &trim, &result, err);
	struct log_head head;

	if (code != ERR_OK) {
		return code;
	}
	*ret_out = result.outcome == LOG_OK || result.outcome == LOG_MISSING;
	if (result.outcome == LOG_REBUILD) {
		code = log_head_get(store, &due->sid, due->tenant, &head, err);
		*ret_out = code == ERR_OK && !head.found;
	}
	return code;
}

enum err_code retention_remove(const struct log_store *store, struct pg *pg,
                               const struct retention_due *due, size_t *ret_segments,
                               struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	bool out;
	enum err_code code = leave_redis(store, due, &out, err);

	*ret_segments = 0;
	if (code != ERR_OK || !out) {
		return code == ERR_OK ? ERR_OK : err_wrap(err, "retention of %s", due->sid.s);
	}
	pg_param_cstr(&params, due->tenant);
	pg_param_cstr(&params, due->sid.s);
	pg_param_u64(&params, due->through.epoch);
	pg_param_u64(&params, due->through.n);
	code = pg_query(pg, due->tenant, &event_sql_texts[EVENT_SQL_RETENTION_REMOVE], &params,
	                &rows, err);
	if (code != ERR_OK) {
		return err_wrap(err, "retention of %s", due->sid.s);
	}
	*ret_segments = pg_u64(rows, 0, 0);
	metric_add(METRIC_RETENTION_SEGMENTS, NULL, (double)*ret_segments);
	return ERR_OK;
}

/* A task whose last session went goes with it. */
static enum err_code remove_tasks(struct pg_tx *tx, const struct pg_rows *gone, struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < pg_rows_count(gone); i++) {
		struct pg_params params = { 0 };

		pg_param_cstr(&params, pg_str(gone, i, 0).p);
		pg_param_cstr(&params, pg_str(gone, i, 1).p);
		code = pg_tx_query(tx, &event_sql_texts[EVENT_SQL_RETENTION_TASK], &params, NULL,
		                   err);
	}
	return code;
}

enum err_code retention_end(struct pg *pg, uint64_t default_s, size_t *ret_count, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	CLEANUP(pg_rows_cleanup) struct pg_rows *gone = NULL;
	struct pg_params params = { 0 };
	enum err_code code = pg_begin(pg, "", &tx, err);

	*ret_count = 0;
	pg_param_u64(&params, default_s);
	pg_param_u64(&params, RETENTION_MAX);
	if (code == ERR_OK) {
		code = pg_tx_query(tx, &event_sql_texts[EVENT_SQL_RETENTION_SESSIONS], &params,
		                   &gone, err);
	}
	if (code == ERR_OK) {
		code = remove_tasks(tx, gone, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	if (code != ERR_OK) {
		return err_wrap(err, "retention of sessions");
	}
	*ret_count = pg_rows_count(gone);
	metric_add(METRIC_RETENTION_SESSIONS, NULL, (double)*ret_count);
	return ERR_OK;
}
