/*
 * After a session is accepted: its log and its place in the queue.  Both steps are idempotent and
 * are done by the scheduler's reconciler too, so whatever fails here heals by itself.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "event/log.h"

struct pg;

/* The log of a session that PostgreSQL knows no epoch of, unless somebody made it; PostgreSQL is
 * told. */
enum err_code steer_make_log(const struct log_store *store, struct pg *pg, const struct id *sid,
                             const char *tenant, struct err *err) MUST_CHECK;

struct steer_publication {
	struct id sid;
	const char *tenant;
	unsigned priority;
	const char *needs; /* words of the queue */
};

enum err_code steer_publish(const struct log_store *store, struct pg *pg,
                            const struct steer_publication *publication,
                            struct err *err) MUST_CHECK;
