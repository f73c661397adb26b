/*
 * Credentials that were looked up within the last second, good and bad ones, by the keyed hash of
 * what was shown.  A table of fixed size; a slot is overwritten by the next one that falls into
 * it: bounded, and never in the way.
 *
 * A bell (auth_bell.h) empties the slots of whom it names. What was asked for before the bell and
 * is answered after it is not kept: hence the turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/auth_bell.h"

enum { AUTH_CACHE_MS_MAX = 1000 };

struct auth_cache;

struct auth_cached {
	bool known; /* false: nothing that may be used */
	struct principal principal;
};

/* keep_ms: at most AUTH_CACHE_MS_MAX; 0: nothing is kept. */
struct auth_cache *auth_cache_new(unsigned keep_ms) MUST_CHECK;
void auth_cache_free(struct auth_cache *cache); /* NULL is a no-op */

bool auth_cache_get(const struct auth_cache *cache, const struct cred_digest *shown,
                    struct auth_cached *ret) MUST_CHECK;
/* To be taken before asking. */
uint64_t auth_cache_turn(const struct auth_cache *cache);
void auth_cache_put(struct auth_cache *cache, const struct cred_digest *shown, uint64_t turn,
                    const struct auth_cached *what);

struct auth_cache *auth_cache_of(struct auth *auth);

/* Whoever the bell names is looked up anew. */
void auth_cache_forget(struct auth_cache *cache, const struct auth_bell *bell);
/* Bells may have been missed. */
void auth_cache_clear(struct auth_cache *cache);

/* ---- for those who find out what a credential is ---- */

/* Look up the row and remember it under the digest. hash: what the row has to keep, so that it
 * counts; NULL: it was shown before. */
enum err_code auth_fetch(struct auth *auth, const struct cred_digest *digest, const struct id *id,
                         const struct cred_digest *hash, struct auth_cached *ret,
                         struct err *err) MUST_CHECK;
bool auth_still_counts(const struct auth_cached *found);
