/*
 * Passwords at rest: argon2id (RFC 9106) by libsodium, in the form that names its own cost
 * ($argon2id$v=19$m=...,t=...,p=1$salt$hash), so that what is stored can be checked after the cost
 * was raised.  Slow on purpose, and takes memory: off the loop only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { CRED_STORED_SIZE = 128 };

struct cred_cost {
	uint64_t memory; /* bytes */
	uint64_t passes;
};

/* False: there is no memory for it. */
bool cred_password_hash(struct str password, const struct cred_cost *cost,
                        char out[CRED_STORED_SIZE]) MUST_CHECK;
/* False also for what is no stored password. */
bool cred_password_ok(const char *stored, struct str password) MUST_CHECK;
/* Was it stored at another cost? */
bool cred_password_stale(const char *stored, const struct cred_cost *cost);
