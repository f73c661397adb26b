/*
 * How far a session's row has followed its log: what the archiver walks.
 *
 * A row's (epoch, n) is the last event that it reflects.  A session that has ended, whose row
 * reflects all of its log and whose log is archived to its end is marked, and not listed again.
 */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "pg/pg.h"
#include "session/session.h"

struct session_trail {
	struct id id;
	struct str tenant; /* of the arena, NUL-terminated */
	enum session_state state;
	uint64_t epoch, n;
	unsigned attempts;
	bool asks;   /* has open questions */
	bool hooked; /* somebody may want to be told of it (webhook/webhook_queue.h) */
};

struct session_trails {
	struct session_trail *items; /* of the arena */
	size_t count;
};

/* count 0: there is no such session, or it is marked. */
enum err_code session_trail_get(struct pg *pg, const char *tenant, const struct id *id,
                                struct arena *arena, struct session_trails *ret,
                                struct err *err) MUST_CHECK;
/* Those of `ids`, of any tenant, that are there and not marked, in no order. */
enum err_code session_trail_get_all(struct pg *pg, const struct id *ids, size_t count,
                                    struct arena *arena, struct session_trails *ret,
                                    struct err *err) MUST_CHECK;
/* Of all tenants, those not marked, ascending ids after `after`. */
enum err_code session_trail_list(struct pg *pg, const struct id *after, unsigned max,
                                 struct arena *arena, struct session_trails *ret,
                                 struct err *err) MUST_CHECK;

/* The row reflects everything through this position; never goes back. */
enum err_code session_trail_advance(struct pg *pg, const char *tenant, const struct id *id,
                                    uint64_t epoch, uint64_t n, struct err *err) MUST_CHECK;
/* Mark it. *ret_marked false: it was, or it has not ended. */
enum err_code session_trail_end(struct pg *pg, const char *tenant, const struct id *id,
                                bool *ret_marked, struct err *err) MUST_CHECK;
