/*
 * The keys that sign access tokens, as this process knows them.
 *
 * They are rows, sealed with a key made of the pepper (cred/seal.h).  A key signs for its life, and
 * the next one is made and published SIGNING_LEAD_S before, so that by then everybody has it; the
 * old one stays published until what it signed is over.  Whichever process looks first makes the
 * next one, under a lock; nobody has to be there for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "cred/digest.h"
#include "cred/jwk.h"
#include "pg/pg.h"

enum {
	SIGNING_LEAD_S = 600,
	SIGNING_LOOK_MS = 10000, /* rows are looked at this often while tokens are used */
	SIGNING_MISS_MS = 500,   /* and for a key that is not known no more often than this */
	SIGNING_KEYS_MAX = 16,
	SIGNING_CACHE_S = 300, /* for how long others may keep the published keys */
};

struct signing_options {
	struct pg *pg;
	struct cred_pepper secret; /* of the installation */
	unsigned access_s;         /* life of a token */
	uint64_t life_s;           /* of a key: how long it signs */
};

struct signing;

struct signing *signing_new(const struct signing_options *options) MUST_CHECK;
void signing_free(struct signing *signing); /* NULL is a no-op */

/* On a fiber: look at the rows unless that was done a moment ago; make the next key when it is due.
 * With keys at hand an error only leaves them as they are. missed: for a key that was not known. */
enum err_code signing_look(struct signing *signing, bool missed, struct err *err) MUST_CHECK;

/* Until the fiber waits for something. NULL: there is none. */
const struct cred_jwk *signing_current(const struct signing *signing, int64_t now_us);
const struct cred_jwk *signing_find(const struct signing *signing, const char *kid,
                                    enum cred_alg alg, int64_t now_us);
/* Grows when keys were taken away: what was verified with them has to be verified anew. */
uint64_t signing_epoch(const struct signing *signing);
/* {"keys":[...]} of those that verify. */
void signing_publish(const struct signing *signing, int64_t now_us, struct buf *out);

/* The next key signs after SIGNING_LEAD_S; at once: now, and all others are of no use any more, for
 * when one has become known. */
enum err_code signing_rotate(struct signing *signing, bool at_once, struct err *err) MUST_CHECK;

/* ---- pure ---- */

struct signing_span {
	int64_t activates_us, retires_us;
};
/* When the next key is to sign; false: none is needed yet. Spans are in order. */
bool signing_plan(const struct signing_span *spans, size_t count, int64_t now_us, uint64_t life_s,
                  struct signing_span *ret);
