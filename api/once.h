/*
 * A request that writes PostgreSQL: one transaction, and with an Idempotency-Key its answer in the
 * same transaction.
 *
 *	if (!once_begin(req, reply, &once)) return;      reply is filled: a replay or a refusal
 *	... queries in once.tx; on failure fill the reply and once_abandon() ...
 *	... fill the reply ...
 *	if (!once_commit(req, reply, &once)) return;     reply is filled anew: it did not happen, or
 *	                                                 it is not known whether
 *	... what follows from it ...
 */
#pragma once

#include <stdbool.h>

#include "auth/auth.h"
#include "http/http.h"
#include "idempotency/idempotency.h"

struct once {
	struct pg_tx *tx;
	/* For the audit, if it is an act of rest/acts.def. */
	const char *object;          /* the id; NULL: the first parameter in the path */
	const char *chain;           /* NULL: as the row says */
	const struct principal *who; /* NULL: who asks */
	struct str detail;           /* a JSON object; {NULL, 0}: none */
	bool keyed;
	struct idempotency_claim claim;
};

/* A request of rest/acts.def: what the fiber asks of PostgreSQL until the end goes through once.tx
 * (pg_join()), and the act is written down with the commit. */
bool once_begin(struct http_request *req, struct http_reply *reply, struct once *once);
bool once_commit(struct http_request *req, struct http_reply *reply, struct once *once);
/* For who has no transaction of its own: the key, if there is one (once->keyed), and what was found
 * for it. False: reply is filled. */
bool once_key(struct http_request *req, struct http_reply *reply, struct once *once);
struct idempotency_answer once_answer(const struct http_reply *reply);
bool once_found(struct http_request *req, struct http_reply *reply,
                const struct idempotency_find *found);
void once_abandon(struct once *once);

/* For who has a transaction of their own: the act in it, as the last thing before the commit.
 * facts: only what is for the audit. */
enum err_code once_note(struct http_request *req, struct pg_tx *tx, const struct once *facts,
                        struct err *err) MUST_CHECK;

/* A transaction of an act on a route without a principal: joined like that of once_begin(). */
enum err_code once_open(struct http_request *req, struct pg_tx **ret, struct err *err) MUST_CHECK;
/* Who that act is of, once it is known. */
struct principal once_person(const struct id *user, const char *tenant);

/* Of an act that does not write PostgreSQL, before it is done, so that none is without its row; one
 * that fails then gets another. False: the reply is filled. */
bool once_tell(struct http_request *req, struct http_reply *reply, const char *object);
