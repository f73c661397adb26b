#include "token/issuer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "token/issuer_keys.h"
#include "token_sql_gen.h"

enum { MICRO = 1000000, WAIT_MS = 10000 };
enum {
	ROW_ID,
	ROW_TENANT,
	ROW_ISSUER,
	ROW_AUDIENCE,
	ROW_JWKS,
	ROW_ALG,
	ROW_USER,
	ROW_ROLE_CLAIM,
	ROW_ROLES,
	ROW_ROLE,
	ROW_CREATED,
};

struct issuers {
	struct issuer_options options;
	struct issuer_keys *keys;
	struct issuer_list rows;
	uint64_t looked_ms; /* 0: never */
	bool looking; /* a fiber does; those who come before the first look is done wait for it */
	struct fiber_signal looked;
};

/* ---- pure ---- */

static enum err_code refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHORIZED, "%s", why);
}

uint64_t issuer_keep_s(struct str cache_control)
{
	uint64_t keep_s = ISSUER_KEEP_S;

	while (cache_control.p != NULL && cache_control.n > 0) {
		struct str value = str_trim(str_split(&cache_control, ','));
		struct str name = str_split(&value, '=');
		uint64_t told;

		if (str_eq_nocase(name, STR_LIT("no-store")) ||
		    str_eq_nocase(name, STR_LIT("no-cache"))) {
			return ISSUER_KEEP_MIN_S;
		}
		if (str_eq_nocase(name, STR_LIT("max-age")) &&
		    parse_u64(value, UINT64_MAX, &told)) {
			keep_s = told;
		}
	}
	if (keep_s < ISSUER_KEEP_MIN_S) {
		return ISSUER_KEEP_MIN_S;
	}
	return keep_s < ISSUER_KEEP_MAX_S ? keep_s : ISSUER_KEEP_MAX_S;
}

static bool has_value(const struct json_value *claim, struct str value)
{
	if (json_type_of(claim) == JSON_T_STRING) {
		return str_eq(json_as_str(claim), value);
	}
	for (size_t i = 0; json_type_of(claim) == JSON_T_ARRAY && i < json_count(claim); i++) {
		if (json_type_of(json_at(claim, i)) == JSON_T_STRING &&
		    str_eq(json_as_str(json_at(claim, i)), value)) {
			return true;
		}
	}
	return false;
}

/* The greatest of the roles that values of the claim stand for. */
static const char *role_of(const struct issuer *issuer, const struct cred_jwt *jwt)
{
	static const char *const names[] = { "viewer", "operator", "admin" };
	const struct json_value *claim = json_get(jwt->claims, issuer->role_claim), *value;
	CLEANUP(json_value_cleanup) struct json_value *roles = NULL;
	size_t best = 0;
	void *at = NULL;
	struct str name;
	struct err err;

	if (issuer->role_claim[0] == '\0') {
		return issuer->role;
	}
	roles = json_parse(str_of(issuer->roles), &err);
	while (json_next(roles, &at, &name, &value)) {
		for (size_t i = best; i < ARRAY_LEN(names) && has_value(claim, name); i++) {
			best = str_eq(json_as_str(value), str_of(names[i])) ? i + 1 : best;
		}
	}
	return best > 0 ? names[best - 1] : issuer->role;
}

/* An e-mail address counts only when the issuer has seen that it is theirs. */
static enum err_code read_user(const struct issuer *issuer, const struct cred_jwt *jwt,
                               struct issuer_said *ret, struct err *err)
{
	struct str user = cred_jwt_text(jwt, issuer->user_claim);

	if (user.n == 0 || !str_copy(ret->user, sizeof(ret->user), user)) {
		return refuse(err, "the token does not say which user it is for");
	}
	ret->by_email = strcmp(issuer->user_claim, "email") == 0;
	if (ret->by_email && !json_as_bool(json_get(jwt->claims, "email_verified"))) {
		return refuse(err, "the token's issuer has not verified the e-mail address");
	}
	return ERR_OK;
}

