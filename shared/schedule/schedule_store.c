#include "schedule/schedule_store.h"

#include <assert.h>
#include <string.h>

#include "schedule/zone_file.h"
#include "schedule_sql_gen.h"

const char *const schedule_overlap_names[] = { "skip", "queue", "cancel", NULL };
const char *const schedule_catch_up_names[] = { "none", "one", "all", NULL };

static const char *const outcome_names[SCHEDULE_OUTCOME_COUNT] = { "ran", "skipped", "missed",
	                                                           "failed" };

const char *schedule_outcome_name(enum schedule_outcome outcome)
{
	return outcome_names[outcome];
}

/* The order of the columns in every query that returns schedules. */
enum {
	COL_ID,
	COL_TENANT,
	COL_NAME,
	COL_NAMESPACE,
	COL_CREATED_BY,
	COL_OWNER,
	COL_CRON,
	COL_EVERY,
	COL_AT,
	COL_TIMEZONE,
	COL_ANCHOR,
	COL_OVERLAP,
	COL_CATCH_UP,
	COL_TASK,
	COL_NEXT,
	COL_PAUSED,
	COL_CAUGHT_UP,
	COL_CREATED,
	COL_UPDATED,
	COL_LAST,
	COL_LAST_TASK,
	COL_NOW,
};

static const struct text *sql(enum schedule_sql_id id)
{
	return &schedule_sql_texts[id];
}

