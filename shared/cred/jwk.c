#include "cred/jwk.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cred/base64url.h"
#include "cred/digest.h"
#include "cred/jwk_key.h"
#include "json/write.h"

enum { COORDINATE_MAX = 66, PART_MAX = 2048 };

struct cred_jwks {
	size_t count;
	struct cred_jwk *keys[CRED_JWKS_MAX];
};

const char *cred_alg_name(enum cred_alg alg)
{
	return cred_algs[alg].name;
}

bool cred_alg_parse(struct str name, enum cred_alg *ret)
{
	for (unsigned i = 0; i < CRED_ALG_COUNT; i++) {
		if (str_eq(name, str_of(cred_algs[i].name))) {
			*ret = (enum cred_alg)i;
			return true;
		}
	}
	return false;
}

bool cred_kid_ok(struct str kid)
{
	for (size_t i = 0; i < kid.n; i++) {
		if (kid.p[i] < ' ' || kid.p[i] > '~') {
			return false;
		}
	}
	return kid.n <= CRED_KID_MAX;
}

/* ---- parsing ---- */

static bool is_text(const struct json_value *value)
{
	return json_type_of(value) == JSON_T_STRING;
}

/* RFC 7517 sections 4.2 and 4.3. */
static bool verifies(const struct json_value *jwk)
{
	const struct json_value *use = json_get(jwk, "use"), *ops = json_get(jwk, "key_ops");

	if (use != NULL && !str_eq(json_as_str(use), STR_LIT("sig"))) {
		return false;
	}
	for (size_t i = 0; i < json_count(ops); i++) {
		if (str_eq(json_as_str(json_at(ops, i)), STR_LIT("verify"))) {
			return true;
		}
	}
	return ops == NULL;
}

/* What the kind of key and its curve allow; "alg" has to be one of that, and may be absent. */
static bool pin_alg(const struct json_value *jwk, enum cred_alg rsa_alg, enum cred_alg *ret)
{
	struct str kty = json_as_str(json_get(jwk, "kty")), crv = json_as_str(json_get(jwk, "crv"));
	const struct json_value *told = json_get(jwk, "alg");
	enum cred_alg alg = CRED_ALG_COUNT;
	bool rsa = str_eq(kty, STR_LIT("RSA")), ec = str_eq(kty, STR_LIT("EC"));

	for (unsigned i = CRED_ES256; i < CRED_ALG_COUNT; i++) {
		bool kind = i == CRED_EDDSA ? str_eq(kty, STR_LIT("OKP")) : ec;

		if (kind && str_eq(crv, str_of(cred_algs[i].curve))) {
			alg = (enum cred_alg)i;
		}
	}
	if (rsa) {
		alg = rsa_alg;
	}
	if (told != NULL && rsa) {
		return cred_alg_parse(json_as_str(told), ret) && *ret <= CRED_PS512;
	}
	*ret = alg;
	return alg != CRED_ALG_COUNT &&
	       (told == NULL || str_eq(json_as_str(told), str_of(cred_algs[alg].name)));
}

/* A member that is base64url; its bytes are appended to buf, which has to be empty. */
static bool part_of(const struct json_value *jwk, const char *name, struct buf *buf)
{
	const struct json_value *value = json_get(jwk, name);

	buf_init(buf, PART_MAX);
	return is_text(value) && json_as_str(value).n > 0 &&
	       cred_base64url_decode(json_as_str(value), buf);
}

static EVP_PKEY *build(const struct json_value *jwk, enum cred_alg alg)
{
	const struct cred_alg_row *row = &cred_algs[alg];
	CLEANUP(buf_fini) struct buf first = { 0 };
	CLEANUP(buf_fini) struct buf second = { 0 };

	switch (row->family) {
	case CRED_FAMILY_RSA:
	case CRED_FAMILY_PSS:
		return part_of(jwk, "n", &first) && part_of(jwk, "e", &second)
		               ? cred_pkey_rsa(buf_str(&first), buf_str(&second))
		               : NULL;
	case CRED_FAMILY_EC:
		return part_of(jwk, "x", &first) && part_of(jwk, "y", &second)
		               ? cred_pkey_ec(row, buf_str(&first), buf_str(&second))
		               : NULL;
	case CRED_FAMILY_ED:
		return part_of(jwk, "x", &first) ? cred_pkey_ed(buf_str(&first)) : NULL;
	}
	return NULL;
}

