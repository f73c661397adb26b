#include "session/session_wait.h"

#include "session_sql_gen.h"

static enum err_code damaged(struct str id, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "session row %s does not decode", id.p);
}

enum err_code session_after_walk(struct pg *pg, const struct id *only,
                                 const struct session_wait *last, struct session_waits *ret,
                                 struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, only != NULL ? only->s : NULL);
	pg_param_cstr(&params, last != NULL ? last->after.s : "");
	pg_param_cstr(&params, last != NULL ? last->id.s : "");
	pg_param_u64(&params, SESSION_WAITS_MAX);
	code = pg_query(pg, "", &session_sql_texts[SESSION_SQL_SESSION_AFTER_WALK], &params, &rows,
	                err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	for (size_t i = 0; i < ret->count; i++) {
		struct session_wait *wait = &ret->items[i];

		wait->met = pg_bool(rows, i, 3);
		if (!id_parse(pg_str(rows, i, 0), &wait->id) ||
		    !str_copy(wait->tenant, sizeof(wait->tenant), pg_str(rows, i, 1)) ||
		    !id_parse(pg_str(rows, i, 2), &wait->after)) {
			return damaged(pg_str(rows, i, 0), err);
		}
	}
	return ERR_OK;
}

enum err_code session_after_met(struct pg *pg, const struct session_wait *wait, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, wait->id.s);
	pg_param_cstr(&params, wait->tenant);
	return pg_query(pg, wait->tenant, &session_sql_texts[SESSION_SQL_SESSION_AFTER_MET],
	                &params, NULL, err);
}

enum err_code session_overdue_walk(struct pg *pg, const struct session_overdue *last,
                                   struct session_overdues *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_i64(&params, last != NULL ? last->deadline_us : 0);
	pg_param_cstr(&params, last != NULL ? last->id.s : "");
	pg_param_u64(&params, SESSION_WAITS_MAX);
	code = pg_query(pg, "", &session_sql_texts[SESSION_SQL_SESSION_OVERDUE], &params, &rows,
	                err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	for (size_t i = 0; i < ret->count; i++) {
		struct session_overdue *overdue = &ret->items[i];

		overdue->deadline_us = pg_i64(rows, i, 2);
		if (!id_parse(pg_str(rows, i, 0), &overdue->id) ||
		    !str_copy(overdue->tenant, sizeof(overdue->tenant), pg_str(rows, i, 1))) {
			return damaged(pg_str(rows, i, 0), err);
		}
	}
	return ERR_OK;
}

enum { LOOKED_AT_MAX = 200000 };

enum err_code session_waiting_all(struct pg *pg, struct session_waiting *items, size_t *ret_count,
                                  struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, LOOKED_AT_MAX);
	pg_param_u64(&params, SESSION_WAITING_MAX);
	code = pg_look(pg, "", &session_sql_texts[SESSION_SQL_SESSION_WAITS], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = pg_rows_count(rows);
	for (size_t i = 0; i < *ret_count; i++) {
		items[i].sessions = pg_u64(rows, i, 2);
		items[i].oldest_s = pg_u64(rows, i, 3);
		if (!str_copy(items[i].tenant, sizeof(items[i].tenant), pg_str(rows, i, 0)) ||
		    !str_copy(items[i].reason, sizeof(items[i].reason), pg_str(rows, i, 1))) {
			return damaged(pg_str(rows, i, 0), err);
		}
	}
	return ERR_OK;
}
