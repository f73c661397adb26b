#include "delivery/delivery_store.h"

#include "delivery_sql_gen.h"

enum {
	COL_SESSION,
	COL_TENANT,
	COL_EPOCH,
	COL_REF,
	COL_COMMIT,
	COL_URL,
	COL_BRANCH,
	COL_WORKER,
	COL_STATE,
	COL_ASKED,
	COL_DUE,
};

static const char *const state_names[DELIVERY_STATE_COUNT] = {
	[DELIVERY_WAITING] = "waiting", [DELIVERY_DONE] = "done",
	[DELIVERY_FAILED] = "failed",   [DELIVERY_SUPERSEDED] = "superseded",
	[DELIVERY_DROPPED] = "dropped",
};

static const struct text *sql(enum delivery_sql_id id)
{
	return &delivery_sql_texts[id];
}

const char *delivery_state_name(enum delivery_state state)
{
	return state_names[state];
}

enum err_code delivery_add(struct pg *pg, const char *tenant, const struct delivery_new *delivery,
                           struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, delivery->session.s);
	pg_param_u64(&params, delivery->epoch);
	pg_param_text(&params, delivery->ref);
	pg_param_text(&params, delivery->commit);
	pg_param_cstr(&params, tenant);
	return pg_query(pg, tenant, sql(DELIVERY_SQL_DELIVERY_ADD), &params, NULL, err);
}

static bool read_row(const struct pg_rows *rows, size_t i, struct arena *arena,
                     struct delivery *ret)
{
	*ret = (struct delivery){
		.tenant = arena_str(arena, pg_str(rows, i, COL_TENANT)),
		.epoch = pg_u64(rows, i, COL_EPOCH),
		.ref = arena_str(arena, pg_str(rows, i, COL_REF)),
		.commit = arena_str(arena, pg_str(rows, i, COL_COMMIT)),
		.url = arena_str(arena, pg_str(rows, i, COL_URL)),
		.branch = arena_str(arena, pg_str(rows, i, COL_BRANCH)),
		.worker = arena_str(arena, pg_str(rows, i, COL_WORKER)),
		.session_state = arena_str(arena, pg_str(rows, i, COL_STATE)),
		.asked = (unsigned)pg_u64(rows, i, COL_ASKED),
		.due = pg_bool(rows, i, COL_DUE),
	};
	return id_parse(pg_str(rows, i, COL_SESSION), &ret->session);
}

enum err_code delivery_waiting(struct pg *pg, unsigned max, struct arena *arena,
                               struct delivery_list *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, max);
	code = pg_query(pg, "", sql(DELIVERY_SQL_DELIVERY_WAITING), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		if (!read_row(rows, i, arena, &ret->items[i])) {
			return err_set(err, ERR_BACKEND, "a delivery of no session");
		}
	}
	return ERR_OK;
}

static void param_key(struct pg_params *params, const struct delivery *delivery)
{
	pg_param_cstr(params, delivery->session.s);
	pg_param_u64(params, delivery->epoch);
}

enum err_code delivery_ask(struct pg *pg, const struct delivery *delivery, uint64_t again_ms,
                           bool *ret_ours, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	param_key(&params, delivery);
	pg_param_u64(&params, delivery->asked);
	pg_param_u64(&params, again_ms);
	pg_param_cstr(&params, delivery->tenant.p);
	code = pg_query(pg, delivery->tenant.p, sql(DELIVERY_SQL_DELIVERY_ASK), &params, &rows,
	                err);
	*ret_ours = code == ERR_OK && pg_rows_count(rows) > 0;
	return code;
}

enum err_code delivery_end(struct pg *pg, const struct delivery *delivery,
                           enum delivery_state state, const char *reason, struct err *err)
{
	struct pg_params params = { 0 };

	param_key(&params, delivery);
	pg_param_cstr(&params, state_names[state]);
	pg_param_cstr(&params, reason);
	pg_param_cstr(&params, delivery->tenant.p);
	return pg_query(pg, delivery->tenant.p, sql(DELIVERY_SQL_DELIVERY_END), &params, NULL, err);
}

enum err_code delivery_get(struct pg *pg, const char *tenant, const struct id *session,
                           struct arena *arena, struct str *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, session->s);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(DELIVERY_SQL_DELIVERY_GET), &params, &rows, err);
	if (code == ERR_OK) {
		*ret = pg_rows_count(rows) > 0 ? arena_str(arena, pg_str(rows, 0, 0))
		                               : (struct str){ NULL, 0 };
	}
	return code;
}
