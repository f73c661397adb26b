/*
 * Secrets at rest, or in others' hands, that have to be read again: XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha-03; libsodium's crypto_aead_xchacha20poly1305_ietf) with a random nonce
 * in front.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "cred/digest.h"

enum {
	CRED_SEAL_NONCE = 24,
	CRED_SEAL_TAG = 16,
	CRED_SEAL_EXTRA = CRED_SEAL_NONCE + CRED_SEAL_TAG
};

/* Appends plain.n + CRED_SEAL_EXTRA bytes. bound: what the seal belongs to (a row's id); it opens
 * only beside that. */
void cred_seal(const struct cred_pepper *key, struct str bound, struct str plain, struct buf *out);
/* Appends the plain bytes. False: not sealed with this key and for this, changed, or out has no
 * room. */
bool cred_unseal(const struct cred_pepper *key, struct str bound, struct str sealed,
                 struct buf *out) MUST_CHECK;

/*
 * Texts that browsers keep for us (cookies), so that they can be read again by us only.  base64url
 * of the number of a key and a seal by it; keys are made of the installation's secret, one for each
 * CRED_SEAL_KEY_S, and what the one before sealed still opens: a text is of use for at least that
 * long, whatever it says itself.  purpose: what it is good for, and for nothing else.
 */
enum { CRED_SEAL_KEY_S = 30 * 86400 };

void cred_seal_text(const struct cred_pepper *secret, const char *purpose, int64_t now_us,
                    struct str plain, struct buf *out);
/* Appends the plain bytes. False: it was not sealed by us for this, was changed, is too old, or out
 * has no room. */
bool cred_unseal_text(const struct cred_pepper *secret, const char *purpose, int64_t now_us,
                      struct str text, struct buf *out) MUST_CHECK;
