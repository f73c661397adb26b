#include "cred/seal.h"

#include <assert.h>
#include <sodium.h>

#include "cred/base64url.h"
#include "cred/subkey.h"

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

/* ---- texts ---- */

enum { NUMBER_SIZE = 4, TEXT_BYTES_MAX = 8192, MICRO = 1000000 };

static uint32_t number_at(int64_t now_us)
{
	return (uint32_t)(now_us / MICRO / CRED_SEAL_KEY_S);
}

static struct cred_pepper key_of(const struct cred_pepper *secret, const char *purpose,
                                 const char number[NUMBER_SIZE])
{
	struct cred_pepper all = cred_subkey(secret, "cookies");
	const struct str parts[] = { str_of(purpose), str_make(number, NUMBER_SIZE) };
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), &all);
	struct cred_pepper key;

	memcpy(key.bytes, digest.bytes, sizeof(key.bytes));
	cred_wipe(&all, sizeof(all));
	cred_wipe(&digest, sizeof(digest));
	return key;
}

void cred_seal_text(const struct cred_pepper *secret, const char *purpose, int64_t now_us,
                    struct str plain, struct buf *out)
{
	uint32_t n = number_at(now_us);
	const char number[NUMBER_SIZE] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8),
		                           (char)n };
	struct cred_pepper key = key_of(secret, purpose, number);
	struct buf bytes;

	buf_init(&bytes, TEXT_BYTES_MAX);
	buf_add(&bytes, number, sizeof(number));
	cred_seal(&key, str_of(purpose), plain, &bytes);
	assert(!buf_failed(&bytes));
	cred_base64url_encode(buf_str(&bytes), out);
	buf_fini(&bytes);
	cred_wipe(&key, sizeof(key));
}

/* Sealed by the key of now or the one before; a node whose clock is ahead may have begun the next.
 */
static bool is_current(const unsigned char *number, int64_t now_us)
{
	uint32_t n = (uint32_t)number[0] << 24 | (uint32_t)number[1] << 16 |
	             (uint32_t)number[2] << 8 | number[3];
	uint32_t now = number_at(now_us);

	return n == now || n + 1 == now || n == now + 1;
}

bool cred_unseal_text(const struct cred_pepper *secret, const char *purpose, int64_t now_us,
                      struct str text, struct buf *out)
{
	struct cred_pepper key;
	struct buf bytes;
	bool opened = false;

	buf_init(&bytes, TEXT_BYTES_MAX);
	if (text.n <= 2 * TEXT_BYTES_MAX && cred_base64url_decode(text, &bytes) &&
	    bytes.len > NUMBER_SIZE && is_current((const unsigned char *)bytes.data, now_us)) {
		key = key_of(secret, purpose, bytes.data);
		opened = cred_unseal(&key, str_of(purpose),
		                     str_make(bytes.data + NUMBER_SIZE, bytes.len - NUMBER_SIZE),
		                     out);
		cred_wipe(&key, sizeof(key));
	}
	buf_fini(&bytes);
	return opened;
}
