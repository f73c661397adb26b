#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/arena.h"
#include "cred/base64url.h"
#include "cred/jwk.h"
#include "tests/support/test.h"

/* RFC 7515 appendix A.3. */
#define X256 "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y256 "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC   "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\""
/* RFC 8037 appendix A.2. */
#define ED                                                                                         \
	"\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"                               \
	"7TyWQHOg7hcvPapiMlrwIaaPcHURo\""

static bool parses(const char *json)
{
	struct err err;
	struct cred_jwk *key = cred_jwk_parse(str_of(json), CRED_RS256, &err);
	bool good = key != NULL;

	cred_jwk_free(key);
	return good;
}

static enum cred_alg alg_of(const char *json, enum cred_alg rsa_alg)
{
	struct err err;
	struct cred_jwk *key = cred_jwk_parse(str_of(json), rsa_alg, &err);
	enum cred_alg alg = key != NULL ? cred_jwk_alg(key) : CRED_ALG_COUNT;

	cred_jwk_free(key);
	return alg;
}

/* The public key of a new RSA pair, with further members. */
static char *rsa_jwk(unsigned bits, const char *more)
{
	EVP_PKEY *pkey = EVP_RSA_gen(bits);
	BIGNUM *n = NULL;
	unsigned char bytes[1024];
	struct buf json;
	int count;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, "n", &n), 1);
	count = BN_bn2bin(n, bytes);
	buf_init(&json, 4096);
	buf_add_cstr(&json, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
	cred_base64url_encode(str_make((char *)bytes, (size_t)count), &json);
	buf_addf(&json, "\"%s}", more);
	BN_free(n);
	EVP_PKEY_free(pkey);
	return buf_take(&json);
}

static void base64url_is_what_rfc_7515_says(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg" },
		{ "fo", "Zm8" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" },
		{ "\xfb\xff", "-_8" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_reset(&out);
		cred_base64url_encode(str_of(pairs[i][0]), &out);
		assert_string_equal(buf_cstr(&out), pairs[i][1]);
		buf_reset(&out);
		assert_true(cred_base64url_decode(str_of(pairs[i][1]), &out));
		assert_true(str_eq(buf_str(&out), str_of(pairs[i][0])));
	}
	buf_fini(&out);
}

static void base64url_has_one_spelling(void **state)
{
	static const char *const bad[] = { "Z",    "Zg==", "Zg=",    "Zh",    "Zm9",   "Zm+v",
		                           "Zm/v", "Zm 9", "Zm9v\n", "Zm9vY", "Zm9v.", "\x80g" };
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_reset(&out);
		if (cred_base64url_decode(str_of(bad[i]), &out)) {
			fail_msg("%s was accepted", bad[i]);
		}
	}
	buf_fini(&out);
	buf_init(&out, 2);
	assert_false(cred_base64url_decode(STR_LIT("Zm9v"), &out));
	buf_fini(&out);
}

static void a_key_has_one_algorithm(void **state)
{
	char *plain = rsa_jwk(2048, ""), *pss = rsa_jwk(2048, ",\"alg\":\"PS384\"");
	char *wrong = rsa_jwk(2048, ",\"alg\":\"ES256\"");

	(void)state;
	assert_int_equal(alg_of("{" EC "}", CRED_RS256), CRED_ES256);
	assert_int_equal(alg_of("{" EC ",\"alg\":\"ES256\"}", CRED_RS256), CRED_ES256);
	assert_int_equal(alg_of("{" EC ",\"alg\":\"ES384\"}", CRED_RS256), CRED_ALG_COUNT);
	assert_int_equal(alg_of("{" EC ",\"alg\":\"RS256\"}", CRED_RS256), CRED_ALG_COUNT);
	assert_int_equal(alg_of("{" EC ",\"alg\":\"HS256\"}", CRED_RS256), CRED_ALG_COUNT);
	assert_int_equal(alg_of("{" EC ",\"alg\":7}", CRED_RS256), CRED_ALG_COUNT);
	assert_int_equal(alg_of("{" ED "}", CRED_RS256), CRED_EDDSA);
	assert_int_equal(alg_of("{" ED ",\"alg\":\"ES256\"}", CRED_RS256), CRED_ALG_COUNT);
	assert_int_equal(alg_of(plain, CRED_RS256), CRED_RS256);
	assert_int_equal(alg_of(plain, CRED_PS512), CRED_PS512);
	assert_int_equal(alg_of(pss, CRED_RS256), CRED_PS384);
	assert_int_equal(alg_of(wrong, CRED_RS256), CRED_ALG_COUNT);
	free(plain);
	free(pss);
	free(wrong);
}

