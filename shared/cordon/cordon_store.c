#include "cordon/cordon_store.h"

#include "cordon_sql_gen.h"

enum err_code cordon_list(struct pg *pg, struct arena *arena, struct cordon_list *ret,
                          struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const struct pg_params params = { 0 };
	enum err_code code =
		pg_query(pg, "", &cordon_sql_texts[CORDON_SQL_CORDON_LIST], &params, &rows, err);

	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		struct lease_cordon *cordon = &ret->items[i];

		if (!str_copy(cordon->name, sizeof(cordon->name), pg_str(rows, i, 0))) {
			return err_set(err, ERR_BACKEND, "the name of a cordon is too long");
		}
		cordon->drain = pg_bool(rows, i, 1);
	}
	return ERR_OK;
}

enum err_code cordon_set(struct pg *pg, const struct lease_cordon *cordon, const char *by,
                         struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, cordon->name);
	pg_param_bool(&params, cordon->drain);
	pg_param_cstr(&params, by);
	return pg_query(pg, "", &cordon_sql_texts[CORDON_SQL_CORDON_SET], &params, NULL, err);
}

enum err_code cordon_clear(struct pg *pg, const char *name, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, name);
	return pg_query(pg, "", &cordon_sql_texts[CORDON_SQL_CORDON_CLEAR], &params, NULL, err);
}
