/*
 * Signed tokens in their compact form (RFC 7515): cut, verified and made.  Pure: bytes in, a
 * verdict out.
 *
 * The header says which key somebody used, and that is all it says: algorithms that have no public
 * key (none, HS256) do not exist here, a key is used with its own algorithm only, and where the
 * header brings or points to a key (jwk, jku, x5c, x5u) nobody looks.  A header that asks for
 * something to be understood (crit, b64, zip) is refused, as is a token inside a token.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "cred/jwk.h"

enum { CRED_TOKEN_MAX = 8192, CRED_SIGNATURE_MAX = 1024 };

/* What a token says that it is (RFC 8725 section 3.11, RFC 9068 section 2.1). */
enum cred_typ { CRED_TYP_NONE, CRED_TYP_JWT, CRED_TYP_ACCESS, CRED_TYP_COUNT };

struct cred_jws {
	enum cred_alg alg;
	enum cred_typ typ;
	char kid[CRED_KID_MAX + 1]; /* "": none */
	struct str covered;         /* of the token: what the signature is over */
	struct buf payload;         /* anybody's word, until it is verified */
	struct buf signature;
};

/* Cuts a token; it has to outlive *ret. Whatever this returns, cred_jws_fini() is due. ERR_INVALID
 * and the rule that it breaks; the message repeats nothing of the token. */
enum err_code cred_jws_parse(struct str token, struct cred_jws *ret, struct err *err) MUST_CHECK;
void cred_jws_fini(struct cred_jws *jws); /* also of one that is all zero */

/* Is it signed with this key? Never, if the key's algorithm is not the token's. */
bool cred_jws_verify(const struct cred_jws *jws, const struct cred_jwk *key) MUST_CHECK;

/* Append a token with this payload, signed by a private key. False: out has no room, or the key has
 * no private part. */
bool cred_jws_sign(const struct cred_jwk *key, enum cred_typ typ, struct str payload,
                   struct buf *out) MUST_CHECK;
