#include "event/segment_index.h"

#include "base/mem.h"
#include "event_sql_gen.h"
#include "pg/pg.h"

enum { NAMES_MAX = 8192 };

bool event_filter_matches(const struct event_filter *filter, const struct log_event *event)
{
	return (filter->classes >> log_event_class(event) & 1) != 0 &&
	       (filter->grade == 0 || !str_eq(event->type, STR_LIT("log")) ||
	        log_event_grade(event->level) >= filter->grade);
}

bool event_filter_is_all(const struct event_filter *filter)
{
	const uint64_t every = (UINT64_C(1) << EVENT_CLASS_COUNT) - 1;

	return filter->grade == 0 && (filter->classes & every) == every;
}

const char *segment_class_name(unsigned class)
{
	if (class == EVENT_CLASS_OUTPUT) {
		return "output";
	}
	return class == EVENT_CLASS_UNKNOWN ? "other"
	                                    : event_type_info((enum event_type) class)->name;
}

static void add_name(struct buf *out, const char *name, const char *more)
{
	buf_addf(out, "%s%s%s", out->len > 1 ? "," : "", name, more);
}

static void add_grades(struct buf *out, const char *name, unsigned least)
{
	for (unsigned i = least; i < EVENT_GRADES; i++) {
		add_name(out, name, log_event_grade_name(i));
	}
}

/* Of what segment_store() counts: what matches, each event once; a PostgreSQL array. */
static void names_of(const struct event_filter *filter, struct buf *out)
{
	buf_add_char(out, '{');
	for (unsigned i = 0; i < EVENT_CLASS_COUNT; i++) {
		if ((filter->classes >> i & 1) == 0) {
			continue;
		}
		if (filter->grade > 0 && i == EVENT_TYPE_LOG) {
			add_grades(out, "log:", filter->grade);
		} else if (filter->grade > 0 && i == EVENT_CLASS_OUTPUT) {
			add_grades(out, "output:", filter->grade);
		} else {
			add_name(out, segment_class_name(i), "");
		}
	}
	buf_add_char(out, '}');
}

static void add_part(struct pg_params *params, const struct segment_part *part)
{
	pg_param_cstr(params, part->tenant);
	pg_param_cstr(params, part->sid.s);
	pg_param_u64(params, part->from);
	pg_param_u64(params, part->to);
}

enum err_code segment_span(struct pg *pg, const struct segment_part *part, struct segment_span *ret,
                           struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct segment_span span = { .first = 0 };
	enum err_code code;

	add_part(&params, part);
	code = pg_query(pg, part->tenant, &event_sql_texts[EVENT_SQL_SEGMENT_SPAN], &params, &rows,
	                err);
	if (code != ERR_OK) {
		return err_wrap(err, "segments of %s", part->sid.s);
	}
	if (pg_rows_count(rows) > 0 && !pg_is_null(rows, 0, 0)) {
		span.first = pg_u64(rows, 0, 0);
		span.end = (struct cursor){ pg_u64(rows, 0, 1), pg_u64(rows, 0, 2) };
		span.counted = pg_bool(rows, 0, 3);
		if (!pg_is_null(rows, 0, 4)) {
			span.hole = (struct log_gap){ LOG_GAP_LOST, pg_u64(rows, 0, 4),
				                      pg_u64(rows, 0, 5) };
		}
	}
	*ret = span;
	return ERR_OK;
}

enum err_code segment_find(struct pg *pg, const struct segment_find *find, struct segment_hits *ret,
                           struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf names;

	buf_init(&names, NAMES_MAX);
	names_of(&find->filter, &names);
	add_part(&params, &find->part);
	pg_param_cstr(&params, buf_cstr(&names));
	pg_param_i64(&params, find->descending ? -1 : 1);
	pg_param_u64(&params, find->skip);
	pg_param_u64(&params, find->count);
	code = pg_query(pg, find->part.tenant, &event_sql_texts[EVENT_SQL_SEGMENT_FIND], &params,
	                &rows, err);
	buf_fini(&names);
	if (code != ERR_OK) {
		return err_wrap(err, "segments of %s", find->part.sid.s);
	}
	ret->total = pg_u64(rows, 0, 2);
	ret->count = pg_rows_count(rows) - 1;
	ret->items = mem_calloc(ret->count + 1, sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] =
			(struct segment_hit){ pg_u64(rows, i + 1, 0), pg_u64(rows, i + 1, 1),
			                      pg_u64(rows, i + 1, 3), pg_u64(rows, i + 1, 2) };
	}
	return ERR_OK;
}

enum err_code segment_at_time(struct pg *pg, const struct segment_part *session, int64_t ms,
                              struct segment_hit *ret, uint64_t *ret_last, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, session->tenant);
	pg_param_cstr(&params, session->sid.s);
	pg_param_i64(&params, ms);
	code = pg_query(pg, session->tenant, &event_sql_texts[EVENT_SQL_SEGMENT_TIME], &params,
	                &rows, err);
	if (code != ERR_OK) {
		return err_wrap(err, "segments of %s", session->sid.s);
	}
	*ret = (struct segment_hit){ pg_u64(rows, 0, 0), pg_u64(rows, 0, 1), pg_u64(rows, 0, 2),
		                     0 };
	*ret_last = pg_u64(rows, 0, 3);
	return ERR_OK;
}
