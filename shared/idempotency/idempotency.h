/*
 * Idempotency-Key: a POST that was answered is answered the same again, and done once.
 *
 * The answer is stored in the transaction of the effect: a row means that it happened and
 * that this was said.  While a transaction holds a key, an advisory lock that dies with it
 * makes others wait outside (IDEMPOTENCY_RUNNING).  Answers of 500 and above are never stored,
 * their transaction is rolled back.  Rows live for a day.
 *
 * A key is of one principal: somebody else of the tenant who uses the same words has a key of his
 * own.  An answer that shows a secret is sealed: what lies in the database cannot be read without
 * the secret of the installation, and a client that lost the answer still gets it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "cred/digest.h"
#include "json/write.h"
#include "pg/pg.h"

enum { IDEMPOTENCY_KEY_MAX = 255, IDEMPOTENCY_KEEP_S = 24 * 3600 };

enum idempotency_outcome {
	IDEMPOTENCY_FRESH,   /* go on, then idempotency_finish() before the commit */
	IDEMPOTENCY_REPLAY,  /* send the stored answer */
	IDEMPOTENCY_OTHER,   /* the key was used for another request: ERR_KEY_REUSED */
	IDEMPOTENCY_RUNNING, /* the first request is not done, or its rollback not yet:
	                        ERR_IN_PROGRESS, which may be retried */
};

struct idempotency_claim {
	const char *tenant;
	const char *principal;          /* who asks, in words that nobody else of the tenant has */
	const char *key;                /* idempotency_key_ok() */
	const char *route;              /* method and pattern: a key is of one route */
	struct cred_digest request;     /* idempotency_digest() */
	const struct cred_pepper *seal; /* of answers that show a secret; NULL: this one does not */
};

struct idempotency_answer {
	int status;
	struct str media_type, body; /* of the arena when replayed */
	struct str headers;          /* "Name: value\r\n" lines; only some are kept */
};

struct idempotency_find {
	enum idempotency_outcome outcome;
	struct idempotency_answer answer; /* only with IDEMPOTENCY_REPLAY */
};

/* 1 to 255 visible ASCII characters. */
bool idempotency_key_ok(struct str key);

struct cred_digest idempotency_digest(struct str path, struct str query, struct str body);

/* The lines that are of the effect and not of the request (Location, ETag, Link). Pure. */
void idempotency_keep_headers(struct str lines, struct buf *out);

/* First thing in the transaction. ret is set only with IDEMPOTENCY_REPLAY. */
enum err_code idempotency_begin(struct pg_tx *tx, const struct idempotency_claim *claim,
                                struct arena *arena, enum idempotency_outcome *ret_outcome,
                                struct idempotency_answer *ret, struct err *err) MUST_CHECK;

/* After IDEMPOTENCY_FRESH, in the same transaction. A status of 500 or above is not stored. */
enum err_code idempotency_finish(struct pg_tx *tx, const struct idempotency_claim *claim,
                                 const struct idempotency_answer *answer,
                                 struct err *err) MUST_CHECK;

/*
 * Keys of several requests in one statement, which does what is asked of those that are fresh and
 * keeps their answers (task/sql/task_accept.sql).  It comes after idempotency_locks in the same
 * transaction, with [[principal, key], ...]; lock is the place in that list, from 1.
 */
extern const struct text *const idempotency_locks;
/* The members lock and once_... of a request. Answers that are sealed cannot be kept so. */
void idempotency_write(struct jsonw *w, const struct idempotency_claim *claim,
                       const struct idempotency_answer *answer, unsigned lock);
/* What the columns of idempotency_find.sql, from `first` on, say to the claim; without a route
 * there is no such row: IDEMPOTENCY_RUNNING. */
enum err_code idempotency_read(struct pg_rows *rows, size_t row, unsigned first,
                               const struct idempotency_claim *claim, struct arena *arena,
                               struct idempotency_find *ret, struct err *err) MUST_CHECK;

/* Forget up to max expired rows, of all tenants. */
enum err_code idempotency_purge(struct pg *pg, unsigned max, uint64_t *ret_count,
                                struct err *err) MUST_CHECK;
