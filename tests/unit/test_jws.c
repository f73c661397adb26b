/* Signed tokens: the vectors of the RFCs, every algorithm there and back, and what attackers send.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cred/base64url.h"
#include "cred/jws.h"
#include "cred/jwt.h"
#include "tests/support/test.h"

enum { NOW_S = 1800000000, TEXT_MAX = 64 * 1024 };

/* ---- vectors: RFC 7515 appendices A.2 to A.4, RFC 8037 appendix A.4 ---- */

#define PAYLOAD                                                                                    \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"
#define RSA_JWK                                                                                    \
	"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""                                                 \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"                    \
	"4qPCJrcS2mJPMEzP1Pt0"                                                                     \
	"Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"              \
	"bSf63kpaSHSXndS"                                                                          \
	"5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"      \
	"I5IhlJH"                                                                                  \
	"7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}"
#define RSA_TOKEN                                                                                  \
	"eyJhbGciOiJSUzI1NiJ9." PAYLOAD                                                            \
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"   \
	"O8W"                                                                                      \
	"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"                                   \
	"nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSj"                                                      \
	"tQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"                                   \
	"eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh"                                                      \
	"6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define EC_JWK                                                                                     \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define EC_TOKEN                                                                                   \
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD                                                            \
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define EC512_JWK                                                                                  \
	"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcB" \
	"pXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBX" \
	"MoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}"
#define EC512_TOKEN                                                                                \
	"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."                                                         \
	"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_"     \
	"7XdtA"                                                                                    \
	"G8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
#define ED_JWK                                                                                     \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\","                                                    \
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED_TOKEN                                                                                   \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                \
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static bool verifies(const char *token, const struct cred_jwk *key)
{
	char *exact = mem_strndup(str_of(token)); /* so that a read beyond its end is seen */
	struct cred_jws jws;
	struct err err;
	bool good = cred_jws_parse(str_make(exact, strlen(token)), &jws, &err) == ERR_OK &&
	            cred_jws_verify(&jws, key);

	cred_jws_fini(&jws);
	free(exact);
	return good;
}

static bool verifies_with(const char *token, const char *jwk, enum cred_alg rsa_alg)
{
	struct err err;
	struct cred_jwk *key = cred_jwk_parse(str_of(jwk), rsa_alg, &err);
	bool good;

	assert_non_null(key);
	good = verifies(token, key);
	cred_jwk_free(key);
	return good;
}

static void the_examples_of_the_standards_hold(void **state)
{
	(void)state;
	assert_true(verifies_with(RSA_TOKEN, RSA_JWK, CRED_RS256));
	assert_true(verifies_with(EC_TOKEN, EC_JWK, CRED_RS256));
	assert_true(verifies_with(EC512_TOKEN, EC512_JWK, CRED_RS256));
	assert_true(verifies_with(ED_TOKEN, ED_JWK, CRED_RS256));
}

static void a_key_verifies_nothing_but_its_own_algorithm(void **state)
{
	(void)state;
	assert_false(verifies_with(RSA_TOKEN, RSA_JWK, CRED_PS256));
	assert_false(verifies_with(RSA_TOKEN, RSA_JWK, CRED_RS384));
	assert_false(verifies_with(EC_TOKEN, RSA_JWK, CRED_RS256));
	assert_false(verifies_with(RSA_TOKEN, EC_JWK, CRED_RS256));
	assert_false(verifies_with(EC_TOKEN, EC512_JWK, CRED_RS256));
	assert_false(verifies_with(EC512_TOKEN, EC_JWK, CRED_RS256));
	assert_false(verifies_with(ED_TOKEN, EC_JWK, CRED_RS256));
}

