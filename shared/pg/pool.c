#include "pg/pool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "metric/metric.h"

enum {
	DEFAULT_STATEMENT_TIMEOUT_MS = 5000,
	DEFAULT_ACQUIRE_TIMEOUT_MS = 5000,
	BACKOFF_MIN_MS = 50,
	BACKOFF_MAX_MS = 2000,
	SHRINK_EVERY_MS = 5000,
	IDLE_MAX_MS = 30000,
};

void pg_pool_remove(struct pg_conn *conn)
{
	TAILQ_REMOVE(&conn->pg->conns[conn->state], conn, link);
	conn->pg->counts[conn->state]--;
	if (conn->state == PG_CONN_ACTIVE) {
		metric_dec(METRIC_PG_POOL_IN_USE, NULL);
	}
}

void pg_pool_insert(struct pg_conn *conn, enum pg_conn_state state)
{
	conn->state = state;
	/* The one used last is used next: those the load does not need grow old and are closed. */
	TAILQ_INSERT_HEAD(&conn->pg->conns[state], conn, link);
	conn->pg->counts[state]++;
	if (state == PG_CONN_ACTIVE) {
		metric_inc(METRIC_PG_POOL_IN_USE, NULL);
	}
}

void pg_pool_move(struct pg_conn *conn, enum pg_conn_state state)
{
	pg_pool_remove(conn);
	pg_pool_insert(conn, state);
}

static void queue_remove(struct pg_waiter *waiter)
{
	TAILQ_REMOVE(&waiter->pg->waiters, waiter, link);
	waiter->pg->waiting--;
	metric_dec(METRIC_PG_POOL_WAITING, NULL);
}

static unsigned living(const struct pg *pg)
{
	return pg->counts[PG_CONN_CONNECTING] + pg->counts[PG_CONN_IDLE] +
	       pg->counts[PG_CONN_ACTIVE];
}

/* How many connections should be under way now. */
static unsigned wanted(const struct pg *pg)
{
	if (pg->failures > 0) {
		return 1; /* one probe at a time until the server is back */
	}
	if (pg->waiting > 0) {
		return pg->waiting;
	}
	return living(pg) == 0 || pg->suspect ? 1 : 0;
}

static void grow(struct pg *pg)
{
	uint64_t now = clock_mono_ms();

	if (pg->failures > 0 && now < pg->retry_at_ms) {
		loop_timer_set(&pg->retry, pg->retry_at_ms - now);
		return;
	}
	/* A failure at once sets failures and the time to retry: one look at a time. */
	while (pg->counts[PG_CONN_CONNECTING] < wanted(pg) && living(pg) < pg->pool_max) {
		unsigned failures = pg->failures;

		pg_conn_open(pg);
		if (pg->failures != failures) {
			return;
		}
	}
}

static void on_retry(struct loop_timer *timer)
{
	grow(CONTAINER_OF(timer, struct pg, retry));
}

static void on_shrink(struct loop_timer *timer)
{
	struct pg *pg = CONTAINER_OF(timer, struct pg, shrink);
	uint64_t now = clock_mono_ms();
	struct pg_conn *oldest;

	while (living(pg) > 1 &&
	       (oldest = TAILQ_LAST(&pg->conns[PG_CONN_IDLE], pg_conns)) != NULL &&
	       now - oldest->idle_since_ms > IDLE_MAX_MS) {
		pg_conn_condemn(oldest);
	}
	loop_timer_set(&pg->shrink, SHRINK_EVERY_MS);
}

static void hand_over(struct pg_conn *conn, struct pg_hold *hold)
{
	pg_pool_move(conn, PG_CONN_ACTIVE);
	conn->hold = hold;
	hold->conn = conn;
}

void pg_pool_ready(struct pg_conn *conn)
{
	struct pg *pg = conn->pg;
	struct pg_waiter *waiter = TAILQ_FIRST(&pg->waiters);

	pg->failures = 0;
	pg->suspect = false;
	pg->good_at_ms = clock_mono_ms();
	if (waiter != NULL) {
		queue_remove(waiter);
		hand_over(conn, waiter->hold);
		fiber_op_done(&waiter->op, NULL);
	} else {
		conn->idle_since_ms = pg->good_at_ms;
		pg_pool_move(conn, PG_CONN_IDLE);
	}
	grow(pg); /* after failures only one was tried: the others who wait need theirs */
}

void pg_pool_connected(struct pg *pg)
{
	if (pg->failures > 0 || pg->suspect) {
		metric_inc(METRIC_PG_RECONNECTS, NULL);
		log_info("pg.connected", "after_failures=%u", pg->failures);
	}
}

void pg_pool_lost(struct pg *pg, bool connecting)
{
	if (connecting) {
		unsigned shift = pg->failures < 6 ? pg->failures : 6;
		uint32_t backoff = (uint32_t)BACKOFF_MIN_MS << shift;

		/* Every 16th is enough to see that it goes on. */
		if (pg->failures % 16 == 0) {
			log_warn("pg.unreachable", "failures=%u %s", pg->failures + 1,
			         pg->last_error);
		}
		if (backoff > BACKOFF_MAX_MS) {
			backoff = BACKOFF_MAX_MS;
		}
		pg->failures++;
		/* Spread, so that the processes of a restarted system do not come in step. */
		pg->retry_at_ms = clock_mono_ms() + backoff / 2 + arc4random_uniform(backoff / 2);
	}
	grow(pg);
}

