/* Any bytes as a key set: what is taken can be used, and is found under its own name. */
#include <stdint.h>
#include <stdlib.h>

#include "cred/jwk.h"
#include "cred/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str json = str_make((const char *)data, size);
	struct cred_jwks *set;
	struct cred_jwk *key;
	struct err err;
	size_t skipped = 0;

	set = cred_jwks_parse(json, CRED_RS256, &skipped, &err);
	if (set != NULL && cred_jwks_count(set) > CRED_JWKS_MAX) {
		abort();
	}
	cred_jwks_free(set);
	key = cred_jwk_parse(json, CRED_PS256, &err);
	if (key != NULL && cred_jwk_alg(key) >= CRED_ALG_COUNT) {
		abort();
	}
	cred_jwk_free(key);
	return 0;
}
