/* The driver against a real server: values, errors, transactions, tenants, migrations. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pg/generation.h"
#include "pg/schema.h"
#include "pg/standing.h"
#include "pg_world.h"

enum { BIG = 3 * 1024 * 1024, FIBERS = 200 };

SQL(test_echo, "SELECT $1::text, $2::bigint, $3::bigint, $4::boolean, $5::bytea, $6::text");
SQL(test_count_projects, "SELECT count(*) FROM projects");
SQL(test_setting, "SELECT coalesce(current_setting('fairlead.tenant', true), '')");
SQL(test_add_project,
    "INSERT INTO projects (id, tenant_id, name) VALUES ($1::text, $2::text, $3::text)");
SQL(test_delete_projects, "DELETE FROM projects");

static void clear(struct world *world)
{
	make_tenant(world->pg, "ta");
	make_tenant(world->pg, "tb");
	tell(world->pg, "", &test_delete_projects, NULL);
}

static void add(struct world *world, const char *tenant, const char *id)
{
	tell(world->pg, tenant, &test_add_project, (const char *const[]){ id, tenant, id, NULL });
}

/* ---- values ---- */

static void values_body(struct world *world)
{
	struct pg_params params = { 0 };
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct err err;

	pg_param_text(&params, str_make("na\xc3\xafve, not ended", 6));
	pg_param_u64(&params, INT64_MAX);
	pg_param_i64(&params, INT64_MIN);
	pg_param_bool(&params, true);
	pg_param_bytes(&params, str_make("\0\xff\\x'", 5));
	pg_param_null(&params);
	assert_int_equal(pg_query(world->pg, "ta", &test_echo, &params, &rows, &err), ERR_OK);
	assert_int_equal(pg_rows_count(rows), 1);
	assert_true(str_eq(pg_str(rows, 0, 0), STR_LIT("na\xc3\xafve")));
	assert_true(pg_u64(rows, 0, 1) == INT64_MAX);
	assert_true(pg_i64(rows, 0, 2) == INT64_MIN);
	assert_true(pg_bool(rows, 0, 3));
	assert_true(str_eq(pg_bytes(rows, 0, 4), str_make("\0\xff\\x'", 5)));
	assert_true(pg_is_null(rows, 0, 5));
	assert_true(str_eq(pg_str(rows, 0, 5), STR_LIT("")));
	assert_int_equal(pg_u64(rows, 0, 5), 0);
}

static void values_travel_unchanged(void **state)
{
	(void)state;
	world_run(values_body);
}

static void empty_body(struct world *world)
{
	struct pg_params params = { 0 };
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct err err;

	pg_param_cstr(&params, "");
	pg_param_null(&params);
	pg_param_cstr(&params, NULL);
	pg_param_bool(&params, false);
	pg_param_bytes(&params, str_make(NULL, 0));
	pg_param_text(&params, str_make(NULL, 0));
	assert_int_equal(pg_query(world->pg, "ta", &test_echo, &params, &rows, &err), ERR_OK);
	assert_false(pg_is_null(rows, 0, 0));
	assert_true(pg_is_null(rows, 0, 1));
	assert_true(pg_is_null(rows, 0, 2));
	assert_false(pg_bool(rows, 0, 3));
	assert_false(pg_is_null(rows, 0, 4));
	assert_int_equal(pg_bytes(rows, 0, 4).n, 0);
	assert_false(pg_is_null(rows, 0, 5));
}

static void empty_is_not_null(void **state)
{
	(void)state;
	world_run(empty_body);
}

static void big_body(struct world *world)
{
	SQL(test_big, "SELECT $1::bytea, md5($1::bytea), octet_length($1::bytea)");
	struct pg_params params = { 0 };
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	char *bytes CLEANUP(mem_cleanup) = mem_calloc(1, BIG);
	struct err err;

	for (size_t i = 0; i < BIG; i++) {
		bytes[i] = (char)(i * 2654435761u >> 16);
	}
	pg_param_bytes(&params, str_make(bytes, BIG));
	assert_int_equal(pg_query(world->pg, "ta", &test_big, &params, &rows, &err), ERR_OK);
	assert_int_equal(pg_u64(rows, 0, 2), BIG);
	assert_true(str_eq(pg_bytes(rows, 0, 0), str_make(bytes, BIG)));
}

