/*
 * How an upload comes to a worker, which has Redis and no PostgreSQL: it asks for one part after
 * the other in a list, schedulers answer, each part under a key of its own that goes with its
 * reading, or after half a minute.  So there is never more of an upload in Redis than a part for
 * each session that fetches, and what is asked twice is harmless.  An upload of another tenant than
 * the session's is not there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

struct cred_sha256;
struct pg;
struct redis;

/* Somebody asks. */
#define UPLOAD_CHANNEL "uploads"

/* ---- of a worker ---- */

struct upload_fetch {
	struct redis *redis;
	struct id session, upload;
	/* Known after the first part. */
	char name[256], media_type[128], sha256[65];
	uint64_t size;

	uint64_t got;
	unsigned parts;
	struct buf part;
	struct cred_sha256 *hash;
};

void upload_fetch_init(struct upload_fetch *fetch, struct redis *redis, const struct id *session,
                       const struct id *upload);
void upload_fetch_fini(struct upload_fetch *fetch);
/* The next part, which lives until the next call; "" when that was all of it, and it is what was
 * uploaded. ERR_NOT_FOUND: it is gone. ERR_UNAVAILABLE: nobody answers, for a minute. ERR_BACKEND:
 * what came is something else. */
enum err_code upload_fetch_next(struct upload_fetch *fetch, struct str *ret,
                                struct err *err) MUST_CHECK;

/* ---- of a scheduler ---- */

/* Answer one that asks. *ret_any false: nobody does. What a question is answered with may be that
 * it has no answer; errors are those of the backends. */
enum err_code upload_fetch_answer(struct redis *redis, struct pg *pg, bool *ret_any,
                                  struct err *err) MUST_CHECK;
