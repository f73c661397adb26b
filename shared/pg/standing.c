#include "pg/standing.h"

#include "pg/phase.h"
#include "pg_sql_gen.h"

/* A contract only takes away what a process of these migrations does without. */
static const char *last_needed(const struct pg_migrations *migrations)
{
	const char *name = "";

	for (size_t i = 0; i < migrations->count; i++) {
		if (pg_phase_contract(&migrations->files[i]) == 0) {
			name = migrations->files[i].name;
		}
	}
	return name;
}

enum err_code pg_node_join(struct pg *pg, const struct pg_node *node,
                           const struct pg_migrations *migrations, struct pg_standing *ret,
                           struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, node->id);
	pg_param_cstr(&params, node->program);
	pg_param_cstr(&params, node->version);
	pg_param_u64(&params, migrations->protocol);
	pg_param_cstr(&params, last_needed(migrations));
	code = pg_query(pg, "", &pg_sql_texts[PG_SQL_NODE_JOIN], &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) != 1) {
		code = err_set(err, ERR_BACKEND, "node_join: no row");
	}
	if (code == ERR_OK) {
		ret->asked = (unsigned)pg_u64(rows, 0, 0);
		ret->schema_ready = pg_bool(rows, 0, 1);
	}
	return code;
}

enum err_code pg_node_leave(struct pg *pg, const char *id, uint64_t for_ms, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id);
	pg_param_u64(&params, for_ms);
	return pg_query(pg, "", &pg_sql_texts[PG_SQL_NODE_LEAVE], &params, NULL, err);
}
