#include "cred/mark.h"

#include <assert.h>
#include <sodium.h>

_Static_assert(crypto_shorthash_siphashx24_BYTES == CRED_MARK_SIZE, "a mark is 128 bits");
_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == CRED_MARK_SIZE, "and so is its key");

struct cred_mark_key cred_mark_key_new(void)
{
	struct cred_mark_key key;
	int ready = sodium_init();

	assert(ready >= 0);
	randombytes_buf(key.bytes, sizeof(key.bytes));
	return key;
}

struct cred_mark cred_mark(const struct cred_mark_key *key, struct str text)
{
	static const unsigned char nothing[1];
	struct cred_mark mark;

	(void)crypto_shorthash_siphashx24(mark.bytes,
	                                  text.n > 0 ? (const unsigned char *)text.p : nothing,
	                                  text.n, key->bytes);
	return mark;
}

bool cred_mark_eq(const struct cred_mark *a, const struct cred_mark *b)
{
	return sodium_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
