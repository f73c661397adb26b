/*
 * Who has a secret said exactly this: HMAC-SHA-512-256 (crypto_auth of libsodium: HMAC-SHA-512,
 * RFC 2104 and FIPS 180-4, cut to its first 32 bytes), which browsers can make too (WebCrypto).
 * Before each part goes its length, four bytes, the highest first, so that moving a boundary
 * between two parts makes another message.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"
#include "cred/digest.h"

struct cred_digest cred_mac(const struct cred_pepper *key, const struct str *parts, size_t count);

/* HMAC-SHA-256 (RFC 2104, FIPS 180-4) of the parts as one text, for protocols that ask for it. */
struct cred_digest cred_hmac_sha256(struct str key, const struct str *parts, size_t count);