static void a_value_larger_than_any_socket_buffer_goes_both_ways(void **state)
{
	(void)state;
	world_run(big_body);
}

static void affected_body(struct world *world)
{
	struct pg_rows *rows;

	clear(world);
	add(world, "ta", "p1");
	add(world, "ta", "p2");
	rows = ask(world->pg, "ta", &test_delete_projects, NULL);
	assert_int_equal(pg_rows_affected(rows), 2);
	assert_int_equal(pg_rows_count(rows), 0);
	pg_rows_free(rows);
}

static void a_command_tells_how_many_rows_it_touched(void **state)
{
	(void)state;
	world_run(affected_body);
}

/* ---- errors ---- */

static void errors_body(struct world *world)
{
	SQL(test_divide, "SELECT 1 / $1::int");
	SQL(test_no_table, "SELECT * FROM there_is_no_such_table");
	SQL(test_no_weight, "INSERT INTO tenants (id, name, weight) VALUES ('tx', 'tx', 0)");
	const char *const twice[] = { "p1", "ta", "p1", NULL };
	const char *const orphan[] = { "p2", "nobody", "p2", NULL };
	const char *const foreign[] = { "p3", "tb", "p3", NULL };
	struct err err;

	clear(world);
	add(world, "ta", "p1");
	assert_int_equal(attempt(world->pg, "ta", &test_add_project, twice, &err), ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "test_add_project: 23505 "));
	assert_non_null(strstr(err.msg, "projects_pkey"));
	assert_int_equal(attempt(world->pg, "", &test_add_project, orphan, &err), ERR_NOT_FOUND);
	assert_int_equal(attempt(world->pg, "ta", &test_add_project, foreign, &err), ERR_FORBIDDEN);
	assert_int_equal(attempt(world->pg, "", &test_no_weight, NULL, &err), ERR_INVALID);
	assert_int_equal(attempt(world->pg, "ta", &test_no_table, NULL, &err), ERR_INTERNAL);
	assert_int_equal(pg_check(world->pg, &test_no_table, &err), ERR_INTERNAL);
	assert_int_equal(
		attempt(world->pg, "ta", &test_divide, (const char *const[]){ "0", NULL }, &err),
		ERR_INVALID);
	/* None of them harmed its connection, and the prepared statement is still good. */
	tell(world->pg, "ta", &test_divide, (const char *const[]){ "1", NULL });
	assert_int_equal(number(world->pg, "ta", &test_count_projects), 1);
}

static void an_error_is_told_by_its_state_and_leaves_the_pool_clean(void **state)
{
	(void)state;
	world_run(errors_body);
}

static void names_body(struct world *world)
{
	static const struct text first = { "test_same", "11111111", "SELECT 1", 8 };
	static const struct text second = { "test_same", "22222222", "SELECT 2", 8 };

	assert_int_equal(number(world->pg, "ta", &first), 1);
	assert_int_equal(number(world->pg, "ta", &second), 2);
	assert_int_equal(number(world->pg, "ta", &first), 1);
}

static void two_queries_of_one_name_are_two_statements(void **state)
{
	(void)state;
	world_run(names_body);
}

/* A prepared statement whose result type a migration changed costs one retryable error. */
static void replan_body(struct world *world)
{
	SQL(test_star, "SELECT * FROM test_shape");
	SQL(test_shape_new, "CREATE TABLE test_shape (a int)");
	SQL(test_shape_grow, "ALTER TABLE test_shape ADD COLUMN b int");
	SQL(test_shape_drop, "DROP TABLE test_shape");
	struct pg *one = world_pool(world, 1, 5000, 5000);
	struct err err;

	tell(world->pg, "", &test_shape_new, NULL);
	tell(one, "", &test_star, NULL);
	tell(world->pg, "", &test_shape_grow, NULL);
	assert_int_equal(attempt(one, "", &test_star, NULL, &err), ERR_UNAVAILABLE);
	tell(one, "", &test_star, NULL);
	tell(world->pg, "", &test_shape_drop, NULL);
	pg_free(one);
}

