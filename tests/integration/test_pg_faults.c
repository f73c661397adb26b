/* The pool when things go wrong: exhaustion, cancel, deadlines, a server that ends or freezes. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "metric/metric.h"
#include "pg/durable.h"
#include "pg/hosts.h"
#include "pg_world.h"

SQL(test_one, "SELECT 1");
SQL(test_sleep, "SELECT pg_sleep(30)");
SQL(test_pid, "SELECT pg_backend_pid()");
SQL(test_sleepers, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                   "query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()");
SQL(test_kill_sleepers, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                        "state = 'active' AND query LIKE '%pg_sleep(30)%' AND "
                        "pid <> pg_backend_pid()");

struct sleeper {
	struct world *world;
	struct pg *pg;
	const struct text *query;
	enum err_code code;
	struct err err;
	bool ended;
};

static void sleeper_main(void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->code = attempt(sleeper->pg, "ta", sleeper->query, NULL, &sleeper->err);
	sleeper->ended = true;
}

static struct fiber *sleep_on(struct sleeper *sleeper)
{
	return fiber_start(sleeper->world->loop, &sleeper->world->group, "sleeper", sleeper_main,
	                   sleeper);
}

static bool one_sleeps(struct world *world)
{
	return number(world->admin, "", &test_sleepers) == 1;
}

static bool none_sleeps(struct world *world)
{
	return number(world->admin, "", &test_sleepers) == 0;
}

static void works(struct pg *pg)
{
	assert_int_equal(number(pg, "ta", &test_one), 1);
}

/* ---- the pool ---- */

static void exhausted_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 100, 5000);
	const struct metric_series *wait = &metric_plain[METRIC_PG_POOL_WAIT];
	struct pg_tx *tx = NULL;
	double waited;
	struct err err;

	assert_int_equal(pg_begin(pg, "ta", &tx, &err), ERR_OK);
	waited = wait->value;
	assert_int_equal(attempt(pg, "ta", &test_one, NULL, &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "no connection was free in 100 ms"));
	assert_int_equal(pg_stats(pg).waiting, 0);
	assert_int_equal(pg_stats(pg).active, pg_stats(pg).max);
	assert_true(wait->value - waited > 90000);
	pg_rollback(tx);
	works(pg);
	pg_free(pg);
}

static void a_full_pool_is_waited_for_only_so_long(void **state)
{
	(void)state;
	world_run(exhausted_body);
}

struct order {
	struct world *world;
	struct pg *pg;
	int *next;
	int got;
};

static void order_main(void *arg)
{
	struct order *order = arg;

	works(order->pg);
	order->got = (*order->next)++;
}

static void fifo_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 5000, 5000);
	struct order orders[5];
	struct pg_tx *tx = NULL;
	int next = 0;
	struct err err;

	assert_int_equal(pg_begin(pg, "ta", &tx, &err), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		orders[i] = (struct order){ world, pg, &next, -1 };
		(void)fiber_start(world->loop, &world->group, "order", order_main, &orders[i]);
	}
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_int_equal(pg_stats(pg).waiting, 5);
	pg_rollback(tx);
	assert_int_equal(fiber_group_wait(&world->group, 5000), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		assert_int_equal(orders[i].got, i);
	}
	pg_free(pg);
}

static void who_waits_first_is_served_first(void **state)
{
	(void)state;
	world_run(fifo_body);
}

static void free_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 5000, 5000);
	struct sleeper sleepers[] = { { world, pg, &test_sleep, ERR_OK, { 0 }, false },
		                      { world, pg, &test_one, ERR_OK, { 0 }, false } };
	struct pg *other = world_pool(world, 1, 5000, 5000);
	struct pg_tx *tx = NULL;
	struct err err;

	(void)sleep_on(&sleepers[0]);
	await(one_sleeps, world);
	(void)sleep_on(&sleepers[1]);
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_int_equal(pg_stats(pg).waiting, 1);
	pg_free(pg);
	assert_int_equal(fiber_group_wait(&world->group, 1000), ERR_OK);
	assert_int_equal(sleepers[0].code, ERR_CANCELLED);
	assert_int_equal(sleepers[1].code, ERR_CANCELLED);
	/* A transaction may outlive its pool. */
	assert_int_equal(pg_begin(other, "ta", &tx, &err), ERR_OK);
	pg_free(other);
	assert_int_equal(pg_tx_query(tx, &test_one, NULL, NULL, &err), ERR_UNAVAILABLE);
	pg_rollback(tx);
	await(none_sleeps, world); /* or the next test takes it for its own */
}

