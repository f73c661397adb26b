#include "auth/auth_key_store.h"

#include "auth_sql_gen.h"
#include "base/buf.h"
#include "base/clock.h"

enum { SCOPES_TEXT_MAX = 256 };
enum {
	LIST_ID,
	LIST_NAME,
	LIST_OWNER,
	LIST_SCOPES,
	LIST_NAMESPACES,
	LIST_CREATED,
	LIST_EXPIRES,
	LIST_REVOKED,
	LIST_LAST_USED,
	LIST_OWNER_ID,
	LIST_ENV,
	LIST_REPLACES,
	LIST_CREATED_BY,
	LIST_OWNER_OK,
};
enum { OLD_NAME, OLD_SCOPES, OLD_NAMESPACES, OLD_OWNER, OLD_OWNER_ID, OLD_LIFE };

static const struct text *sql(enum auth_sql_id id)
{
	return &auth_sql_texts[id];
}

static bool name_ok(struct str name)
{
	return name.n >= 1 && name.n <= AUTH_KEY_NAME_MAX && str_is_utf8(name);
}

static bool owner_ok(struct str owner)
{
	for (size_t i = 0; i < owner.n; i++) {
		if ((unsigned char)owner.p[i] < ' ' || owner.p[i] == 0x7f) {
			return false;
		}
	}
	return owner.n >= 1 && owner.n <= AUTH_OWNER_MAX && str_is_utf8(owner);
}

static enum err_code check_new(const struct auth_key_new *key,
                               char namespaces[AUTH_NAMESPACES_MAX + 1], struct err *err)
{
	if (key->scopes == 0) {
		return err_set(err, ERR_INVALID, "a key needs at least one scope");
	}
	if (!name_ok(str_of(key->name))) {
		return err_set(err, ERR_INVALID, "a key's name is 1 to %d bytes of UTF-8",
		               AUTH_KEY_NAME_MAX);
	}
	if (key->owner != NULL && !owner_ok(str_of(key->owner))) {
		return err_set(err, ERR_INVALID,
		               "a key's owner is 1 to %d bytes of UTF-8 without control characters",
		               AUTH_OWNER_MAX);
	}
	if (key->namespaces != NULL &&
	    !auth_namespaces_parse(str_of(key->namespaces), namespaces)) {
		return err_set(err, ERR_INVALID,
		               "namespaces are a comma list of letters, digits, dots, dashes and "
		               "underscores, at most %d bytes",
		               AUTH_NAMESPACES_MAX);
	}
	if (key->env != NULL && !cred_env_ok(str_of(key->env))) {
		return err_set(err, ERR_INVALID,
		               "the environment of a key is 1 to %d lower-case letters and digits",
		               CRED_ENV_MAX);
	}
	return ERR_OK;
}

/* A row before its key. */
struct made {
	struct str scopes;
	const char *replaces; /* NULL: none */
	struct cred_key secret;
	struct cred_digest hash;
};

static void add_params(struct pg_params *params, const struct auth_key_new *key,
                       const struct made *made)
{
	pg_param_cstr(params, made->secret.id.s);
	pg_param_cstr(params, key->tenant);
	pg_param_cstr(params, key->name);
	pg_param_bytes(params, cred_digest_str(&made->hash));
	pg_param_text(params, made->scopes);
	pg_param_cstr(params, key->namespaces);
	if (key->expires_us != 0) {
		pg_param_i64(params, key->expires_us);
	} else {
		pg_param_null(params);
	}
	pg_param_cstr(params, key->owner);
	pg_param_cstr(params, key->owner_id);
	pg_param_cstr(params, key->env != NULL ? key->env : CRED_ENV_USUAL);
	pg_param_cstr(params, made->replaces);
	pg_param_cstr(params, key->created_by);
}

static enum err_code insert(struct pg_tx *tx, const struct auth_key_new *key,
                            const struct made *made, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	add_params(&params, key, made);
	code = pg_tx_query(tx, sql(AUTH_SQL_AUTH_KEY_CREATE), &params, &rows, err);
	if (code == ERR_OK && pg_rows_affected(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "the owner is no member of the tenant");
	}
	if (code == ERR_CONFLICT) {
		return err_set(err, code, "the key was replaced at the same time");
	}
	return code;
}

static void make_secret(struct made *made, const char *env, const struct cred_pepper *pepper)
{
	made->secret = cred_key_new(env);
	made->hash = cred_key_hash(&made->secret, pepper);
}

static void hand_out(const struct made *made, char ret_text[CRED_KEY_MAX + 1], struct id *ret_id)
{
	cred_key_format(&made->secret, ret_text);
	*ret_id = made->secret.id;
}

enum err_code auth_key_insert(struct pg_tx *tx, const struct auth_key_new *key,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_MAX + 1],
                              struct id *ret_id, struct err *err)
{
	char namespaces[AUTH_NAMESPACES_MAX + 1];
	struct auth_key_new row = *key;
	struct made made = { .replaces = NULL };
	struct buf scopes;
	enum err_code code = check_new(key, namespaces, err);

