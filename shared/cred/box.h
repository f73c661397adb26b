/*
 * Secrets for one reader: sealed to its public key, so that who carries them cannot read them
 * (libsodium's crypto_box_seal: X25519, XSalsa20-Poly1305, a key of its own for each). It does not
 * say who sealed it.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum { CRED_BOX_KEY = 32, CRED_BOX_EXTRA = 48, CRED_BOX_TEXT = 2 * CRED_BOX_KEY + 1 };

struct cred_box_pair {
	unsigned char open[CRED_BOX_KEY], secret[CRED_BOX_KEY];
};

struct cred_box_pair cred_box_new(void);
/* Of the public key: lower-case digits and a NUL. */
void cred_box_text(const struct cred_box_pair *pair, char out[CRED_BOX_TEXT]);

/* Appends base64url. False: the key is none, or out has no room. */
bool cred_box_seal(struct str key_text, struct str plain, struct buf *out) MUST_CHECK;
/* Appends the plain bytes. False: not sealed to this key, changed, or out has no room. */
bool cred_box_open(const struct cred_box_pair *pair, struct str sealed, struct buf *out) MUST_CHECK;