static void freeing_the_pool_ends_what_is_in_flight_and_what_waits(void **state)
{
	(void)state;
	world_run(free_body);
}

/* It takes connections, and is silent: what a frozen server looks like. */
static int silent_server(unsigned *ret_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static void silent_first_body(struct world *world)
{
	struct pg_options options = { .pool_max = 1, .acquire_timeout_ms = 30000 };
	char url[256];
	unsigned port;
	int fd = silent_server(&port);
	struct pg *pg;

	/* TEST_PG_URL is postgresql://fairlead@127.0.0.1:PORT/fairlead */
	(void)snprintf(url, sizeof(url),
	               "postgresql://fairlead@127.0.0.1:%u,%s?target_session_attrs=read-write",
	               port, strchr(getenv("TEST_PG_URL"), '@') + 1);
	options.url = url;
	pg = pg_new(world->loop, &options);
	works(pg);
	pg_free(pg);
	(void)close(fd);
}

static void a_server_that_takes_connections_and_is_silent_is_passed(void **state)
{
	(void)state;
	world_run(silent_first_body);
}

static void refused_body(struct world *world)
{
	struct pg_options options = { "postgresql://fairlead@127.0.0.1:1/fairlead", 4, 400, 500 };
	struct pg *pg = pg_new(world->loop, &options);
	struct err err;

	assert_int_equal(attempt(pg, "ta", &test_one, NULL, &err), ERR_UNAVAILABLE);
	assert_false(pg_available(pg));
	assert_true(pg_stats(pg).connecting <= 1);
	pg_free(pg);
	options.url = "postgresql://fairlead@127.0.0.1:notaport/fairlead";
	pg = pg_new(world->loop, &options);
	assert_int_equal(attempt(pg, "ta", &test_one, NULL, &err), ERR_UNAVAILABLE);
	pg_free(pg);
}

static void a_server_that_is_not_there_is_unavailable(void **state)
{
	(void)state;
	world_run(refused_body);
}

/* ---- giving up ---- */

static void cancel_body(struct world *world)
{
	/* The statement's own limit is far away: only the client's hanging up can end it. */
	struct pg *pg = world_pool(world, 4, 5000, 60000);
	struct sleeper sleeper = { world, pg, &test_sleep, ERR_OK, { 0 }, false };
	struct fiber *fiber = sleep_on(&sleeper);

	await(one_sleeps, world);
	fiber_cancel(fiber, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, 1000), ERR_OK);
	assert_int_equal(sleeper.code, ERR_CANCELLED);
	assert_int_equal(pg_stats(pg).active, 0);
	assert_true(pg_available(pg));
	works(pg);
	await(none_sleeps, world); /* the server stops working for nobody */
	pg_free(pg);
}

static void a_cancelled_query_is_given_up_here_and_on_the_server(void **state)
{
	(void)state;
	world_run(cancel_body);
}

static void cancelled_first_main(void *arg)
{
	struct sleeper *sleeper = arg;

	assert_int_equal(fiber_sleep(10000), ERR_CANCELLED);
	sleeper_main(sleeper);
}

static void cancelled_first_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 5000, 5000);
	struct sleeper sleeper = { world, pg, &test_one, ERR_OK, { 0 }, false };
	uint64_t pid = number(pg, "", &test_pid);
	struct fiber *fiber = fiber_start(world->loop, &world->group, "cancelled",
	                                  cancelled_first_main, &sleeper);

	fiber_cancel(fiber, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, 1000), ERR_OK);
	assert_int_equal(sleeper.code, ERR_CANCELLED);
	assert_int_equal(number(pg, "", &test_pid), pid);
	pg_free(pg);
}

static void a_fiber_cancelled_before_costs_no_connection(void **state)
{
	(void)state;
	world_run(cancelled_first_body);
}

