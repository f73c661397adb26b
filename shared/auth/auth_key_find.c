/* What a key, or a login, is now: its row, cut by what its owner is in the tenant. */
#include "auth/auth_key_store.h"
#include "auth_sql_gen.h"

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
	FOUND_OWNER_ID,
	FOUND_KIND,
	FOUND_SYSTEM,
	FOUND_ROLE,
	FOUND_OWNER_NAMESPACES,
	FOUND_LOGIN,
	FOUND_STALE,
};

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

/* A key does nothing that its owner may not. False: the owner's row makes no sense. */
static bool take_owner(struct pg_rows *rows, size_t row, struct principal *principal)
{
	unsigned may;

	if (pg_is_null(rows, row, FOUND_OWNER_ID)) {
		return str_copy(principal->owner, sizeof(principal->owner),
		                pg_str(rows, row, FOUND_OWNER));
	}
	if (!id_parse(pg_str(rows, row, FOUND_OWNER_ID), &principal->user) ||
	    !auth_role_parse(pg_str(rows, row, FOUND_ROLE), &principal->role)) {
		return false;
	}
	principal->kind = str_eq(pg_str(rows, row, FOUND_KIND), STR_LIT("service")) ? AUTH_SERVICE
	                                                                            : AUTH_USER;
	may = auth_role_scopes(principal->role) |
	      (pg_bool(rows, row, FOUND_SYSTEM) ? auth_bit(AUTH_SYSTEM) : 0);
	principal->scopes = auth_scopes_meant(principal->scopes) & may;
	(void)str_copy(principal->owner, sizeof(principal->owner), str_of(principal->user.s));
	return pg_is_null(rows, row, FOUND_OWNER_NAMESPACES) ||
	       auth_namespaces_cut(principal, pg_str(rows, row, FOUND_OWNER_NAMESPACES));
}

/* What does not decode is a key that nobody may use. */
static void from_row(struct pg_rows *rows, size_t row, struct auth_key_found *ret)
{
	struct principal *principal = &ret->principal;
	bool is_login = pg_bool(rows, row, FOUND_LOGIN), decodes;

	*ret = (struct auth_key_found){
		.principal = {
			.kind = AUTH_KEY,
			.scopes = known_scopes(pg_str(rows, row, FOUND_SCOPES)),
			.lent = AUTH_ALL,
			.any_namespace = pg_is_null(rows, row, FOUND_NAMESPACES),
			.expires_us = pg_i64(rows, row, FOUND_EXPIRES),
		},
		.expired = pg_bool(rows, row, FOUND_EXPIRED),
		.stale = pg_bool(rows, row, FOUND_STALE),
	};
	(void)str_copy(principal->name, sizeof(principal->name), pg_str(rows, row, FOUND_NAME));
	/* The owner's id too where the key is no good: the owner's bell may change that. */
	decodes = id_parse(pg_str(rows, row, FOUND_ID),
	                   is_login ? &principal->login : &principal->key) &&
	          str_copy(principal->tenant, sizeof(principal->tenant),
	                   pg_str(rows, row, FOUND_TENANT)) &&
	          str_copy(principal->namespaces, sizeof(principal->namespaces),
	                   pg_str(rows, row, FOUND_NAMESPACES)) &&
	          cred_digest_from(pg_bytes(rows, row, FOUND_HASH), &ret->hash) &&
	          take_owner(rows, row, principal);
	ret->usable = decodes && pg_bool(rows, row, FOUND_USABLE) && !ret->expired;
}

enum err_code auth_keys_touch(struct pg *pg, const char *ids, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, ids);
	return pg_query(pg, "", &auth_sql_texts[AUTH_SQL_AUTH_KEY_TOUCH], &params, NULL, err);
}

enum err_code auth_keys_watch(struct pg *pg, const char *ids, size_t count,
                              struct auth_key_found *ret, size_t *ret_count, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, ids);
	code = pg_query(pg, "", &auth_sql_texts[AUTH_SQL_AUTH_KEY_FIND], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = pg_rows_count(rows) < count ? pg_rows_count(rows) : count;
	for (size_t i = 0; i < *ret_count; i++) {
		from_row(rows, i, &ret[i]);
	}
	return ERR_OK;
}

enum err_code auth_key_find(struct pg *pg, const struct id *id, struct auth_key_found *ret,
                            struct err *err)
{
	size_t count;
	enum err_code code = auth_keys_watch(pg, id->s, 1, ret, &count, err);

	return code == ERR_OK && count == 0 ? err_set(err, ERR_NOT_FOUND, "no key %s", id->s)
	                                    : code;
}