static void a_changed_schema_costs_one_retry(void **state)
{
	(void)state;
	world_run(replan_body);
}

/* ---- plans ---- */

SQL(test_plan_once, "SELECT count(*) FROM projects WHERE id = $1::text");
SQL(test_plan_each, "-- planned: each time, for its parameters\n"
                    "SELECT count(*) FROM projects WHERE $1::text IS NULL OR id = $1::text");

/* How many of a statement's runs on this connection were planned for their parameters. */
static void assert_planned(struct pg *one, const char *name, unsigned once, unsigned each)
{
	SQL(test_plans, "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
	                " WHERE starts_with(name, $1::text)");
	struct pg_rows *rows = ask(one, "", &test_plans, (const char *const[]){ name, NULL });

	assert_int_equal(pg_rows_count(rows), 1);
	assert_int_equal(pg_u64(rows, 0, 0), once);
	assert_int_equal(pg_u64(rows, 0, 1), each);
	pg_rows_free(rows);
}

static void plans_body(struct world *world)
{
	static const char *const id[] = { "p1", NULL };
	const struct pg_params params = params_of(id);
	struct pg *one = world_pool(world, 1, 5000, 5000);
	struct pg_rows *rows;
	struct err err;

	tell(one, "ta", &test_plan_once, id);
	tell(one, "ta", &test_plan_each, id);
	assert_int_equal(pg_look(one, "ta", &test_plan_each, &params, &rows, &err), ERR_OK);
	assert_int_equal(pg_rows_count(rows), 1);
	pg_rows_free(rows);
	assert_int_equal(pg_look(one, "ta", &test_plan_once, &params, &rows, &err), ERR_OK);
	pg_rows_free(rows);
	assert_planned(one, test_plan_once.name, 2, 0);
	assert_planned(one, test_plan_each.name, 0, 2);
	pg_free(one);
}

static void a_statement_is_planned_once_unless_it_says_otherwise(void **state)
{
	(void)state;
	world_run(plans_body);
}

/* ---- transactions ---- */

static void tx_add(struct pg_tx *tx, const char *tenant, const char *id)
{
	struct pg_params params = params_of((const char *const[]){ id, tenant, id, NULL });
	struct err err;

	assert_int_equal(pg_tx_query(tx, &test_add_project, &params, NULL, &err), ERR_OK);
}

static struct pg_tx *begin(struct world *world, const char *tenant)
{
	struct pg_tx *tx = NULL;
	struct err err;

	assert_int_equal(pg_begin(world->pg, tenant, &tx, &err), ERR_OK);
	return tx;
}

static void commit_body(struct world *world)
{
	struct pg_tx *tx;
	struct err err;

	clear(world);
	tx = begin(world, "ta");
	tx_add(tx, "ta", "p1");
	tx_add(tx, "ta", "p2");
	assert_int_equal(number(world->pg, "ta", &test_count_projects), 0);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
	assert_int_equal(number(world->pg, "ta", &test_count_projects), 2);
}

static void a_committed_transaction_is_seen_and_an_open_one_is_not(void **state)
{
	(void)state;
	world_run(commit_body);
}

static void rollback_body(struct world *world)
{
	struct pg_tx *tx;

	clear(world);
	tx = begin(world, "ta");
	tx_add(tx, "ta", "p1");
	pg_rollback(tx);
	{
		struct pg_tx *left CLEANUP(pg_tx_cleanup) = begin(world, "ta");

		tx_add(left, "ta", "p2");
	}
	pg_rollback(begin(world, "ta"));
	pg_rollback(NULL);
	assert_int_equal(number(world->pg, "ta", &test_count_projects), 0);
}

static void what_is_rolled_back_or_left_open_never_happened(void **state)
{
	(void)state;
	world_run(rollback_body);
}

static void failed_tx_body(struct world *world)
{
	struct pg_params params = params_of((const char *const[]){ "p1", "ta", "p1", NULL });
	struct pg_tx *tx;
	struct err err;

	clear(world);
	tx = begin(world, "ta");
	tx_add(tx, "ta", "p1");
	assert_int_equal(pg_tx_query(tx, &test_add_project, &params, NULL, &err), ERR_CONFLICT);
	assert_int_equal(pg_tx_query(tx, &test_count_projects, NULL, NULL, &err), ERR_CONFLICT);
	assert_int_equal(pg_commit(tx, &err), ERR_CONFLICT);
	assert_int_equal(number(world->pg, "ta", &test_count_projects), 0);
}