static void a_token_with_any_other_byte_does_not_hold(void **state)
{
	static const char *const pairs[][2] = { { EC_TOKEN, EC_JWK },
		                                { ED_TOKEN, ED_JWK },
		                                { RSA_TOKEN, RSA_JWK } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct err err;
		struct cred_jwk *key = cred_jwk_parse(str_of(pairs[i][1]), CRED_RS256, &err);
		char *token = mem_strdup(pairs[i][0]);

		/* Not each of RSA's, which are many and slow. */
		for (size_t k = 0; k < strlen(token); k += i == 2 ? 9 : 1) {
			char kept = token[k];

			token[k] = kept == 'A' ? 'B' : 'A';
			assert_false(verifies(token, key));
			token[k] = '=';
			assert_false(verifies(token, key));
			token[k] = kept;
		}
		for (size_t n = strlen(token); n-- > 0;) {
			token[n] = '\0';
			assert_false(verifies(token, key));
		}
		free(token);
		cred_jwk_free(key);
	}
}

/* ---- keys and tokens made here ---- */

static EVP_PKEY *new_pair(enum cred_alg alg)
{
	if (alg <= CRED_PS512) {
		return EVP_RSA_gen(2048);
	}
	if (alg == CRED_EDDSA) {
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	}
	return EVP_EC_gen(alg == CRED_ES256 ? "P-256" : alg == CRED_ES384 ? "P-384" : "P-521");
}

static struct cred_jwk *key_of(EVP_PKEY *pkey, enum cred_alg alg)
{
	unsigned char *der = NULL;
	int n = i2d_PrivateKey(pkey, &der);
	struct cred_jwk *key = cred_jwk_import(str_make((char *)der, (size_t)n), alg, "k1");

	assert_non_null(key);
	OPENSSL_free(der);
	return key;
}

/* Pairs for RSA serve all its algorithms: they take long to make. */
static void every_algorithm_goes_there_and_back(void **state)
{
	EVP_PKEY *one = NULL, *two = NULL;
	struct buf token;

	(void)state;
	buf_init(&token, CRED_TOKEN_MAX);
	for (unsigned i = 0; i < CRED_ALG_COUNT; i++) {
		enum cred_alg alg = (enum cred_alg)i;
		struct cred_jwk *key, *other;

		if (i == 0 || alg > CRED_PS512) {
			EVP_PKEY_free(one);
			EVP_PKEY_free(two);
			one = new_pair(alg);
			two = new_pair(alg);
		}
		key = key_of(one, alg);
		other = key_of(two, alg);
		buf_reset(&token);
		assert_true(cred_jws_sign(key, CRED_TYP_JWT, STR_LIT("{\"a\":1}"), &token));
		assert_true(verifies(buf_cstr(&token), key));
		assert_false(verifies(buf_cstr(&token), other));
		cred_jwk_free(key);
		cred_jwk_free(other);
	}
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
	buf_fini(&token);
}

static void a_signed_token_says_what_it_is(void **state)
{
	struct cred_jwk *key = cred_jwk_generate("a key");
	struct cred_jws jws;
	struct buf token;
	struct err err;

	(void)state;
	buf_init(&token, CRED_TOKEN_MAX);
	assert_true(cred_jws_sign(key, CRED_TYP_ACCESS, STR_LIT("{}"), &token));
	assert_int_equal(cred_jws_parse(buf_str(&token), &jws, &err), ERR_OK);
	assert_int_equal(jws.alg, CRED_ES256);
	assert_int_equal(jws.typ, CRED_TYP_ACCESS);
	assert_string_equal(jws.kid, "a key");
	assert_true(str_eq(buf_str(&jws.payload), STR_LIT("{}")));
	cred_jws_fini(&jws);
	cred_jwk_free(key);
	buf_fini(&token);
}

/* ---- attacks ---- */

/* header.payload of these texts, and after another dot whatever the caller adds. */
static void begin(struct buf *out, const char *header, const char *payload)
{
	buf_init(out, TEXT_MAX);
	cred_base64url_encode(str_of(header), out);
	buf_add_char(out, '.');
	cred_base64url_encode(str_of(payload), out);
}

static bool header_passes(const char *header)
{
	struct cred_jws jws;
	struct buf token;
	struct err err;
	bool good;

	begin(&token, header, "{}");
	buf_add_cstr(&token, ".AAAA");
	good = cred_jws_parse(buf_str(&token), &jws, &err) == ERR_OK;
	cred_jws_fini(&jws);
	buf_fini(&token);
	return good;
}