enum err_code issuer_read(const struct issuer *issuer, const struct cred_jwt *jwt,
                          struct issuer_said *ret, struct err *err)
{
	*ret = (struct issuer_said){ .issuer = issuer->id, .expires_us = jwt->expires_s * MICRO };
	(void)str_copy(ret->tenant, sizeof(ret->tenant), str_of(issuer->tenant));
	if (jwt->subject.n == 0 || !str_copy(ret->subject, sizeof(ret->subject), jwt->subject)) {
		return refuse(err, "the token does not say whose it is (sub)");
	}
	if (issuer->user_claim[0] != '\0') {
		return read_user(issuer, jwt, ret, err);
	}
	(void)str_copy(ret->role, sizeof(ret->role), str_of(role_of(issuer, jwt)));
	return ret->role[0] != '\0' ? ERR_OK : refuse(err, "the token gives no role here");
}

/* ---- rows ---- */

static bool read_row(struct pg_rows *rows, size_t i, struct issuer *ret)
{
	*ret = (struct issuer){ .created_us = pg_i64(rows, i, ROW_CREATED) };
	return id_parse(pg_str(rows, i, ROW_ID), &ret->id) &&
	       str_copy(ret->tenant, sizeof(ret->tenant), pg_str(rows, i, ROW_TENANT)) &&
	       str_copy(ret->issuer, sizeof(ret->issuer), pg_str(rows, i, ROW_ISSUER)) &&
	       str_copy(ret->audience, sizeof(ret->audience), pg_str(rows, i, ROW_AUDIENCE)) &&
	       str_copy(ret->jwks_uri, sizeof(ret->jwks_uri), pg_str(rows, i, ROW_JWKS)) &&
	       cred_alg_parse(pg_str(rows, i, ROW_ALG), &ret->rsa_alg) &&
	       str_copy(ret->user_claim, sizeof(ret->user_claim), pg_str(rows, i, ROW_USER)) &&
	       str_copy(ret->role_claim, sizeof(ret->role_claim),
	                pg_str(rows, i, ROW_ROLE_CLAIM)) &&
	       str_copy(ret->roles, sizeof(ret->roles), pg_str(rows, i, ROW_ROLES)) &&
	       str_copy(ret->role, sizeof(ret->role), pg_str(rows, i, ROW_ROLE));
}

/* A row that does not decode vouches for nobody. */
enum err_code issuer_list(struct pg *pg, struct issuer_list *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, ISSUERS_MAX);
	code = pg_query(pg, "", &token_sql_texts[TOKEN_SQL_ISSUER_LIST], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret = (struct issuer_list){ .count = 0 };
	ret->items = mem_calloc(pg_rows_count(rows) + 1, sizeof(*ret->items));
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		ret->count += read_row(rows, i, &ret->items[ret->count]);
	}
	return ERR_OK;
}

static void param_or_null(struct pg_params *params, const char *text)
{
	pg_param_cstr(params, text[0] != '\0' ? text : NULL);
}

enum err_code issuer_create(struct pg *pg, const struct issuer *issuer, const char *by,
                            struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, issuer->id.s);
	pg_param_cstr(&params, issuer->tenant);
	pg_param_cstr(&params, issuer->issuer);
	pg_param_cstr(&params, issuer->audience);
	param_or_null(&params, issuer->jwks_uri);
	pg_param_cstr(&params, cred_alg_name(issuer->rsa_alg));
	param_or_null(&params, issuer->user_claim);
	param_or_null(&params, issuer->role_claim);
	pg_param_cstr(&params, issuer->roles[0] != '\0' ? issuer->roles : "{}");
	param_or_null(&params, issuer->role);
	pg_param_cstr(&params, by);
	pg_param_u64(&params, ISSUERS_MAX);
	code = pg_query(pg, "", &token_sql_texts[TOKEN_SQL_ISSUER_CREATE], &params, &rows, err);
	if (code == ERR_OK && pg_rows_affected(rows) == 0) {
		return err_set(err, ERR_LIMIT, "there are %d issuers already", ISSUERS_MAX);
	}
	return code;
}

enum err_code issuer_delete(struct pg *pg, const struct id *id, bool *ret_deleted, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	code = pg_query(pg, "", &token_sql_texts[TOKEN_SQL_ISSUER_DELETE], &params, &rows, err);
	if (code == ERR_OK) {
		*ret_deleted = pg_rows_affected(rows) > 0;
	}
	return code;
}

