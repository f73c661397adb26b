/*
 * One libpq connection, private to this folder.
 *
 * It does one job at a time: steps sent together in pipeline mode and closed by a Sync, so a
 * job is one round trip.  Nothing here waits; pool.c decides who gets a connection and call.c
 * lets a fiber wait for a job.
 *
 * Whoever uses a connection has a struct pg_hold; it is emptied when the connection is lost,
 * which can happen at any turn of the loop.  A connection is closed and freed on a later turn
 * than the one that condemned it, because libpq's and libevent's frames may still be above.
 *
 * https://www.postgresql.org/docs/15/libpq-pipeline-mode.html
 */
#pragma once

#include <event2/event_struct.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/text.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"

struct map;
struct pg_conn;

enum pg_conn_state {
	PG_CONN_CONNECTING,
	PG_CONN_IDLE,
	PG_CONN_ACTIVE, /* held by someone, or rolling back what was left open */
	PG_CONN_DYING,
	PG_CONN_STATES
};

struct pg_hold {
	struct pg_conn *conn; /* NULL: lost or given back */
};

/* What a fiber waits for. Lives on its stack. */
struct pg_call {
	struct fiber_op op;
	struct pg_conn *conn; /* while in flight */
	PGresult *rows;       /* of the kept step, the caller's */
};

enum pg_job_kind {
	PG_JOB_SETUP,    /* right after connecting */
	PG_JOB_CALL,     /* a struct pg_call waits for it */
	PG_JOB_ROLLBACK, /* cleaning up; nobody waits */
};

enum { PG_STEPS_MAX = 14, PG_STEP_NONE = PG_STEPS_MAX + 1 };

struct pg_step {
	const struct text *text;
	bool prepare;
};

struct pg_job {
	enum pg_job_kind kind;
	bool running;
	bool script;  /* simple protocol, several statements, outside pipeline mode */
	bool broken;  /* libpq refused to take a step */
	bool release; /* give the connection back when the job is done */
	bool retire;  /* the answer said that this connection is of no use any more */
	bool committed;
	struct pg_step steps[PG_STEPS_MAX];
	unsigned count, at;
	unsigned keep;   /* index of the step whose rows are wanted */
	unsigned commit; /* index of the COMMIT, PG_STEP_NONE without one */
	struct pg_call *call;
	PGresult *rows;
	struct err err; /* the first error the server answered with */
};

struct pg_conn {
	TAILQ_ENTRY(pg_conn) link; /* in pg->conns[state] */
	struct pg *pg;
	enum pg_conn_state state;
	PGconn *libpq;
	unsigned turned; /* pg->hosts, when it began to connect */
	unsigned round;  /* of pg->names that it waits for; 0: it waits for none */
	bool is_late;    /* and has waited for a while */
	struct event in, out;
	struct loop_timer timer; /* limits connecting and rolling back */
	struct loop_task bury;
	struct map *prepared; /* statement names this server session knows */
	struct pg_hold *hold;
	uint64_t idle_since_ms;
	struct err last_words; /* a FATAL message that came while nothing was asked */
	struct pg_job job;
};

/* Start connecting; the outcome is pg_pool_ready() or pg_pool_lost(), the latter perhaps at once.
 * Names of hosts are looked up first, beside the loop; one that takes long is done without when
 * there are others. (libpq itself, and so the loop, waits for those that only PGHOST or a service
 * file names.) */
void pg_conn_open(struct pg *pg);
/* A round of pg->names is answered. */
void pg_conn_named(struct pg *pg);

/* Look at an idle connection before it is used: a server that went away may have said so. False:
 * condemned. */
bool pg_conn_usable(struct pg_conn *conn);

void pg_job_begin(struct pg_conn *conn, enum pg_job_kind kind);
/* Add the PREPARE of a statement, unless this server session has seen it. */
void pg_job_prepare(struct pg_conn *conn, const struct text *text);
/* Add a statement, with its PREPARE when this server session has not seen it, and what has it
 * planned each time if it says so. params may be NULL. */
void pg_job_add(struct pg_conn *conn, const struct text *text, const struct pg_params *params);
/* The rows of the statement added last are wanted. */
void pg_job_keep(struct pg_conn *conn);
void pg_job_add_commit(struct pg_conn *conn);
/* Instead of begin and add: a whole migration file. */
void pg_job_begin_script(struct pg_conn *conn, const struct text *text);
void pg_job_send(struct pg_conn *conn);
/* End the job of a connection that is being closed; what it was waiting for gets its error. */
void pg_job_fail(struct pg_conn *conn, enum err_code code, const char *why);

/* Roll back in the background, then give the connection back to the pool. */
void pg_conn_clean(struct pg_conn *conn);
/* Take it from its holder and close it on a later turn; harmless when repeated. */
void pg_conn_condemn(struct pg_conn *conn);
void pg_conn_free(struct pg_conn *conn);

/* SQLSTATE to error code; the only place that knows them. */
enum err_code pg_state_code(const char *sqlstate);
/* The connection itself is of no use after this answer (schema changed under a plan, read-only
 * standby...). */
bool pg_state_retires(const char *sqlstate);
