/* Tokens of other issuers: whom they stand for here. */
#include "auth/auth_cache.h"
#include "auth/auth_token.h"
#include "auth_sql_gen.h"
#include "base/clock.h"
#include "token/issuer.h"

enum { MEMBER_ID, MEMBER_KIND, MEMBER_NAME, MEMBER_ROLE, MEMBER_NAMESPACES };
enum { OWNER_HEX = 32, MICRO = 1000000 };

#define OWNER_PREFIX "ext_"

static enum err_code refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHORIZED, "%s", why);
}

static enum err_code read_member(struct pg_rows *rows, struct principal *ret, struct err *err)
{
	if (pg_rows_count(rows) != 1 || !id_parse(pg_str(rows, 0, MEMBER_ID), &ret->user) ||
	    !auth_role_parse(pg_str(rows, 0, MEMBER_ROLE), &ret->role) ||
	    !str_copy(ret->name, sizeof(ret->name), pg_str(rows, 0, MEMBER_NAME)) ||
	    !str_copy(ret->namespaces, sizeof(ret->namespaces),
	              pg_str(rows, 0, MEMBER_NAMESPACES))) {
		return refuse(err, "the token's user is no member of this tenant");
	}
	ret->kind =
		str_eq(pg_str(rows, 0, MEMBER_KIND), STR_LIT("service")) ? AUTH_SERVICE : AUTH_USER;
	ret->any_namespace = pg_is_null(rows, 0, MEMBER_NAMESPACES);
	(void)str_copy(ret->owner, sizeof(ret->owner), str_of(ret->user.s));
	return ERR_OK;
}

static enum err_code find_member(struct pg *pg, const struct issuer_said *said,
                                 struct principal *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, said->tenant);
	pg_param_cstr(&params, said->user);
	pg_param_bool(&params, said->by_email);
	code = pg_query(pg, said->tenant, &auth_sql_texts[AUTH_SQL_AUTH_MEMBER_FIND], &params,
	                &rows, err);
	return code == ERR_OK ? read_member(rows, ret, err) : code;
}

/* Somebody who is no user: known by a name that is made of the issuer and its subject. */
static enum err_code take_role(struct pg *pg, const struct issuer_said *said, struct principal *ret,
                               struct err *err)
{
	const struct str parts[] = { str_of(said->issuer.s), str_of(said->subject) };
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), NULL);
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	char hex[2 * CRED_DIGEST_SIZE + 1];
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, said->tenant);
	code = pg_query(pg, said->tenant, &auth_sql_texts[AUTH_SQL_AUTH_TENANT_FIND], &params,
	                &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0 || !auth_role_parse(str_of(said->role), &ret->role)) {
		return refuse(err, "the token gives no role here");
	}
	cred_digest_hex(&digest, hex);
	hex[OWNER_HEX] = '\0';
	memcpy(ret->owner, OWNER_PREFIX, sizeof(OWNER_PREFIX) - 1);
	memcpy(ret->owner + sizeof(OWNER_PREFIX) - 1, hex, OWNER_HEX + 1);
	if (!str_copy(ret->name, sizeof(ret->name), str_of(said->subject))) {
		(void)str_copy(ret->name, sizeof(ret->name), str_of(ret->owner));
	}
	ret->kind = AUTH_SERVICE;
	ret->any_namespace = true;
	return ERR_OK;
}

/* What it allows ends soon, whatever the token says: nobody tells us when it is taken back. */
static int64_t end_of(const struct issuer_said *said)
{
	int64_t soon_us = clock_wall_us() + (int64_t)AUTH_FOREIGN_LIFE_S * MICRO;

	return said->expires_us < soon_us ? said->expires_us : soon_us;
}

static enum err_code ask(struct auth *auth, struct str token, struct principal *ret,
                         struct err *err)
{
	const struct auth_options *options = auth_options_of(auth);
	struct issuer_said said;
	enum err_code code = issuer_verify(options->issuers, token, &said, err);

	if (code != ERR_OK) {
		return code;
	}
	*ret = (struct principal){ .lent = AUTH_ALL, .means = AUTH_BY_TOKEN };
	ret->expires_us = end_of(&said);
	code = said.user[0] != '\0' ? find_member(options->pg, &said, ret, err)
	                            : take_role(options->pg, &said, ret, err);
	if (code == ERR_OK) {
		(void)str_copy(ret->tenant, sizeof(ret->tenant), str_of(said.tenant));
		ret->scopes = auth_role_scopes(ret->role);
	}
	return code;
}

enum err_code auth_foreign_check(struct auth *auth, struct str token, struct principal *ret,
                                 struct err *err)
{
	struct auth_cache *cache = auth_cache_of(auth);
	struct cred_mark mark = auth_cache_mark(cache, AUTH_CACHE_FOREIGN, token);
	uint64_t turn = auth_cache_turn(cache);
	const struct auth_cached *found = auth_cache_find(cache, &mark);
	struct auth_cached fresh = { .known = true };
	enum err_code code = ERR_OK;

	if (found == NULL) {
		code = ask(auth, token, &fresh.principal, err);
		found = &fresh;
		if (code == ERR_OK) {
			auth_cache_put(cache, &mark, turn, &fresh);
		}
	}
	if (code == ERR_OK) {
		*ret = found->principal;
	}
	return code;
}
