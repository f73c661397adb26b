/*
 * Credentials that were looked up within the last second, good and bad ones, by the mark
 * (cred/mark.h) of what was shown: the one thing that is computed for a credential that comes
 * again.  A table of fixed size; a slot is overwritten by the next one that falls into it: bounded,
 * and never in the way.
 *
 * A bell (auth_bell.h) empties the slots of whom it names. What was asked for before the bell and
 * is answered after it is not kept: hence the turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/auth_bell.h"
#include "cred/mark.h"

enum { AUTH_CACHE_MS_MAX = 1000 };

struct auth_cache;

/* What a text is shown as: the same one as another kind is another thing. */
enum auth_cache_kind {
	AUTH_CACHE_KEY,
	AUTH_CACHE_ID, /* of a key or login that was shown before */
	AUTH_CACHE_TOKEN,
	AUTH_CACHE_FOREIGN,
	AUTH_CACHE_LOGIN,
	AUTH_CACHE_KIND_COUNT
};

struct auth_cached {
	uint64_t until_ms; /* clock_mono_ms() */
	uint64_t epoch;    /* of the keys that signed it (token/bearer.h), for a token */
	bool known;        /* false: nothing that may be used */
	struct principal principal;
};

/* keep_ms: at most AUTH_CACHE_MS_MAX; 0: nothing is kept. */
struct auth_cache *auth_cache_new(unsigned keep_ms) MUST_CHECK;
void auth_cache_free(struct auth_cache *cache); /* NULL is a no-op */

struct cred_mark auth_cache_mark(const struct auth_cache *cache, enum auth_cache_kind kind,
                                 struct str shown);
/* NULL: not known. What is found stands until the fiber waits for something. */
const struct auth_cached *auth_cache_find(const struct auth_cache *cache,
                                          const struct cred_mark *shown) MUST_CHECK;
/* To be taken before asking. */
uint64_t auth_cache_turn(const struct auth_cache *cache);
/* until_ms 0: it was looked up just now, and *what is told how long it is good; else it comes of
 * what was looked up before, and is good no longer than that. */
void auth_cache_put(struct auth_cache *cache, const struct cred_mark *shown, uint64_t turn,
                    struct auth_cached *what);

struct auth_cache *auth_cache_of(struct auth *auth);

/* Whoever the bell names is looked up anew. */
void auth_cache_forget(struct auth_cache *cache, const struct auth_bell *bell);
/* Bells may have been missed. */
void auth_cache_clear(struct auth_cache *cache);

/* ---- for those who find out what a credential is ---- */

/* Look up the row and remember it under the mark. hash: what the row has to keep, so that it
 * counts; NULL: it was shown before. */
enum err_code auth_fetch(struct auth *auth, const struct cred_mark *mark, const struct id *id,
                         const struct cred_digest *hash, struct auth_cached *ret,
                         struct err *err) MUST_CHECK;
/* What is known of the key or login with that id. */
enum err_code auth_fetch_id(struct auth *auth, const struct id *id, struct auth_cached *ret,
                            struct err *err) MUST_CHECK;
bool auth_still_counts(const struct auth_cached *found);
