#include "session/session_trail.h"

#include "base/buf.h"
#include "session_sql_gen.h"

enum { COL_ID, COL_TENANT, COL_STATE, COL_EPOCH, COL_N, COL_ATTEMPTS, COL_ASKS, COL_HOOKED };

static const struct text *sql(enum session_sql_id id)
{
	return &session_sql_texts[id];
}

static enum err_code take_trails(const struct pg_rows *rows, struct arena *arena,
                                 struct session_trails *ret, struct err *err)
{
	struct session_trails trails;

	trails.count = pg_rows_count(rows);
	trails.items = arena_take(arena, trails.count * sizeof(*trails.items));
	for (size_t i = 0; i < trails.count; i++) {
		struct session_trail *trail = &trails.items[i];

		trail->tenant = arena_str(arena, pg_str(rows, i, COL_TENANT));
		trail->epoch = pg_u64(rows, i, COL_EPOCH);
		trail->n = pg_u64(rows, i, COL_N);
		trail->attempts = (unsigned)pg_u64(rows, i, COL_ATTEMPTS);
		trail->asks = pg_bool(rows, i, COL_ASKS);
		trail->hooked = pg_bool(rows, i, COL_HOOKED);
		if (!id_parse(pg_str(rows, i, COL_ID), &trail->id) ||
		    !session_state_parse(pg_str(rows, i, COL_STATE), &trail->state)) {
			return err_set(err, ERR_INTERNAL, "session row %s does not decode",
			               pg_str(rows, i, COL_ID).p);
		}
	}
	*ret = trails;
	return ERR_OK;
}

enum err_code session_trail_get(struct pg *pg, const char *tenant, const struct id *id,
                                struct arena *arena, struct session_trails *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SESSION_SQL_SESSION_TRAIL_GET), &params, &rows, err);
	return code == ERR_OK ? take_trails(rows, arena, ret, err) : code;
}

enum err_code session_trail_get_all(struct pg *pg, const struct id *ids, size_t count,
                                    struct arena *arena, struct session_trails *ret,
                                    struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf list;

	buf_init(&list, count * sizeof(struct id) + 1);
	for (size_t i = 0; i < count; i++) {
		buf_addf(&list, "%s%s", i > 0 ? "," : "", ids[i].s);
	}
	pg_param_cstr(&params, buf_cstr(&list));
	code = pg_query(pg, "", sql(SESSION_SQL_SESSION_TRAIL_GET_ALL), &params, &rows, err);
	buf_fini(&list);
	return code == ERR_OK ? take_trails(rows, arena, ret, err) : code;
}

enum err_code session_trail_list(struct pg *pg, const struct id *after, unsigned max,
                                 struct arena *arena, struct session_trails *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, after->s);
	pg_param_u64(&params, max);
	code = pg_query(pg, "", sql(SESSION_SQL_SESSION_TRAIL_LIST), &params, &rows, err);
	return code == ERR_OK ? take_trails(rows, arena, ret, err) : code;
}

enum err_code session_trail_advance(struct pg *pg, const char *tenant, const struct id *id,
                                    uint64_t epoch, uint64_t n, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_u64(&params, epoch);
	pg_param_u64(&params, n);
	pg_param_cstr(&params, tenant);
	return pg_query(pg, tenant, sql(SESSION_SQL_SESSION_TRAIL_ADVANCE), &params, NULL, err);
}

enum err_code session_trail_end(struct pg *pg, const char *tenant, const struct id *id,
                                bool *ret_marked, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SESSION_SQL_SESSION_TRAIL_END), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_marked = pg_rows_affected(rows) > 0;
	}
	return code;
}