static void algorithms_without_a_public_key_do_not_exist(void **state)
{
	static const char *const names[] = { "none",   "None",  "nOnE",   "NONE",  "",
		                             "HS256",  "HS384", "HS512",  "hs256", "rs256",
		                             "RSA1_5", "dir",   "ES256K", "Ed448", "RS1",
		                             "ES256 ", " ES256" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char header[64];

		(void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
		if (header_passes(header)) {
			fail_msg("%s was accepted", names[i]);
		}
	}
	assert_false(header_passes("{}"));
	assert_false(header_passes("{\"alg\":null}"));
	assert_false(header_passes("{\"alg\":[\"ES256\"]}"));
	assert_false(header_passes("{\"alg\":7}"));
	assert_true(header_passes("{\"alg\":\"ES256\"}"));
}

static void headers_that_ask_for_more_are_refused(void **state)
{
	(void)state;
	assert_false(header_passes("{\"alg\":\"ES256\",\"crit\":[\"exp\"]}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"crit\":[]}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"b64\":false,\"crit\":[\"b64\"]}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"b64\":false}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"zip\":\"DEF\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"enc\":\"A128GCM\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"cty\":\"JWT\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"typ\":7}"));
	assert_true(header_passes("{\"alg\":\"ES256\",\"typ\":\"jwt\"}"));
	assert_true(header_passes("{\"alg\":\"ES256\",\"typ\":\"application/at+JWT\"}"));
}

static void headers_that_are_no_sound_json_are_refused(void **state)
{
	struct buf deep;

	(void)state;
	assert_false(header_passes("{\"alg\":\"ES256\",\"alg\":\"ES256\"}"));
	assert_false(header_passes("{\"alg\":\"none\",\"alg\":\"ES256\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"kid\":\"a\",\"kid\":\"b\"}"));
	assert_false(header_passes("[\"ES256\"]"));
	assert_false(header_passes("\"ES256\""));
	assert_false(header_passes("{\"alg\":\"ES256\"} x"));
	assert_false(header_passes("{\"alg\":\"ES256\",}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"x\":\"\xff\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\\u0000\"}"));
	buf_init(&deep, TEXT_MAX);
	buf_add_cstr(&deep, "{\"alg\":\"ES256\",\"x\":");
	for (unsigned i = 0; i < 2000; i++) {
		buf_add_char(&deep, '[');
	}
	assert_false(header_passes(buf_cstr(&deep)));
	buf_fini(&deep);
}

static void a_key_name_is_a_name_and_no_path(void **state)
{
	struct err err;
	struct cred_jwks *set =
		cred_jwks_parse(STR_LIT("{\"keys\":[" EC_JWK "]}"), CRED_RS256, NULL, &err);
	static const char *const names[] = {
		"../../../../dev/null", "/dev/null", "x' UNION SELECT 'key'--",
		"http://127.0.0.1/key", "|id",       "%00"
	};

	(void)state;
	assert_non_null(set);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_null(cred_jwks_find(set, names[i], CRED_ES256));
	}
	cred_jwks_free(set);
	assert_false(header_passes("{\"alg\":\"ES256\",\"kid\":\"a\\u0000b\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"kid\":\"a\\r\\nSet-Cookie: b\"}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"kid\":{\"a\":1}}"));
	assert_false(header_passes("{\"alg\":\"ES256\",\"kid\":7}"));
}

/* The public key as a secret: what a verifier that lets the token choose falls for. */
static void a_public_key_is_no_secret(void **state)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	struct err err;
	struct cred_jwk *key = cred_jwk_parse(STR_LIT(RSA_JWK), CRED_RS256, &err);
	unsigned char mac[32];
	unsigned n = sizeof(mac);
	struct buf token;

	(void)state;
	begin(&token, header, "{\"iss\":\"joe\"}");
	assert_non_null(HMAC(EVP_sha256(), RSA_JWK, (int)strlen(RSA_JWK),
	                     (const unsigned char *)token.data, token.len, mac, &n));
	buf_add_char(&token, '.');
	cred_base64url_encode(str_make((char *)mac, n), &token);
	assert_false(verifies(buf_cstr(&token), key));
	cred_jwk_free(key);
	buf_fini(&token);
}

