#include "auth/auth_key_store.h"

#include "auth_sql_gen.h"
#include "base/buf.h"

enum { SCOPES_TEXT_MAX = 256 };
enum {
	FOUND_ID,
	FOUND_TENANT,
	FOUND_HASH,
	FOUND_SCOPES,
	FOUND_NAMESPACES,
	FOUND_NAME,
	FOUND_OWNER,
	FOUND_EXPIRES,
	FOUND_USABLE,
	FOUND_EXPIRED,
	FOUND_STALE, /* not of those that are watched */
};
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
};

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

/* Words of letters, digits and ._- with one comma between them. */
static bool namespaces_ok(struct str list)
{
	if (list.n == 0 || list.n > AUTH_NAMESPACES_MAX || list.p[list.n - 1] == ',') {
		return false;
	}
	while (list.p != NULL) {
		struct str word = str_split(&list, ',');

		for (size_t i = 0; i < word.n; i++) {
			char c = word.p[i];

			if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			      (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')) {
				return false;
			}
		}
		if (word.n == 0) {
			return false;
		}
	}
	return true;
}

static void add_scopes(struct buf *out, unsigned scopes)
{
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		if ((scopes & auth_bit((enum auth_scope)i)) != 0) {
			buf_addf(out, "%s%s", out->len > 0 ? "," : "",
			         auth_scope_name((enum auth_scope)i));
		}
	}
}

static enum err_code check_new(const struct auth_key_new *key, struct err *err)
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
	if (key->namespaces != NULL && !namespaces_ok(str_of(key->namespaces))) {
		return err_set(err, ERR_INVALID,
		               "namespaces are a comma list of letters, digits, dots, dashes and "
		               "underscores, at most %d bytes",
		               AUTH_NAMESPACES_MAX);
	}
	return ERR_OK;
}

static enum err_code insert(struct pg *pg, const struct auth_key_new *key, const struct id *id,
                            const struct cred_digest *hash, struct err *err)
{
	struct pg_params params = { 0 };
	struct buf scopes;
	enum err_code code;

	buf_init(&scopes, SCOPES_TEXT_MAX);
	add_scopes(&scopes, key->scopes);
	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, key->tenant);
	pg_param_cstr(&params, key->name);
	pg_param_bytes(&params, cred_digest_str(hash));
	pg_param_cstr(&params, buf_cstr(&scopes));
	pg_param_cstr(&params, key->namespaces);
	if (key->expires_us != 0) {
		pg_param_i64(&params, key->expires_us);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, key->owner);
	code = pg_query(pg, key->tenant, sql(AUTH_SQL_AUTH_KEY_CREATE), &params, NULL, err);
	buf_fini(&scopes);
	return code;
}

enum err_code auth_key_create(struct pg *pg, const struct auth_key_new *key,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_LEN + 1],
                              struct id *ret_id, struct err *err)
{
	struct cred_key secret;
	struct cred_digest hash;
	enum err_code code;

	code = check_new(key, err);
	if (code != ERR_OK) {
		return code;
	}
	secret = cred_key_new();
	hash = cred_key_hash(&secret, pepper);
	code = insert(pg, key, &secret.id, &hash, err);
	if (code == ERR_OK) {
		cred_key_format(&secret, ret_text);
		*ret_id = secret.id;
	}
	cred_wipe(&secret, sizeof(secret));
	return code;
}