static void a_transaction_with_an_error_cannot_be_committed(void **state)
{
	(void)state;
	world_run(failed_tx_body);
}

static void empty_tx_body(struct world *world)
{
	struct err err;

	assert_int_equal(pg_commit(begin(world, "ta"), &err), ERR_OK);
	assert_int_equal(pg_stats(world->pg).active, 0);
}

static void a_transaction_without_a_query_costs_nothing(void **state)
{
	(void)state;
	world_run(empty_tx_body);
}

/* ---- tenants ---- */

static void tenants_body(struct world *world)
{
	SQL(test_any_project, "SELECT count(*) FROM projects WHERE tenant_id = 'tb'");
	SQL(test_no_tenant, "SELECT count(*) FROM tenants");
	struct pg_tx *tx;
	struct err err;

	clear(world);
	add(world, "ta", "p1");
	add(world, "tb", "p2");
	add(world, "tb", "p3");
	assert_int_equal(number(world->pg, "ta", &test_count_projects), 1);
	assert_int_equal(number(world->pg, "tb", &test_count_projects), 2);
	assert_int_equal(number(world->pg, "", &test_count_projects), 3);
	assert_int_equal(number(world->pg, "ta", &test_any_project), 0);
	assert_int_equal(number(world->pg, "ta", &test_no_tenant), 1);
	assert_int_equal(number(world->pg, "nobody", &test_count_projects), 0);
	assert_int_equal(attempt(world->pg, "*", &test_count_projects, NULL, &err), ERR_INVALID);
	tx = begin(world, "tb");
	tell(world->pg, "ta", &test_delete_projects, NULL);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
	assert_int_equal(number(world->pg, "", &test_count_projects), 2);
}

static void a_tenant_sees_and_changes_only_what_is_its_own(void **state)
{
	(void)state;
	world_run(tenants_body);
}

static uint64_t looked_up(struct world *world, const char *tenant, const struct text *query)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct err err;

	assert_int_equal(pg_look(world->pg, tenant, query, NULL, &rows, &err), ERR_OK);
	return pg_u64(rows, 0, 0);
}

static void look_body(struct world *world)
{
	SQL(test_unset_there,
	    "SELECT count(*) WHERE coalesce(current_setting('fairlead.tenant', true), '') = ''");
	SQL(test_no_such_thing, "SELECT count(*) FROM no_such_table");
	struct pg_tx *tx;
	struct err err;

	clear(world);
	add(world, "ta", "p1");
	add(world, "tb", "p2");
	add(world, "tb", "p3");
	for (int i = 0; i < 3; i++) { /* prepared, and as it was prepared */
		assert_int_equal(looked_up(world, "ta", &test_count_projects), 1);
		assert_int_equal(looked_up(world, "tb", &test_count_projects), 2);
		assert_int_equal(looked_up(world, "", &test_count_projects), 3);
		assert_int_equal(looked_up(world, "nobody", &test_count_projects), 0);
		assert_int_equal(looked_up(world, "ta", &test_unset_there), 0);
	}
	assert_int_equal(pg_look(world->pg, "*", &test_count_projects, NULL, NULL, &err),
	                 ERR_INVALID);
	assert_int_not_equal(pg_look(world->pg, "ta", &test_no_such_thing, NULL, NULL, &err),
	                     ERR_OK);
	/* In a transaction that is joined it sees what that has done so far. */
	tx = begin(world, "ta");
	tx_add(tx, "ta", "p4");
	pg_join(world->pg, tx);
	assert_int_equal(looked_up(world, "ta", &test_count_projects), 2);
	pg_part(tx);
	pg_rollback(tx);
	assert_int_equal(looked_up(world, "ta", &test_count_projects), 1);
	for (int ms = 0; pg_stats(world->pg).active > 0 && ms < 10000; ms++) {
		(void)fiber_sleep(1); /* what was rolled back is on its way */
	}
	assert_int_equal(pg_stats(world->pg).active + pg_stats(world->pg).waiting, 0);
}

