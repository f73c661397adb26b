/* Schedules as JSON: the bodies of /api/v1/schedules, and what is answered. */
#pragma once

#include "json/decode.h"
#include "json/write.h"
#include "schedule/schedule_store.h"
#include "task/task.h"

/* What a body says. */
struct schedule_body {
	struct schedule_spec spec;
	struct task_spec *task; /* decoded; with schedule_table */
	struct schedule_timing timing;
};

/* For json_schema(); decode with the functions below, which check more than the tables say. */
extern const struct json_table schedule_table;        /* a whole one */
extern const struct json_table schedule_timing_table; /* only when it fires */

/* now_us: intervals are counted from there, and one time must be later. ERR_INVALID: see problems.
 */
enum err_code schedule_decode(struct str text, int64_t now_us, struct schedule_body *ret,
                              struct arena *arena, struct json_problems *problems) MUST_CHECK;
enum err_code schedule_timing_decode(struct str text, int64_t now_us, struct schedule_body *ret,
                                     struct arena *arena,
                                     struct json_problems *problems) MUST_CHECK;

/* One object; without its task unless asked for. runs may be NULL: the member is left out. */
void schedule_write(struct jsonw *w, const struct schedule *schedule,
                    const struct schedule_run_list *runs, bool with_task);

/* {"timezone":..., "times":[...]}: the next count times after after_us. */
void schedule_write_preview(struct jsonw *w, const struct schedule_timing *timing,
                            struct str timezone, int64_t after_us, uint64_t count);
