/*
 * Digests, random bytes and constant-time compares: all of libsodium that others need.
 * A digest is BLAKE2b-256 (RFC 7693), with a key where it guards a secret at rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

enum { CRED_DIGEST_SIZE = 32, CRED_PEPPER_SIZE = 32, CRED_SHA256_SIZE = 32 };

struct cred_digest {
	unsigned char bytes[CRED_DIGEST_SIZE];
};

/* The secret of an installation that keys its digests: a copied database alone proves nothing. */
struct cred_pepper {
	unsigned char bytes[CRED_PEPPER_SIZE];
};

/* From the text of the setting, whatever its length. */
struct cred_pepper cred_pepper_from(struct str secret);

/* Of the parts in order; where one part ends matters. pepper NULL: no key. */
struct cred_digest cred_digest(const struct str *parts, size_t count,
                               const struct cred_pepper *pepper);

/* SHA-256 (FIPS 180-4), for protocols that ask for it. */
void cred_sha256(struct str text, unsigned char out[CRED_SHA256_SIZE]);

/* The same of what comes in parts. */
struct cred_sha256;
struct cred_sha256 *cred_sha256_new(void) MUST_CHECK;
void cred_sha256_add(struct cred_sha256 *hash, struct str bytes);
void cred_sha256_end(struct cred_sha256 *hash, unsigned char out[CRED_SHA256_SIZE]);
void cred_sha256_free(struct cred_sha256 *hash); /* NULL is fine */

/* Takes the same time wherever they differ. */
bool cred_digest_eq(const struct cred_digest *a, const struct cred_digest *b);
static inline struct str cred_digest_str(const struct cred_digest *digest)
{
	return str_make((const char *)digest->bytes, sizeof(digest->bytes));
}
/* Lower-case digits and a NUL. */
void cred_digest_hex(const struct cred_digest *digest, char out[2 * CRED_DIGEST_SIZE + 1]);
/* False unless it is CRED_DIGEST_SIZE bytes. */
bool cred_digest_from(struct str bytes, struct cred_digest *ret) MUST_CHECK;

/* count random bytes as 2 * count lower-case digits and a NUL. */
void cred_random_hex(char *out, size_t count);

/* Overwrites, also when the compiler thinks that nobody will look. */
void cred_wipe(void *bytes, size_t n);
