#include "cred/seal.h"

#include <assert.h>
#include <sodium.h>

static_assert(CRED_SEAL_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES &&
                      CRED_SEAL_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES &&
                      CRED_PEPPER_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
              "the sizes of seal.h are those of libsodium");

static const unsigned char *bytes_of(struct str s)
{
	return (const unsigned char *)(s.p != NULL ? s.p : "");
}

void cred_seal(const struct cred_pepper *key, struct str bound, struct str plain, struct buf *out)
{
	unsigned char *at = (unsigned char *)buf_reserve(out, plain.n + CRED_SEAL_EXTRA);
	int ready = sodium_init();

	assert(ready >= 0);
	if (at == NULL) {
		return;
	}
	randombytes_buf(at, CRED_SEAL_NONCE);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at + CRED_SEAL_NONCE, NULL,
	                                                 bytes_of(plain), plain.n, bytes_of(bound),
	                                                 bound.n, NULL, at, key->bytes);
	buf_commit(out, plain.n + CRED_SEAL_EXTRA);
}

bool cred_unseal(const struct cred_pepper *key, struct str bound, struct str sealed,
                 struct buf *out)
{
	const unsigned char *from = bytes_of(sealed);
	unsigned char *at;

	if (sealed.n < CRED_SEAL_EXTRA) {
		return false;
	}
	at = (unsigned char *)buf_reserve(out, sealed.n - CRED_SEAL_EXTRA);
	if (at == NULL ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, from + CRED_SEAL_NONCE,
	                                               sealed.n - CRED_SEAL_NONCE, bytes_of(bound),
	                                               bound.n, from, key->bytes) != 0) {
		return false;
	}
	buf_commit(out, sealed.n - CRED_SEAL_EXTRA);
	return true;
}
