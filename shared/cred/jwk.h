/*
 * Keys that sign tokens (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
 *
 * A key has one algorithm, for as long as it lives: what a JWK says in "alg", else what its curve
 * says, and for an RSA key that says nothing what its owner is known to use.  A token never
 * chooses (RFC 8725 section 3.1).  Secret keys ("oct") are not keys here at all, so that
 * nobody's public key can be taken for a secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum cred_alg {
	CRED_RS256,
	CRED_RS384,
	CRED_RS512,
	CRED_PS256,
	CRED_PS384,
	CRED_PS512,
	CRED_ES256,
	CRED_ES384,
	CRED_ES512,
	CRED_EDDSA, /* Ed25519 */
	CRED_ALG_COUNT
};

enum {
	CRED_KID_MAX = 128,
	CRED_JWKS_MAX = 64,              /* keys of a set; those beyond are not looked at */
	CRED_JWKS_TEXT_MAX = 256 * 1024, /* bytes of a set */
	CRED_DER_MAX = 8192,
};

const char *cred_alg_name(enum cred_alg alg); /* "ES256" */
bool cred_alg_parse(struct str name, enum cred_alg *ret) MUST_CHECK;

struct cred_jwk;

/* A public key. rsa_alg: of an RSA key without "alg". NULL and why: another kind of key, not for
 * signatures, private, too small (RSA: 2048 bits) or too large, or not on its curve. */
struct cred_jwk *cred_jwk_parse(struct str json, enum cred_alg rsa_alg, struct err *err) MUST_CHECK;
void cred_jwk_free(struct cred_jwk *key);
void cred_jwk_cleanup(struct cred_jwk **key);

/* A new one for ES256, with its private part. NULL: there is no randomness. */
struct cred_jwk *cred_jwk_generate(const char *kid) MUST_CHECK;
/* The private part as DER, for sealing, and back (any kind of key). NULL: it is not such a key. */
bool cred_jwk_export(const struct cred_jwk *key, struct buf *out) MUST_CHECK;
struct cred_jwk *cred_jwk_import(struct str der, enum cred_alg alg, const char *kid) MUST_CHECK;

const char *cred_jwk_kid(const struct cred_jwk *key); /* "" without one */
enum cred_alg cred_jwk_alg(const struct cred_jwk *key);
/* The public part as a JWK, of a key on a P curve: those that we make. */
void cred_jwk_format(const struct cred_jwk *key, struct buf *out);

/* ---- sets ---- */

struct cred_jwks;

/* Keys that are of no use to us are passed over, as RFC 7517 section 5 asks; *ret_skipped (or
 * NULL) counts them. NULL and why: it is not a set. */
struct cred_jwks *cred_jwks_parse(struct str json, enum cred_alg rsa_alg, size_t *ret_skipped,
                                  struct err *err) MUST_CHECK;
void cred_jwks_free(struct cred_jwks *set);
size_t cred_jwks_count(const struct cred_jwks *set);
/* The key of that name and algorithm. kid "": the token names none, and then it has to be the only
 * key with the algorithm. NULL: there is no such key. It lives as long as the set. */
const struct cred_jwk *cred_jwks_find(const struct cred_jwks *set, const char *kid,
                                      enum cred_alg alg);
