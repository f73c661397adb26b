#include "cred/digest.h"

#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

static void begin(void)
{
	int ready = sodium_init();

	assert(ready >= 0);
}

struct cred_digest cred_digest(const struct str *parts, size_t count,
                               const struct cred_pepper *pepper)
{
	crypto_generichash_state state;
	struct cred_digest digest;

	begin();
	(void)crypto_generichash_init(&state, pepper != NULL ? pepper->bytes : NULL,
	                              pepper != NULL ? sizeof(pepper->bytes) : 0,
	                              sizeof(digest.bytes));
	for (size_t i = 0; i < count; i++) {
		uint64_t length = parts[i].n;

		(void)crypto_generichash_update(&state, (const unsigned char *)&length,
		                                sizeof(length));
		if (parts[i].n > 0) {
			(void)crypto_generichash_update(&state, (const unsigned char *)parts[i].p,
			                                parts[i].n);
		}
	}
	(void)crypto_generichash_final(&state, digest.bytes, sizeof(digest.bytes));
	sodium_memzero(&state, sizeof(state));
	return digest;
}

struct cred_pepper cred_pepper_from(struct str secret)
{
	struct cred_digest digest = cred_digest(&secret, 1, NULL);
	struct cred_pepper pepper;

	memcpy(pepper.bytes, digest.bytes, sizeof(pepper.bytes));
	sodium_memzero(&digest, sizeof(digest));
	return pepper;
}

void cred_sha256(struct str text, unsigned char out[CRED_SHA256_SIZE])
{
	begin();
	(void)crypto_hash_sha256(out, (const unsigned char *)text.p, text.n);
}

struct cred_sha256 {
	crypto_hash_sha256_state state;
};

struct cred_sha256 *cred_sha256_new(void)
{
	struct cred_sha256 *hash = mem_calloc(1, sizeof(*hash));

	begin();
	(void)crypto_hash_sha256_init(&hash->state);
	return hash;
}

void cred_sha256_add(struct cred_sha256 *hash, struct str bytes)
{
	(void)crypto_hash_sha256_update(&hash->state, (const unsigned char *)bytes.p, bytes.n);
}

void cred_sha256_end(struct cred_sha256 *hash, unsigned char out[CRED_SHA256_SIZE])
{
	(void)crypto_hash_sha256_final(&hash->state, out);
}

void cred_sha256_free(struct cred_sha256 *hash)
{
	free(hash);
}

bool cred_digest_eq(const struct cred_digest *a, const struct cred_digest *b)
{
	return sodium_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool cred_digest_from(struct str bytes, struct cred_digest *ret)
{
	if (bytes.n != sizeof(ret->bytes)) {
		return false;
	}
	memcpy(ret->bytes, bytes.p, bytes.n);
	return true;
}

static const char digits[] = "0123456789abcdef";

void cred_digest_hex(const struct cred_digest *digest, char out[2 * CRED_DIGEST_SIZE + 1])
{
	for (size_t i = 0; i < CRED_DIGEST_SIZE; i++) {
		out[2 * i] = digits[digest->bytes[i] >> 4];
		out[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	out[2 * CRED_DIGEST_SIZE] = '\0';
}

void cred_random_hex(char *out, size_t count)
{
	begin();
	for (size_t i = 0; i < count; i++) {
		unsigned char byte;

		randombytes_buf(&byte, sizeof(byte));
		out[2 * i] = digits[byte >> 4];
		out[2 * i + 1] = digits[byte & 15];
	}
	out[2 * count] = '\0';
}

void cred_wipe(void *bytes, size_t n)
{
	sodium_memzero(bytes, n);
}