/* Signed, and well, with a key that the token itself brings. */
static void a_key_in_the_header_is_not_looked_at(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *pair = new_pair(CRED_EDDSA);
	struct cred_jwk *ours = key_of(pair, CRED_EDDSA), *theirs;
	unsigned char raw[64], public[32];
	size_t n = sizeof(public), signed_n = sizeof(raw);
	struct buf x, header, token;
	struct err err;

	(void)state;
	buf_init(&x, TEXT_MAX);
	buf_init(&header, TEXT_MAX);
	assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, public, &n), 1);
	buf_add_cstr(&x, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
	cred_base64url_encode(str_make((char *)public, n), &x);
	buf_add_cstr(&x, "\"}");
	buf_addf(&header,
	         "{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"jku\":\"http://127.0.0.1:1/\","
	         "\"x5u\":\"file:///\",\"x5c\":[\"AAAA\"],\"jwk\":%s}",
	         buf_cstr(&x));
	begin(&token, buf_cstr(&header), "{}");
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
	assert_int_equal(
		EVP_DigestSign(ctx, raw, &signed_n, (unsigned char *)token.data, token.len), 1);
	buf_add_char(&token, '.');
	cred_base64url_encode(str_make((char *)raw, signed_n), &token);
	theirs = cred_jwk_parse(buf_str(&x), CRED_RS256, &err);
	assert_true(verifies(buf_cstr(&token), theirs));
	assert_false(verifies(buf_cstr(&token), ours));
	cred_jwk_free(ours);
	cred_jwk_free(theirs);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(pair);
	buf_fini(&x);
	buf_fini(&header);
	buf_fini(&token);
}

static void add_signature(struct buf *token, const unsigned char *bytes, size_t n)
{
	buf_add_char(token, '.');
	cred_base64url_encode(str_make((const char *)bytes, n), token);
}

static void signatures_of_zero_or_beyond_the_order_do_not_hold(void **state)
{
	/* The order of P-256 (FIPS 186-4 section D.1.2.3). */
	static const unsigned char order[32] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
		                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		                                 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
		                                 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
	struct cred_jwk *key = cred_jwk_generate("x");
	unsigned char raw[64] = { 0 };
	struct buf token;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		memset(raw, i == 4 ? 0xff : 0, sizeof(raw));
		if (i == 1 || i == 3) {
			memcpy(raw, order, 32);
		}
		if (i == 2 || i == 3) {
			memcpy(raw + 32, order, 32);
		}
		begin(&token, "{\"alg\":\"ES256\"}", "{}");
		add_signature(&token, raw, sizeof(raw));
		assert_false(verifies(buf_cstr(&token), key));
		buf_fini(&token);
	}
	cred_jwk_free(key);
}

/* The signature of a good token in another form. */
static void only_the_form_of_the_standard_is_a_signature(void **state)
{
	struct cred_jwk *key = cred_jwk_generate("x");
	struct buf token, raw, changed;
	unsigned char der[80] = { 0x30, 68, 2, 32 };
	const char *dot;

	(void)state;
	buf_init(&token, TEXT_MAX);
	buf_init(&raw, TEXT_MAX);
	buf_init(&changed, TEXT_MAX);
	assert_true(cred_jws_sign(key, CRED_TYP_JWT, STR_LIT("{}"), &token));
	dot = strrchr(buf_cstr(&token), '.');
	assert_true(cred_base64url_decode(str_of(dot + 1), &raw));
	assert_int_equal(raw.len, 64);
	buf_add(&changed, token.data, (size_t)(dot - token.data));
	memcpy(der + 4, raw.data, 32);
	der[36] = 2;
	der[37] = 32;
	memcpy(der + 38, raw.data + 32, 32);
	add_signature(&changed, der, 70);
	assert_false(verifies(buf_cstr(&changed), key));
	buf_reset(&changed);
	buf_add(&changed, token.data, (size_t)(dot - token.data));
	buf_add_char(&raw, '\0');
	add_signature(&changed, (const unsigned char *)raw.data, raw.len);
	assert_false(verifies(buf_cstr(&changed), key));
	buf_fini(&token);
	buf_fini(&raw);
	buf_fini(&changed);
	cred_jwk_free(key);
}

