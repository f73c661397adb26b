#include "pg/call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "pg/pool.h"
#include "pg/rows.h"
#include "pg_sql_gen.h"

enum {
	ANSWER_GRACE_MS = 1000, /* beyond the server's own statement_timeout */
	TENANT_MAX = 65,
};

struct pg_tx {
	struct pg_hold hold;
	struct pg_tx *outer;       /* it is a part of that one */
	struct pg *pg;             /* while joined */
	const struct fiber *fiber; /* whose calls go through it, while joined */
	LIST_ENTRY(pg_tx) link;
	bool begun;        /* BEGIN travels with the first statement */
	struct err failed; /* what ended it, before it was committed */
	unsigned timeout_ms;
	char tenant[TENANT_MAX];
};

/* The value of fairlead.tenant. NULL: no tenant can be called that. */
static const char *tenant_setting(const char *tenant)
{
	if (tenant[0] == '\0') {
		return "*"; /* across tenants */
	}
	return strcmp(tenant, "*") == 0 || strlen(tenant) >= TENANT_MAX ? NULL : tenant;
}

static enum err_code not_a_tenant(struct err *err)
{
	return err_set(err, ERR_INVALID, "postgres: not a tenant");
}

static enum err_code lost(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "postgres: the connection was lost");
}

static void release(struct pg_hold *hold)
{
	struct pg_conn *conn = hold->conn;

	if (conn != NULL) {
		hold->conn = NULL;
		conn->hold = NULL;
		pg_pool_ready(conn);
	}
}

static void abandon_call(struct fiber_op *op)
{
	struct pg_call *call = CONTAINER_OF(op, struct pg_call, op);
	struct pg_conn *conn = call->conn;

	/* What it was doing is unknown and cancelling would take a second connection: it goes. The
	 * server notices within client_connection_check_interval. */
	conn->job.call = NULL;
	conn->job.running = false;
	if (!fiber_cancelled()) {
		pg_pool_note_error(conn->pg, "the server did not answer in time");
	}
	pg_conn_condemn(conn);
}

/* Send the job that was put together on conn and wait for it. Afterwards conn is only known by its
 * hold. */
static enum err_code run_job(struct pg_conn *conn, unsigned timeout_ms, PGresult **ret_rows,
                             struct err *err)
{
	struct pg_call call = { .conn = conn };
	bool committing = conn->job.commit != PG_STEP_NONE;
	uint64_t began_us = clock_mono_us();
	enum err_code code;

	conn->job.call = &call;
	fiber_op_begin(&call.op, abandon_call);
	pg_job_send(conn);
	metric_inc(METRIC_PG_QUERIES, NULL);
	code = fiber_wait(&call.op, timeout_ms, err);
	if (code == ERR_TIMEOUT && !call.op.done) {
		code = err_set(err, committing ? ERR_UNKNOWN : ERR_TIMEOUT,
		               "postgres: no answer in %u ms", timeout_ms);
	}
	metric_observe_us(METRIC_PG_DURATION, NULL, clock_mono_us() - began_us);
	if (code == ERR_OK) {
		*ret_rows = call.rows;
	} else {
		metric_inc(METRIC_PG_ERRORS, err_name(code));
	}
	return code;
}

static void give_rows(PGresult *result, struct pg_rows **ret)
{
	if (ret != NULL) {
		*ret = pg_rows_new(result);
	} else {
		PQclear(result);
	}
}

static void add_tenant(struct pg_conn *conn, const char *tenant)
{
	struct pg_params params;

	params.count = 0;
	pg_param_cstr(&params, tenant);
	pg_job_add(conn, &pg_sql_texts[PG_SQL_SET_TENANT], &params);
}

static void add_begin(struct pg_conn *conn, const char *tenant)
{
	pg_job_add(conn, &pg_sql_texts[PG_SQL_BEGIN], NULL);
	add_tenant(conn, tenant);
}

/* A connection, and this fiber still wants it. */
static enum err_code acquire(struct pg *pg, struct pg_hold *hold, struct err *err)
{
	enum err_code code = pg_pool_acquire(pg, hold, err);