	if (code != ERR_OK) {
		return code;
	}
	row.namespaces = key->namespaces != NULL ? namespaces : NULL;
	buf_init(&scopes, SCOPES_TEXT_MAX);
	auth_scopes_format(key->scopes, &scopes);
	made.scopes = buf_str(&scopes);
	make_secret(&made, key->env, pepper);
	code = insert(tx, &row, &made, err);
	if (code == ERR_OK) {
		hand_out(&made, ret_text, ret_id);
	}
	buf_fini(&scopes);
	cred_wipe(&made, sizeof(made));
	return code;
}

enum err_code auth_key_create(struct pg *pg, const struct auth_key_new *key,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_MAX + 1],
                              struct id *ret_id, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	char text[CRED_KEY_MAX + 1];
	struct id id;
	enum err_code code = pg_begin(pg, key->tenant, &tx, err);

	if (code == ERR_OK) {
		code = auth_key_insert(tx, key, pepper, text, &id, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	code = pg_commit(tx, err);
	tx = NULL;
	if (code == ERR_OK) {
		memcpy(ret_text, text, sizeof(text));
		*ret_id = id;
	}
	cred_wipe(text, sizeof(text));
	return code;
}

/* ---- rotating ---- */

/* What the old key was; in the arena. */
static enum err_code retire(struct pg_tx *tx, const struct auth_key_rotation *rotation,
                            struct arena *arena, struct auth_key_new *ret, struct made *made,
                            struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, rotation->tenant);
	pg_param_cstr(&params, rotation->id.s);
	pg_param_u64(&params, rotation->grace_s);
	code = pg_tx_query(tx, sql(AUTH_SQL_AUTH_KEY_RETIRE), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_CONFLICT,
		               "the key is revoked or expired, or was replaced before");
	}
#define TEXT(column)                                                                               \
	(pg_is_null(rows, 0, column) ? NULL : arena_strdup(arena, pg_str(rows, 0, column)))
	*ret = (struct auth_key_new){
		.tenant = rotation->tenant,
		.name = TEXT(OLD_NAME),
		.namespaces = TEXT(OLD_NAMESPACES),
		.owner = TEXT(OLD_OWNER),
		.owner_id = TEXT(OLD_OWNER_ID),
		.env = rotation->env,
		.created_by = rotation->created_by,
		.expires_us = pg_is_null(rows, 0, OLD_LIFE)
		                      ? 0
		                      : clock_wall_us() + pg_i64(rows, 0, OLD_LIFE),
	};
#undef TEXT
	made->scopes = arena_str(arena, pg_str(rows, 0, OLD_SCOPES));
	made->replaces = rotation->id.s;
	return ERR_OK;
}

enum err_code auth_key_rotate(struct pg_tx *tx, const struct auth_key_rotation *rotation,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_MAX + 1],
                              struct id *ret_id, struct err *err)
{
	struct arena *arena = arena_new();
	struct made made = { .replaces = NULL };
	struct auth_key_new row;
	enum err_code code = retire(tx, rotation, arena, &row, &made, err);

	if (code == ERR_OK) {
		make_secret(&made, rotation->env, pepper);
		code = insert(tx, &row, &made, err);
	}
	if (code == ERR_OK) {
		hand_out(&made, ret_text, ret_id);
	} else if (code == ERR_NOT_FOUND) {
		code = err_set(err, ERR_CONFLICT, "the key's owner is no member any more");
	}
	cred_wipe(&made, sizeof(made));
	arena_free(arena);
	return code;
}

/* ---- looking ---- */

const char *auth_key_status(const struct auth_key *key, int64_t now_us)
{
	if (key->revoked_us != 0) {
		return "revoked";
	}
	if (key->expires_us != 0 && key->expires_us <= now_us) {
		return "expired";
	}
	return key->suspended ? "suspended" : "usable";
}

static bool from_row(struct pg_rows *rows, size_t i, struct arena *arena, struct auth_key *ret)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	*ret = (struct auth_key){
		.name = TEXT(LIST_NAME),
		.owner = TEXT(LIST_OWNER),
		.owner_id = TEXT(LIST_OWNER_ID),
		.scopes = TEXT(LIST_SCOPES),
		.namespaces = TEXT(LIST_NAMESPACES),
		.env = TEXT(LIST_ENV),
		.replaces = TEXT(LIST_REPLACES),
		.created_by = TEXT(LIST_CREATED_BY),
		.suspended = !pg_bool(rows, i, LIST_OWNER_OK),
		.any_namespace = pg_is_null(rows, i, LIST_NAMESPACES),
		.created_us = pg_i64(rows, i, LIST_CREATED),
		.expires_us = pg_i64(rows, i, LIST_EXPIRES),
		.revoked_us = pg_i64(rows, i, LIST_REVOKED),
		.last_used_us = pg_i64(rows, i, LIST_LAST_USED),
	};
