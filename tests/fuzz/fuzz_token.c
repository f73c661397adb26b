/* Any bytes as a token: nothing is read beyond its end, what is cut is what it said, and without a
 * key of ours no signature holds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cred/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cred_jwt_expected expected = { .issuer = "us",
		                                           .audience = "api",
		                                           .now_s = 1800000000 };
	static struct cred_jwk *key;
	struct str token = str_make((const char *)data, size);
	struct cred_jwt jwt;
	struct err err;

	if (key == NULL) {
		key = cred_jwk_generate("k1");
	}
	if (cred_jwt_parse(token, &jwt, &err) == ERR_OK) {
		if (size > CRED_TOKEN_MAX || memchr(data, '=', size) != NULL ||
		    jwt.jws.alg >= CRED_ALG_COUNT || jwt.expires_s <= 0) {
			abort();
		}
		if (cred_jws_verify(&jwt.jws, key) ||
		    cred_jwt_verify(&jwt, key, &expected, &err) == ERR_OK) {
			abort();
		}
	}
	cred_jwt_fini(&jwt);
	return 0;
}