	if (code != ERR_OK) {
		metric_inc(METRIC_PG_ERRORS, err_name(code));
		return code;
	}
	if (hold->conn == NULL) {
		return lost(err);
	}
	if (fiber_cancelled()) {
		release(hold);
		return err_set(err, ERR_CANCELLED, "postgres: cancelled");
	}
	return ERR_OK;
}

/* ---- joined transactions ---- */

static struct pg_tx *joined(const struct pg *pg)
{
	const struct fiber *fiber = fiber_current();
	struct pg_tx *tx;

	LIST_FOREACH(tx, &pg->joined, link)
	{
		if (tx->fiber == fiber) {
			return tx;
		}
	}
	return NULL;
}

void pg_join(struct pg *pg, struct pg_tx *tx)
{
	assert(tx->fiber == NULL && tx->outer == NULL && joined(pg) == NULL);
	tx->pg = pg;
	tx->fiber = fiber_current();
	LIST_INSERT_HEAD(&pg->joined, tx, link);
}

void pg_part(struct pg_tx *tx)
{
	if (tx->fiber != NULL) {
		LIST_REMOVE(tx, link);
		tx->fiber = NULL;
	}
}

enum err_code pg_tx_act_for(struct pg_tx *tx, const char *tenant, struct err *err)
{
	const char *setting = tenant_setting(tenant);
	struct pg_params params = { 0 };

	if (setting == NULL) {
		return not_a_tenant(err);
	}
	tx = tx->outer != NULL ? tx->outer : tx;
	if (strcmp(setting, tx->tenant) == 0) {
		return ERR_OK;
	}
	(void)str_copy(tx->tenant, sizeof(tx->tenant), str_of(setting));
	pg_param_cstr(&params, setting);
	/* Else it travels with BEGIN. */
	return tx->begun ? pg_tx_query(tx, &pg_sql_texts[PG_SQL_SET_TENANT], &params, NULL, err)
	                 : ERR_OK;
}

static const char *tenant_of(const struct pg_tx *tx)
{
	return strcmp(tx->tenant, "*") == 0 ? "" : tx->tenant;
}

/* What is asked for another tenant sees that one's rows, and the transaction goes on for its own.
 */
static enum err_code query_joined(struct pg_tx *tx, const char *tenant, const struct text *query,
                                  const struct pg_params *params, struct pg_rows **ret,
                                  struct err *err)
{
	char own[TENANT_MAX];
	enum err_code code;

	(void)str_copy(own, sizeof(own), str_of(tenant_of(tx)));
	code = pg_tx_act_for(tx, tenant, err);
	if (code == ERR_OK) {
		code = pg_tx_query(tx, query, params, ret, err);
	}
	return code == ERR_OK ? pg_tx_act_for(tx, own, err) : code;
}

static enum err_code begin_joined(struct pg_tx *outer, const char *tenant, struct pg_tx **ret,
                                  struct err *err)
{
	struct pg_tx *tx;

	if (tenant_setting(tenant) == NULL) {
		return not_a_tenant(err);
	}
	tx = mem_calloc(1, sizeof(*tx));
	tx->outer = outer;
	(void)str_copy(tx->tenant, sizeof(tx->tenant), str_of(tenant_of(outer)));
	if (pg_tx_act_for(outer, tenant, err) != ERR_OK) {
		free(tx);
		return err->code;
	}
	*ret = tx;
	return ERR_OK;
}

/* A part has ended: its statements stand or fall with the whole. */
static enum err_code end_joined(struct pg_tx *tx, struct err *err)
{
	struct pg_tx *outer = tx->outer;
	enum err_code code = ERR_OK;

	if (outer->failed.code != ERR_OK) {
		*err = outer->failed;
		code = err->code;
	} else {
		code = pg_tx_act_for(outer, tx->tenant, err);
	}
	free(tx);
	return code;
}

/* ---- one statement ---- */

