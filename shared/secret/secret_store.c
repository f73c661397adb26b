#include "secret/secret_store.h"

#include "cred/seal.h"
#include "cred/subkey.h"
#include "secret_sql_gen.h"

enum { PROJECT, NAME, CREATED_BY, CREATED, UPDATED_BY, UPDATED, USED };
enum { USE_PROJECT, USE_NAME, USE_SEALED };

static const struct text *sql(enum secret_sql_id id)
{
	return &secret_sql_texts[id];
}

static struct secret_row from_row(const struct pg_rows *rows, size_t i, struct arena *arena)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	return (struct secret_row){
		.project = TEXT(PROJECT),
		.name = TEXT(NAME),
		.created_by = TEXT(CREATED_BY),
		.updated_by = TEXT(UPDATED_BY),
		.created_us = pg_i64(rows, i, CREATED),
		.updated_us = pg_i64(rows, i, UPDATED),
		.used_us = pg_is_null(rows, i, USED) ? 0 : pg_i64(rows, i, USED),
	};
#undef TEXT
}

/* What it belongs to: a row that is copied to another place does not open there. */
static struct str bound_to(const char *tenant, const struct secret_key *key, struct arena *arena)
{
	return str_of(arena_printf(arena, "%s\n%" STR_FMT "\n%" STR_FMT, tenant,
	                           STR_ARG(key->project), STR_ARG(key->name)));
}

static struct cred_pepper seal_of(const struct cred_pepper *secret)
{
	return cred_subkey(secret, "secrets");
}

enum err_code secret_list(struct pg *pg, const struct secret_filter *filter, struct arena *arena,
                          struct secret_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->project);
	pg_param_text(&params, filter->after_project);
	pg_param_text(&params, filter->after_name);
	pg_param_u64(&params, (uint64_t)filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(SECRET_SQL_SECRET_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = from_row(rows, i, arena);
	}
	return ERR_OK;
}

enum err_code secret_put(struct pg_tx *tx, const struct secret_new *given, struct arena *arena,
                         struct secret_row *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	CLEANUP(buf_fini) struct buf sealed = { 0 };
	struct cred_pepper key = seal_of(&given->secret);
	struct pg_params params = { 0 };
	enum err_code code;

	buf_init(&sealed, SECRET_VALUE_MAX + CRED_SEAL_EXTRA);
	cred_seal(&key, bound_to(given->tenant, &given->key, arena), given->value, &sealed);
	cred_wipe(&key, sizeof(key));
	pg_param_cstr(&params, given->tenant);
	pg_param_text(&params, given->key.project);
	pg_param_text(&params, given->key.name);
	pg_param_bytes(&params, buf_str(&sealed));
	pg_param_cstr(&params, given->by);
	pg_param_u64(&params, SECRET_OF_TENANT_MAX);
	code = pg_tx_query(tx, sql(SECRET_SQL_SECRET_PUT), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_CONFLICT, "there are too many secrets: delete some");
	}
	*ret = from_row(rows, 0, arena);
	return ERR_OK;
}

enum err_code secret_delete(struct pg_tx *tx, const char *tenant, const struct secret_key *key,
                            struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_text(&params, key->project);
	pg_param_text(&params, key->name);
	code = pg_tx_query(tx, sql(SECRET_SQL_SECRET_DELETE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_NOT_FOUND, "no such secret")
	               : code;
}

static enum err_code open_row(const struct secret_wanted *wanted, struct pg_rows *rows, size_t i,
                              struct arena *arena, struct secret_value *ret)
{
	struct secret_key of = { arena_str(arena, pg_str(rows, i, USE_PROJECT)),
		                 arena_str(arena, pg_str(rows, i, USE_NAME)) };
	struct cred_pepper key = seal_of(&wanted->secret);
	struct buf plain;
	bool ok;

	buf_init(&plain, SECRET_VALUE_MAX);
	ok = cred_unseal(&key, bound_to(wanted->tenant, &of, arena), pg_bytes(rows, i, USE_SEALED),
	                 &plain);
	cred_wipe(&key, sizeof(key));
	if (ok) {
		*ret = (struct secret_value){ of.name, arena_str(arena, buf_str(&plain)) };
		cred_wipe(plain.data, plain.len);
	}
	buf_fini(&plain);
	return ok ? ERR_OK : ERR_INVALID;
}

enum err_code secret_use(struct pg *pg, const struct secret_wanted *wanted, struct arena *arena,
                         struct secret_values *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	ret->count = 0;
	pg_param_cstr(&params, wanted->tenant);
	pg_param_text(&params, wanted->project);
	pg_param_text(&params, wanted->names);
	code = pg_query(pg, wanted->tenant, sql(SECRET_SQL_SECRET_USE), &params, &rows, err);
	for (size_t i = 0; code == ERR_OK && i < pg_rows_count(rows) && i < SECRET_OF_SESSION_MAX;
	     i++) {
		if (open_row(wanted, rows, i, arena, &ret->items[ret->count++]) != ERR_OK) {
			code = err_set(err, ERR_INVALID, "a secret was sealed with another pepper");
		}
	}
	return code;
}