static void only_three_parts_are_a_token(void **state)
{
	struct err err;
	struct cred_jwk *key = cred_jwk_parse(STR_LIT(EC_JWK), CRED_RS256, &err);
	struct buf huge;

	(void)state;
	assert_true(verifies(EC_TOKEN, key));
	assert_false(verifies(EC_TOKEN ".", key));
	assert_false(verifies(EC_TOKEN ".AAAA", key));
	assert_false(verifies(EC_TOKEN ".AAAA.AAAA", key));
	assert_false(verifies(EC_TOKEN " ", key));
	assert_false(verifies(" " EC_TOKEN, key));
	assert_false(verifies(EC_TOKEN "\n", key));
	assert_false(verifies(EC_TOKEN "=", key));
	assert_false(verifies("." EC_TOKEN, key));
	assert_false(verifies("eyJhbGciOiJFUzI1NiJ9." PAYLOAD ".", key));
	assert_false(verifies("eyJhbGciOiJFUzI1NiJ9." PAYLOAD, key));
	assert_false(verifies("..", key));
	assert_false(verifies("", key));
	buf_init(&huge, TEXT_MAX);
	buf_add_cstr(&huge, EC_TOKEN);
	while (huge.len <= CRED_TOKEN_MAX) {
		buf_add_char(&huge, 'A');
	}
	assert_false(verifies(buf_cstr(&huge), key));
	buf_fini(&huge);
	cred_jwk_free(key);
}

/* ---- claims ---- */

/* Why a token with these claims is refused; NULL: it is good. */
static const char *refusal_of(const struct cred_jwk *key, enum cred_typ typ, const char *claims,
                              struct err *err)
{
	const struct cred_jwt_expected expected = {
		.issuer = "us", .audience = "api", .access = true, .now_s = NOW_S
	};
	struct cred_jwt jwt;
	struct buf token;
	enum err_code code;

	buf_init(&token, CRED_TOKEN_MAX);
	assert_true(cred_jws_sign(key, typ, str_of(claims), &token));
	code = cred_jwt_parse(buf_str(&token), &jwt, err);
	if (code == ERR_OK) {
		code = cred_jwt_verify(&jwt, key, &expected, err);
	}
	cred_jwt_fini(&jwt);
	buf_fini(&token);
	return code == ERR_OK ? NULL : err->msg;
}

static bool claims_pass(const char *claims)
{
	struct cred_jwk *key = cred_jwk_generate("x");
	struct err err;
	bool good = refusal_of(key, CRED_TYP_ACCESS, claims, &err) == NULL;

	cred_jwk_free(key);
	return good;
}

#define IA "\"iss\":\"us\",\"aud\":\"api\","

