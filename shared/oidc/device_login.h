/*
 * Devices that wait for somebody to log in at a provider, as rows: any node can be asked how it
 * stands.  What a client has is a code of ours, kept as a keyed hash; the provider's is sealed.
 * The provider is asked no more often than it wants, however often we are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "cred/digest.h"
#include "pg/pg.h"

enum {
	DEVICE_CODE_LEN = 64,
	DEVICE_LOGINS_MAX = 10000,       /* at the same time */
	DEVICE_LOGINS_ADDRESS_MAX = 100, /* of one address */
	DEVICE_SLOWER_S = 5,             /* RFC 8628 section 3.5 */
};

struct device_login_new {
	const char *provider;
	struct str code;     /* the provider's */
	const char *address; /* of the client */
	uint64_t interval_s, expires_s;
};

/* ERR_LIMIT: too many wait. */
enum err_code device_login_create(struct pg *pg, const struct cred_pepper *secret,
                                  const struct device_login_new *what,
                                  char ret_code[DEVICE_CODE_LEN + 1], struct err *err) MUST_CHECK;

struct device_login {
	struct cred_digest hash;
	struct str provider, code; /* of the arena */
	bool is_due; /* the caller may ask the provider, and nobody else for a while */
};

/* ERR_NOT_FOUND: there is none (any more). */
enum err_code device_login_take(struct pg *pg, const struct cred_pepper *secret, struct str code,
                                struct arena *arena, struct device_login *ret,
                                struct err *err) MUST_CHECK;
/* The provider wants to be asked less often. */
enum err_code device_login_slow(struct pg *pg, const struct device_login *login,
                                struct err *err) MUST_CHECK;
/* *ret_ended false: somebody else has ended it. */
enum err_code device_login_end(struct pg *pg, const struct device_login *login, bool *ret_ended,
                               struct err *err) MUST_CHECK;
