#include "cred/jws.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "cred/base64url.h"
#include "cred/jwk_key.h"
#include "json/write.h"

enum { DER_MAX = 160, HEADER_MAX = 512, HALVES = 2 };

static const char *const typ_names[CRED_TYP_COUNT] = {
	[CRED_TYP_JWT] = "JWT", [CRED_TYP_ACCESS] = "at+jwt"
};

/* ---- the header ---- */

static enum err_code refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID, "%s", why);
}

/* RFC 7515 section 4.1.9: a media type, whose "application/" may be left out. */
static struct str media_type(struct str text)
{
	struct str prefix = STR_LIT("application/");

	if (text.n > prefix.n && str_eq_nocase(str_make(text.p, prefix.n), prefix)) {
		return str_make(text.p + prefix.n, text.n - prefix.n);
	}
	return text;
}

static bool read_typ(const struct json_value *header, enum cred_typ *ret)
{
	const struct json_value *typ = json_get(header, "typ");

	*ret = CRED_TYP_NONE;
	for (unsigned i = CRED_TYP_JWT; i < CRED_TYP_COUNT; i++) {
		if (str_eq_nocase(media_type(json_as_str(typ)), str_of(typ_names[i]))) {
			*ret = (enum cred_typ)i;
		}
	}
	return typ == NULL || *ret != CRED_TYP_NONE;
}

static enum err_code read_header(const struct json_value *header, struct cred_jws *ret,
                                 struct err *err)
{
	const struct json_value *alg = json_get(header, "alg"), *kid = json_get(header, "kid");

	if (json_type_of(header) != JSON_T_OBJECT) {
		return refuse(err, "the header of the token is not a JSON object");
	}
	if (json_type_of(alg) != JSON_T_STRING || !cred_alg_parse(json_as_str(alg), &ret->alg)) {
		return refuse(err, "the algorithm of the token is not one that is accepted");
	}
	if (json_get(header, "crit") != NULL || json_get(header, "b64") != NULL ||
	    json_get(header, "zip") != NULL || json_get(header, "enc") != NULL) {
		return refuse(
			err, "the header of the token asks for an extension (crit, b64, zip, enc)");
	}
	if (json_get(header, "cty") != NULL) {
		return refuse(err, "a token within a token is not accepted");
	}
	if (!read_typ(header, &ret->typ)) {
		return refuse(err, "the token is of another type than JWT or at+jwt");
	}
	if (kid != NULL && (json_type_of(kid) != JSON_T_STRING || !cred_kid_ok(json_as_str(kid)))) {
		return refuse(err, "kid must be printable ASCII of at most 128 bytes");
	}
	(void)str_copy(ret->kid, sizeof(ret->kid), json_as_str(kid));
	return ERR_OK;
}

static enum err_code parse_header(struct str text, struct cred_jws *ret, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *header = NULL;
	CLEANUP(buf_fini) struct buf json = { 0 };

	buf_init(&json, CRED_TOKEN_MAX);
	if (!cred_base64url_decode(text, &json)) {
		return refuse(err, "the header of the token is not base64url");
	}
	header = json_parse(buf_str(&json), err);
	if (header == NULL) {
		return err_wrap(err, "the header of the token");
	}
	return read_header(header, ret, err);
}

enum err_code cred_jws_parse(struct str token, struct cred_jws *ret, struct err *err)
{
	struct str rest = token, header, payload, signature;
	enum err_code code;

	*ret = (struct cred_jws){ .alg = CRED_ALG_COUNT };
	buf_init(&ret->payload, CRED_TOKEN_MAX);
	buf_init(&ret->signature, CRED_SIGNATURE_MAX);
	if (token.n > CRED_TOKEN_MAX) {
		return refuse(err, "the token is longer than 8 KiB");
	}
	header = str_split(&rest, '.');
	payload = str_split(&rest, '.');
	signature = str_split(&rest, '.');
	if (header.n == 0 || payload.n == 0 || signature.n == 0 || rest.p != NULL) {
		return refuse(err, "a token has three parts with dots between them");
	}
	ret->covered = str_make(token.p, header.n + 1 + payload.n);
	code = parse_header(header, ret, err);
	if (code != ERR_OK) {
		return code;
	}
	if (!cred_base64url_decode(payload, &ret->payload)) {
		return refuse(err, "the payload of the token is not base64url");
	}
	if (!cred_base64url_decode(signature, &ret->signature)) {
		return refuse(err, "the signature of the token is not base64url");
	}
	return ERR_OK;
}

void cred_jws_fini(struct cred_jws *jws)
{
	buf_fini(&jws->payload);
	buf_fini(&jws->signature);
}

/* ---- signatures ---- */