static void rollback_main(void *arg)
{
	struct sleeper *sleeper = arg;
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;

	assert_int_equal(pg_begin(sleeper->pg, "ta", &tx, &sleeper->err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &test_one, NULL, NULL, &sleeper->err), ERR_OK);
	assert_int_equal(fiber_sleep(10000), ERR_CANCELLED);
	sleeper->code = pg_tx_query(tx, &test_one, NULL, NULL, &sleeper->err);
	sleeper->ended = true;
}

static bool all_idle(struct world *world)
{
	return pg_stats(world->pg).active == 0 && pg_stats(world->pg).idle > 0;
}

static void cancelled_rollback_body(struct world *world)
{
	struct sleeper sleeper = { world, world->pg, NULL, ERR_OK, { 0 }, false };
	uint64_t pid = number(world->pg, "", &test_pid);
	struct fiber *fiber =
		fiber_start(world->loop, &world->group, "tx", rollback_main, &sleeper);

	assert_int_equal(fiber_sleep(50), ERR_OK);
	assert_int_equal(pg_stats(world->pg).active, 1);
	fiber_cancel(fiber, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, 1000), ERR_OK);
	assert_int_equal(sleeper.code, ERR_CANCELLED);
	await(all_idle, world);
	/* The connection was cleaned, not thrown away. */
	assert_int_equal(number(world->pg, "", &test_pid), pid);
}

static void a_cancelled_fiber_rolls_back_and_leaves_its_connection_clean(void **state)
{
	(void)state;
	world_run(cancelled_rollback_body);
}

static void statement_timeout_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 5000, 150);
	uint64_t began = clock_mono_ms();
	struct pg_tx *tx = NULL;
	struct err err;

	assert_int_equal(attempt(pg, "ta", &test_sleep, NULL, &err), ERR_TIMEOUT);
	assert_non_null(strstr(err.msg, "57014"));
	assert_true(clock_mono_ms() - began < 1000);
	assert_int_equal(pg_begin(pg, "ta", &tx, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &test_sleep, NULL, NULL, &err), ERR_TIMEOUT);
	assert_int_equal(pg_commit(tx, &err), ERR_TIMEOUT);
	works(pg);
	pg_free(pg);
}

static void the_server_ends_a_statement_that_takes_too_long(void **state)
{
	(void)state;
	world_run(statement_timeout_body);
}

static bool is_available(struct world *world)
{
	return pg_available(world->pg);
}

/* A frozen backend answers nothing, not even that it is out of time. */
static void frozen_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 5000, 150);
	struct pg *own = world->pg;
	pid_t pid = (pid_t)number(pg, "", &test_pid);
	struct err err;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(attempt(pg, "ta", &test_one, NULL, &err), ERR_UNKNOWN);
	assert_non_null(strstr(err.msg, "no answer in"));
	assert_false(pg_available(pg));
	works(pg);
	world->pg = pg;
	await(is_available, world);
	world->pg = own;
	assert_int_equal(kill(pid, SIGCONT), 0);
	pg_free(pg);
}

static void a_frozen_backend_is_left_behind(void **state)
{
	(void)state;
	world_run(frozen_body);
}

/* ---- losing the server ---- */

static void terminated_body(struct world *world)
{
	struct sleeper sleeper = { world, world->pg, &test_sleep, ERR_OK, { 0 }, false };

	(void)sleep_on(&sleeper);
	await(one_sleeps, world);
	tell(world->admin, "", &test_kill_sleepers, NULL);
	assert_int_equal(fiber_group_wait(&world->group, 5000), ERR_OK);
	/* The server said so before the COMMIT behind it could run. */
	assert_int_equal(sleeper.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(sleeper.err.msg, "57P01"));
	works(world->pg);
}

static void a_terminated_backend_is_unavailable_and_replaced(void **state)
{
	(void)state;
	world_run(terminated_body);
}

static bool one_more_killed(struct world *world)
{
	SQL(test_kill_fairlead, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
	                        "WHERE usename = 'fairlead'");

	return number(world->admin, "", &test_kill_fairlead) >= 1;
}

