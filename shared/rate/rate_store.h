/* Limits that tenants have of their own, as operators said them: a part of the tenant's row. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "rate/rate.h"

struct arena;
struct pg;

enum { RATE_LOOK_MS = 2000 };

/* text: as rate_limits_parse() takes it; {NULL, 0}: as the settings say. ERR_INVALID: it is no
 * limit, or an address, which is of no tenant; ERR_NOT_FOUND: no such tenant. */
enum err_code rate_store_set(struct pg *pg, const char *tenant, enum rate_kind kind,
                             struct str text, struct err *err) MUST_CHECK;

/* As they were said; *ret is in the arena, and NULL where the settings count. ERR_NOT_FOUND. */
enum err_code rate_store_get(struct pg *pg, const char *tenant, struct arena *arena,
                             const char *ret[RATE_KIND_COUNT], struct err *err) MUST_CHECK;

/* All of them, in place of those that rate has. */
enum err_code rate_store_load(struct pg *pg, struct rate *rate, struct err *err) MUST_CHECK;

struct rate_follower {
	struct pg *pg;
	struct rate *rate;
};

/* A fiber's function: load them again every RATE_LOOK_MS until it is cancelled; what is known stays
 * while PostgreSQL is away. arg: a struct rate_follower. */
void rate_store_follow(void *arg);
