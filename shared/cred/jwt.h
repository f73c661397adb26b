/*
 * Tokens with claims (RFC 7519), verified as RFC 8725 asks.  Pure: the clock is an argument.
 *
 * First cred_jwt_parse(), which believes nothing: only the issuer and the key's name may be looked
 * at, to find the key.  Then cred_jwt_verify(), and then the claims are the issuer's word.
 */
#pragma once

#include <stdint.h>

#include "cred/jws.h"
#include "json/value.h"

enum { CRED_LEEWAY_S = 30, CRED_CLAIM_MAX = 512 };

struct cred_jwt {
	struct cred_jws jws;
	struct json_value *claims;      /* all of them */
	struct str issuer, subject, id; /* iss, sub, jti: of claims; "": absent */
	int64_t expires_s;              /* exp */
	int64_t not_before_s, issued_s; /* nbf, iat; 0: absent */
};

struct cred_jwt_expected {
	const char *issuer;
	const char *audience; /* one of aud has to be this */
	bool access;          /* typ has to be at+jwt: an ID token is no access token */
	int64_t now_s;        /* wall clock */
};

/* ERR_INVALID and the rule that it breaks. Whatever this returns, cred_jwt_fini() is due. The token
 * has to outlive *ret. */
enum err_code cred_jwt_parse(struct str token, struct cred_jwt *ret, struct err *err) MUST_CHECK;
void cred_jwt_fini(struct cred_jwt *jwt);

/* ERR_UNAUTHORIZED and why, fit for the client. */
enum err_code cred_jwt_verify(const struct cred_jwt *jwt, const struct cred_jwk *key,
                              const struct cred_jwt_expected *expected, struct err *err) MUST_CHECK;

/* Is it in aud, a text or an array of them (RFC 7519 section 4.1.3)? */
bool cred_jwt_is_for(const struct cred_jwt *jwt, struct str audience);
/* A claim that is a text; "": absent, or something else. */
struct str cred_jwt_text(const struct cred_jwt *jwt, const char *name);
