/*
 * Sessions as rows.  A live session's state belongs to the head of its log; the row follows,
 * guarded by the position (epoch, n) of the event that it reflects, so updates may come late,
 * twice and out of order.
 *
 * tenant "" is for duties that work across tenants; everything else names its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "pg/pg.h"
#include "session/session.h"

/* One row with what its task adds. Everything lives in the arena it was read into. */
struct session {
	struct id id, task, retry_of; /* retry_of nil: not a retry */
	struct str tenant, project, namespace, created_by, worker, reason; /* "" when absent */
	enum session_state state;
	uint64_t epoch, n;
	bool has_exit_code;
	int exit_code;
	unsigned priority, attempts, max_attempts;
	int64_t created_us, queued_us, started_us, ended_us, updated_us; /* 0: not yet */
	struct str labels, agent, prompt, repo, runtime;                 /* JSON text */
	struct str changes, workspace, delivery;        /* JSON text, "" when absent */
	struct str owner, concurrency_key, queue_after; /* "" when absent */
	struct str workers;                             /* JSON text: labels (task_words_of()) */
	bool waits;                         /* what queue_after names was not seen to end yet */
	int64_t not_before_us, deadline_us; /* 0: none */
	struct str traceparent;             /* "": it is not traced */
	unsigned failures;                  /* attempts that failed and are followed by another */
};

/* ERR_NOT_FOUND: none with that id in this tenant. */
enum err_code session_get(struct pg *pg, const char *tenant, const struct id *id,
                          struct arena *arena, struct session *ret, struct err *err) MUST_CHECK;

/* Several of one tenant in one query; SESSION_LOOK_MAX ids at most. Each is taken from the answer
 * by itself. */
enum { SESSION_LOOK_MAX = 64 };
enum err_code session_look(struct pg *pg, const char *tenant, const struct id *const ids[],
                           size_t count, struct pg_rows **ret, struct err *err) MUST_CHECK;
enum err_code session_take(const struct pg_rows *rows, const struct id *id, struct arena *arena,
                           struct session *ret, struct err *err) MUST_CHECK;

/* ---- lists: newest first, by (created_at, id) ---- */

/* Where a page ended; the zero position is the beginning. */
struct session_position {
	int64_t created_us;
	struct id id;
};

enum { SESSION_POSITION_SIZE = 20 + 1 + ID_LEN + 1, SESSION_PAGE_MAX = 200 };

void session_position_format(const struct session_position *position,
                             char out[SESSION_POSITION_SIZE]);
bool session_position_parse(struct str text, struct session_position *ret) MUST_CHECK;

/* NULL and 0 filter nothing. */
struct session_filter {
	const char *tenant;
	unsigned states; /* set of session_bit() */
	const char *project;
	const char *agent;      /* type */
	const char *namespaces; /* comma list */
	const char *label_name, *label_value;
	const char *cause;             /* of a failure: one of session_causes */
	bool unretried;                /* only those that no other retries */
	struct session_position after; /* continue here: no row is seen twice whatever is added */
	uint64_t skip;                 /* or by count, for numbered pages */
	bool counted; /* say how many there are in all: that costs 0.1 us a session of the tenant */
	unsigned max; /* 1 to SESSION_PAGE_MAX */
};

struct session_page {
	struct session *items; /* of the arena */
	size_t count;
	uint64_t total; /* that pass the filter, wherever the page is; 0 unless counted */
	bool more;
	struct session_position last; /* to continue after; when count > 0 */
};

/* For other queries with the same filter: the first parameters of their query. states is the
 * caller's, and must outlive them. */
enum { SESSION_STATES_SIZE = 256 };
void session_filter_params(const struct session_filter *filter, struct pg_params *params,
                           char states[SESSION_STATES_SIZE]);

enum err_code session_list(struct pg *pg, const struct session_filter *filter, struct arena *arena,
                           struct session_page *ret, struct err *err) MUST_CHECK;

/* ---- for reconcilers: all tenants, ascending ids ---- */

