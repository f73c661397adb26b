/*
 * A short keyed hash, for tables in the memory of this process only: SipHashX-2-4 of libsodium
 * (128 bits), with a key of random bytes that nothing else has.  It is many times cheaper than a
 * digest, and whoever does not have the key can no more make two texts with one mark than guess a
 * key of 128 bits. Nothing that is written down is marked with it: that is what digests are for.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

enum { CRED_MARK_SIZE = 16 };

struct cred_mark {
	unsigned char bytes[CRED_MARK_SIZE];
};

struct cred_mark_key {
	unsigned char bytes[CRED_MARK_SIZE];
};

struct cred_mark_key cred_mark_key_new(void);
struct cred_mark cred_mark(const struct cred_mark_key *key, struct str text);
/* Takes the same time wherever they differ. */
bool cred_mark_eq(const struct cred_mark *a, const struct cred_mark *b);