static void free_digest(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void free_pair(ECDSA_SIG **pair)
{
	ECDSA_SIG_free(*pair);
}

/* RFC 7518 section 3.5: the mask is made with the same digest, the salt is as long as it. */
static bool set_padding(EVP_PKEY_CTX *ctx, enum cred_family family)
{
	if (family == CRED_FAMILY_RSA) {
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	}
	return family != CRED_FAMILY_PSS ||
	       (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* RFC 7518 section 3.4: both halves in full. OpenSSL wants the pair in DER, and refuses halves that
 * are 0 or not below the order of the curve. 0: it is no such pair. */
static size_t pair_to_der(struct str raw, size_t half, unsigned char out[DER_MAX])
{
	CLEANUP(free_pair) ECDSA_SIG *pair = ECDSA_SIG_new();
	const unsigned char *bytes = (const unsigned char *)raw.p;
	BIGNUM *r, *s;
	int n;

	if (pair == NULL || raw.n != HALVES * half) {
		return 0;
	}
	r = BN_bin2bn(bytes, (int)half, NULL);
	s = BN_bin2bn(bytes + half, (int)half, NULL);
	if (r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return 0;
	}
	n = i2d_ECDSA_SIG(pair, NULL) <= DER_MAX ? i2d_ECDSA_SIG(pair, &out) : 0;
	return n > 0 ? (size_t)n : 0;
}

/* The signature as OpenSSL wants it; its size is checked, as nobody else does for RSA. */
static bool signature_of(const struct cred_jws *jws, const struct cred_jwk *key,
                         unsigned char der[DER_MAX], struct str *ret)
{
	const struct cred_alg_row *row = &cred_algs[key->alg];
	struct str raw = buf_str(&jws->signature);

	switch (row->family) {
	case CRED_FAMILY_EC:
		*ret = str_make((const char *)der, pair_to_der(raw, row->coordinate, der));
		return ret->n > 0;
	case CRED_FAMILY_RSA:
	case CRED_FAMILY_PSS:
	case CRED_FAMILY_ED: *ret = raw; return raw.n == (size_t)EVP_PKEY_get_size(key->pkey);
	}
	return false;
}

bool cred_jws_verify(const struct cred_jws *jws, const struct cred_jwk *key)
{
	const struct cred_alg_row *row = &cred_algs[key->alg];
	CLEANUP(free_digest) EVP_MD_CTX *ctx = NULL;
	EVP_PKEY_CTX *how = NULL; /* of ctx */
	unsigned char der[DER_MAX];
	struct str signature;
	bool good;

	if (jws->alg != key->alg || !signature_of(jws, key, der, &signature)) {
		return false;
	}
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL &&
	       EVP_DigestVerifyInit_ex(ctx, &how, row->digest, NULL, NULL, key->pkey, NULL) == 1 &&
	       set_padding(how, row->family) &&
	       EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
	                        (const unsigned char *)jws->covered.p, jws->covered.n) == 1;
	ERR_clear_error(); /* else the next TLS connection of this thread takes it for its own */
	return good;
}

/* ---- signing ---- */

static bool der_to_pair(const unsigned char *der, size_t n, size_t half, struct buf *out)
{
	CLEANUP(free_pair) ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)n);
	unsigned char *at = (unsigned char *)buf_reserve(out, HALVES * half);

	if (pair == NULL || at == NULL ||
	    BN_bn2binpad(ECDSA_SIG_get0_r(pair), at, (int)half) != (int)half ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), at + half, (int)half) != (int)half) {
		return false;
	}
	buf_commit(out, HALVES * half);
	return true;
}

static bool sign(const struct cred_jwk *key, struct str covered, struct buf *out)
{
	const struct cred_alg_row *row = &cred_algs[key->alg];
	CLEANUP(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char raw[CRED_SIGNATURE_MAX];
	EVP_PKEY_CTX *how = NULL; /* of ctx */
	size_t n = sizeof(raw);

	if (ctx == NULL ||
	    EVP_DigestSignInit_ex(ctx, &how, row->digest, NULL, NULL, key->pkey, NULL) != 1 ||
	    !set_padding(how, row->family) ||
	    EVP_DigestSign(ctx, raw, &n, (const unsigned char *)covered.p, covered.n) != 1) {
		return false;
	}
	if (row->family == CRED_FAMILY_EC) {
		return der_to_pair(raw, n, row->coordinate, out);
	}
	buf_add(out, raw, n);
	return true;
}

static void write_header(const struct cred_jwk *key, enum cred_typ typ, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "alg", cred_algs[key->alg].name);
	if (typ != CRED_TYP_NONE) {
		jsonw_cstr(&w, "typ", typ_names[typ]);
	}
	if (key->kid[0] != '\0') {
		jsonw_cstr(&w, "kid", key->kid);
	}
	jsonw_end_object(&w);
}

bool cred_jws_sign(const struct cred_jwk *key, enum cred_typ typ, struct str payload,
                   struct buf *out)
{
	CLEANUP(buf_fini) struct buf header = { 0 };
	CLEANUP(buf_fini) struct buf signature = { 0 };
	size_t from = out->len;

	buf_init(&header, HEADER_MAX);
	buf_init(&signature, CRED_SIGNATURE_MAX);
	write_header(key, typ, &header);
	cred_base64url_encode(buf_str(&header), out);
	buf_add_char(out, '.');
	cred_base64url_encode(payload, out);
	if (buf_failed(&header) || buf_failed(out) ||
	    !sign(key, str_make(out->data + from, out->len - from), &signature)) {
		return false;
	}
	buf_add_char(out, '.');
	cred_base64url_encode(buf_str(&signature), out);
	return !buf_failed(out);
}
