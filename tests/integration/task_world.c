#include "task_world.h"

#include "tenant/tenant_store.h"

SQL(test_clear_tasks, "DELETE FROM tasks");
SQL(test_clear_keys, "DELETE FROM idempotency_keys");
SQL(test_count_rows, "SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM sessions)");

static struct arena *arena;

int make_arena(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

struct arena *test_arena(void)
{
	return arena;
}

void clear_rows(struct world *world)
{
	struct err err;

	assert_int_equal(tenant_ensure(world->pg, TENANT, &err), ERR_OK);
	assert_int_equal(tenant_ensure(world->pg, OTHER, &err), ERR_OK);
	tell(world->pg, "", &test_clear_tasks, NULL);
	tell(world->pg, "", &test_clear_keys, NULL);
}

uint64_t count_rows(struct world *world)
{
	return number(world->pg, "", &test_count_rows);
}

static struct task_spec spec_of(const char *body)
{
	struct json_problems problems;
	struct task_spec spec;

	if (task_decode(str_of(body), &spec, arena, &problems) != ERR_OK) {
		fail_msg("%s %s", problems.items[0].field, problems.items[0].rule);
	}
	return spec;
}

struct pg_tx *begin(struct world *world)
{
	struct pg_tx *tx;
	struct err err;

	if (pg_begin(world->pg, TENANT, &tx, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return tx;
}

void commit(struct pg_tx *tx)
{
	struct err err;

	if (pg_commit(tx, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

enum err_code try_accept(struct pg_tx *tx, const char *body, struct task_accepted *ret)
{
	struct task_spec spec = spec_of(body);
	struct task_acceptance acceptance = {
		.tenant = TENANT, .created_by = "key-1", .owner = "", .spec = &spec
	};
	struct err err;

	return task_accept(tx, &acceptance, arena, ret, &err);
}

struct task_accepted accept_task(struct world *world, const char *body)
{
	struct task_accepted accepted;
	struct pg_tx *tx = begin(world);

	assert_int_equal(try_accept(tx, body, &accepted), ERR_OK);
	commit(tx);
	return accepted;
}