static bool name_parse(const char *const *names, struct str word, unsigned *ret)
{
	for (unsigned i = 0; names[i] != NULL; i++) {
		if (str_eq(word, str_of(names[i]))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool from_row(const struct pg_rows *rows, size_t row, struct arena *arena,
                     struct schedule *ret)
{
	struct schedule_spec *spec = &ret->spec;

#define TEXT(column) arena_str(arena, pg_str(rows, row, (column)))
	*ret = (struct schedule){
		.tenant = TEXT(COL_TENANT),
		.created_by = TEXT(COL_CREATED_BY),
		.owner = TEXT(COL_OWNER),
		.spec = { .name = TEXT(COL_NAME),
		          .namespace = TEXT(COL_NAMESPACE),
		          .cron = TEXT(COL_CRON),
		          .timezone = TEXT(COL_TIMEZONE),
		          .every_s = pg_u64(rows, row, COL_EVERY),
		          .at_us = pg_i64(rows, row, COL_AT),
		          .paused = pg_bool(rows, row, COL_PAUSED),
		          .task = TEXT(COL_TASK) },
		.anchor_us = pg_i64(rows, row, COL_ANCHOR),
		.next_us = pg_i64(rows, row, COL_NEXT),
		.created_us = pg_i64(rows, row, COL_CREATED),
		.updated_us = pg_i64(rows, row, COL_UPDATED),
		.caught_up = (unsigned)pg_u64(rows, row, COL_CAUGHT_UP),
		.last_us = pg_i64(rows, row, COL_LAST),
		.now_us = pg_i64(rows, row, COL_NOW),
	};
#undef TEXT
	return id_parse(pg_str(rows, row, COL_ID), &ret->id) &&
	       (pg_is_null(rows, row, COL_LAST_TASK) ||
	        id_parse(pg_str(rows, row, COL_LAST_TASK), &ret->last_task)) &&
	       name_parse(schedule_overlap_names, pg_str(rows, row, COL_OVERLAP), &spec->overlap) &&
	       name_parse(schedule_catch_up_names, pg_str(rows, row, COL_CATCH_UP),
	                  &spec->catch_up);
}

static enum err_code from_rows(const struct pg_rows *rows, struct arena *arena,
                               struct schedule **ret_items, size_t *ret_count, struct err *err)
{
	size_t count = pg_rows_count(rows);
	struct schedule *items = arena_take(arena, (count + 1) * sizeof(*items));

	for (size_t i = 0; i < count; i++) {
		if (!from_row(rows, i, arena, &items[i])) {
			return err_set(err, ERR_INTERNAL, "schedule row %s does not decode",
			               pg_str(rows, i, COL_ID).p);
		}
	}
	*ret_items = items;
	*ret_count = count;
	return ERR_OK;
}

static enum err_code one_of(const struct pg_rows *rows, const struct id *id, struct arena *arena,
                            struct schedule *ret, struct err *err)
{
	struct schedule *items;
	size_t count;
	enum err_code code = from_rows(rows, arena, &items, &count, err);

	if (code != ERR_OK) {
		return code;
	}
	if (count == 0) {
		return err_set(err, ERR_NOT_FOUND, "no schedule %s", id->s);
	}
	*ret = items[0];
	return ERR_OK;
}

enum err_code schedule_timing_of(const struct schedule *schedule, struct arena *arena,
                                 struct schedule_timing *ret, struct err *err)
{
	const struct schedule_spec *spec = &schedule->spec;
	struct schedule_timing timing = { .kind = SCHEDULE_AT,
		                          .at_us = spec->at_us,
		                          .every_us = (int64_t)spec->every_s * 1000000,
		                          .anchor_us = schedule->anchor_us,
		                          .zone = zone_utc() };
	enum err_code code = ERR_OK;

	if (spec->cron.n > 0) {
		timing.kind = SCHEDULE_CRON;
		code = cron_parse(spec->cron, &timing.cron, err);
		if (code == ERR_OK) {
			code = zone_load(spec->timezone, arena, &timing.zone, err);
		}
	} else if (spec->every_s > 0) {
		timing.kind = SCHEDULE_EVERY;
	}
	if (code == ERR_OK) {
		*ret = timing;
	}
	return code;
}

/* ---- for the API ---- */

static void param_given(struct pg_params *params, struct str value)
{
	if (value.n > 0) {
		pg_param_text(params, value);
	} else {
		pg_param_null(params);
	}
}

static void param_i64_given(struct pg_params *params, int64_t value)
{
	if (value != 0) {
		pg_param_i64(params, value);
	} else {
		pg_param_null(params);
	}
}

static void write_params(struct pg_params *params, const struct id *id,
                         const struct schedule_new *what)
{
	const struct schedule_spec *spec = what->spec;

	pg_param_cstr(params, id->s);
	pg_param_cstr(params, what->created_by);
	param_given(params, str_of(what->owner));
	pg_param_text(params, spec->name);
	pg_param_text(params, spec->namespace);
	param_given(params, spec->cron);
	param_i64_given(params, (int64_t)spec->every_s);
	param_i64_given(params, spec->at_us);
	pg_param_text(params, spec->timezone);
	pg_param_i64(params, what->anchor_us);
	pg_param_cstr(params, schedule_overlap_names[spec->overlap]);
	pg_param_cstr(params, schedule_catch_up_names[spec->catch_up]);
	pg_param_text(params, spec->task);
	param_i64_given(params, what->next_us);
	pg_param_bool(params, spec->paused);
	param_given(params, spec->project);
}

enum err_code schedule_insert(struct pg_tx *tx, const struct id *id,
                              const struct schedule_new *what, struct err *err)
{
	struct pg_params params = { 0 };

	write_params(&params, id, what);
	pg_param_cstr(&params, what->tenant);
	return pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_INSERT), &params, NULL, err);
}

enum err_code schedule_update(struct pg_tx *tx, const struct id *id,
                              const struct schedule_new *what, struct err *err)
{
	struct pg_params params = { 0 };

	write_params(&params, id, what);
	pg_param_cstr(&params, what->tenant);
	return pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_UPDATE), &params, NULL, err);
}

enum err_code schedule_get(struct pg *pg, const char *tenant, const struct id *id,
                           struct arena *arena, struct schedule *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SCHEDULE_SQL_SCHEDULE_GET), &params, &rows, err);
	return code == ERR_OK ? one_of(rows, id, arena, ret, err) : code;
}

