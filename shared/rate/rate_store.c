#include "rate/rate_store.h"

#include "base/arena.h"
#include "loop/fiber.h"
#include "pg/pg.h"
#include "rate_sql_gen.h"

enum { COL_TENANT, COL_KEY, COL_USER, COL_OF_TENANT };

enum err_code rate_store_set(struct pg *pg, const char *tenant, enum rate_kind kind,
                             struct str text, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct rate_limits limits;
	enum err_code code = ERR_OK;

	if (kind == RATE_ADDRESS) {
		return err_set(err, ERR_INVALID, "an address is of no tenant");
	}
	if (text.p != NULL) {
		code = rate_limits_parse(text, &limits, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, rate_kind_name(kind));
	if (text.p != NULL) {
		pg_param_text(&params, text);
	} else {
		pg_param_null(&params);
	}
	code = pg_query(pg, "", &rate_sql_texts[RATE_SQL_RATE_SET], &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no tenant %s", tenant);
	}
	return code;
}

enum err_code rate_store_get(struct pg *pg, const char *tenant, struct arena *arena,
                             const char *ret[RATE_KIND_COUNT], struct err *err)
{
	static const enum rate_kind kinds[] = { RATE_KEY, RATE_USER, RATE_TENANT };
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, &rate_sql_texts[RATE_SQL_RATE_GET], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no tenant %s", tenant);
	}
	ret[RATE_ADDRESS] = NULL;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		ret[kinds[i]] = pg_is_null(rows, 0, (int)i)
		                        ? NULL
		                        : arena_strdup(arena, pg_str(rows, 0, (int)i));
	}
	return ERR_OK;
}

static void take(struct rate *rate, const struct pg_rows *rows, size_t i, int column,
                 enum rate_kind kind)
{
	struct rate_limits limits;
	struct err err;

	/* One that a later version wrote and this one does not know is as none. */
	if (!pg_is_null(rows, i, column) &&
	    rate_limits_parse(pg_str(rows, i, column), &limits, &err) == ERR_OK) {
		rate_override(rate, pg_str(rows, i, COL_TENANT), kind, &limits);
	}
}

enum err_code rate_store_load(struct pg *pg, struct rate *rate, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const struct pg_params params = { 0 };
	enum err_code code =
		pg_query(pg, "", &rate_sql_texts[RATE_SQL_RATE_LIST], &params, &rows, err);

	if (code != ERR_OK) {
		return code;
	}
	rate_override_none(rate);
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		take(rate, rows, i, COL_KEY, RATE_KEY);
		take(rate, rows, i, COL_USER, RATE_USER);
		take(rate, rows, i, COL_OF_TENANT, RATE_TENANT);
	}
	return ERR_OK;
}

void rate_store_follow(void *arg)
{
	const struct rate_follower *follower = arg;
	struct err err;

	while (!fiber_cancelled()) {
		(void)!rate_store_load(follower->pg, follower->rate, &err);
		(void)fiber_sleep(RATE_LOOK_MS);
	}
}