void pg_pool_note_error(struct pg *pg, const char *why)
{
	size_t n = strcspn(why, "\n");

	pg->suspect = true;
	n = n < sizeof(pg->last_error) ? n : sizeof(pg->last_error) - 1;
	(void)str_copy(pg->last_error, sizeof(pg->last_error), str_make(why, n));
}

/* ---- waiting for a connection ---- */

static void abandon_wait(struct fiber_op *op)
{
	queue_remove(CONTAINER_OF(op, struct pg_waiter, op));
}

static struct pg_conn *take_idle(struct pg *pg)
{
	struct pg_conn *conn;

	while ((conn = TAILQ_FIRST(&pg->conns[PG_CONN_IDLE])) != NULL) {
		if (pg_conn_usable(conn)) {
			return conn;
		}
	}
	return NULL;
}

enum err_code pg_pool_acquire(struct pg *pg, struct pg_hold *hold, struct err *err)
{
	struct pg_waiter waiter = { .pg = pg, .hold = hold };
	unsigned timeout_ms = pg->acquire_timeout_ms;
	struct pg_conn *conn = take_idle(pg);
	uint64_t began_us;
	enum err_code code;

	if (conn != NULL) {
		hand_over(conn, hold);
		return ERR_OK;
	}
	began_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&pg->waiters, &waiter, link);
	pg->waiting++;
	metric_inc(METRIC_PG_POOL_WAITING, NULL);
	fiber_op_begin(&waiter.op, abandon_wait);
	grow(pg);
	code = fiber_wait(&waiter.op, timeout_ms, err);
	metric_observe_us(METRIC_PG_POOL_WAIT, NULL, clock_mono_us() - began_us);
	if (code == ERR_TIMEOUT) {
		/* Nothing was sent. The pool is not looked at here: it may be gone. */
		return err_set(err, ERR_UNAVAILABLE, "postgres: no connection was free in %u ms",
		               timeout_ms);
	}
	return code;
}

/* ---- the pool ---- */

static void on_names(void *arg)
{
	pg_conn_named(arg);
}

struct pg *pg_new(struct loop *loop, const struct pg_options *options)
{
	struct pg *pg = mem_calloc(1, sizeof(*pg));

	pg->loop = loop;
	pg->url = mem_strdup(options->url);
	pg_hosts_init(&pg->hosts, options->url);
	pg_names_init(&pg->names, loop, &pg->hosts, on_names, pg);
	pg->pool_max = options->pool_max > 0 ? options->pool_max : 1;
	pg->acquire_timeout_ms = options->acquire_timeout_ms > 0 ? options->acquire_timeout_ms
	                                                         : DEFAULT_ACQUIRE_TIMEOUT_MS;
	pg->statement_timeout_ms = options->statement_timeout_ms > 0 ? options->statement_timeout_ms
	                                                             : DEFAULT_STATEMENT_TIMEOUT_MS;
	for (size_t i = 0; i < ARRAY_LEN(pg->conns); i++) {
		TAILQ_INIT(&pg->conns[i]);
	}
	TAILQ_INIT(&pg->waiters);
	loop_timer_init(&pg->retry, loop, on_retry);
	loop_timer_init(&pg->shrink, loop, on_shrink);
	loop_timer_set(&pg->shrink, SHRINK_EVERY_MS);
	grow(pg);
	return pg;
}

static void free_conns(struct pg_conns *conns)
{
	struct pg_conn *conn;

	while ((conn = TAILQ_FIRST(conns)) != NULL) {
		if (conn->job.running) {
			pg_job_fail(conn, ERR_CANCELLED, "shutting down");
		}
		pg_conn_free(conn);
	}
}

void pg_free(struct pg *pg)
{
	struct pg_waiter *waiter;
	struct err err;

	if (pg == NULL) {
		return;
	}
	(void)err_set(&err, ERR_CANCELLED, "postgres: shutting down");
	while ((waiter = TAILQ_FIRST(&pg->waiters)) != NULL) {
		queue_remove(waiter);
		fiber_op_done(&waiter->op, &err);
	}
	for (size_t i = 0; i < ARRAY_LEN(pg->conns); i++) {
		free_conns(&pg->conns[i]);
	}
	loop_timer_clear(&pg->retry);
	loop_timer_clear(&pg->shrink);
	pg_names_fini(&pg->names);
	pg_hosts_fini(&pg->hosts);
	free(pg->url);
	free(pg);
}

bool pg_available(const struct pg *pg)
{
	return pg->good_at_ms != 0 && pg->failures == 0 && !pg->suspect;
}

struct pg_stats pg_stats(const struct pg *pg)
{
	return (struct pg_stats){ .idle = pg->counts[PG_CONN_IDLE],
		                  .active = pg->counts[PG_CONN_ACTIVE],
		                  .connecting = pg->counts[PG_CONN_CONNECTING],
		                  .waiting = pg->waiting,
		                  .max = pg->pool_max };
}
