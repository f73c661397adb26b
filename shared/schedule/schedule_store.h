/*
 * Schedules as rows, and what became of their times.
 *
 * A time is a row of its own, named by schedule and time, written in the transaction that makes its
 * task and moves the schedule on: whoever looks at the same time again finds it done.
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
#include "schedule/schedule.h"

enum { SCHEDULE_PAGE_MAX = 200, SCHEDULE_ACTIVE_MAX = 1024 };

extern const char *const schedule_overlap_names[], *const schedule_catch_up_names[];

/* What somebody asked for. */
struct schedule_spec {
	struct str name, project, namespace; /* project: not read back, the task has it */
	struct str cron, timezone;           /* "": not of this kind */
	uint64_t every_s;                    /* 0: not of this kind */
	int64_t at_us;                       /* 0: not of this kind */
	unsigned overlap;                    /* enum schedule_overlap */
	unsigned catch_up;                   /* enum schedule_catch_up */
	bool paused;
	struct str task; /* JSON: the body of POST /api/v1/tasks */
};

/* One row. Everything lives in the arena it was read into. */
struct schedule {
	struct id id;
	struct str tenant, created_by, owner;
	struct schedule_spec spec;
	int64_t anchor_us, next_us, created_us, updated_us; /* next 0: never again */
	unsigned caught_up;
	int64_t last_us;     /* the last time that there was, 0: none */
	struct id last_task; /* the last task that it made; nil: none */
	int64_t now_us;      /* of PostgreSQL, when the row was read */
};

/* ERR_INVALID: what is stored is not understood; ERR_NOT_FOUND: the system has lost the zone. */
enum err_code schedule_timing_of(const struct schedule *schedule, struct arena *arena,
                                 struct schedule_timing *ret, struct err *err) MUST_CHECK;

/* ---- for the API ---- */

/* A schedule that is written. */
struct schedule_new {
	const char *tenant, *created_by, *owner; /* owner "": none */
	const struct schedule_spec *spec;
	int64_t next_us; /* 0: never */
	int64_t anchor_us;
};

/* ERR_NOT_FOUND: the project is not one of the tenant's. */
enum err_code schedule_insert(struct pg_tx *tx, const struct id *id,
                              const struct schedule_new *what, struct err *err) MUST_CHECK;
/* Of one that schedule_lock() found. */
enum err_code schedule_update(struct pg_tx *tx, const struct id *id,
                              const struct schedule_new *what, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: none with that id in this tenant. */
enum err_code schedule_get(struct pg *pg, const char *tenant, const struct id *id,
                           struct arena *arena, struct schedule *ret, struct err *err) MUST_CHECK;
/* The same, and nobody else changes it until the transaction ends. */
enum err_code schedule_lock(struct pg_tx *tx, const char *tenant, const struct id *id,
                            struct arena *arena, struct schedule *ret, struct err *err) MUST_CHECK;

enum err_code schedule_set_paused(struct pg_tx *tx, const char *tenant, const struct id *id,
                                  bool paused, int64_t next_us, struct err *err) MUST_CHECK;
enum err_code schedule_delete(struct pg *pg, const char *tenant, const struct id *id,
                              struct err *err) MUST_CHECK;

struct schedule_filter {
	const char *tenant;
	const char *namespaces; /* comma list; NULL: any */
	struct id before;       /* continue here; nil: from the newest */
	unsigned max;           /* 1 to SCHEDULE_PAGE_MAX */
};

struct schedule_page {
	struct schedule *items; /* of the arena */
	size_t count;
	bool more;
};

/* Newest first. */
enum err_code schedule_list(struct pg *pg, const struct schedule_filter *filter,
                            struct arena *arena, struct schedule_page *ret,
                            struct err *err) MUST_CHECK;

/* ---- times that came ---- */

enum schedule_outcome {
	SCHEDULE_RAN,
	SCHEDULE_SKIPPED, /* the run before had not ended */
	SCHEDULE_MISSED,  /* nobody was there in time */
	SCHEDULE_FAILED,  /* its task could not be made */
	SCHEDULE_OUTCOME_COUNT
};

const char *schedule_outcome_name(enum schedule_outcome outcome);

struct schedule_run {
	int64_t at_us;
	enum schedule_outcome outcome;
	struct id task; /* nil: none was made */
	struct str reason;
	bool by_hand;
};

struct schedule_run_list {
	struct schedule_run *items;
	size_t count;
};

/* Newest first. */
enum err_code schedule_runs(struct pg *pg, const char *tenant, const struct id *id, unsigned max,
                            struct arena *arena, struct schedule_run_list *ret,
                            struct err *err) MUST_CHECK;

/* Those older than SCHEDULE_RUNS_KEPT are forgotten. *ret_added false: that time is there already.
 */
enum err_code schedule_run_add(struct pg_tx *tx, const char *tenant, const struct id *id,
                               const struct schedule_run *run, bool *ret_added,
                               struct err *err) MUST_CHECK;

/* ---- for the scheduler ---- */

struct schedule_due {
	struct id id;
	struct str tenant;
	int64_t next_us, now_us;
	bool cancels; /* overlap */
};

struct schedule_due_list {
	struct schedule_due *items;
	size_t count;
};

struct schedule_walk {
	uint64_t soon_ms;
	int64_t after_us; /* go on after this time and id; 0: from the earliest */
	struct id after;
	unsigned max;
};

/* Those whose next time has come, or comes within soon_ms, the earliest first. */
enum err_code schedule_list_due(struct pg *pg, const struct schedule_walk *walk,
                                struct arena *arena, struct schedule_due_list *ret,
                                struct err *err) MUST_CHECK;

/* *ret_taken false: somebody else has it, or that time is over. Else the row is locked. */
enum err_code schedule_take(struct pg_tx *tx, const struct schedule_due *due, struct arena *arena,
                            struct schedule *ret, bool *ret_taken, struct err *err) MUST_CHECK;

/* After the time that was due. */
enum err_code schedule_advance(struct pg_tx *tx, const struct schedule_due *due,
                               const struct schedule_step *step, struct err *err) MUST_CHECK;

/* What runs before have left, as far as PostgreSQL knows. */
struct schedule_active {
	struct id *sessions; /* that have not ended, those of the newest run first */
	size_t count;        /* at most SCHEDULE_ACTIVE_MAX */
	struct id newest;    /* the task of the first */
	size_t tasks;
};
/* All of them, in tx. With tx NULL only of runs before the time that is due: by now another
 * scheduler may have run that one. */
enum err_code schedule_list_active(struct pg *pg, struct pg_tx *tx, const struct schedule_due *due,
                                   struct arena *arena, struct schedule_active *ret,
                                   struct err *err) MUST_CHECK;