enum err_code auth_key_list(struct pg *pg, const char *tenant, struct arena *arena,
                            struct auth_key_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct auth_key_list list;
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_u64(&params, AUTH_KEYS_LISTED_MAX);
	code = pg_query(pg, tenant, sql(AUTH_SQL_AUTH_KEY_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	list.count = pg_rows_count(rows);
	list.items = arena_take(arena, list.count * sizeof(*list.items));
	for (size_t i = 0; i < list.count; i++) {
		list.items[i] = (struct auth_key){
			.name = arena_str(arena, pg_str(rows, i, LIST_NAME)),
			.owner = arena_str(arena, pg_str(rows, i, LIST_OWNER)),
			.scopes = arena_str(arena, pg_str(rows, i, LIST_SCOPES)),
			.namespaces = arena_str(arena, pg_str(rows, i, LIST_NAMESPACES)),
			.any_namespace = pg_is_null(rows, i, LIST_NAMESPACES),
			.created_us = pg_i64(rows, i, LIST_CREATED),
			.expires_us = pg_i64(rows, i, LIST_EXPIRES),
			.revoked_us = pg_i64(rows, i, LIST_REVOKED),
			.last_used_us = pg_i64(rows, i, LIST_LAST_USED),
		};
		if (!id_parse(pg_str(rows, i, LIST_ID), &list.items[i].id)) {
			return err_set(err, ERR_INTERNAL, "key row %s does not decode",
			               pg_str(rows, i, LIST_ID).p);
		}
	}
	*ret = list;
	return ERR_OK;
}

enum err_code auth_key_revoke(struct pg *pg, const char *tenant, const struct id *id,
                              bool *ret_revoked, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	code = pg_query(pg, tenant, sql(AUTH_SQL_AUTH_KEY_REVOKE), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_revoked = pg_rows_affected(rows) > 0;
	}
	return code;
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
	add_scopes(&text, scopes);
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

/* Scopes that this version does not know allow nothing here. */
static unsigned known_scopes(struct str list)
{
	unsigned scopes = 0;

	while (list.p != NULL) {
		enum auth_scope scope;

		if (auth_scope_parse(str_split(&list, ','), &scope)) {
			scopes |= auth_bit(scope);
		}
	}
	return scopes;
}

/* What does not decode is a key that nobody may use. */
static void from_row(struct pg_rows *rows, size_t row, struct auth_key_found *ret)
{
	struct principal *principal = &ret->principal;
	bool is_id;

	*ret = (struct auth_key_found){
		.principal = {
			.scopes = known_scopes(pg_str(rows, row, FOUND_SCOPES)),
			.lent = AUTH_ALL,
			.any_namespace = pg_is_null(rows, row, FOUND_NAMESPACES),
			.expires_us = pg_i64(rows, row, FOUND_EXPIRES),
		},
		.expired = pg_bool(rows, row, FOUND_EXPIRED),
	};
	(void)str_copy(principal->name, sizeof(principal->name), pg_str(rows, row, FOUND_NAME));
	is_id = id_parse(pg_str(rows, row, FOUND_ID), &principal->key);
	ret->usable = is_id && pg_bool(rows, row, FOUND_USABLE) && !ret->expired &&
	              str_copy(principal->tenant, sizeof(principal->tenant),
	                       pg_str(rows, row, FOUND_TENANT)) &&
	              str_copy(principal->namespaces, sizeof(principal->namespaces),
	                       pg_str(rows, row, FOUND_NAMESPACES)) &&
	              str_copy(principal->owner, sizeof(principal->owner),
	                       pg_str(rows, row, FOUND_OWNER)) &&
	              cred_digest_from(pg_bytes(rows, row, FOUND_HASH), &ret->hash);
}

enum err_code auth_key_find(struct pg *pg, const struct id *id, struct auth_key_found *ret,
                            struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct auth_key_found found;
	struct err ignored;
	enum err_code code;

	pg_param_cstr(&params, id->s);
	code = pg_query(pg, "", sql(AUTH_SQL_AUTH_KEY_FIND), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no key %s", id->s);
	}
	from_row(rows, 0, &found);
	if (found.usable && pg_bool(rows, 0, FOUND_STALE)) {
		/* A record for people: that it could not be written refuses nobody. */
		(void)!pg_query(pg, "", sql(AUTH_SQL_AUTH_KEY_TOUCH), &params, NULL, &ignored);
	}
	*ret = found;
	return ERR_OK;
}

enum err_code auth_keys_watch(struct pg *pg, const char *ids, size_t count,
                              struct auth_key_found *ret, size_t *ret_count, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, ids);
	code = pg_query(pg, "", sql(AUTH_SQL_AUTH_KEY_WATCH), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = pg_rows_count(rows) < count ? pg_rows_count(rows) : count;
	for (size_t i = 0; i < *ret_count; i++) {
		from_row(rows, i, &ret[i]);
	}
	return ERR_OK;
}