static void a_token_is_of_its_issuer_and_for_its_audience(void **state)
{
	(void)state;
	assert_true(claims_pass("{" IA "\"exp\":1800000100}"));
	assert_true(claims_pass("{\"iss\":\"us\",\"aud\":[\"other\",\"api\"],\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":\"them\",\"aud\":\"api\",\"exp\":1800000100}"));
	assert_false(claims_pass("{\"aud\":\"api\",\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":[\"us\"],\"aud\":\"api\",\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":\"us\",\"aud\":\"apis\",\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":\"us\",\"aud\":[],\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":\"us\",\"aud\":[[\"api\"]],\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":\"us\",\"aud\":{\"api\":1},\"exp\":1800000100}"));
	assert_false(claims_pass("{\"iss\":\"us\",\"exp\":1800000100}"));
}

static void a_token_has_an_end_that_makes_sense(void **state)
{
	static const char *const ends[] = { "0",
		                            "-1",
		                            "1e10",
		                            "1800000100.5",
		                            "\"1800000100\"",
		                            "null",
		                            "true",
		                            "[1800000100]",
		                            "253402300800",
		                            "9223372036854775807",
		                            "9223372036854775808",
		                            "-9223372036854775808",
		                            "1e400" };

	(void)state;
	assert_false(claims_pass("{\"iss\":\"us\",\"aud\":\"api\"}"));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char claims[128];

		(void)snprintf(claims, sizeof(claims), "{" IA "\"exp\":%s}", ends[i]);
		if (claims_pass(claims)) {
			fail_msg("exp %s was accepted", ends[i]);
		}
	}
	assert_true(claims_pass("{" IA "\"exp\":253402300799}"));
	assert_false(claims_pass("{" IA "\"exp\":1,\"exp\":1800000100}"));
	assert_false(claims_pass("{" IA "\"exp\":1800000100,\"nbf\":\"now\"}"));
	assert_false(claims_pass("{" IA "\"exp\":1800000100,\"iat\":1.5}"));
	assert_false(claims_pass("{" IA "\"exp\":1800000100,\"sub\":7}"));
	assert_false(claims_pass("[]"));
	assert_false(claims_pass("7"));
}

static void clocks_may_differ_by_half_a_minute(void **state)
{
	(void)state;
	assert_true(claims_pass("{" IA "\"exp\":1799999971}"));
	assert_false(claims_pass("{" IA "\"exp\":1799999970}"));
	assert_true(claims_pass("{" IA "\"exp\":1800000900,\"nbf\":1800000030}"));
	assert_false(claims_pass("{" IA "\"exp\":1800000900,\"nbf\":1800000031}"));
	assert_true(claims_pass("{" IA "\"exp\":1800000900,\"iat\":1800000030}"));
	assert_false(claims_pass("{" IA "\"exp\":1800000900,\"iat\":1800000031}"));
}

static void another_kind_of_token_is_no_access_token(void **state)
{
	struct cred_jwk *key = cred_jwk_generate("x");
	struct err err;

	(void)state;
	assert_null(refusal_of(key, CRED_TYP_ACCESS, "{" IA "\"exp\":1800000100}", &err));
	assert_string_equal(refusal_of(key, CRED_TYP_JWT, "{" IA "\"exp\":1800000100}", &err),
	                    "the token is no access token (typ)");
	assert_string_equal(refusal_of(key, CRED_TYP_NONE, "{" IA "\"exp\":1800000100}", &err),
	                    "the token is no access token (typ)");
	cred_jwk_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_standards_hold),
		cmocka_unit_test(a_key_verifies_nothing_but_its_own_algorithm),
		cmocka_unit_test(a_token_with_any_other_byte_does_not_hold),
		cmocka_unit_test(every_algorithm_goes_there_and_back),
		cmocka_unit_test(a_signed_token_says_what_it_is),
		cmocka_unit_test(algorithms_without_a_public_key_do_not_exist),
		cmocka_unit_test(headers_that_ask_for_more_are_refused),
		cmocka_unit_test(headers_that_are_no_sound_json_are_refused),
		cmocka_unit_test(a_key_name_is_a_name_and_no_path),
		cmocka_unit_test(a_public_key_is_no_secret),
		cmocka_unit_test(a_key_in_the_header_is_not_looked_at),
		cmocka_unit_test(signatures_of_zero_or_beyond_the_order_do_not_hold),
		cmocka_unit_test(only_the_form_of_the_standard_is_a_signature),
		cmocka_unit_test(only_three_parts_are_a_token),
		cmocka_unit_test(a_token_is_of_its_issuer_and_for_its_audience),
		cmocka_unit_test(a_token_has_an_end_that_makes_sense),
		cmocka_unit_test(clocks_may_differ_by_half_a_minute),
		cmocka_unit_test(another_kind_of_token_is_no_access_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