static void a_look_sees_what_its_tenant_sees_and_leaves_no_tenant_behind(void **state)
{
	(void)state;
	world_run(look_body);
}

/* Without a tenant, before and after a transaction that had one: nothing is seen. */
static void unset_body(struct world *world)
{
	SQL(test_unset, "SELECT set_config('fairlead.tenant', '', true)");
	SQL(test_rls_off,
	    "SELECT count(*) FROM pg_class WHERE relname IN (SELECT table_name FROM "
	    "information_schema.columns WHERE table_schema = 'public' AND "
	    "column_name = 'tenant_id') AND NOT (relrowsecurity AND relforcerowsecurity)");
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_tx *tx;
	struct err err;

	clear(world);
	add(world, "ta", "p1");
	tx = begin(world, "ta");
	assert_int_equal(pg_tx_query(tx, &test_unset, NULL, NULL, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &test_count_projects, NULL, &rows, &err), ERR_OK);
	assert_int_equal(pg_u64(rows, 0, 0), 0);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
	assert_int_equal(number(world->pg, "", &test_rls_off), 0);
}

static void without_a_tenant_nothing_is_seen(void **state)
{
	(void)state;
	world_run(unset_body);
}

static void audit_body(struct world *world)
{
	SQL(test_audit, "INSERT INTO audit (tenant_id, n, at, actor_kind, actor, actor_name, "
	                "address, agent, action, "
	                "object, outcome, request_id, detail, prev_hash, hash) "
	                "VALUES ('ta', 1, now(), 'key', 'a', '', '', '', 'b', 'c', 'done', '', "
	                "'{}', '\\x00', '\\x01') "
	                "ON CONFLICT DO NOTHING");
	SQL(test_audit_edit, "UPDATE audit SET actor = 'x'");
	SQL(test_audit_delete, "DELETE FROM audit");
	SQL(test_audit_truncate, "TRUNCATE audit");
	struct err err;

	clear(world);
	tell(world->pg, "ta", &test_audit, NULL);
	assert_int_equal(attempt(world->pg, "", &test_audit_edit, NULL, &err), ERR_FORBIDDEN);
	assert_int_equal(attempt(world->pg, "", &test_audit_delete, NULL, &err), ERR_FORBIDDEN);
	assert_int_equal(attempt(world->pg, "", &test_audit_truncate, NULL, &err), ERR_FORBIDDEN);
}

static void audit_can_only_be_added_to(void **state)
{
	(void)state;
	world_run(audit_body);
}

/* ---- many at once ---- */

struct worker {
	struct world *world;
	const char *tenant;
	unsigned done;
};

static void worker_main(void *arg)
{
	struct worker *worker = arg;

	for (unsigned i = 0; i < 5; i++) {
		struct pg_rows *rows = ask(worker->world->pg, worker->tenant, &test_setting, NULL);

		assert_true(str_eq(pg_str(rows, 0, 0), str_of(worker->tenant)));
		pg_rows_free(rows);
		worker->done++;
	}
}