enum err_code schedule_lock(struct pg_tx *tx, const char *tenant, const struct id *id,
                            struct arena *arena, struct schedule *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	code = pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_LOCK), &params, &rows, err);
	return code == ERR_OK ? one_of(rows, id, arena, ret, err) : code;
}

enum err_code schedule_set_paused(struct pg_tx *tx, const char *tenant, const struct id *id,
                                  bool paused, int64_t next_us, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_bool(&params, paused);
	param_i64_given(&params, next_us);
	pg_param_cstr(&params, tenant);
	return pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_SET_PAUSED), &params, NULL, err);
}

enum err_code schedule_delete(struct pg *pg, const char *tenant, const struct id *id,
                              struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	return pg_query(pg, tenant, sql(SCHEDULE_SQL_SCHEDULE_DELETE), &params, NULL, err);
}

enum err_code schedule_list(struct pg *pg, const struct schedule_filter *filter,
                            struct arena *arena, struct schedule_page *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct schedule_page page = { .more = false };
	enum err_code code;

	assert(filter->max >= 1 && filter->max <= SCHEDULE_PAGE_MAX);
	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->namespaces);
	param_given(&params, str_of(filter->before.s));
	pg_param_u64(&params, filter->max + 1U);
	code = pg_query(pg, filter->tenant, sql(SCHEDULE_SQL_SCHEDULE_LIST), &params, &rows, err);
	if (code == ERR_OK) {
		code = from_rows(rows, arena, &page.items, &page.count, err);
	}
	if (code == ERR_OK) {
		page.more = page.count > filter->max;
		page.count -= page.more ? 1 : 0;
		*ret = page;
	}
	return code;
}

/* ---- times that came ---- */

static bool run_of(const struct pg_rows *rows, size_t row, struct arena *arena,
                   struct schedule_run *ret)
{
	unsigned outcome = 0;
	bool known = false;

	for (unsigned i = 0; i < SCHEDULE_OUTCOME_COUNT && !known; i++) {
		known = str_eq(pg_str(rows, row, 1), str_of(outcome_names[i]));
		outcome = i;
	}
	*ret = (struct schedule_run){
		.at_us = pg_i64(rows, row, 0),
		.outcome = (enum schedule_outcome)outcome,
		.reason = arena_str(arena, pg_str(rows, row, 3)),
		.by_hand = pg_bool(rows, row, 4),
	};
	return known && (pg_is_null(rows, row, 2) || id_parse(pg_str(rows, row, 2), &ret->task));
}

enum err_code schedule_runs(struct pg *pg, const char *tenant, const struct id *id, unsigned max,
                            struct arena *arena, struct schedule_run_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct schedule_run_list list;
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_u64(&params, max);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SCHEDULE_SQL_SCHEDULE_RUNS), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	list.count = pg_rows_count(rows);
	list.items = arena_take(arena, (list.count + 1) * sizeof(*list.items));
	for (size_t i = 0; i < list.count; i++) {
		if (!run_of(rows, i, arena, &list.items[i])) {
			return err_set(err, ERR_INTERNAL, "a run of schedule %s does not decode",
			               id->s);
		}
	}
	*ret = list;
	return ERR_OK;
}

static enum err_code forget_old(struct pg_tx *tx, const char *tenant, const struct id *id,
                                struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_u64(&params, SCHEDULE_RUNS_KEPT);
	pg_param_cstr(&params, tenant);
	return pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_RUN_PRUNE), &params, NULL, err);
}

enum err_code schedule_run_add(struct pg_tx *tx, const char *tenant, const struct id *id,
                               const struct schedule_run *run, bool *ret_added, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_i64(&params, run->at_us);
	pg_param_cstr(&params, outcome_names[run->outcome]);
	param_given(&params, str_of(run->task.s));
	pg_param_text(&params, run->reason);
	pg_param_bool(&params, run->by_hand);
	pg_param_cstr(&params, tenant);
	code = pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_RUN_ADD), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_added = pg_rows_affected(rows) == 1;
		code = forget_old(tx, tenant, id, err);
	}
	return code;
}