#undef TEXT
	return id_parse(pg_str(rows, i, LIST_ID), &ret->id);
}

static void add_wanted(struct pg_params *params, const struct auth_key_filter *filter,
                       const struct id *only)
{
	pg_param_cstr(params, filter->tenant);
	pg_param_cstr(params, id_is_nil(&filter->before) ? NULL : filter->before.s);
	pg_param_cstr(params, only != NULL ? only->s : NULL);
	pg_param_u64(params, filter->max + 1);
}

enum err_code auth_key_list(struct pg *pg, const struct auth_key_filter *filter,
                            struct arena *arena, struct auth_key_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct auth_key_list list;
	enum err_code code;

	add_wanted(&params, filter, NULL);
	code = pg_query(pg, filter->tenant, sql(AUTH_SQL_AUTH_KEY_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	list.more = pg_rows_count(rows) > filter->max;
	list.count = list.more ? filter->max : pg_rows_count(rows);
	list.items = arena_take(arena, (list.count + 1) * sizeof(*list.items));
	for (size_t i = 0; i < list.count; i++) {
		if (!from_row(rows, i, arena, &list.items[i])) {
			return err_set(err, ERR_INTERNAL, "key row %s does not decode",
			               pg_str(rows, i, LIST_ID).p);
		}
	}
	*ret = list;
	return ERR_OK;
}

static enum err_code only_row(struct pg_rows *rows, struct arena *arena, struct auth_key *ret,
                              struct err *err)
{
	return pg_rows_count(rows) > 0 && from_row(rows, 0, arena, ret)
	               ? ERR_OK
	               : err_set(err, ERR_NOT_FOUND, "no such key");
}

enum err_code auth_key_get(struct pg *pg, const char *tenant, const struct id *id,
                           struct arena *arena, struct auth_key *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	add_wanted(&params, &(struct auth_key_filter){ .tenant = tenant, .max = 1 }, id);
	code = pg_query(pg, tenant, sql(AUTH_SQL_AUTH_KEY_LIST), &params, &rows, err);
	return code == ERR_OK ? only_row(rows, arena, ret, err) : code;
}

enum err_code auth_key_get_in(struct pg_tx *tx, const char *tenant, const struct id *id,
                              struct arena *arena, struct auth_key *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	add_wanted(&params, &(struct auth_key_filter){ .tenant = tenant, .max = 1 }, id);
	code = pg_tx_query(tx, sql(AUTH_SQL_AUTH_KEY_LIST), &params, &rows, err);
	return code == ERR_OK ? only_row(rows, arena, ret, err) : code;
}

/* ---- ending ---- */

static enum err_code change_one(struct pg *pg, const char *tenant, const struct id *id,
                                enum auth_sql_id how, bool *ret_done, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	code = pg_query(pg, tenant, sql(how), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_done = pg_rows_affected(rows) > 0;
	}
	return code;
}

enum err_code auth_key_revoke(struct pg *pg, const char *tenant, const struct id *id,
                              bool *ret_revoked, struct err *err)
{
	return change_one(pg, tenant, id, AUTH_SQL_AUTH_KEY_REVOKE, ret_revoked, err);
}

enum err_code auth_key_delete(struct pg *pg, const char *tenant, const struct id *id,
                              bool *ret_deleted, struct err *err)
{
	return change_one(pg, tenant, id, AUTH_SQL_AUTH_KEY_DELETE, ret_deleted, err);
}

enum err_code auth_key_limit(struct pg *pg, const char *tenant, const struct id *id,
                             unsigned scopes, bool *ret_changed, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct buf text;
	enum err_code code;

	if (scopes == 0) {
		return err_set(err, ERR_INVALID, "a key needs at least one scope");
	}
	buf_init(&text, SCOPES_TEXT_MAX);
	auth_scopes_format(scopes, &text);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, buf_cstr(&text));
	code = pg_query(pg, tenant, sql(AUTH_SQL_AUTH_KEY_LIMIT), &params, &rows, err);
	buf_fini(&text);
	if (code == ERR_OK) {
		*ret_changed = pg_rows_affected(rows) > 0;
	}
	return code;
}

enum err_code auth_key_change(struct pg *pg, const char *tenant, const struct id *id,
                              const struct auth_key_change *change, bool *ret_changed,
                              struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	if (change->name != NULL && !name_ok(str_of(change->name))) {
		return err_set(err, ERR_INVALID, "a key's name is 1 to %d bytes of UTF-8",
		               AUTH_KEY_NAME_MAX);
	}
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, change->name);
	pg_param_bool(&params, change->has_namespaces);
	pg_param_cstr(&params, change->namespaces);
	code = pg_query(pg, tenant, sql(AUTH_SQL_AUTH_KEY_CHANGE), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_changed = pg_rows_affected(rows) > 0;
	}
	return code;
}