static void idle_lost_body(struct world *world)
{
	works(world->pg);
	for (int i = 0; i < 20; i++) {
		await(one_more_killed, world);
	}
	await(is_available, world);
	await(all_idle, world);
}

static void idle_connections_that_are_lost_are_replaced_unasked(void **state)
{
	(void)state;
	world_run(idle_lost_body);
}

/* The loop had no turn since the backend ended: only a look before use can tell. */
static void stale_body(struct world *world)
{
	struct pg *pg = world_pool(world, 1, 5000, 5000);
	char command[128];

	(void)snprintf(command, sizeof(command),
	               "kill -TERM %d && while kill -0 %d 2>/dev/null; do sleep 0.01; done",
	               (int)number(pg, "", &test_pid), (int)number(pg, "", &test_pid));
	assert_int_equal(system(command), 0);
	works(pg);
	pg_free(pg);
}

static void an_idle_connection_is_looked_at_before_it_is_used(void **state)
{
	(void)state;
	world_run(stale_body);
}

static void open_tx_body(struct world *world)
{
	SQL(test_kill_in_tx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
	                     "state = 'idle in transaction'");
	struct pg_tx *tx = NULL;
	struct err err;

	assert_int_equal(pg_begin(world->pg, "ta", &tx, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &test_one, NULL, NULL, &err), ERR_OK);
	tell(world->admin, "", &test_kill_in_tx, NULL);
	assert_int_equal(fiber_sleep(50), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &test_one, NULL, NULL, &err), ERR_UNAVAILABLE);
	assert_int_equal(pg_commit(tx, &err), ERR_UNAVAILABLE);
	works(world->pg);
}

static void a_transaction_that_lost_its_connection_was_rolled_back_for_sure(void **state)
{
	(void)state;
	world_run(open_tx_body);
}

/* ---- a COMMIT without an answer ---- */

SQL(test_slow_table, "CREATE TABLE test_slow (a int)");
SQL(test_slow_function, "CREATE FUNCTION test_slow_commit() RETURNS trigger LANGUAGE plpgsql AS "
                        "$f$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $f$");
SQL(test_slow_trigger, "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON test_slow DEFERRABLE "
                       "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test_slow_commit()");
SQL(test_slow_insert, "INSERT INTO test_slow VALUES (1)");
SQL(test_committing, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COMMIT%' AND "
                     "wait_event = 'PgSleep'");
SQL(test_kill_committing, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                          "query LIKE '%COMMIT%' AND wait_event = 'PgSleep'");

static bool one_commits(struct world *world)
{
	return number(world->admin, "", &test_committing) == 1;
}

static void commit_main(void *arg)
{
	struct sleeper *sleeper = arg;
	struct pg_tx *tx = NULL;
	struct err err;

	assert_int_equal(pg_begin(sleeper->pg, "ta", &tx, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, sleeper->query, NULL, NULL, &err), ERR_OK);
	sleeper->code = pg_commit(tx, &sleeper->err);
	sleeper->ended = true;
}

static void lost_commit_body(struct world *world)
{
	struct sleeper tx = { world, world->pg, &test_slow_insert, ERR_OK, { 0 }, false };
	struct sleeper single = tx;

	tell(world->pg, "", &test_slow_table, NULL);
	tell(world->pg, "", &test_slow_function, NULL);
	tell(world->pg, "", &test_slow_trigger, NULL);
	(void)fiber_start(world->loop, &world->group, "commit", commit_main, &tx);
	await(one_commits, world);
	tell(world->admin, "", &test_kill_committing, NULL);
	assert_int_equal(fiber_group_wait(&world->group, 5000), ERR_OK);
	assert_int_equal(tx.code, ERR_UNKNOWN);
	(void)sleep_on(&single);
	await(one_commits, world);
	tell(world->admin, "", &test_kill_committing, NULL);
	assert_int_equal(fiber_group_wait(&world->group, 5000), ERR_OK);
	assert_int_equal(single.code, ERR_UNKNOWN);
	works(world->pg);
}

static void a_commit_that_lost_its_connection_is_unknown(void **state)
{
	(void)state;
	world_run(lost_commit_body);
}

