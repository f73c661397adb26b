#include "user/user_store.h"

#include "user_sql_gen.h"

enum {
	COL_ID,
	COL_KIND,
	COL_NAME,
	COL_EMAIL,
	COL_HOME,
	COL_SYSTEM,
	COL_DISABLED,
	COL_ROLE,
	COL_NAMESPACES,
	COL_CREATED,
	COL_JOINED,
};

static const struct text *sql(enum user_sql_id id)
{
	return &user_sql_texts[id];
}

static enum err_code from_row(struct pg_rows *rows, size_t i, struct arena *arena, struct user *ret,
                              struct err *err)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	*ret = (struct user){
		.kind = str_eq(pg_str(rows, i, COL_KIND), STR_LIT("service")) ? USER_SERVICE
		                                                              : USER_PERSON,
		.name = TEXT(COL_NAME),
		.email = TEXT(COL_EMAIL),
		.home = TEXT(COL_HOME),
		.system = pg_bool(rows, i, COL_SYSTEM),
		.disabled = pg_bool(rows, i, COL_DISABLED),
		.any_namespace = pg_is_null(rows, i, COL_NAMESPACES),
		.namespaces = TEXT(COL_NAMESPACES),
		.created_us = pg_i64(rows, i, COL_CREATED),
		.joined_us = pg_i64(rows, i, COL_JOINED),
	};
#undef TEXT
	if (!id_parse(pg_str(rows, i, COL_ID), &ret->id) ||
	    !auth_role_parse(pg_str(rows, i, COL_ROLE), &ret->role)) {
		return err_set(err, ERR_INTERNAL, "user row %s does not decode",
		               pg_str(rows, i, COL_ID).p);
	}
	return ERR_OK;
}

static enum err_code look(struct pg *pg, const struct user_filter *filter, const struct id *only,
                          struct pg_rows **ret, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->of_kind ? user_kind_name(filter->kind) : NULL);
	pg_param_cstr(&params, id_is_nil(&filter->before) ? NULL : filter->before.s);
	pg_param_cstr(&params, only != NULL ? only->s : NULL);
	pg_param_u64(&params, filter->max + 1);
	return pg_query(pg, filter->tenant, sql(USER_SQL_USER_LIST), &params, ret, err);
}

enum err_code user_list(struct pg *pg, const struct user_filter *filter, struct arena *arena,
                        struct user_page *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct user_page page;
	enum err_code code = look(pg, filter, NULL, &rows, err);

	if (code != ERR_OK) {
		return code;
	}
	page.more = pg_rows_count(rows) > filter->max;
	page.count = page.more ? filter->max : pg_rows_count(rows);
	page.items = arena_take(arena, (page.count + 1) * sizeof(*page.items));
	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		code = from_row(rows, i, arena, &page.items[i], err);
	}
	if (code == ERR_OK) {
		*ret = page;
	}
	return code;
}

static enum err_code only_row(struct pg_rows *rows, struct arena *arena, struct user *ret,
                              struct err *err)
{
	return pg_rows_count(rows) > 0 ? from_row(rows, 0, arena, ret, err)
	                               : err_set(err, ERR_NOT_FOUND, "no such user");
}

enum err_code user_get(struct pg *pg, const char *tenant, const struct id *id, struct arena *arena,
                       struct user *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	const struct user_filter filter = { .tenant = tenant, .max = 1 };
	enum err_code code = look(pg, &filter, id, &rows, err);

	return code == ERR_OK ? only_row(rows, arena, ret, err) : code;
}

enum err_code user_lock(struct pg_tx *tx, const char *tenant, const struct id *id,
                        struct arena *arena, struct user *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	code = pg_tx_query(tx, sql(USER_SQL_USER_LOCK), &params, &rows, err);
	return code == ERR_OK ? only_row(rows, arena, ret, err) : code;
}

enum err_code user_find_email(struct pg *pg, const char *email, struct arena *arena, struct id *ret,
                              struct str *ret_home, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, email);
	code = pg_query(pg, "", sql(USER_SQL_USER_FIND_EMAIL), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0 || !id_parse(pg_str(rows, 0, 0), ret)) {
		return err_set(err, ERR_NOT_FOUND, "nobody has that address");
	}
	*ret_home = str_of(arena_strdup(arena, pg_str(rows, 0, 1)));
	return ERR_OK;
}

/* ---- changing ---- */

enum err_code user_insert(struct pg_tx *tx, const char *tenant, const struct user_new *user,
                          struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, user->id.s);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, user_kind_name(user->kind));
	pg_param_cstr(&params, user->name);
	pg_param_cstr(&params, user->email);
	return pg_tx_query(tx, sql(USER_SQL_USER_INSERT), &params, NULL, err);
}

static enum err_code set_standing(struct pg_tx *tx, enum user_sql_id how, const char *tenant,
                                  const struct id *id, const struct user_standing *as,
                                  struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, auth_role_name(as->role));
	pg_param_cstr(&params, as->namespaces);
	return pg_tx_query(tx, sql(how), &params, NULL, err);
}

enum err_code user_join(struct pg_tx *tx, const char *tenant, const struct id *id,
                        const struct user_standing *as, struct err *err)
{
	return set_standing(tx, USER_SQL_USER_JOIN, tenant, id, as, err);
}

enum err_code user_stand(struct pg_tx *tx, const char *tenant, const struct id *id,
                         const struct user_standing *as, struct err *err)
{
	return set_standing(tx, USER_SQL_USER_STAND, tenant, id, as, err);
}

enum err_code user_leave(struct pg_tx *tx, const char *tenant, const struct id *id, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	return pg_tx_query(tx, sql(USER_SQL_USER_LEAVE), &params, NULL, err);
}

enum err_code user_update(struct pg_tx *tx, const char *tenant, const struct user *user,
                          struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, user->id.s);
	pg_param_text(&params, user->name);
	pg_param_bool(&params, user->system);
	pg_param_bool(&params, user->disabled);
	code = pg_tx_query(tx, sql(USER_SQL_USER_UPDATE), &params, &rows, err);
	if (code == ERR_OK && pg_rows_affected(rows) == 0) {
		return err_set(err, ERR_FORBIDDEN, "another tenant is the user's home");
	}
	return code;
}