static enum err_code query_both_joined(struct pg_tx *tx, const char *tenant,
                                       const struct pg_statement *before,
                                       const struct pg_statement *step, struct pg_rows **ret,
                                       struct err *err)
{
	enum err_code code = ERR_OK;

	if (before != NULL) {
		code = query_joined(tx, tenant, before->query, before->params, NULL, err);
	}
	return code == ERR_OK ? query_joined(tx, tenant, step->query, step->params, ret, err)
	                      : code;
}

enum err_code pg_query_after(struct pg *pg, const char *tenant, const struct pg_statement *before,
                             const struct pg_statement *step, struct pg_rows **ret, struct err *err)
{
	struct pg_hold hold = { NULL };
	const char *setting = tenant_setting(tenant);
	unsigned timeout_ms = pg->statement_timeout_ms + ANSWER_GRACE_MS;
	struct pg_tx *whole = joined(pg);
	PGresult *rows = NULL;
	enum err_code code;

	if (setting == NULL) {
		return not_a_tenant(err);
	}
	if (whole != NULL) {
		return query_both_joined(whole, tenant, before, step, ret, err);
	}
	code = acquire(pg, &hold, err);
	if (code != ERR_OK) {
		return code;
	}
	pg_job_begin(hold.conn, PG_JOB_CALL);
	hold.conn->job.release = true;
	add_begin(hold.conn, setting);
	if (before != NULL) {
		pg_job_add(hold.conn, before->query, before->params);
	}
	pg_job_add(hold.conn, step->query, step->params);
	pg_job_keep(hold.conn);
	pg_job_add_commit(hold.conn);
	code = run_job(hold.conn, timeout_ms, &rows, err);
	if (code == ERR_OK) {
		give_rows(rows, ret);
	}
	return code;
}

enum err_code pg_query(struct pg *pg, const char *tenant, const struct text *query,
                       const struct pg_params *params, struct pg_rows **ret, struct err *err)
{
	const struct pg_statement step = { query, params };

	return pg_query_after(pg, tenant, NULL, &step, ret, err);
}

/* What comes before a Sync is one transaction, without BEGIN too: the tenant's setting lasts for it
 * (https://www.postgresql.org/docs/15/protocol-flow.html, section 55.2.3). */
enum err_code pg_look(struct pg *pg, const char *tenant, const struct text *query,
                      const struct pg_params *params, struct pg_rows **ret, struct err *err)
{
	struct pg_hold hold = { NULL };
	const char *setting = tenant_setting(tenant);
	struct pg_tx *whole = joined(pg);
	PGresult *rows = NULL;
	enum err_code code;

	if (setting == NULL) {
		return not_a_tenant(err);
	}
	if (whole != NULL) {
		return query_joined(whole, tenant, query, params, ret, err);
	}
	code = acquire(pg, &hold, err);
	if (code != ERR_OK) {
		return code;
	}
	pg_job_begin(hold.conn, PG_JOB_CALL);
	hold.conn->job.release = true;
	add_tenant(hold.conn, setting);
	pg_job_add(hold.conn, query, params);
	pg_job_keep(hold.conn);
	code = run_job(hold.conn, pg->statement_timeout_ms + ANSWER_GRACE_MS, &rows, err);
	if (code == ERR_OK) {
		give_rows(rows, ret);
	}
	return code;
}

enum err_code pg_check(struct pg *pg, const struct text *query, struct err *err)
{
	struct pg_hold hold = { NULL };
	unsigned timeout_ms = pg->statement_timeout_ms + ANSWER_GRACE_MS;
	PGresult *none = NULL;
	enum err_code code = acquire(pg, &hold, err);

	if (code != ERR_OK) {
		return code;
	}
	pg_job_begin(hold.conn, PG_JOB_CALL);
	hold.conn->job.release = true;
	pg_job_prepare(hold.conn, query);
	return run_job(hold.conn, timeout_ms, &none, err);
}

/* ---- transactions ---- */

enum err_code pg_begin(struct pg *pg, const char *tenant, struct pg_tx **ret, struct err *err)
{
	const char *setting = tenant_setting(tenant);
	struct pg_tx *tx;
	enum err_code code;

