#include "pg/generation.h"

#include "pg_sql_gen.h"

enum err_code pg_generation(struct pg *pg, struct str run_id, uint64_t *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_text(&params, run_id);
	code = pg_query(pg, "", &pg_sql_texts[PG_SQL_GENERATION_GET], &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) != 1) {
		code = err_set(err, ERR_BACKEND, "generation_get: no row");
	}
	if (code == ERR_OK) {
		*ret = pg_u64(rows, 0, 0);
	}
	return code;
}

enum err_code pg_queue_shards(struct pg *pg, uint64_t wanted, uint64_t *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, wanted);
	code = pg_query(pg, "", &pg_sql_texts[PG_SQL_QUEUE_SHARDS], &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) != 1) {
		code = err_set(err, ERR_BACKEND, "queue_shards: no row");
	}
	if (code == ERR_OK) {
		*ret = pg_u64(rows, 0, 0);
	}
	return code;
}
