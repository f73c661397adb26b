/*
 * API keys: fl_<env>_<id>_<secret><check>
 *
 *	env     a word of the installation, so that people and scanners see where a key belongs
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

#define CRED_KEY_PREFIX "fl_"
#define CRED_ENV_USUAL  "live"

enum {
	CRED_SECRET_LEN = 52,
	CRED_CHECK_LEN = 7,
	CRED_ENV_MAX = 16,
	CRED_KEY_LEN = sizeof(CRED_KEY_PREFIX CRED_ENV_USUAL "_") - 1 + ID_LEN + 1 +
	               CRED_SECRET_LEN + CRED_CHECK_LEN, /* of a usual one */
	CRED_KEY_MAX = sizeof(CRED_KEY_PREFIX) - 1 + CRED_ENV_MAX + 1 + ID_LEN + 1 +
	               CRED_SECRET_LEN + CRED_CHECK_LEN,
};

struct cred_key {
	char env[CRED_ENV_MAX + 1]; /* "": CRED_ENV_USUAL */
	struct id id;
	char secret[CRED_SECRET_LEN + 1];
};

enum cred_key_flaw {
	CRED_KEY_OK,
	CRED_KEY_FOREIGN,  /* does not look like a key of ours */
	CRED_KEY_MISTYPED, /* looks like one, but the check does not hold */
};

/* 1 to 16 lower-case letters and digits; not a word that other secrets begin with (tickets). */
bool cred_env_ok(struct str env);

/* A new key with a new id; env "" or NULL: the usual one. Wipe it after use. */
struct cred_key cred_key_new(const char *env);
void cred_key_format(const struct cred_key *key, char out[CRED_KEY_MAX + 1]);
enum cred_key_flaw cred_key_parse(struct str text, struct cred_key *ret) MUST_CHECK; /* pure */
struct cred_digest cred_key_hash(const struct cred_key *key, const struct cred_pepper *pepper);
