#include "pg/conn.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "log/log.h"
#include "pg/pool.h"
#include "pg_sql_gen.h"

enum { LOOKUP_PATIENCE_MS = 1000, CONNECT_TIMEOUT_MS = 5000, ROLLBACK_TIMEOUT_MS = 5000 };

static void dial(struct pg_conn *conn);

/* ---- the end of a connection ---- */

static void unwatch(struct pg_conn *conn)
{
	/* Before libpq closes the descriptor, or epoll would forget one that libevent still has. */
	if (event_initialized(&conn->in)) {
		(void)event_del(&conn->in);
	}
	if (event_initialized(&conn->out)) {
		(void)event_del(&conn->out);
	}
}

void pg_conn_free(struct pg_conn *conn)
{
	unwatch(conn);
	loop_timer_clear(&conn->timer);
	loop_undefer(conn->pg->loop, &conn->bury);
	pg_pool_remove(conn);
	if (conn->hold != NULL) {
		conn->hold->conn = NULL;
	}
	PQclear(conn->job.rows);
	PQfinish(conn->libpq);
	map_free(conn->prepared);
	free(conn);
}

static void on_bury(struct loop_task *task)
{
	pg_conn_free(CONTAINER_OF(task, struct pg_conn, bury));
}

void pg_conn_condemn(struct pg_conn *conn)
{
	bool connecting = conn->state == PG_CONN_CONNECTING;

	if (conn->state == PG_CONN_DYING) {
		return;
	}
	assert(!conn->job.running);
	unwatch(conn);
	loop_timer_clear(&conn->timer);
	if (conn->hold != NULL) {
		conn->hold->conn = NULL;
		conn->hold = NULL;
	}
	pg_pool_move(conn, PG_CONN_DYING);
	loop_defer(conn->pg->loop, &conn->bury);
	pg_pool_lost(conn->pg, connecting);
}

/* The connection is lost: say what that means for the job in flight. */
static void conn_lost(struct pg_conn *conn, const char *why)
{
	if (conn->job.running) {
		pg_job_fail(conn, ERR_UNAVAILABLE, why);
	}
	pg_pool_note_error(conn->pg, why);
	if (conn->state != PG_CONN_CONNECTING) {
		log_warn("pg.lost", "%s", conn->pg->last_error);
	}
	pg_conn_condemn(conn);
}

/* Some names may be without an answer yet: those that have one will do. */
static void on_late_names(struct pg_conn *conn)
{
	if (pg_names_found(&conn->pg->names)) {
		dial(conn);
	} else if (conn->is_late) {
		conn_lost(conn, "the names of the servers were not resolved in time");
	} else {
		conn->is_late = true;
		loop_timer_set(&conn->timer, CONNECT_TIMEOUT_MS - LOOKUP_PATIENCE_MS);
	}
}

static void on_timeout(struct loop_timer *timer)
{
	struct pg_conn *conn = CONTAINER_OF(timer, struct pg_conn, timer);

	if (conn->round > 0) {
		on_late_names(conn);
		return;
	}
	if (conn->state == PG_CONN_CONNECTING) {
		pg_hosts_turn(&conn->pg->hosts, conn->turned);
	}
	conn_lost(conn, "no answer from the server in time");
}

/* ---- jobs: the answers ---- */

static void job_end(struct pg_conn *conn, const struct err *err)
{
	struct pg_job *job = &conn->job;
	struct pg_call *call = job->call;

	job->running = false;
	job->call = NULL;
	if (call != NULL) {
		if (err == NULL) {
			call->rows = job->rows;
			job->rows = NULL;
		}
		call->conn = NULL;
		fiber_op_done(&call->op, err);
	}
	PQclear(job->rows);
	job->rows = NULL;
}

static void give_back(struct pg_conn *conn)
{
	if (conn->hold != NULL) {
		conn->hold->conn = NULL;
		conn->hold = NULL;
	}
	if (PQtransactionStatus(conn->libpq) == PQTRANS_IDLE) {
		pg_pool_ready(conn);
	} else {
		pg_conn_clean(conn);
	}
}

/* Every step was answered and the connection is in step with us again. */
static void job_finished(struct pg_conn *conn)
{
	struct pg_job *job = &conn->job;
	struct err err = job->err;
	bool failed = err.code != ERR_OK;

	if (job->script && PQenterPipelineMode(conn->libpq) == 0) {
		job->retire = true;
	}
	job_end(conn, failed ? &err : NULL);
	if (job->retire || (failed && job->kind != PG_JOB_CALL)) {
		pg_pool_note_error(conn->pg, err.msg);
		pg_conn_condemn(conn);
		return;
	}
	if (job->kind != PG_JOB_CALL) {
		loop_timer_clear(&conn->timer);
	}
	if (job->kind == PG_JOB_SETUP) {
		pg_pool_connected(conn->pg);
	}
	if (job->kind == PG_JOB_ROLLBACK && PQtransactionStatus(conn->libpq) != PQTRANS_IDLE) {
		pg_conn_condemn(conn);
	} else if (job->release) {
		give_back(conn);
	}
}

