/* OpenSSL's keys from numbers (RFC 7518 section 6, RFC 8037 section 2). */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/attr.h"
#include "cred/jwk_key.h"

enum { EXPONENT_BYTES_MAX = 4, POINT_MAX = 1 + 2 * 66, UNCOMPRESSED = 4 };

const struct cred_alg_row cred_algs[CRED_ALG_COUNT] = {
	[CRED_RS256] = { "RS256", CRED_FAMILY_RSA, "SHA256", NULL, NULL, 0 },
	[CRED_RS384] = { "RS384", CRED_FAMILY_RSA, "SHA384", NULL, NULL, 0 },
	[CRED_RS512] = { "RS512", CRED_FAMILY_RSA, "SHA512", NULL, NULL, 0 },
	[CRED_PS256] = { "PS256", CRED_FAMILY_PSS, "SHA256", NULL, NULL, 0 },
	[CRED_PS384] = { "PS384", CRED_FAMILY_PSS, "SHA384", NULL, NULL, 0 },
	[CRED_PS512] = { "PS512", CRED_FAMILY_PSS, "SHA512", NULL, NULL, 0 },
	[CRED_ES256] = { "ES256", CRED_FAMILY_EC, "SHA256", "P-256", "prime256v1", 32 },
	[CRED_ES384] = { "ES384", CRED_FAMILY_EC, "SHA384", "P-384", "secp384r1", 48 },
	[CRED_ES512] = { "ES512", CRED_FAMILY_EC, "SHA512", "P-521", "secp521r1", 66 },
	[CRED_EDDSA] = { "EdDSA", CRED_FAMILY_ED, NULL, "Ed25519", NULL, 32 },
};

static void free_params(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static void free_build(OSSL_PARAM_BLD **build)
{
	OSSL_PARAM_BLD_free(*build);
}

static void free_number(BIGNUM **number)
{
	BN_free(*number);
}

static void free_context(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static EVP_PKEY *public_key(const char *type, OSSL_PARAM_BLD *build)
{
	CLEANUP(free_context) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	CLEANUP(free_params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		return NULL;
	}
	return pkey;
}

EVP_PKEY *cred_pkey_rsa(struct str n, struct str e)
{
	CLEANUP(free_build) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	CLEANUP(free_number) BIGNUM *modulus = NULL;
	CLEANUP(free_number) BIGNUM *exponent = NULL;

	/* Large numbers are slow to check a signature with, and nobody has any. */
	if (n.n > CRED_RSA_BITS_MAX / 8 || e.n == 0 || e.n > EXPONENT_BYTES_MAX) {
		return NULL;
	}
	modulus = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
	exponent = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
	if (build == NULL || modulus == NULL || exponent == NULL || !BN_is_odd(modulus) ||
	    !BN_is_odd(exponent) || BN_is_one(exponent) ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) != 1) {
		return NULL;
	}
	return public_key("RSA", build);
}

static bool on_curve(EVP_PKEY *pkey)
{
	CLEANUP(free_context) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

	return ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
}

EVP_PKEY *cred_pkey_ec(const struct cred_alg_row *row, struct str x, struct str y)
{
	CLEANUP(free_build) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	unsigned char point[POINT_MAX] = { UNCOMPRESSED };
	EVP_PKEY *pkey;

	/* RFC 7518 section 6.2.1.2: the full size of a coordinate, leading zeros too. */
	if (x.n != row->coordinate || y.n != row->coordinate || build == NULL) {
		return NULL;
	}
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + x.n, y.p, y.n);
	if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, row->group, 0) !=
	            1 ||
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
	                                     1 + x.n + y.n) != 1) {
		return NULL;
	}
	pkey = public_key("EC", build);
	if (pkey != NULL && !on_curve(pkey)) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return pkey;
}

EVP_PKEY *cred_pkey_ed(struct str x)
{
	if (x.n != cred_algs[CRED_EDDSA].coordinate) {
		return NULL;
	}
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
}

static bool has_group(EVP_PKEY *pkey, const char *group)
{
	char name[32];
	size_t n = 0;

	return EVP_PKEY_get_group_name(pkey, name, sizeof(name), &n) == 1 &&
	       strcmp(name, group) == 0;
}

bool cred_pkey_fits(EVP_PKEY *pkey, enum cred_alg alg)
{
	const struct cred_alg_row *row = &cred_algs[alg];
	int bits = EVP_PKEY_get_bits(pkey);

	switch (row->family) {
	case CRED_FAMILY_RSA:
	case CRED_FAMILY_PSS:
		return EVP_PKEY_is_a(pkey, "RSA") == 1 && bits >= CRED_RSA_BITS_MIN &&
		       bits <= CRED_RSA_BITS_MAX;
	case CRED_FAMILY_EC: return EVP_PKEY_is_a(pkey, "EC") == 1 && has_group(pkey, row->group);
	case CRED_FAMILY_ED: return EVP_PKEY_is_a(pkey, "ED25519") == 1;
	}
	return false;
}
