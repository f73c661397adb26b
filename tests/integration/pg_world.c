#include "pg_world.h"

#include <stdlib.h>

#include "base/clock.h"
#include "pg/schema.h"

enum { AWAIT_MS = 10000, LOOK_EVERY_MS = 10, POOL = 4, ADMIN_POOL = 2, LIMIT_MS = 5000 };

struct pg *world_pool(struct world *world, unsigned pool_max, unsigned acquire_timeout_ms,
                      unsigned statement_timeout_ms)
{
	struct pg_options options = { getenv("TEST_PG_URL"), pool_max, acquire_timeout_ms,
		                      statement_timeout_ms };

	return pg_new(world->loop, &options);
}

static void world_main(void *arg)
{
	struct world *world = arg;
	struct pg_options admin = { getenv("TEST_PG_ADMIN_URL"), ADMIN_POOL, LIMIT_MS, LIMIT_MS };
	unsigned applied = 0;
	struct err err;

	world->pg = world_pool(world, POOL, LIMIT_MS, LIMIT_MS);
	world->admin = pg_new(world->loop, &admin);
	if (pg_migrate(world->pg, &pg_schema, &applied, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	world->body(world);
	assert_int_equal(fiber_group_wait(&world->group, AWAIT_MS), ERR_OK);
	pg_free(world->pg);
	pg_free(world->admin);
}

void world_run(void (*body)(struct world *world))
{
	struct world world = { .loop = loop_new(), .body = body };

	assert_non_null(world.loop);
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}

struct pg_params params_of(const char *const params[])
{
	struct pg_params ret = { 0 };

	for (size_t i = 0; params != NULL && params[i] != NULL; i++) {
		pg_param_cstr(&ret, params[i]);
	}
	return ret;
}

enum err_code attempt(struct pg *pg, const char *tenant, const struct text *text,
                      const char *const params[], struct err *err)
{
	struct pg_params list = params_of(params);

	return pg_query(pg, tenant, text, &list, NULL, err);
}

struct pg_rows *ask(struct pg *pg, const char *tenant, const struct text *text,
                    const char *const params[])
{
	struct pg_params list = params_of(params);
	struct pg_rows *rows = NULL;
	struct err err;

	if (pg_query(pg, tenant, text, &list, &rows, &err) != ERR_OK) {
		fail_msg("%s: %s", text->name, err.msg);
	}
	return rows;
}

void tell(struct pg *pg, const char *tenant, const struct text *text, const char *const params[])
{
	pg_rows_free(ask(pg, tenant, text, params));
}

uint64_t number(struct pg *pg, const char *tenant, const struct text *text)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = ask(pg, tenant, text, NULL);

	assert_int_equal(pg_rows_count(rows), 1);
	return pg_u64(rows, 0, 0);
}

void make_tenant(struct pg *pg, const char *id)
{
	SQL(test_make_tenant, "INSERT INTO tenants (id, name) VALUES ($1::text, $1::text) "
	                      "ON CONFLICT (id) DO NOTHING");

	tell(pg, "", &test_make_tenant, (const char *const[]){ id, NULL });
}

void await(bool (*check)(struct world *world), struct world *world)
{
	uint64_t until = clock_mono_ms() + AWAIT_MS;

	while (!check(world)) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(LOOK_EVERY_MS), ERR_OK);
	}
}
