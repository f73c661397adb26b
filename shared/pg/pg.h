/*
 * PostgreSQL: a pool of non-blocking libpq connections, and named queries.
 *
 * State is which list a connection is on (idle, active, connecting, dying), as pgbouncer
 * keeps it.  A query is a file in some noun's sql/ folder, embedded by fairlead_embed(); it is
 * prepared lazily per connection under its own name.  No SQL text lives in a .c file.
 *
 * A query is planned once a connection, for all parameters: for many, planning costs more than
 * running them.  One with filters that may be left out ($2 IS NULL OR ...), whose good plan depends
 * on which there are, begins with a line "-- planned: each time": it, and what follows it in its
 * transaction, is planned for its parameters.
 *
 * Tenancy: a transaction begun for a tenant sets fairlead.tenant for its duration; row
 * level security compares it.  A connection is given back clean or not at all.
 *
 * Failure: SQLSTATE classes become error codes in one place (23505 -> ERR_CONFLICT, 23503 ->
 * ERR_NOT_FOUND, 57014 -> ERR_TIMEOUT, 40001/40P01 and connection loss -> ERR_UNAVAILABLE when
 * nothing was sent, ERR_UNKNOWN when a COMMIT was in flight).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "base/text.h"
#include "loop/fiber.h"

struct loop;
struct pg;
struct pg_tx;
struct pg_rows;

struct pg_options {
	const char *url; /* postgresql://... or a libpq conninfo string */
	unsigned pool_max;
	unsigned acquire_timeout_ms;   /* how long a caller waits for a free connection */
	unsigned statement_timeout_ms; /* set on the server too */
};

struct pg *pg_new(struct loop *loop, const struct pg_options *options) MUST_CHECK;
void pg_free(struct pg *pg);

/* A cheap look, for readyz: some connection works or could be made within the last seconds. */
bool pg_available(const struct pg *pg);
struct pg_stats {
	unsigned idle, active, connecting, waiting, max;
};
struct pg_stats pg_stats(const struct pg *pg);

/* ---- parameters: text format, NULL allowed; borrowed until the call returns ---- */

enum { PG_PARAMS_MAX = 40 };

struct pg_params {
	unsigned count;
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	int formats[PG_PARAMS_MAX];      /* 0 text, 1 binary */
	char scratch[PG_PARAMS_MAX][24]; /* numbers are formatted here */
};

void pg_param_cstr(struct pg_params *params, const char *s); /* NULL: SQL NULL. NUL-terminated */
void pg_param_text(struct pg_params *params, struct str s);  /* for $n::text only */
void pg_param_u64(struct pg_params *params, uint64_t v);
void pg_param_i64(struct pg_params *params, int64_t v);
void pg_param_bool(struct pg_params *params, bool v);
void pg_param_bytes(struct pg_params *params, struct str bytes); /* bytea, binary format */
void pg_param_null(struct pg_params *params);

/* ---- one statement, its own transaction, for a tenant ("" : across tenants, for duties and key
 * look-up) ---- */

/* ret may be NULL when the rows are not wanted. */
enum err_code pg_query(struct pg *pg, const char *tenant, const struct text *query,
                       const struct pg_params *params, struct pg_rows **ret,
                       struct err *err) MUST_CHECK;

/* The same for a statement that only reads: half the messages, since nothing is to be committed.
 * What it writes all the same is not known to be kept. */
enum err_code pg_look(struct pg *pg, const char *tenant, const struct text *query,
                      const struct pg_params *params, struct pg_rows **ret,
                      struct err *err) MUST_CHECK;

/* The same as pg_query(), after a statement of the same transaction whose rows are not wanted, in
 * one round trip. query sees what was committed before it began: `before` can take the locks that
 * it relies on. */