void pg_job_fail(struct pg_conn *conn, enum err_code code, const char *why)
{
	const struct pg_job *job = &conn->job;
	struct err err;

	if (job->committed) {
		job_end(conn, NULL);
		return;
	}
	if (job->err.code != ERR_OK) {
		err = job->err;
	} else if (job->commit < job->count && code == ERR_UNAVAILABLE) {
		(void)err_set(&err, ERR_UNKNOWN, "postgres: lost while committing: %s", why);
	} else {
		(void)err_set(&err, code, "postgres: %s", why);
	}
	job_end(conn, &err);
}

static const char *or_empty(const char *s)
{
	return s != NULL ? s : "";
}

static void step_failed(struct pg_conn *conn, const PGresult *result)
{
	struct pg_job *job = &conn->job;
	const struct pg_step *step = &job->steps[job->at < job->count ? job->at : job->count - 1];
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *severity = or_empty(PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED));

	if (state == NULL) {
		return; /* libpq's own words about a lost connection, which is noticed elsewhere */
	}
	job->retire = job->retire || pg_state_retires(state);
	if (job->at == job->commit && strcmp(severity, "ERROR") != 0) {
		return; /* it dies while committing: unknown */
	}
	if (job->err.code == ERR_OK) {
		(void)err_set(
			&job->err, pg_state_code(state), "postgres %s: %s %s%s%s", step->text->name,
			state, or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)),
			PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) != NULL ? " " : "",
			or_empty(PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME)));
	}
}

static void statement_name(const struct text *text, char *out, size_t size)
{
	/* Two nouns may have a query of the same name. */
	(void)snprintf(out, size, "%s_%.8s", text->name, text->sha1);
}

enum { STATEMENT_NAME_MAX = 64 }; /* NAMEDATALEN: a longer one would be truncated by the server */

static void step_succeeded(struct pg_conn *conn, PGresult **result)
{
	struct pg_job *job = &conn->job;
	const struct pg_step *step = &job->steps[job->at];
	char name[STATEMENT_NAME_MAX];

	if (step->prepare) {
		statement_name(step->text, name, sizeof(name));
		(void)map_put(conn->prepared, str_of(name), conn);
		return;
	}
	if (job->at == job->commit) {
		/* COMMIT of a transaction that had failed answers ROLLBACK. */
		job->committed = strcmp(PQcmdStatus(*result), "COMMIT") == 0;
		if (!job->committed) {
			(void)err_set(&job->err, ERR_INTERNAL, "postgres: commit after a failure");
		}
	}
	if (job->at == job->keep) {
		job->rows = *result;
		*result = NULL;
	}
}

/* True: that was the end of the job. */
static bool take_result(struct pg_conn *conn, PGresult *result)
{
	/* Not a switch: later releases of libpq have more kinds. */
	ExecStatusType status = PQresultStatus(result);
	struct pg_job *job = &conn->job;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
		if (!job->script && job->at < job->count) {
			step_succeeded(conn, &result);
		}
	} else if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
		step_failed(conn, result);
	} else if (status != PGRES_PIPELINE_SYNC && status != PGRES_PIPELINE_ABORTED) {
		/* No query of ours does this; the connection would be out of step. */
		(void)err_set(&job->err, ERR_INTERNAL, "postgres: unexpected result %s",
		              PQresStatus(status));
		job->retire = true;
	}
	PQclear(result);
	return status == PGRES_PIPELINE_SYNC;
}

static void take_results(struct pg_conn *conn)
{
	struct pg_job *job = &conn->job;

	while (job->running && PQisBusy(conn->libpq) == 0) {
		PGresult *result = PQgetResult(conn->libpq);

		if (result != NULL) {
			if (take_result(conn, result)) {
				job_finished(conn);
			}
		} else if (PQstatus(conn->libpq) == CONNECTION_BAD) {
			return;
		} else if (job->script) {
			job_finished(conn);
		} else {
			job->at++;
			if (job->at > job->count) {
				return; /* the answer to Sync is still to come */
			}
		}
	}
}

/* ---- input and output ---- */

static void flush(struct pg_conn *conn)
{
	int left = PQflush(conn->libpq);

	if (left > 0) {
		(void)event_add(&conn->out, NULL);
	}
	/* A failed write is left to the reader, which may still find the server's last words. */
}

