/*
 * What was used, as rows (a ledger), and prices as rows.  The ledger is made from the `usage` and
 * `cost` events of sessions' logs by whoever follows them; each event counts once, however often
 * it is followed.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "cost/price.h"
#include "pg/pg.h"

enum cost_source { COST_AGENT, COST_TABLE, COST_UNKNOWN, COST_SOURCE_COUNT };
const char *cost_source_name(enum cost_source source);
/* COST_UNKNOWN for any other word. */
enum cost_source cost_source_of(struct str name);

struct cost_use { /* one event */
	const char *tenant;
	struct id session;
	uint64_t epoch, n;
	int64_t at_us;
	struct str model; /* "": not known */
	enum cost_source source;
	struct cost_tokens tokens;
	bool has_nano;
	int64_t nano;
};
/* *ret_counted false: it was before. */
enum err_code cost_use_add(struct pg *pg, const struct cost_use *use, bool *ret_counted,
                           struct err *err) MUST_CHECK;

enum cost_by {
	COST_BY_SESSION,
	COST_BY_PROJECT,
	COST_BY_USER,
	COST_BY_MODEL,
	COST_BY_AGENT,
	COST_BY_DAY,
	COST_BY_TENANT,
	COST_BY_COUNT
};
const char *cost_by_name(enum cost_by by);

/* NULL: any. Days as "2026-01-31". */
struct cost_ask {
	const char *tenant, *from, *to, *session, *project, *user, *namespaces, *after;
	enum cost_by by;
	unsigned max;
};

struct cost_sum {
	struct str key; /* of the arena */
	struct cost_tokens tokens;
	bool known;               /* nano, of what has a price */
	int64_t nano, agent_nano; /* agent: of it as agents said */
	uint64_t unpriced;        /* tokens */
	uint64_t sessions;
};
struct cost_sums {
	struct cost_sum *items;
	size_t count;
	bool more;
};
enum err_code cost_sum(struct pg *pg, const struct cost_ask *ask, struct arena *arena,
                       struct cost_sums *ret, struct err *err) MUST_CHECK;

/* Nano USD, by a session and the others of its chain of retries. */
enum err_code cost_spent(struct pg *pg, const char *tenant, const struct id *session, uint64_t *ret,
                         struct err *err) MUST_CHECK;

enum err_code cost_prices_list(struct pg *pg, struct arena *arena, struct cost_prices *ret,
                               struct err *err) MUST_CHECK;
/* ERR_INVALID: its name; ERR_LIMIT: there are COST_PRICES_MAX. */
enum err_code cost_price_set(struct pg *pg, const struct cost_price *price,
                             struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: it has none. */
enum err_code cost_price_delete(struct pg *pg, struct str model, struct err *err) MUST_CHECK;