static struct cred_jwk *refuse(struct err *err, const char *why)
{
	(void)err_set(err, ERR_INVALID, "%s", why);
	return NULL;
}

static struct cred_jwk *from_value(const struct json_value *jwk, enum cred_alg rsa_alg,
                                   struct err *err)
{
	const struct json_value *kid = json_get(jwk, "kid");
	struct cred_jwk *key;
	enum cred_alg alg;
	EVP_PKEY *pkey;

	if (!is_text(json_get(jwk, "kty")) || !pin_alg(jwk, rsa_alg, &alg)) {
		return refuse(err, "no kind of key and algorithm that tokens are verified with");
	}
	if (!verifies(jwk)) {
		return refuse(err, "the key is not for verifying signatures");
	}
	if (json_get(jwk, "d") != NULL) {
		return refuse(err, "the key is a private one, and no longer private");
	}
	if (kid != NULL && (!is_text(kid) || !cred_kid_ok(json_as_str(kid)))) {
		return refuse(err, "kid must be printable ASCII of at most 128 bytes");
	}
	pkey = build(jwk, alg);
	if (pkey == NULL || !cred_pkey_fits(pkey, alg)) {
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return refuse(err, "the numbers of the key make no key, or one that is too small");
	}
	key = mem_calloc(1, sizeof(*key));
	*key = (struct cred_jwk){ .pkey = pkey, .alg = alg };
	(void)str_copy(key->kid, sizeof(key->kid), json_as_str(kid));
	return key;
}

struct cred_jwk *cred_jwk_parse(struct str json, enum cred_alg rsa_alg, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *value = NULL;

	if (json.n > CRED_JWKS_TEXT_MAX) {
		return refuse(err, "the key is too large");
	}
	value = json_parse(json, err);
	return value != NULL ? from_value(value, rsa_alg, err) : NULL;
}

void cred_jwk_free(struct cred_jwk *key)
{
	if (key != NULL) {
		EVP_PKEY_free(key->pkey);
		free(key);
	}
}

void cred_jwk_cleanup(struct cred_jwk **key)
{
	cred_jwk_free(*key);
}

/* ---- our own ---- */

static struct cred_jwk *adopt(EVP_PKEY *pkey, enum cred_alg alg, const char *kid)
{
	struct cred_jwk *key;

	if (pkey == NULL || !cred_pkey_fits(pkey, alg)) {
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return NULL;
	}
	key = mem_calloc(1, sizeof(*key));
	*key = (struct cred_jwk){ .pkey = pkey, .alg = alg };
	(void)str_copy(key->kid, sizeof(key->kid), str_of(kid));
	return key;
}

struct cred_jwk *cred_jwk_generate(const char *kid)
{
	return adopt(EVP_EC_gen(cred_algs[CRED_ES256].group), CRED_ES256, kid);
}

bool cred_jwk_export(const struct cred_jwk *key, struct buf *out)
{
	unsigned char *der = NULL;
	int n = i2d_PrivateKey(key->pkey, &der);

	if (n <= 0) {
		return false;
	}
	buf_add(out, der, (size_t)n);
	OPENSSL_clear_free(der, (size_t)n);
	return !buf_failed(out);
}

struct cred_jwk *cred_jwk_import(struct str der, enum cred_alg alg, const char *kid)
{
	const unsigned char *at = (const unsigned char *)der.p;

	if (der.n == 0 || der.n > CRED_DER_MAX) {
		return NULL;
	}
	return adopt(d2i_AutoPrivateKey(NULL, &at, (long)der.n), alg, kid);
}

const char *cred_jwk_kid(const struct cred_jwk *key)
{
	return key->kid;
}

enum cred_alg cred_jwk_alg(const struct cred_jwk *key)
{
	return key->alg;
}