static void only_keys_that_verify_signatures_are_taken(void **state)
{
	(void)state;
	assert_true(parses("{" EC ",\"use\":\"sig\"}"));
	assert_false(parses("{" EC ",\"use\":\"enc\"}"));
	assert_false(parses("{" EC ",\"use\":null}"));
	assert_true(parses("{" EC ",\"key_ops\":[\"sign\",\"verify\"]}"));
	assert_false(parses("{" EC ",\"key_ops\":[\"sign\"]}"));
	assert_false(parses("{" EC ",\"key_ops\":[]}"));
	assert_false(parses("{" EC ",\"key_ops\":\"verify\"}"));
	assert_false(parses("{" EC ",\"d\":\"AAAA\"}"));
	assert_false(parses("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AAAA\"}"));
	assert_false(parses("{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AAAA\"}"));
	assert_false(parses("{\"kty\":7}"));
	assert_false(parses("[]"));
	assert_false(parses("{" EC "," EC "}"));
	assert_true(parses("{" EC ",\"kid\":\"a b~\"}"));
	assert_false(parses("{" EC ",\"kid\":\"a\\nb\"}"));
	assert_false(parses("{" EC ",\"kid\":5}"));
}

static void a_point_has_to_be_on_its_curve(void **state)
{
	(void)state;
	assert_false(
		parses("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" X256 "\"}"));
	assert_false(
		parses("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"}"));
	assert_false(parses("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X256 "\",\"y\":\"" Y256
	                    "\"}"));
	assert_false(parses("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\"}"));
	assert_false(parses("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "=\",\"y\":\"" Y256
	                    "\"}"));
	assert_false(parses("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}"));
	assert_false(parses("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X256 "\"}"));
}

static void rsa_keys_are_of_a_sane_size(void **state)
{
	char *small = rsa_jwk(1024, ""), *enough = rsa_jwk(2048, "");
	char *one = rsa_jwk(2048, ""), *at;
	struct buf huge;

	(void)state;
	assert_false(parses(small));
	assert_true(parses(enough));
	at = strstr(one, "AQAB");
	memcpy(at, "AAAB", 4); /* an exponent of 1: the signature is the message */
	assert_false(parses(one));
	memcpy(at, "AAAC", 4);
	assert_false(parses(one));
	buf_init(&huge, 8192);
	buf_add_cstr(&huge, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
	for (unsigned i = 0; i < 1400; i++) {
		buf_add_char(&huge, '_');
	}
	buf_add_cstr(&huge, "\"}");
	assert_false(parses(buf_cstr(&huge)));
	buf_fini(&huge);
	free(small);
	free(enough);
	free(one);
}

static void of_a_set_what_is_of_no_use_is_passed_over(void **state)
{
	static const char json[] =
		"{\"keys\":[{" EC ",\"kid\":\"a\"},{\"kty\":\"oct\",\"k\":\"AA\"},7,"
		"{" ED ",\"kid\":\"a\"},{" EC ",\"kid\":\"a\"},{" EC ",\"use\":\"enc\"}],"
		"\"more\":1}";
	struct err err;
	size_t skipped = 0;
	struct cred_jwks *set = cred_jwks_parse(STR_LIT(json), CRED_RS256, &skipped, &err);

	(void)state;
	assert_non_null(set);
	assert_int_equal(cred_jwks_count(set), 2);
	assert_int_equal(skipped, 4);
	assert_string_equal(cred_jwk_kid(cred_jwks_find(set, "a", CRED_ES256)), "a");
	assert_int_equal(cred_jwk_alg(cred_jwks_find(set, "a", CRED_EDDSA)), CRED_EDDSA);
	assert_null(cred_jwks_find(set, "b", CRED_ES256));
	assert_null(cred_jwks_find(set, "a", CRED_RS256));
	assert_non_null(cred_jwks_find(set, "", CRED_ES256));
	cred_jwks_free(set);
	assert_null(cred_jwks_parse(STR_LIT("{}"), CRED_RS256, NULL, &err));
	assert_null(cred_jwks_parse(STR_LIT("{\"keys\":{}}"), CRED_RS256, NULL, &err));
	assert_null(cred_jwks_parse(STR_LIT("{\"keys\":[],\"keys\":[]}"), CRED_RS256, NULL, &err));
}

static void without_a_name_a_key_is_found_only_when_it_is_alone(void **state)
{
	static const char json[] = "{\"keys\":[{" EC "},{" EC ",\"kid\":\"b\"}]}";
	struct err err;
	struct cred_jwks *set = cred_jwks_parse(STR_LIT(json), CRED_RS256, NULL, &err);

	(void)state;
	assert_non_null(set);
	assert_null(cred_jwks_find(set, "", CRED_ES256));
	assert_non_null(cred_jwks_find(set, "b", CRED_ES256));
	cred_jwks_free(set);
}

static void a_set_is_bounded(void **state)
{
	struct err err;
	struct buf json;
	struct cred_jwks *set;
	size_t skipped = 0;

	(void)state;
	buf_init(&json, 1 << 20);
	buf_add_cstr(&json, "{\"keys\":[");
	for (unsigned i = 0; i < 100; i++) {
		buf_addf(&json, "%s{" ED ",\"kid\":\"%u\"}", i > 0 ? "," : "", i);
	}
	buf_add_cstr(&json, "]}");
	set = cred_jwks_parse(buf_str(&json), CRED_RS256, &skipped, &err);
	assert_non_null(set);
	assert_int_equal(cred_jwks_count(set), CRED_JWKS_MAX);
	assert_int_equal(skipped, 100 - CRED_JWKS_MAX);
	cred_jwks_free(set);
	while (json.len <= CRED_JWKS_TEXT_MAX) {
		buf_add_char(&json, ' ');
	}
	assert_null(cred_jwks_parse(buf_str(&json), CRED_RS256, NULL, &err));
	assert_int_equal(err.code, ERR_TOO_LARGE);
	buf_fini(&json);
}

static void a_key_of_ours_survives_being_stored_and_published(void **state)
{
	struct cred_jwk *key = cred_jwk_generate("one"), *again, *public;
	struct buf der, json;
	struct err err;

	(void)state;
	assert_non_null(key);
	buf_init(&der, CRED_DER_MAX);
	buf_init(&json, 4096);
	assert_true(cred_jwk_export(key, &der));
	again = cred_jwk_import(buf_str(&der), CRED_ES256, "one");
	assert_non_null(again);
	assert_null(cred_jwk_import(buf_str(&der), CRED_ES384, "one"));
	assert_null(cred_jwk_import(buf_str(&der), CRED_RS256, "one"));
	assert_null(cred_jwk_import(STR_LIT("nonsense"), CRED_ES256, "one"));
	cred_jwk_format(again, &json);
	assert_null(strstr(buf_cstr(&json), "\"d\""));
	public = cred_jwk_parse(buf_str(&json), CRED_RS256, &err);
	assert_non_null(public);
	assert_string_equal(cred_jwk_kid(public), "one");
	cred_jwk_free(public);
	cred_jwk_free(again);
	cred_jwk_free(key);
	buf_fini(&der);
	buf_fini(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_is_what_rfc_7515_says),
		cmocka_unit_test(base64url_has_one_spelling),
		cmocka_unit_test(a_key_has_one_algorithm),
		cmocka_unit_test(only_keys_that_verify_signatures_are_taken),
		cmocka_unit_test(a_point_has_to_be_on_its_curve),
		cmocka_unit_test(rsa_keys_are_of_a_sane_size),
		cmocka_unit_test(of_a_set_what_is_of_no_use_is_passed_over),
		cmocka_unit_test(without_a_name_a_key_is_found_only_when_it_is_alone),
		cmocka_unit_test(a_set_is_bounded),
		cmocka_unit_test(a_key_of_ours_survives_being_stored_and_published),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
