/*
 * A request that writes PostgreSQL: one transaction, and with an Idempotency-Key its answer in the
 *same transaction.
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

#include "http/http.h"
#include "idempotency/idempotency.h"

struct once {
	struct pg_tx *tx;
	bool keyed;
	struct idempotency_claim claim;
};

bool once_begin(struct http_request *req, struct http_reply *reply, struct once *once);
bool once_commit(struct http_request *req, struct http_reply *reply, struct once *once);
void once_abandon(struct once *once);
