#include "pg/snapshot.h"

#include <string.h>

#include "pg_sql_gen.h"

enum err_code pg_snapshot(struct pg *pg, struct pg_tx **ret, char name[PG_SNAPSHOT_SIZE],
                          struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	enum err_code code =
		pg_query(pg, "", &pg_sql_texts[PG_SQL_SNAPSHOT_SESSION], NULL, NULL, err);

	if (code == ERR_OK) {
		code = pg_begin(pg, "", &tx, err);
	}
	if (code == ERR_OK) {
		code = pg_tx_query(tx, &pg_sql_texts[PG_SQL_SNAPSHOT_EXPORT], NULL, &rows, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "snapshot");
	}
	/* The connection was lost in between, and another one knows nothing of this. */
	if (!str_eq(pg_str(rows, 0, 1), STR_LIT("repeatable read")) ||
	    !str_copy(name, PG_SNAPSHOT_SIZE, pg_str(rows, 0, 0))) {
		return err_set(err, ERR_UNAVAILABLE, "snapshot: the connection was lost");
	}
	*ret = tx;
	tx = NULL;
	return ERR_OK;
}

enum err_code pg_tables(struct pg_tx *tx, struct pg_rows **ret, struct err *err)
{
	return pg_tx_query(tx, &pg_sql_texts[PG_SQL_TABLE_LIST], NULL, ret, err);
}

enum err_code pg_applied(struct pg_tx *tx, struct pg_rows **ret, struct err *err)
{
	return pg_tx_query(tx, &pg_sql_texts[PG_SQL_MIGRATION_LIST], NULL, ret, err);
}
