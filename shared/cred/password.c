#include "cred/password.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(CRED_STORED_SIZE == crypto_pwhash_argon2id_STRBYTES,
              "the size of password.h is that of libsodium");

bool cred_password_hash(struct str password, const struct cred_cost *cost,
                        char out[CRED_STORED_SIZE])
{
	int ready = sodium_init();

	assert(ready >= 0);
	return crypto_pwhash_argon2id_str(out, password.p != NULL ? password.p : "", password.n,
	                                  cost->passes, (size_t)cost->memory) == 0;
}

bool cred_password_ok(const char *stored, struct str password)
{
	int ready = sodium_init();

	assert(ready >= 0);
	return strlen(stored) < CRED_STORED_SIZE &&
	       crypto_pwhash_argon2id_str_verify(stored, password.p != NULL ? password.p : "",
	                                         password.n) == 0;
}

bool cred_password_stale(const char *stored, const struct cred_cost *cost)
{
	return crypto_pwhash_argon2id_str_needs_rehash(stored, cost->passes,
	                                               (size_t)cost->memory) != 0;
}
