/*
 * When something is to be done again: at times of a cron expression in a time zone, at intervals,
 * or once; what happens when the run before goes on, and with times that nobody was there for.
 * Pure: schedule_json.h reads and writes it, schedule_store.h keeps it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "schedule/cron.h"
#include "schedule/zone.h"

enum {
	SCHEDULE_NAME_MAX = 128,
	SCHEDULE_EVERY_MAX_S = 366 * 24 * 3600,
	SCHEDULE_CATCH_UP_MAX = 100, /* times of before that are made up for, in a row */
	SCHEDULE_WAITING_MAX = 16,   /* runs that have not ended, with overlap queue */
	SCHEDULE_PREVIEW_MAX = 100,
	SCHEDULE_RUNS_KEPT = 100,
};

enum schedule_kind { SCHEDULE_CRON, SCHEDULE_EVERY, SCHEDULE_AT };

/* The run before has not ended: do not run; run after it; cancel it. */
enum schedule_overlap { SCHEDULE_SKIP, SCHEDULE_QUEUE, SCHEDULE_CANCEL };

/* Of times that passed while no scheduler was there: none, the first for all, or each. */
enum schedule_catch_up { SCHEDULE_NONE, SCHEDULE_ONE, SCHEDULE_ALL };

struct schedule_timing {
	enum schedule_kind kind;
	struct cron cron;
	const struct zone *zone;
	int64_t every_us, anchor_us; /* intervals are counted from there */
	int64_t at_us;
};

/* The next time, strictly after after_us; wall clock, us. False: never again. */
bool schedule_next(const struct schedule_timing *timing, int64_t after_us,
                   int64_t *ret_us) MUST_CHECK;

struct schedule_late {
	int64_t grace_us; /* a time that is not longer ago is not late */
	enum schedule_catch_up catch_up;
	unsigned caught_up; /* late times that ran just before this one */
};

struct schedule_step {
	bool runs;    /* the time that is due is run; else it was missed */
	bool goes_on; /* there is a next time */
	int64_t next_us;
	unsigned caught_up;
};

/* What to do at now_us about due_us, which has come. */
struct schedule_step schedule_decide(const struct schedule_timing *timing,
                                     const struct schedule_late *late, int64_t due_us,
                                     int64_t now_us);