static void many_body(struct world *world)
{
	static struct worker workers[FIBERS];

	for (size_t i = 0; i < FIBERS; i++) {
		workers[i] = (struct worker){ world, i % 2 != 0 ? "ta" : "tb", 0 };
		(void)fiber_start(world->loop, &world->group, "worker", worker_main, &workers[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 20000), ERR_OK);
	for (size_t i = 0; i < FIBERS; i++) {
		assert_int_equal(workers[i].done, 5);
	}
	assert_true(pg_stats(world->pg).idle >= 1 && pg_stats(world->pg).idle <= 4);
	assert_int_equal(pg_stats(world->pg).active + pg_stats(world->pg).waiting, 0);
}

static void two_hundred_fibers_share_four_connections_each_as_its_own_tenant(void **state)
{
	(void)state;
	world_run(many_body);
}

/* ---- migrations and generations ---- */

static const struct text probe_files[] = {
	{ "9001_probe", "aaaa",
	  "CREATE TABLE test_probe (a int); INSERT INTO test_probe VALUES (1)", 66 },
	{ "9002_probe", "bbbb", "INSERT INTO test_probe VALUES (2)", 33 },
};

static const struct pg_migrations probe = { probe_files, ARRAY_LEN(probe_files), 1 };

struct migrator {
	struct world *world;
	struct pg *pg;
	unsigned applied;
};

static void migrator_main(void *arg)
{
	struct migrator *migrator = arg;
	struct err err;

	assert_int_equal(pg_migrate(migrator->pg, &probe, &migrator->applied, &err), ERR_OK);
}

static void migrate_body(struct world *world)
{
	SQL(test_probe_count, "SELECT count(*) FROM test_probe");
	struct migrator migrators[] = { { world, world_pool(world, 1, 5000, 5000), 0 },
		                        { world, world_pool(world, 1, 5000, 5000), 0 } };
	unsigned applied = 7;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(migrators); i++) {
		(void)fiber_start(world->loop, &world->group, "migrator", migrator_main,
		                  &migrators[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	assert_int_equal(migrators[0].applied + migrators[1].applied, 2);
	assert_int_equal(number(world->pg, "", &test_probe_count), 2);
	assert_int_equal(pg_migrate(world->pg, &probe, &applied, &err), ERR_OK);
	assert_int_equal(applied, 0);
	pg_free(migrators[0].pg);
	pg_free(migrators[1].pg);
}

static void migrations_run_once_however_many_start_them(void **state)
{
	(void)state;
	world_run(migrate_body);
}

static void refuse_body(struct world *world)
{
	static const struct text changed[] = { { "9001_probe", "cccc", "SELECT 1", 8 } };
	static const struct text broken[] = {
		{ "9003_broken", "dddd", "CREATE TABLE test_broken (a int); SELECT nonsense", 49 }
	};
	SQL(test_broken_there, "SELECT count(*) FROM pg_class WHERE relname = 'test_broken'");
	unsigned applied = 0;
	struct err err;

	assert_int_equal(pg_migrate(world->pg, &probe, &applied, &err), ERR_OK);
	assert_int_equal(
		pg_migrate(world->pg, &(struct pg_migrations){ changed, 1, 1 }, &applied, &err),
		ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "9001_probe was changed"));
	assert_int_equal(
		pg_migrate(world->pg, &(struct pg_migrations){ broken, 1, 1 }, &applied, &err),
		ERR_INTERNAL);
	assert_non_null(strstr(err.msg, "9003_broken"));
	assert_int_equal(number(world->pg, "", &test_broken_there), 0);
}

static void a_changed_file_is_refused_and_a_broken_one_leaves_nothing(void **state)
{
	(void)state;
	world_run(refuse_body);
}

/* ---- two versions side by side ---- */

#define CONTRACT "-- phase: contract\n-- protocol: 2\nDROP TABLE test_old"

static const struct text phase_files[] = {
	{ "9101_old", "1111", "CREATE TABLE test_old (a int)", 29 },
	{ "9102_contract", "2222", CONTRACT, sizeof(CONTRACT) - 1 },
};
static const struct pg_migrations before = { phase_files, 1, 1 };
static const struct pg_migrations after = { phase_files, 2, 2 };

static struct pg_standing join(struct world *world, const char *id,
                               const struct pg_migrations *migrations)
{
	const struct pg_node node = { id, "fairlead-test", "0.0" };
	struct pg_standing standing = { .asked = 0 };
	struct err err;

	assert_int_equal(pg_node_join(world->pg, &node, migrations, &standing, &err), ERR_OK);
	return standing;
}

static unsigned migrate(struct world *world, const struct pg_migrations *migrations,
                        struct pg_waits *waits)
{
	unsigned applied = 0;
	struct err err;

	assert_int_equal(pg_migrate(world->pg, migrations, &applied, &err), ERR_OK);
	assert_int_equal(pg_migrate_waits(world->pg, migrations, waits, &err), ERR_OK);
	return applied;
}

static void contract_body(struct world *world)
{
	SQL(test_node_count, "SELECT count(*) FROM nodes");
	SQL(test_old_count, "SELECT count(*) FROM test_old");
	SQL(test_asked, "SELECT min_compatible FROM schema_version");
	struct pg_waits waits;
	struct err err;

	assert_false(join(world, "old-1", &before).schema_ready);
	assert_int_equal(migrate(world, &before, &waits), 1);
	assert_null(waits.name);
	assert_true(join(world, "old-1", &before).schema_ready);
	assert_true(join(world, "new-1", &after).schema_ready);
	assert_int_equal(number(world->pg, "", &test_node_count), 2);

	assert_int_equal(migrate(world, &after, &waits), 0);
	assert_string_equal(waits.name, "9102_contract");
	assert_int_equal(waits.nodes, 1);
	assert_int_equal(waits.protocol, 2);
	assert_int_equal(number(world->pg, "", &test_asked), 1);
	assert_int_equal(number(world->pg, "", &test_old_count), 0);

	assert_int_equal(pg_node_leave(world->pg, "old-1", 60000, &err), ERR_OK);
	assert_int_equal(migrate(world, &after, &waits), 0); /* it finishes what it began */
	assert_int_equal(pg_node_leave(world->pg, "old-1", 0, &err), ERR_OK);
	assert_int_equal(migrate(world, &after, &waits), 1);
	assert_null(waits.name);
	assert_int_equal(number(world->pg, "", &test_asked), 2);
	assert_int_equal(join(world, "old-2", &before).asked, 2);
	assert_int_equal(number(world->pg, "", &test_node_count), 2);
	assert_int_equal(join(world, "new-1", &after).asked, 2);
}

static void what_old_nodes_cannot_live_with_waits_for_them_and_keeps_them_out(void **state)
{
	(void)state;
	world_run(contract_body);
}

static uint64_t generation(struct world *world, const char *run_id)
{
	uint64_t ret = 0;
	struct err err;

	assert_int_equal(pg_generation(world->pg, str_of(run_id), &ret, &err), ERR_OK);
	return ret;
}

static void generation_body(struct world *world)
{
	uint64_t first = generation(world, "run-1"), second = generation(world, "run-2");

	assert_true(first >= 1 && second == first + 1);
	assert_int_equal(generation(world, "run-1"), first);
	assert_int_equal(generation(world, "run-2"), second);
	assert_int_equal(generation(world, "run-3"), second + 1);
}

static void a_run_id_keeps_its_generation_and_a_new_one_gets_the_next(void **state)
{
	(void)state;
	world_run(generation_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_travel_unchanged),
		cmocka_unit_test(empty_is_not_null),
		cmocka_unit_test(a_value_larger_than_any_socket_buffer_goes_both_ways),
		cmocka_unit_test(a_command_tells_how_many_rows_it_touched),
		cmocka_unit_test(an_error_is_told_by_its_state_and_leaves_the_pool_clean),
		cmocka_unit_test(two_queries_of_one_name_are_two_statements),
		cmocka_unit_test(a_changed_schema_costs_one_retry),
		cmocka_unit_test(a_statement_is_planned_once_unless_it_says_otherwise),
		cmocka_unit_test(a_committed_transaction_is_seen_and_an_open_one_is_not),
		cmocka_unit_test(what_is_rolled_back_or_left_open_never_happened),
		cmocka_unit_test(a_transaction_with_an_error_cannot_be_committed),
		cmocka_unit_test(a_transaction_without_a_query_costs_nothing),
		cmocka_unit_test(a_tenant_sees_and_changes_only_what_is_its_own),
		cmocka_unit_test(a_look_sees_what_its_tenant_sees_and_leaves_no_tenant_behind),
		cmocka_unit_test(without_a_tenant_nothing_is_seen),
		cmocka_unit_test(audit_can_only_be_added_to),
		cmocka_unit_test(two_hundred_fibers_share_four_connections_each_as_its_own_tenant),
		cmocka_unit_test(migrations_run_once_however_many_start_them),
		cmocka_unit_test(a_changed_file_is_refused_and_a_broken_one_leaves_nothing),
		cmocka_unit_test(what_old_nodes_cannot_live_with_waits_for_them_and_keeps_them_out),
		cmocka_unit_test(a_run_id_keeps_its_generation_and_a_new_one_gets_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