struct session_walk {
	struct id after; /* nil: from the first */
	unsigned max;
	uint64_t older_ms; /* session_unqueued: accepted at least this long ago */
};

struct session_batch {
	struct session *items; /* of the arena */
	size_t count;
};

/* Not terminal. */
enum err_code session_live(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                           struct session_batch *ret, struct err *err) MUST_CHECK;
/* Not terminal, nor queued. */
enum err_code session_begun(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                            struct session_batch *ret, struct err *err) MUST_CHECK;

/* Queued, and in the queue before: the highest priority first, then the oldest. Only what the queue
 * needs to know of them is read. */
struct session_waiting_walk {
	unsigned priority; /* the page begins after this one, */
	struct id after;   /* and this id */
	unsigned max;
};
enum err_code session_waiting(struct pg *pg, const struct session_waiting_walk *walk,
                              struct arena *arena, struct session_batch *ret,
                              struct err *err) MUST_CHECK;
/* Accepted, and nobody said that it is in the queue. */
enum err_code session_unqueued(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                               struct session_batch *ret, struct err *err) MUST_CHECK;
/* Of any tenants, at most 128; those that are gone are left out. */
enum err_code session_get_all(struct pg *pg, const struct id *ids, size_t count,
                              struct arena *arena, struct session_batch *ret,
                              struct err *err) MUST_CHECK;
/* They are in the queue. At most 128 ids. */
enum err_code session_mark_queued(struct pg *pg, const char *tenant, const struct id *ids,
                                  size_t count, struct err *err) MUST_CHECK;

/* ---- following the log ---- */

/* What a lease wrote into the log of a session. */
struct session_leased {
	struct id id;
	const char *worker;
	uint64_t epoch, first_n, n; /* of its entries */
};

/* For at most 128 of any tenants: they are provisioning. A row that was not queued, or does not
 * reflect all before the lease, stays as it is, and so does one whose moves webhooks may want: who
 * follows its log moves it. */
enum err_code session_leased_all(struct pg *pg, const struct session_leased *leased, size_t count,
                                 struct err *err) MUST_CHECK;

struct session_move {
	struct id id;
	enum session_state state;
	uint64_t epoch, n; /* of the event that moved it */
	int64_t at_us;     /* when that was */
	bool has_exit_code;
	int exit_code;
	const char *reason; /* this and what follows: NULL keeps what the row has */
	const char *worker;
	bool has_attempts;
	unsigned attempts;
	const char *changes, *workspace; /* JSON */
};

struct session_moved {
	bool moved;   /* false: the row reflects this or a later event already, or is gone */
	bool awaited; /* it has ended, and other sessions wait for that (session_wait.h) */
	struct id task;
};
enum err_code session_move(struct pg *pg, const char *tenant, const struct session_move *move,
                           struct session_moved *ret, struct err *err) MUST_CHECK;

/* That attempt (from 1) failed, and another follows. Repeating it changes nothing. */
enum err_code session_attempt_failed(struct pg *pg, const char *tenant, const struct id *id,
                                     unsigned attempt, struct err *err) MUST_CHECK;

/* Its rows, for good; *ret_deleted false: it has not ended or is gone. A retry of it forgets it. */
enum err_code session_delete(struct pg *pg, const char *tenant, const struct id *id,
                             bool *ret_deleted, struct err *err) MUST_CHECK;

struct session_epoch {
	struct id session;
	const char *tenant;
	uint64_t epoch, first_n;
	const char *cause;
	const char *worker; /* NULL: none */
	uint64_t generation;
};

/* Remember what log_open() answered. Repeating it changes nothing. */
enum err_code session_epoch_add(struct pg *pg, const struct session_epoch *epoch,
                                struct err *err) MUST_CHECK;
/* Only its number and generation are set; .epoch 0: none is known. */
enum err_code session_epoch_last(struct pg *pg, const char *tenant, const struct id *id,
                                 struct session_epoch *ret, struct err *err) MUST_CHECK;
