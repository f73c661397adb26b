#include "cred/mac.h"

#include <assert.h>
#include <sodium.h>
#include <stdint.h>

_Static_assert(crypto_auth_hmacsha512256_BYTES == CRED_DIGEST_SIZE, "a MAC is a digest");
_Static_assert(crypto_auth_hmacsha512256_KEYBYTES == CRED_PEPPER_SIZE, "and has a key like one");

struct cred_digest cred_mac(const struct cred_pepper *key, const struct str *parts, size_t count)
{
	crypto_auth_hmacsha512256_state state;
	struct cred_digest mac;
	int ready = sodium_init();

	assert(ready >= 0);
	(void)crypto_auth_hmacsha512256_init(&state, key->bytes, sizeof(key->bytes));
	for (size_t i = 0; i < count; i++) {
		size_t n = parts[i].n;
		const unsigned char length[] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
			                         (unsigned char)(n >> 8), (unsigned char)n };

		assert(n <= UINT32_MAX);
		(void)crypto_auth_hmacsha512256_update(&state, length, sizeof(length));
		(void)crypto_auth_hmacsha512256_update(
			&state, n > 0 ? (const unsigned char *)parts[i].p : length, n);
	}
	(void)crypto_auth_hmacsha512256_final(&state, mac.bytes);
	sodium_memzero(&state, sizeof(state));
	return mac;
}

_Static_assert(crypto_auth_hmacsha256_BYTES == CRED_DIGEST_SIZE, "and so is this one");

struct cred_digest cred_hmac_sha256(struct str key, const struct str *parts, size_t count)
{
	crypto_auth_hmacsha256_state state;
	struct cred_digest mac;
	int ready = sodium_init();

	assert(ready >= 0);
	(void)crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.p, key.n);
	for (size_t i = 0; i < count; i++) {
		(void)crypto_auth_hmacsha256_update(
			&state, (const unsigned char *)(parts[i].n > 0 ? parts[i].p : ""),
			parts[i].n);
	}
	(void)crypto_auth_hmacsha256_final(&state, mac.bytes);
	sodium_memzero(&state, sizeof(state));
	return mac;
}
