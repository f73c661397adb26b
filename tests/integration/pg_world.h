/* A test body on a fiber, with a pool on the private server's unprivileged role. */
#pragma once

#include "base/text.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "tests/support/test.h"

struct world {
	struct loop *loop;
	struct pg *pg;    /* role fairlead, migrated, pool_max 4 */
	struct pg *admin; /* superuser, pool_max 2 */
	struct fiber_group group;
	void (*body)(struct world *world);
};

void world_run(void (*body)(struct world *world));
struct pg *world_pool(struct world *world, unsigned pool_max, unsigned acquire_timeout_ms,
                      unsigned statement_timeout_ms);

/* A query known only here: the name must be its own. */
#define SQL(name, statement)                                                                       \
	static const struct text name = { #name, "0000000000000000", statement,                    \
		                          sizeof(statement) - 1 }

/* Run it and fail the test unless it succeeds. params are text, NULL-terminated. */
struct pg_rows *ask(struct pg *pg, const char *tenant, const struct text *text,
                    const char *const params[]);
void tell(struct pg *pg, const char *tenant, const struct text *text, const char *const params[]);
enum err_code attempt(struct pg *pg, const char *tenant, const struct text *text,
                      const char *const params[], struct err *err);
uint64_t number(struct pg *pg, const char *tenant, const struct text *text);
struct pg_params params_of(const char *const params[]);

void make_tenant(struct pg *pg, const char *id);
/* Wait on the loop until check says so; fails the test after 10 s. */
void await(bool (*check)(struct world *world), struct world *world);