static void add_coordinate(struct jsonw *w, const char *name, const struct cred_jwk *key,
                           const char *param)
{
	unsigned char bytes[COORDINATE_MAX];
	size_t n = cred_algs[key->alg].coordinate;
	BIGNUM *number = NULL;
	struct buf text;
	int got = EVP_PKEY_get_bn_param(key->pkey, param, &number) == 1
	                  ? BN_bn2binpad(number, bytes, (int)n)
	                  : -1;

	assert(got == (int)n);
	BN_free(number);
	buf_init(&text, 2 * COORDINATE_MAX);
	cred_base64url_encode(str_make((const char *)bytes, n), &text);
	jsonw_str(w, name, buf_str(&text));
	buf_fini(&text);
}

void cred_jwk_format(const struct cred_jwk *key, struct buf *out)
{
	const struct cred_alg_row *row = &cred_algs[key->alg];
	struct jsonw w;

	assert(row->family == CRED_FAMILY_EC);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "kty", "EC");
	jsonw_cstr(&w, "crv", row->curve);
	jsonw_cstr(&w, "alg", row->name);
	jsonw_cstr(&w, "use", "sig");
	jsonw_cstr(&w, "kid", key->kid);
	add_coordinate(&w, "x", key, OSSL_PKEY_PARAM_EC_PUB_X);
	add_coordinate(&w, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y);
	jsonw_end_object(&w);
}

/* ---- sets ---- */

static bool is_known(const struct cred_jwks *set, const struct cred_jwk *key)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->keys[i]->alg == key->alg && strcmp(set->keys[i]->kid, key->kid) == 0) {
			return true;
		}
	}
	return false;
}

/* Of two with one name and algorithm the first counts: which is meant nobody could tell. Those
 * without a name are found only when they are alone. */
static bool take(struct cred_jwks *set, struct cred_jwk *key)
{
	if (key == NULL || (key->kid[0] != '\0' && is_known(set, key))) {
		cred_jwk_free(key);
		return false;
	}
	set->keys[set->count++] = key;
	return true;
}

struct cred_jwks *cred_jwks_parse(struct str json, enum cred_alg rsa_alg, size_t *ret_skipped,
                                  struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *value = NULL;
	const struct json_value *keys;
	struct cred_jwks *set;
	size_t count, skipped = 0;
	struct err ignored;

	if (json.n > CRED_JWKS_TEXT_MAX) {
		(void)err_set(err, ERR_TOO_LARGE, "a key set of more than %d bytes",
		              CRED_JWKS_TEXT_MAX);
		return NULL;
	}
	value = json_parse(json, err);
	if (value == NULL) {
		return NULL;
	}
	keys = json_get(value, "keys");
	if (json_type_of(keys) != JSON_T_ARRAY) {
		(void)err_set(err, ERR_INVALID, "a key set has an array \"keys\"");
		return NULL;
	}
	count = json_count(keys);
	set = mem_calloc(1, sizeof(*set));
	for (size_t i = 0; i < count && i < CRED_JWKS_MAX; i++) {
		skipped += !take(set, from_value(json_at(keys, i), rsa_alg, &ignored));
	}
	if (ret_skipped != NULL) {
		*ret_skipped = skipped + (count > CRED_JWKS_MAX ? count - CRED_JWKS_MAX : 0);
	}
	return set;
}

void cred_jwks_free(struct cred_jwks *set)
{
	if (set != NULL) {
		for (size_t i = 0; i < set->count; i++) {
			cred_jwk_free(set->keys[i]);
		}
		free(set);
	}
}

size_t cred_jwks_count(const struct cred_jwks *set)
{
	return set->count;
}

const struct cred_jwk *cred_jwks_find(const struct cred_jwks *set, const char *kid,
                                      enum cred_alg alg)
{
	const struct cred_jwk *found = NULL;

	for (size_t i = 0; i < set->count; i++) {
		const struct cred_jwk *key = set->keys[i];

		if (key->alg != alg || (kid[0] != '\0' && strcmp(key->kid, kid) != 0)) {
			continue;
		}
		if (found != NULL) {
			return NULL;
		}
		found = key;
	}
	return found;
}
