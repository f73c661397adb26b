#include "cred/jwt.h"

/* The end of the year 9999: no clock gets there, and no sum of seconds overflows. */
#define TIME_MAX_S INT64_C(253402300799)

static enum err_code refuse(struct err *err, enum err_code code, const char *why)
{
	return err_set(err, code, "%s", why);
}

/* A text that may be absent, but not something else. */
static bool read_text(const struct json_value *claims, const char *name, struct str *ret)
{
	const struct json_value *value = json_get(claims, name);

	*ret = json_as_str(value);
	return value == NULL || (json_type_of(value) == JSON_T_STRING && ret->n <= CRED_CLAIM_MAX);
}

/* RFC 7519 section 2, NumericDate: whole seconds is what everybody sends. */
static bool read_time(const struct json_value *claims, const char *name, int64_t *ret)
{
	const struct json_value *value = json_get(claims, name);

	*ret = json_as_i64(value);
	return value == NULL || (json_is_int(value) && *ret > 0 && *ret <= TIME_MAX_S);
}

static enum err_code read_claims(struct cred_jwt *jwt, struct err *err)
{
	const struct json_value *claims = jwt->claims;

	if (json_type_of(claims) != JSON_T_OBJECT) {
		return refuse(err, ERR_INVALID, "the claims of the token are not a JSON object");
	}
	if (!read_text(claims, "iss", &jwt->issuer) || !read_text(claims, "sub", &jwt->subject) ||
	    !read_text(claims, "jti", &jwt->id)) {
		return refuse(err, ERR_INVALID,
		              "iss, sub and jti must be texts of at most 512 bytes");
	}
	if (!read_time(claims, "exp", &jwt->expires_s) ||
	    !read_time(claims, "nbf", &jwt->not_before_s) ||
	    !read_time(claims, "iat", &jwt->issued_s)) {
		return refuse(err, ERR_INVALID,
		              "exp, nbf and iat must be whole seconds since 1970");
	}
	return jwt->expires_s != 0
	               ? ERR_OK
	               : refuse(err, ERR_INVALID, "the token does not say when it ends (exp)");
}

enum err_code cred_jwt_parse(struct str token, struct cred_jwt *ret, struct err *err)
{
	enum err_code code;

	*ret = (struct cred_jwt){ .claims = NULL };
	code = cred_jws_parse(token, &ret->jws, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->claims = json_parse(buf_str(&ret->jws.payload), err);
	if (ret->claims == NULL) {
		return err_wrap(err, "the claims of the token");
	}
	return read_claims(ret, err);
}

void cred_jwt_fini(struct cred_jwt *jwt)
{
	cred_jws_fini(&jwt->jws);
	json_value_free(jwt->claims);
	jwt->claims = NULL;
}

struct str cred_jwt_text(const struct cred_jwt *jwt, const char *name)
{
	return json_as_str(json_get(jwt->claims, name));
}

bool cred_jwt_is_for(const struct cred_jwt *jwt, struct str audience)
{
	const struct json_value *aud = json_get(jwt->claims, "aud");

	if (audience.n == 0) {
		return false;
	}
	if (json_type_of(aud) == JSON_T_STRING) {
		return str_eq(json_as_str(aud), audience);
	}
	for (size_t i = 0; json_type_of(aud) == JSON_T_ARRAY && i < json_count(aud); i++) {
		if (str_eq(json_as_str(json_at(aud, i)), audience)) {
			return true;
		}
	}
	return false;
}

static enum err_code check_times(const struct cred_jwt *jwt, int64_t now_s, struct err *err)
{
	if (jwt->expires_s + CRED_LEEWAY_S <= now_s) {
		return refuse(err, ERR_UNAUTHORIZED, "the token has expired");
	}
	if (jwt->not_before_s - CRED_LEEWAY_S > now_s || jwt->issued_s - CRED_LEEWAY_S > now_s) {
		return refuse(err, ERR_UNAUTHORIZED, "the token is not valid yet");
	}
	return ERR_OK;
}

enum err_code cred_jwt_verify(const struct cred_jwt *jwt, const struct cred_jwk *key,
                              const struct cred_jwt_expected *expected, struct err *err)
{
	if (expected->issuer[0] == '\0' || !str_eq(jwt->issuer, str_of(expected->issuer))) {
		return refuse(err, ERR_UNAUTHORIZED, "the token is of another issuer");
	}
	if (!cred_jws_verify(&jwt->jws, key)) {
		return refuse(err, ERR_UNAUTHORIZED, "the signature of the token does not hold");
	}
	if (expected->access && jwt->jws.typ != CRED_TYP_ACCESS) {
		return refuse(err, ERR_UNAUTHORIZED, "the token is no access token (typ)");
	}
	if (!cred_jwt_is_for(jwt, str_of(expected->audience))) {
		return refuse(err, ERR_UNAUTHORIZED, "the token is for somebody else (aud)");
	}
	return check_times(jwt, expected->now_s, err);
}