/* ---- the whole server ---- */

static void control(const char *verb)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "%s %s", getenv("TEST_PG_CTL"), verb);
	assert_int_equal(system(command), 0);
}

static bool is_down(struct world *world)
{
	return !pg_available(world->pg);
}

enum { TOGETHER = 3 };

struct meeting {
	struct world *world;
	unsigned *here;
	enum err_code code;
};

/* Holds a transaction until all of them have one. */
static void meeting_main(void *arg)
{
	struct meeting *meeting = arg;
	struct pg_tx *tx = NULL;
	struct err err;

	meeting->code = pg_begin(meeting->world->pg, "ta", &tx, &err);
	if (meeting->code != ERR_OK) {
		return;
	}
	(*meeting->here)++;
	while (*meeting->here < TOGETHER && fiber_sleep(10) == ERR_OK) {
	}
	pg_rollback(tx);
}

static void all_wait_through_a_restart(struct world *world)
{
	struct meeting meetings[TOGETHER];
	unsigned here = 0;

	for (size_t i = 0; i < TOGETHER; i++) {
		meetings[i] = (struct meeting){ world, &here, ERR_BACKEND };
		(void)fiber_start(world->loop, &world->group, "meeting", meeting_main,
		                  &meetings[i]);
	}
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_int_equal(fiber_yield(), ERR_OK);
	assert_int_equal(pg_stats(world->pg).waiting, TOGETHER);
	control("start");
	assert_int_equal(fiber_group_wait(&world->group, 30000), ERR_OK);
	assert_int_equal(here, TOGETHER);
}

static void of_several_that_find_a_server_silent_one_makes_the_next_one_the_first(void **state)
{
	struct pg_hosts hosts;
	unsigned turned;

	(void)state;
	pg_hosts_init(&hosts, "postgresql://a:1,b:2,c:3/x");
	turned = hosts.turned;
	pg_hosts_turn(&hosts, turned);
	pg_hosts_turn(&hosts, turned);
	assert_string_equal(hosts.host, "b,c,a");
	assert_string_equal(hosts.port, "2,3,1");
	pg_hosts_turn(&hosts, hosts.turned);
	assert_string_equal(hosts.host, "c,a,b");
	pg_hosts_fini(&hosts);
}

/* ---- a standby ---- */

SQL(test_note_table, "CREATE TABLE IF NOT EXISTS failover_notes (n bigint)");
SQL(test_note, "INSERT INTO failover_notes VALUES ($1::bigint)");
SQL(test_notes, "SELECT count(DISTINCT n) FROM failover_notes");
SQL(test_synchronous,
    "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'");

static bool has_standby(struct world *world)
{
	return number(world->admin, "", &test_synchronous) == 1;
}

static struct pg *pool_of_both(struct world *world, unsigned standby_port)
{
	struct pg_options options = { .pool_max = 2, .acquire_timeout_ms = 30000 };
	const char *primary = strchr(getenv("TEST_PG_URL"), '@') + 1;
	char url[256];

	(void)snprintf(url, sizeof(url),
	               "postgresql://fairlead@127.0.0.1:%u,%s?target_session_attrs=read-write",
	               standby_port, primary);
	options.url = url;
	return pg_new(world->loop, &options);
}

static void promoted_body(struct world *world)
{
	uint64_t noted = 0;
	unsigned port;
	char verb[32];
	struct pg *pg;
	int fd = silent_server(&port);

	(void)close(fd); /* for its port */
	(void)snprintf(verb, sizeof(verb), "standby %u", port);
	control(verb);
	control("set synchronous_standby_names \"'*'\"");
	await(has_standby, world);
	pg = pool_of_both(world, port);
	tell(pg, "", &test_note_table, NULL);
	while (noted < 50) {
		char n[24];

		(void)snprintf(n, sizeof(n), "%u", (unsigned)noted);
		tell(pg, "", &test_note, (const char *const[]){ n, NULL });
		noted++;
	}
	control("kill");
	control("promote");
	assert_int_equal(number(pg, "", &test_notes), noted);
	tell(pg, "", &test_note, (const char *const[]){ "50", NULL });
	assert_int_equal(number(pg, "", &test_notes), noted + 1);
	pg_free(pg);
}

