/*
 * API keys: fl_live_<id>_<secret><check>
 *
 *	id      a ULID in lower case; names the row, is no secret
 *	secret  256 random bits in Crockford base 32, lower case
 *	check   CRC-32C of all before it, so that a mistyped key is told from a revoked one
 *	        without asking anybody, and scanners of leaked secrets have few false alarms
 *
 * A key is shown once; at rest there is only cred_key_hash() of it.
 */
#pragma once

#include "base/attr.h"
#include "base/id.h"
#include "base/str.h"
#include "cred/digest.h"

enum {
	CRED_SECRET_LEN = 52,
	CRED_CHECK_LEN = 7,
	CRED_KEY_LEN = sizeof("fl_live_") - 1 + ID_LEN + 1 + CRED_SECRET_LEN + CRED_CHECK_LEN,
};

struct cred_key {
	struct id id;
	char secret[CRED_SECRET_LEN + 1];
};

enum cred_key_flaw {
	CRED_KEY_OK,
	CRED_KEY_FOREIGN,  /* does not look like a key of ours */
	CRED_KEY_MISTYPED, /* looks like one, but the check does not hold */
};

/* A new key with a new id. Wipe it after use. */
struct cred_key cred_key_new(void);
void cred_key_format(const struct cred_key *key, char out[CRED_KEY_LEN + 1]);
enum cred_key_flaw cred_key_parse(struct str text, struct cred_key *ret) MUST_CHECK; /* pure */
struct cred_digest cred_key_hash(const struct cred_key *key, const struct cred_pepper *pepper);