/* Take what has arrived. NULL, or why the connection is over. */
static const char *read_input(struct pg_conn *conn)
{
	bool alive = PQconsumeInput(conn->libpq) != 0;

	(void)PQisBusy(conn->libpq); /* lets libpq look at it, also when nothing was asked */
	take_results(conn);
	if (conn->last_words.code != ERR_OK) {
		return conn->last_words.msg;
	}
	return alive && PQstatus(conn->libpq) == CONNECTION_OK ? NULL : PQerrorMessage(conn->libpq);
}

static void on_in(evutil_socket_t fd, short what, void *arg)
{
	struct pg_conn *conn = arg;
	const char *over = read_input(conn);

	(void)fd;
	(void)what;
	if (conn->state == PG_CONN_DYING) {
		return;
	}
	if (over != NULL) {
		conn_lost(conn, over);
	} else if (conn->job.running) {
		flush(conn);
	}
}

static void on_out(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

bool pg_conn_usable(struct pg_conn *conn)
{
	const char *over = read_input(conn);

	if (over != NULL) {
		conn_lost(conn, over);
	}
	return over == NULL;
}

/* ---- jobs: sending ---- */

void pg_job_begin(struct pg_conn *conn, enum pg_job_kind kind)
{
	assert(!conn->job.running);
	conn->job = (struct pg_job){
		.kind = kind, .running = true, .keep = PG_STEP_NONE, .commit = PG_STEP_NONE
	};
}

static void add_step(struct pg_conn *conn, const struct text *text, bool prepare, int sent)
{
	struct pg_job *job = &conn->job;

	assert(job->count < PG_STEPS_MAX);
	job->steps[job->count++] = (struct pg_step){ text, prepare };
	job->broken = job->broken || sent == 0;
}

void pg_job_prepare(struct pg_conn *conn, const struct text *text)
{
	char name[STATEMENT_NAME_MAX];

	statement_name(text, name, sizeof(name));
	if (map_get(conn->prepared, str_of(name)) == NULL) {
		add_step(conn, text, true, PQsendPrepare(conn->libpq, name, text->text, 0, NULL));
	}
}

/* See "planned" in pg.h. */
static bool planned_each_time(const struct text *text)
{
	return str_starts((struct str){ text->text, text->len }, STR_LIT("-- planned: each time"));
}

void pg_job_add(struct pg_conn *conn, const struct text *text, const struct pg_params *params)
{
	static const struct pg_params none;
	char name[STATEMENT_NAME_MAX];

	if (planned_each_time(text)) {
		pg_job_add(conn, &pg_sql_texts[PG_SQL_PLAN_EACH], NULL);
	}
	if (params == NULL) {
		params = &none;
	}
	pg_job_prepare(conn, text);
	statement_name(text, name, sizeof(name));
	add_step(conn, text, false,
	         PQsendQueryPrepared(conn->libpq, name, (int)params->count, params->values,
	                             params->lengths, params->formats, 0));
}

void pg_job_keep(struct pg_conn *conn)
{
	conn->job.keep = conn->job.count - 1;
}

void pg_job_add_commit(struct pg_conn *conn)
{
	pg_job_add(conn, &pg_sql_texts[PG_SQL_COMMIT], NULL);
	if (!conn->job.broken) {
		conn->job.commit = conn->job.count - 1;
	}
}

void pg_job_begin_script(struct pg_conn *conn, const struct text *text)
{
	pg_job_begin(conn, PG_JOB_CALL);
	conn->job.script = true;
	add_step(conn, text, false,
	         PQexitPipelineMode(conn->libpq) != 0 && PQsendQuery(conn->libpq, text->text) != 0);
}

void pg_job_send(struct pg_conn *conn)
{
	struct pg_job *job = &conn->job;

	job->broken = job->broken || (!job->script && PQpipelineSync(conn->libpq) == 0);
	if (job->broken) {
		conn_lost(conn, PQerrorMessage(conn->libpq));
	} else {
		flush(conn);
	}
}

void pg_conn_clean(struct pg_conn *conn)
{
	pg_job_begin(conn, PG_JOB_ROLLBACK);
	conn->job.release = true;
	loop_timer_set(&conn->timer, ROLLBACK_TIMEOUT_MS);
	pg_job_add(conn, &pg_sql_texts[PG_SQL_ROLLBACK], NULL);
	pg_job_send(conn);
}

/* ---- connecting ---- */

static void on_notice(void *arg, const PGresult *result)
{
	struct pg_conn *conn = arg;
	const char *severity = or_empty(PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED));

	/* Other notices are for people at psql; nothing here depends on one. */
	if (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0) {
		(void)err_set(&conn->last_words, ERR_UNAVAILABLE, "%s %s",
		              or_empty(PQresultErrorField(result, PG_DIAG_SQLSTATE)),
		              or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
	}
}

static void connected(struct pg_conn *conn)
{
	struct event_base *base = loop_base(conn->pg->loop);
	int fd = PQsocket(conn->libpq);
	struct pg_params params = { 0 };

	(void)PQsetNoticeReceiver(conn->libpq, on_notice, conn);
	if (PQsetnonblocking(conn->libpq, 1) != 0 || PQenterPipelineMode(conn->libpq) == 0) {
		conn_lost(conn, PQerrorMessage(conn->libpq));
		return;
	}
	(void)event_assign(&conn->in, base, fd, EV_READ | EV_PERSIST, on_in, conn);
	(void)event_assign(&conn->out, base, fd, EV_WRITE, on_out, conn);
	(void)event_add(&conn->in, NULL);
	pg_job_begin(conn, PG_JOB_SETUP);
	conn->job.release = true;
	pg_param_u64(&params, conn->pg->statement_timeout_ms);
	pg_job_add(conn, &pg_sql_texts[PG_SQL_SET_SESSION], &params);
	pg_job_send(conn);
}

static void connect_step(struct pg_conn *conn, PostgresPollingStatusType status);

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct pg_conn *conn = arg;

	(void)fd;
	(void)what;
	connect_step(conn, PQconnectPoll(conn->libpq));
}

