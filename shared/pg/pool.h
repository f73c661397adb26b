/* The pool, private to this folder: who gets which connection, and how many there are. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "loop/loop.h"
#include "pg/conn.h"
#include "pg/hosts.h"
#include "pg/names.h"

struct pg_waiter {
	struct fiber_op op;
	struct pg *pg;
	struct pg_hold *hold;
	TAILQ_ENTRY(pg_waiter) link;
};

TAILQ_HEAD(pg_conns, pg_conn);
TAILQ_HEAD(pg_waiters, pg_waiter);

struct pg {
	struct loop *loop;
	char *url;
	struct pg_hosts hosts; /* of it, in the order to try them */
	struct pg_names names; /* of them */
	unsigned pool_max;
	unsigned acquire_timeout_ms;
	unsigned statement_timeout_ms;

	struct pg_conns conns[PG_CONN_STATES];
	unsigned counts[PG_CONN_STATES];
	struct pg_waiters waiters;
	unsigned waiting;
	LIST_HEAD(pg_joined, pg_tx) joined; /* transactions that their fibers' calls go through */

	unsigned failures; /* connects that failed in a row */
	uint64_t retry_at_ms;
	struct loop_timer retry;
	struct loop_timer shrink;
	bool suspect;        /* something was lost or timed out, and nothing has worked since */
	uint64_t good_at_ms; /* 0: never */
	char last_error[ERR_MSG_MAX];
};

/* Wait for a connection. On ERR_OK hold->conn is set (and may be lost any later turn). */
enum err_code pg_pool_acquire(struct pg *pg, struct pg_hold *hold, struct err *err) MUST_CHECK;

void pg_pool_insert(struct pg_conn *conn, enum pg_conn_state state);
void pg_pool_remove(struct pg_conn *conn);
void pg_pool_move(struct pg_conn *conn, enum pg_conn_state state);
/* A clean connection without a holder: to the first waiter, or idle. */
void pg_pool_ready(struct pg_conn *conn);
/* A new connection works. Said before pg_pool_ready(). */
void pg_pool_connected(struct pg *pg);
/* A connection was condemned: note why, replace it if it is needed. connecting: it never worked. */
void pg_pool_lost(struct pg *pg, bool connecting);
void pg_pool_note_error(struct pg *pg, const char *why);