static void a_standby_that_is_promoted_is_found_with_all_that_was_committed(void **state)
{
	(void)state;
	world_run(promoted_body);
}

/* Everything in flight ends when the server does; when it is back, so is the pool. */
static void down_and_up(struct world *world, const char *how)
{
	struct sleeper sleeper = { world, world->pg, &test_sleep, ERR_OK, { 0 }, false };
	struct err err;

	works(world->pg);
	(void)sleep_on(&sleeper);
	await(one_sleeps, world);
	control(how);
	assert_int_equal(fiber_group_wait(&world->group, 5000), ERR_OK);
	assert_true(sleeper.code == ERR_UNKNOWN || sleeper.code == ERR_UNAVAILABLE);
	await(is_down, world);
	fiber_set_deadline(clock_mono_ms() + 300);
	assert_int_equal(attempt(world->pg, "ta", &test_one, NULL, &err), ERR_UNAVAILABLE);
	fiber_set_deadline(0);
	all_wait_through_a_restart(world);
	await(is_available, world);
	works(world->pg);
}

static void killed_body(struct world *world)
{
	down_and_up(world, "kill");
	down_and_up(world, "stop");
}

static void the_pool_survives_a_server_that_is_killed_and_one_that_is_restarted(void **state)
{
	(void)state;
	world_run(killed_body);
}

/* ---- what the programs refuse ---- */

static bool is_durable(struct world *world)
{
	struct err err;

	return pg_check_durable(world->pg, &err) == ERR_OK;
}

static void durable_body(struct world *world)
{
	SQL(test_lazy, "ALTER ROLE fairlead SET synchronous_commit = off");
	SQL(test_eager, "ALTER ROLE fairlead RESET synchronous_commit");
	struct pg *own = world->pg, *lazy;
	struct err err;

	assert_int_equal(pg_check_durable(own, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "fsync is off"));
	control("set fsync on");
	control("set full_page_writes on");
	await(is_durable, world);
	tell(world->admin, "", &test_lazy, NULL);
	lazy = world_pool(world, 1, 5000, 5000);
	assert_int_equal(pg_check_durable(lazy, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "synchronous_commit is off"));
	tell(world->admin, "", &test_eager, NULL);
	pg_free(lazy);
}

static void a_server_that_may_forget_a_commit_is_refused(void **state)
{
	(void)state;
	world_run(durable_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_pool_is_waited_for_only_so_long),
		cmocka_unit_test(who_waits_first_is_served_first),
		cmocka_unit_test(freeing_the_pool_ends_what_is_in_flight_and_what_waits),
		cmocka_unit_test(a_server_that_takes_connections_and_is_silent_is_passed),
		cmocka_unit_test(a_server_that_is_not_there_is_unavailable),
		cmocka_unit_test(a_cancelled_query_is_given_up_here_and_on_the_server),
		cmocka_unit_test(a_fiber_cancelled_before_costs_no_connection),
		cmocka_unit_test(a_cancelled_fiber_rolls_back_and_leaves_its_connection_clean),
		cmocka_unit_test(the_server_ends_a_statement_that_takes_too_long),
		cmocka_unit_test(a_frozen_backend_is_left_behind),
		cmocka_unit_test(a_terminated_backend_is_unavailable_and_replaced),
		cmocka_unit_test(idle_connections_that_are_lost_are_replaced_unasked),
		cmocka_unit_test(an_idle_connection_is_looked_at_before_it_is_used),
		cmocka_unit_test(a_transaction_that_lost_its_connection_was_rolled_back_for_sure),
		cmocka_unit_test(a_commit_that_lost_its_connection_is_unknown),
		cmocka_unit_test(
			the_pool_survives_a_server_that_is_killed_and_one_that_is_restarted),
		cmocka_unit_test(a_server_that_may_forget_a_commit_is_refused),
		cmocka_unit_test(
			of_several_that_find_a_server_silent_one_makes_the_next_one_the_first),
		/* The last one: it leaves the server dead. */
		cmocka_unit_test(a_standby_that_is_promoted_is_found_with_all_that_was_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