static void connect_step(struct pg_conn *conn, PostgresPollingStatusType status)
{
	short what = status == PGRES_POLLING_READING ? EV_READ : EV_WRITE;

	switch (status) {
	case PGRES_POLLING_OK: connected(conn); return;
	case PGRES_POLLING_FAILED: conn_lost(conn, PQerrorMessage(conn->libpq)); return;
	case PGRES_POLLING_READING:
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE: break;
	}
	/* Anew each time: libpq may have moved to another address and so to another socket. */
	(void)event_assign(&conn->in, loop_base(conn->pg->loop), PQsocket(conn->libpq), what,
	                   on_connect, conn);
	(void)event_add(&conn->in, NULL);
}

static PGconn *start(const struct pg *pg, const struct pg_hosts *hosts)
{
	/* Keywords after the URL override it, those before it give way; none is the same as NULL.
	 */
	static const char *const keywords[] = { "keepalives_idle",
		                                "keepalives_interval",
		                                "keepalives_count",
		                                "tcp_user_timeout",
		                                "fallback_application_name",
		                                "dbname",
		                                "host",
		                                "hostaddr",
		                                "port",
		                                "client_encoding",
		                                NULL };
	const char *const values[] = { "10",        "5",     "3",         "15000",
		                       "fairlead",  pg->url, hosts->host, hosts->hostaddr,
		                       hosts->port, "UTF8",  NULL };

	return PQconnectStartParams(keywords, values, 1);
}

static void dial(struct pg_conn *conn)
{
	struct pg *pg = conn->pg;
	struct pg_hosts placed;
	struct err err;

	conn->round = 0;
	conn->turned = pg->hosts.turned;
	if (pg->names.count == 0) {
		conn->libpq = start(pg, &pg->hosts);
	} else if (pg_names_place(&pg->names, &pg->hosts, &placed, &err) == ERR_OK) {
		conn->libpq = start(pg, &placed);
		pg_hosts_fini(&placed);
	} else {
		conn_lost(conn, err.msg);
		return;
	}
	assert(conn->libpq != NULL); /* out of memory */
	loop_timer_set(&conn->timer, CONNECT_TIMEOUT_MS);
	/* https://www.postgresql.org/docs/15/libpq-connect.html: as if the last poll had said so.
	 */
	connect_step(conn, PQstatus(conn->libpq) == CONNECTION_BAD ? PGRES_POLLING_FAILED
	                                                           : PGRES_POLLING_WRITING);
}

void pg_conn_open(struct pg *pg)
{
	struct pg_conn *conn = mem_calloc(1, sizeof(*conn));

	conn->pg = pg;
	conn->prepared = map_new();
	conn->bury.run = on_bury;
	loop_timer_init(&conn->timer, pg->loop, on_timeout);
	pg_pool_insert(conn, PG_CONN_CONNECTING);
	if (pg_names_ask(&pg->names)) {
		conn->round = pg->names.round;
		loop_timer_set(&conn->timer, LOOKUP_PATIENCE_MS);
	} else {
		dial(conn);
	}
}

/* One that fails may open another, which waits for a later round. */
static struct pg_conn *waiting_for(struct pg *pg, unsigned round)
{
	struct pg_conn *conn;

	TAILQ_FOREACH (conn, &pg->conns[PG_CONN_CONNECTING], link) {
		if (conn->round == round) {
			return conn;
		}
	}
	return NULL;
}

void pg_conn_named(struct pg *pg)
{
	const unsigned round = pg->names.round;
	struct pg_conn *conn;

	while ((conn = waiting_for(pg, round)) != NULL) {
		dial(conn);
	}
}
