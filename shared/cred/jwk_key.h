/* What a key is made of; private to this folder. */
#pragma once

#include <openssl/evp.h>

#include "cred/jwk.h"
#include "json/value.h"

enum cred_family { CRED_FAMILY_RSA, CRED_FAMILY_PSS, CRED_FAMILY_EC, CRED_FAMILY_ED };

enum { CRED_RSA_BITS_MIN = 2048, CRED_RSA_BITS_MAX = 8192 };

struct cred_alg_row {
	const char *name;
	enum cred_family family;
	const char *digest; /* NULL: the signature has its own */
	const char *curve;  /* RFC 7518 section 6.2.1.1, or RFC 8037 */
	const char *group;  /* OpenSSL's name of it */
	size_t coordinate;  /* bytes of a coordinate, and of half a signature */
};
extern const struct cred_alg_row cred_algs[CRED_ALG_COUNT];

struct cred_jwk {
	EVP_PKEY *pkey;
	enum cred_alg alg;
	char kid[CRED_KID_MAX + 1];
};

/* Of a kid that can be compared and logged: printable ASCII of a bounded length. */
bool cred_kid_ok(struct str kid);

/* The public key of parameters that are there; takes nothing over. NULL: it is none. */
EVP_PKEY *cred_pkey_rsa(struct str n, struct str e);
EVP_PKEY *cred_pkey_ec(const struct cred_alg_row *row, struct str x, struct str y);
EVP_PKEY *cred_pkey_ed(struct str x);
/* Does this key, wherever it is from, fit the algorithm, and is it strong enough? */
bool cred_pkey_fits(EVP_PKEY *pkey, enum cred_alg alg);