/* ---- verifying ---- */

struct issuers *issuer_new(const struct issuer_options *options)
{
	struct issuers *issuers = mem_calloc(1, sizeof(*issuers));

	issuers->options = *options;
	issuers->keys = issuer_keys_new(options);
	fiber_signal_init(&issuers->looked);
	return issuers;
}

void issuer_free(struct issuers *issuers)
{
	if (issuers != NULL) {
		issuer_keys_free(issuers->keys);
		free(issuers->rows.items);
		free(issuers);
	}
}

/* The first look, which another fiber has begun. It may have been raised by one before. */
static enum err_code await(struct issuers *issuers, struct err *err)
{
	enum err_code code = ERR_OK;

	while (issuers->looking && code == ERR_OK) {
		code = fiber_signal_wait(&issuers->looked, WAIT_MS);
	}
	if (code == ERR_OK && issuers->rows.items == NULL) {
		code = ERR_UNAVAILABLE;
	}
	return code == ERR_OK ? ERR_OK : err_set(err, code, "issuers cannot be read");
}

static enum err_code look(struct issuers *issuers, struct err *err)
{
	const uint64_t now_ms = clock_mono_ms(), before_ms = issuers->looked_ms;
	struct issuer_list fresh;
	enum err_code code;

	if (issuers->looking && issuers->rows.items == NULL) {
		return await(issuers, err);
	}
	if (before_ms != 0 && now_ms - before_ms < ISSUER_LOOK_MS) {
		return ERR_OK;
	}
	issuers->looked_ms = now_ms;
	issuers->looking = true;
	code = issuer_list(issuers->options.pg, &fresh, err);
	issuers->looking = false;
	if (code == ERR_OK) {
		free(issuers->rows.items);
		issuers->rows = fresh;
	}
	fiber_signal_raise(&issuers->looked);
	if (code != ERR_OK) {
		issuers->looked_ms = before_ms;
		return err_wrap(err, "issuers");
	}
	return ERR_OK;
}

/* The row for this token; a copy, since rows are read anew while fibers wait. */
static bool find(const struct issuers *issuers, const struct cred_jwt *jwt, struct issuer *ret)
{
	for (size_t i = 0; i < issuers->rows.count; i++) {
		const struct issuer *row = &issuers->rows.items[i];

		if (str_eq(jwt->issuer, str_of(row->issuer)) &&
		    cred_jwt_is_for(jwt, str_of(row->audience))) {
			*ret = *row;
			return true;
		}
	}
	return false;
}

static enum err_code verify(struct issuers *issuers, const struct cred_jwt *jwt,
                            struct issuer_said *ret, struct err *err)
{
	const struct cred_jwk *key = NULL;
	struct cred_jwt_expected expected;
	struct issuer issuer;
	enum err_code code;

	if (!find(issuers, jwt, &issuer)) {
		return refuse(err,
		              "the token is of an issuer, or for an audience, that is not known");
	}
	code = issuer_keys_find(issuers->keys, &issuer, jwt->jws.kid, jwt->jws.alg, &key, err);
	if (code != ERR_OK) {
		return code;
	}
	expected = (struct cred_jwt_expected){ .issuer = issuer.issuer,
		                               .audience = issuer.audience,
		                               .now_s = clock_wall_us() / MICRO };
	code = cred_jwt_verify(jwt, key, &expected, err);
	return code == ERR_OK ? issuer_read(&issuer, jwt, ret, err) : code;
}

enum err_code issuer_verify(struct issuers *issuers, struct str token, struct issuer_said *ret,
                            struct err *err)
{
	struct cred_jwt jwt = { .claims = NULL };
	enum err_code code = look(issuers, err);

	if (code == ERR_OK) {
		code = cred_jwt_parse(token, &jwt, err);
		if (code == ERR_OK) {
			code = verify(issuers, &jwt, ret, err);
		} else {
			err->code = code = ERR_UNAUTHORIZED;
		}
	}
	cred_jwt_fini(&jwt);
	return code;
}