/* ---- for the scheduler ---- */

enum err_code schedule_list_due(struct pg *pg, const struct schedule_walk *walk,
                                struct arena *arena, struct schedule_due_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct schedule_due_list list;
	enum err_code code;

	pg_param_u64(&params, walk->soon_ms);
	param_i64_given(&params, walk->after_us);
	pg_param_cstr(&params, walk->after.s);
	pg_param_u64(&params, walk->max);
	code = pg_query(pg, "", sql(SCHEDULE_SQL_SCHEDULE_DUE), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	list.count = pg_rows_count(rows);
	list.items = arena_take(arena, (list.count + 1) * sizeof(*list.items));
	for (size_t i = 0; i < list.count; i++) {
		struct schedule_due *due = &list.items[i];

		due->tenant = arena_str(arena, pg_str(rows, i, 1));
		due->next_us = pg_i64(rows, i, 2);
		due->now_us = pg_i64(rows, i, 3);
		due->cancels = pg_bool(rows, i, 4);
		if (!id_parse(pg_str(rows, i, 0), &due->id)) {
			return err_set(err, ERR_INTERNAL, "a due schedule does not decode");
		}
	}
	*ret = list;
	return ERR_OK;
}

enum err_code schedule_take(struct pg_tx *tx, const struct schedule_due *due, struct arena *arena,
                            struct schedule *ret, bool *ret_taken, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, due->id.s);
	pg_param_i64(&params, due->next_us);
	pg_param_cstr(&params, due->tenant.p);
	code = pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_TAKE), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		*ret_taken = false;
		return ERR_OK;
	}
	if (code == ERR_OK) {
		code = one_of(rows, &due->id, arena, ret, err);
	}
	if (code == ERR_OK) {
		*ret_taken = true;
	}
	return code;
}

enum err_code schedule_advance(struct pg_tx *tx, const struct schedule_due *due,
                               const struct schedule_step *step, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, due->id.s);
	param_i64_given(&params, step->goes_on ? step->next_us : 0);
	pg_param_u64(&params, step->caught_up);
	pg_param_cstr(&params, due->tenant.p);
	return pg_tx_query(tx, sql(SCHEDULE_SQL_SCHEDULE_ADVANCE), &params, NULL, err);
}

enum err_code schedule_list_active(struct pg *pg, struct pg_tx *tx, const struct schedule_due *due,
                                   struct arena *arena, struct schedule_active *ret,
                                   struct err *err)
{
	const struct text *query = sql(SCHEDULE_SQL_SCHEDULE_ACTIVE);
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct schedule_active active = { .count = 0 };
	struct id last = { "" };
	enum err_code code;

	pg_param_cstr(&params, due->id.s);
	param_i64_given(&params, tx == NULL ? due->next_us : 0);
	pg_param_u64(&params, SCHEDULE_ACTIVE_MAX);
	pg_param_cstr(&params, due->tenant.p);
	code = tx != NULL ? pg_tx_query(tx, query, &params, &rows, err)
	                  : pg_query(pg, due->tenant.p, query, &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	active.count = pg_rows_count(rows);
	active.sessions = arena_take(arena, (active.count + 1) * sizeof(*active.sessions));
	for (size_t i = 0; i < active.count; i++) {
		struct id task;

		if (!id_parse(pg_str(rows, i, 0), &active.sessions[i]) ||
		    !id_parse(pg_str(rows, i, 1), &task)) {
			return err_set(err, ERR_INTERNAL, "a session of schedule %s has no id",
			               due->id.s);
		}
		active.tasks += i == 0 || !id_eq(&task, &last) ? 1 : 0;
		last = task;
		if (i == 0) {
			active.newest = task;
		}
	}
	*ret = active;
	return ERR_OK;
}
