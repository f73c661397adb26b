#include "pg/durable.h"

#include "pg_sql_gen.h"

enum err_code pg_check_durable(struct pg *pg, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code =
		pg_query(pg, "", &pg_sql_texts[PG_SQL_SERVER_SETTINGS], NULL, &rows, err);

	if (code != ERR_OK) {
		return code;
	}
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		if (str_eq(pg_str(rows, i, 1), STR_LIT("off"))) {
			return err_set(err, ERR_UNSUPPORTED,
			               "postgres: %s is off: a power cut would lose what was "
			               "acknowledged",
			               pg_str(rows, i, 0).p);
		}
	}
	return ERR_OK;
}