struct pg_statement {
	const struct text *query;
	const struct pg_params *params;
};
enum err_code pg_query_after(struct pg *pg, const char *tenant, const struct pg_statement *before,
                             const struct pg_statement *step, struct pg_rows **ret,
                             struct err *err) MUST_CHECK;

/* Have the server parse a query without running it: does it fit the schema? */
enum err_code pg_check(struct pg *pg, const struct text *query, struct err *err) MUST_CHECK;

/* ---- transactions ---- */

/* It holds a connection until it ends: a fiber with one open does not pg_query() beside it, or a
 * full pool waits for itself. */
enum err_code pg_begin(struct pg *pg, const char *tenant, struct pg_tx **ret,
                       struct err *err) MUST_CHECK;
enum err_code pg_tx_query(struct pg_tx *tx, const struct text *query,
                          const struct pg_params *params, struct pg_rows **ret,
                          struct err *err) MUST_CHECK;
/* tx is gone afterwards, whatever the answer. ERR_UNKNOWN: it may have been committed. */
enum err_code pg_commit(struct pg_tx *tx, struct err *err) MUST_CHECK;
void pg_rollback(struct pg_tx *tx);    /* NULL is a no-op; works in a cancelled fiber */
void pg_tx_cleanup(struct pg_tx **tx); /* for CLEANUP(): rolls back if still open; set to NULL after
                                          pg_commit */

/*
 * From here on whatever this fiber asks of the pool goes through the transaction, until it ends or
 * pg_part(): so an act and its record (audit/audit.h) are one, whoever's functions the act is
 * made of.  A pg_begin() then gives a part of it: its commit does nothing, and if it is rolled back
 * the whole cannot be committed any more.  What is asked for another tenant is answered for that
 * one.
 */
void pg_join(struct pg *pg, struct pg_tx *tx);
void pg_part(struct pg_tx *tx); /* one that is not joined: a no-op */
/* The tenant that its further statements are for. */
enum err_code pg_tx_act_for(struct pg_tx *tx, const char *tenant, struct err *err) MUST_CHECK;

/* ---- rows ---- */

void pg_rows_free(struct pg_rows *rows);
void pg_rows_cleanup(struct pg_rows **rows); /* for CLEANUP() */
size_t pg_rows_count(const struct pg_rows *rows);
uint64_t pg_rows_affected(const struct pg_rows *rows);
bool pg_is_null(const struct pg_rows *rows, size_t row, unsigned column);
struct str pg_str(const struct pg_rows *rows, size_t row,
                  unsigned column); /* NUL-terminated too; "" for NULL */
uint64_t pg_u64(const struct pg_rows *rows, size_t row, unsigned column); /* 0 for NULL */
int64_t pg_i64(const struct pg_rows *rows, size_t row, unsigned column);
bool pg_bool(const struct pg_rows *rows, size_t row, unsigned column);
/* A bytea column, decoded; the bytes live as long as rows. */
struct str pg_bytes(struct pg_rows *rows, size_t row, unsigned column);

/* ---- migrations: forward only, in name order, each in one transaction, under an advisory lock
 * ---- */

struct pg_migrations {
	const struct text *files; /* named NNNN_what */
	size_t count;
	unsigned protocol; /* what programs with these speak: docs/upgrade.md */
};

/* Applies what is missing; refuses a file whose checksum changed. *ret_applied: how many ran. A
 * contract (pg/phase.h) waits, and what comes after it, while nodes live that could not live with
 * it; from the moment it is applied no such node joins. */
enum err_code pg_migrate(struct pg *pg, const struct pg_migrations *migrations,
                         unsigned *ret_applied, struct err *err) MUST_CHECK;

/* The first file that was not applied, and how many nodes live that it waits for. */
struct pg_waits {
	const char *name; /* NULL: all were */
	unsigned protocol;
	uint64_t nodes;
};
enum err_code pg_migrate_waits(struct pg *pg, const struct pg_migrations *migrations,
                               struct pg_waits *ret, struct err *err) MUST_CHECK;
