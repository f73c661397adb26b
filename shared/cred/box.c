#include "cred/box.h"

#include <assert.h>
#include <sodium.h>

#include "cred/base64url.h"

static_assert(CRED_BOX_KEY == crypto_box_PUBLICKEYBYTES &&
                      CRED_BOX_KEY == crypto_box_SECRETKEYBYTES &&
                      CRED_BOX_EXTRA == crypto_box_SEALBYTES,
              "the sizes of box.h are those of libsodium");

static void be_ready(void)
{
	int ready = sodium_init();

	assert(ready >= 0);
}

struct cred_box_pair cred_box_new(void)
{
	struct cred_box_pair pair;

	be_ready();
	(void)crypto_box_keypair(pair.open, pair.secret);
	return pair;
}

void cred_box_text(const struct cred_box_pair *pair, char out[CRED_BOX_TEXT])
{
	(void)sodium_bin2hex(out, CRED_BOX_TEXT, pair->open, CRED_BOX_KEY);
}

bool cred_box_seal(struct str key_text, struct str plain, struct buf *out)
{
	unsigned char key[CRED_BOX_KEY];
	unsigned char *sealed;
	size_t n = 0;
	struct buf box;
	bool ok;

	be_ready();
	if (key_text.n != CRED_BOX_TEXT - 1 ||
	    sodium_hex2bin(key, sizeof(key), key_text.p, key_text.n, NULL, &n, NULL) != 0 ||
	    n != sizeof(key)) {
		return false;
	}
	buf_init(&box, plain.n + CRED_BOX_EXTRA);
	sealed = (unsigned char *)buf_reserve(&box, plain.n + CRED_BOX_EXTRA);
	ok = sealed != NULL &&
	     crypto_box_seal(sealed, (const unsigned char *)plain.p, plain.n, key) == 0;
	if (ok) {
		buf_commit(&box, plain.n + CRED_BOX_EXTRA);
		cred_base64url_encode(buf_str(&box), out);
	}
	buf_fini(&box);
	return ok && !buf_failed(out);
}

bool cred_box_open(const struct cred_box_pair *pair, struct str sealed, struct buf *out)
{
	unsigned char *plain;
	struct buf box;
	bool ok;

	be_ready();
	buf_init(&box, sealed.n);
	ok = cred_base64url_decode(sealed, &box) && !buf_failed(&box) && box.len > CRED_BOX_EXTRA;
	plain = ok ? (unsigned char *)buf_reserve(out, box.len - CRED_BOX_EXTRA) : NULL;
	ok = plain != NULL && crypto_box_seal_open(plain, (const unsigned char *)box.data, box.len,
	                                           pair->open, pair->secret) == 0;
	if (ok) {
		buf_commit(out, box.len - CRED_BOX_EXTRA);
	}
	buf_fini(&box);
	return ok;
}