	if (joined(pg) != NULL) {
		return begin_joined(joined(pg), tenant, ret, err);
	}
	if (setting == NULL) {
		return not_a_tenant(err);
	}
	tx = mem_calloc(1, sizeof(*tx));
	(void)str_copy(tx->tenant, sizeof(tx->tenant), str_of(setting));
	tx->timeout_ms = pg->statement_timeout_ms + ANSWER_GRACE_MS;
	code = acquire(pg, &tx->hold, err);
	if (code != ERR_OK) {
		free(tx);
		return code;
	}
	*ret = tx;
	return ERR_OK;
}

void pg_tx_set_timeout(struct pg_tx *tx, unsigned timeout_ms)
{
	tx->timeout_ms = timeout_ms;
}

/* May this transaction run one more statement? */
static enum err_code tx_check(struct pg_tx *tx, struct err *err)
{
	if (tx->failed.code != ERR_OK) {
		*err = tx->failed;
	} else if (tx->hold.conn == NULL) {
		(void)lost(err);
	} else if (fiber_cancelled()) {
		(void)err_set(err, ERR_CANCELLED, "postgres: cancelled");
	} else {
		return ERR_OK;
	}
	return err->code;
}

enum err_code pg_tx_query(struct pg_tx *tx, const struct text *query,
                          const struct pg_params *params, struct pg_rows **ret, struct err *err)
{
	struct pg_conn *conn;
	PGresult *rows = NULL;
	enum err_code code;

	tx = tx->outer != NULL ? tx->outer : tx;
	conn = tx->hold.conn;
	code = tx_check(tx, err);
	if (code != ERR_OK) {
		return code;
	}
	pg_job_begin(conn, PG_JOB_CALL);
	if (!tx->begun) {
		add_begin(conn, tx->tenant);
		tx->begun = true;
	}
	pg_job_add(conn, query, params);
	pg_job_keep(conn);
	code = run_job(conn, tx->timeout_ms, &rows, err);
	if (code == ERR_OK) {
		give_rows(rows, ret);
	} else {
		tx->failed = *err;
	}
	return code;
}

enum err_code pg_tx_script(struct pg_tx *tx, const struct text *text, struct err *err)
{
	PGresult *none = NULL;
	enum err_code code = tx_check(tx, err);

	if (code != ERR_OK) {
		return code;
	}
	assert(tx->begun);
	pg_job_begin_script(tx->hold.conn, text);
	code = run_job(tx->hold.conn, tx->timeout_ms, &none, err);
	if (code != ERR_OK) {
		tx->failed = *err;
	}
	return code;
}

enum err_code pg_commit(struct pg_tx *tx, struct err *err)
{
	struct pg_conn *conn = tx->hold.conn;
	PGresult *none = NULL;
	enum err_code code;

	if (tx->outer != NULL) {
		return end_joined(tx, err);
	}
	pg_part(tx);
	code = tx_check(tx, err);
	if (code != ERR_OK || !tx->begun) {
		pg_rollback(tx);
		return code;
	}
	pg_job_begin(conn, PG_JOB_CALL);
	conn->job.release = true;
	pg_job_add_commit(conn);
	code = run_job(conn, tx->timeout_ms, &none, err);
	free(tx);
	return code;
}

void pg_rollback(struct pg_tx *tx)
{
	struct pg_conn *conn;

	if (tx == NULL) {
		return;
	}
	if (tx->outer != NULL) {
		if (tx->outer->failed.code == ERR_OK) {
			(void)err_set(&tx->outer->failed, ERR_INTERNAL,
			              "postgres: a part of the transaction was taken back");
		}
		free(tx);
		return;
	}
	pg_part(tx);
	conn = tx->hold.conn;
	if (conn != NULL && tx->begun) {
		tx->hold.conn = NULL;
		conn->hold = NULL;
		pg_conn_clean(conn);
	} else {
		release(&tx->hold);
	}
	free(tx);
}

void pg_tx_cleanup(struct pg_tx **tx)
{
	pg_rollback(*tx);
}
