#include <string.h>

#include "pg/call.h"
#include "pg/phase.h"
#include "pg_sql_gen.h"

/* Also how long one process waits for another that migrates. */
enum { MIGRATE_TIMEOUT_MS = 10 * 60 * 1000 };

static bool find_applied(const struct pg_rows *applied, const struct text *file,
                         struct str *ret_sha1)
{
	for (size_t i = 0; i < pg_rows_count(applied); i++) {
		if (str_eq(pg_str(applied, i, 0), str_of(file->name))) {
			*ret_sha1 = pg_str(applied, i, 1);
			return true;
		}
	}
	return false;
}

/* The first file that was not applied, NULL when all were. */
static enum err_code find_missing(const struct pg_rows *applied,
                                  const struct pg_migrations *migrations, const struct text **ret,
                                  struct err *err)
{
	size_t missing = migrations->count;

	for (size_t i = 0; i < migrations->count; i++) {
		const struct text *file = &migrations->files[i];
		struct str sha1;

		if (!find_applied(applied, file, &sha1)) {
			missing = missing < i ? missing : i;
		} else if (!str_eq(sha1, str_of(file->sha1))) {
			return err_set(
				err, ERR_CONFLICT,
				"migration %s was changed after it was applied: it was %" STR_FMT
				" and is %s",
				file->name, STR_ARG(sha1), file->sha1);
		}
	}
	*ret = missing < migrations->count ? &migrations->files[missing] : NULL;
	return ERR_OK;
}

static enum err_code list_applied(struct pg_tx *tx, struct pg_rows **ret, struct err *err)
{
	static const enum pg_sql_id steps[] = { PG_SQL_MIGRATION_LOCK, PG_SQL_MIGRATION_TABLE };

	pg_tx_set_timeout(tx, MIGRATE_TIMEOUT_MS);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum err_code code = pg_tx_query(tx, &pg_sql_texts[steps[i]], NULL, NULL, err);

		if (code != ERR_OK) {
			return code;
		}
	}
	return pg_tx_query(tx, &pg_sql_texts[PG_SQL_MIGRATION_LIST], NULL, ret, err);
}

/* How many live that speak an older protocol. */
static enum err_code count_older(struct pg_tx *tx, unsigned protocol, uint64_t *ret,
                                 struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, protocol);
	code = pg_tx_query(tx, &pg_sql_texts[PG_SQL_NODE_OLDER], &params, &rows, err);
	if (code == ERR_OK) {
		*ret = pg_u64(rows, 0, 0);
	}
	return code;
}

/* Nobody joins from here on until the transaction ends. *ret_waits: somebody lives who could not
 * live with it. */
static enum err_code begin_contract(struct pg_tx *tx, unsigned protocol, bool *ret_waits,
                                    struct err *err)
{
	struct pg_params params = { 0 };
	uint64_t older = 0;
	enum err_code code;

	pg_param_u64(&params, protocol);
	code = pg_tx_query(tx, &pg_sql_texts[PG_SQL_SCHEMA_RAISE], &params, NULL, err);
	if (code == ERR_OK) {
		code = count_older(tx, protocol, &older, err);
	}
	*ret_waits = older > 0;
	return code;
}

static enum err_code apply(struct pg_tx *tx, const struct text *file, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code = pg_tx_script(tx, file, err);

	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, file->name);
	pg_param_cstr(&params, file->sha1);
	return pg_tx_query(tx, &pg_sql_texts[PG_SQL_MIGRATION_ADD], &params, NULL, err);
}

static enum err_code look(struct pg_tx *tx, const struct pg_migrations *migrations,
                          const struct text **ret_missing, struct err *err)
{
	struct pg_rows *applied CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = list_applied(tx, &applied, err);

	return code == ERR_OK ? find_missing(applied, migrations, ret_missing, err) : code;
}

/* One transaction: look, and apply at most one file. */
static enum err_code apply_next(struct pg *pg, const struct pg_migrations *migrations,
                                bool *ret_applied, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	const struct text *missing = NULL;
	struct pg_tx *done;
	unsigned protocol;
	bool waits = false;
	enum err_code code = pg_begin(pg, "", &tx, err);

	*ret_applied = false;
	if (code == ERR_OK) {
		code = look(tx, migrations, &missing, err);
	}
	if (code != ERR_OK || missing == NULL) {
		return code;
	}
	protocol = pg_phase_contract(missing);
	if (protocol > 0) {
		code = begin_contract(tx, protocol, &waits, err);
	}
	if (code == ERR_OK && !waits) {
		code = apply(tx, missing, err);
	}
	if (code != ERR_OK || waits) {
		return code;
	}
	done = tx;
	tx = NULL;
	code = pg_commit(done, err);
	*ret_applied = code == ERR_OK;
	return code;
}

enum err_code pg_migrate(struct pg *pg, const struct pg_migrations *migrations,
                         unsigned *ret_applied, struct err *err)
{
	unsigned count = 0;
	bool applied = true;

	while (applied) {
		enum err_code code = apply_next(pg, migrations, &applied, err);

		if (code != ERR_OK) {
			return code;
		}
		count += applied ? 1 : 0;
	}
	*ret_applied = count;
	return ERR_OK;
}

enum err_code pg_migrate_waits(struct pg *pg, const struct pg_migrations *migrations,
                               struct pg_waits *ret, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	const struct text *missing = NULL;
	enum err_code code = pg_begin(pg, "", &tx, err);

	*ret = (struct pg_waits){ .name = NULL };
	if (code == ERR_OK) {
		code = look(tx, migrations, &missing, err);
	}
	if (code != ERR_OK || missing == NULL) {
		return code;
	}
	ret->name = missing->name;
	ret->protocol = pg_phase_contract(missing);
	return count_older(tx, ret->protocol, &ret->nodes, err);
}
