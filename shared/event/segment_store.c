/* Segments and epochs as rows of PostgreSQL. */
#include <stdio.h>

#include "event/origin.h"
#include "event/segment.h"
#include "event_sql_gen.h"
#include "pg/pg.h"

/* The type names as a PostgreSQL array; they need no quotes. */
static void add_types(struct buf *out, const struct segment *segment)
{
	bool first = true;

	buf_add_char(out, '{');
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		if ((segment->types & (UINT64_C(1) << i)) != 0) {
			buf_add_cstr(out, first ? "" : ",");
			buf_add_cstr(out, event_type_info((enum event_type)i)->name);
			first = false;
		}
	}
	buf_add_char(out, '}');
}

enum err_code segment_store(struct pg *pg, const struct id *sid, const char *tenant,
                            const struct segment *segment, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf types;

	buf_init(&types, 4096);
	add_types(&types, segment);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, sid->s);
	pg_param_u64(&params, segment->first.epoch);
	pg_param_u64(&params, segment->first.n);
	pg_param_u64(&params, segment->last.epoch);
	pg_param_u64(&params, segment->last.n);
	pg_param_i64(&params, segment->first_ts_ms);
	pg_param_i64(&params, segment->last_ts_ms);
	pg_param_u64(&params, segment->count);
	pg_param_cstr(&params, buf_cstr(&types));
	pg_param_u64(&params, segment->bytes);
	pg_param_bytes(&params,
	               str_make((const char *)segment->checksum, sizeof(segment->checksum)));
	pg_param_bytes(&params, buf_str(&segment->data));
	code = pg_query(pg, tenant, &event_sql_texts[EVENT_SQL_SEGMENT_INSERT], &params, NULL, err);
	buf_fini(&types);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "segment of %s", sid->s);
}

/* Keep what the range asks for: events after it, no more than it has room for. */
static void cut_page(const struct log_range *range, struct log_page *page)
{
	size_t skip = 0, bytes = 0, count = 0;

	while (skip < page->count && page->events[skip].at.n <= range->after.n) {
		skip++;
	}
	memmove(page->events, page->events + skip, (page->count - skip) * sizeof(*page->events));
	page->count -= skip;
	while (count < page->count && count < range->max_count) {
		bytes += page->events[count].data.n;
		if (count > 0 && bytes > range->max_bytes) {
			break;
		}
		count++;
	}
	page->count = count;
}

enum err_code segment_read(struct pg *pg, const struct log_range *range, struct log_page *ret,
                           struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct log_page page = { 0 };
	enum err_code code;

	pg_param_cstr(&params, range->tenant);
	pg_param_cstr(&params, range->sid.s);
	pg_param_u64(&params, range->after.n);
	code = pg_query(pg, range->tenant, &event_sql_texts[EVENT_SQL_SEGMENT_NEXT], &params, &rows,
	                err);
	if (code == ERR_OK && pg_rows_count(rows) > 0) {
		code = segment_unpack(pg_bytes(rows, 0, 0), pg_bytes(rows, 0, 1),
		                      pg_u64(rows, 0, 2), &page, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "archive of %s", range->sid.s);
	}
	page.next = range->after;
	page.caught_up = true;
	if (page.count > 0) {
		cut_page(range, &page);
		if (page.events[0].at.n > range->after.n + 1) {
			page.gap = (struct log_gap){ LOG_GAP_LOST, range->after.n + 1,
				                     page.events[0].at.n - 1 };
		}
		page.next = page.events[page.count - 1].at;
		page.caught_up = page.next.n >= pg_u64(rows, 0, 3);
	}
	*ret = page;
	return ERR_OK;
}

enum err_code segment_before(struct pg *pg, const struct log_range *before, struct cursor *ret,
                             struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, before->tenant);
	pg_param_cstr(&params, before->sid.s);
	pg_param_u64(&params, before->after.n);
	code = pg_query(pg, before->tenant, &event_sql_texts[EVENT_SQL_SEGMENT_BEFORE], &params,
	                &rows, err);
	if (code != ERR_OK) {
		return err_wrap(err, "archive of %s", before->sid.s);
	}
	*ret = pg_rows_count(rows) == 0 ? (struct cursor){ 0, 0 }
	                                : (struct cursor){ pg_u64(rows, 0, 0), pg_u64(rows, 0, 1) };
	return ERR_OK;
}

enum err_code log_origin_get(struct pg *pg, const struct id *sid, const char *tenant,
                             struct log_origin *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct log_origin origin;
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, sid->s);
	code = pg_query(pg, tenant, &event_sql_texts[EVENT_SQL_LOG_ORIGIN], &params, &rows, err);
	if (code != ERR_OK) {
		return err_wrap(err, "session %s", sid->s);
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no session %s", sid->s);
	}
	if (!session_state_parse(pg_str(rows, 0, 0), &origin.state)) {
		return err_set(err, ERR_BACKEND, "session %s has no known state", sid->s);
	}
	origin.epoch = pg_u64(rows, 0, 1);
	origin.archived = (struct cursor){ pg_u64(rows, 0, 2), pg_u64(rows, 0, 3) };
	*ret = origin;
	return ERR_OK;
}

enum err_code log_epoch_after(struct pg *pg, const struct log_range *range, uint64_t *ret_first_n,
                              struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, range->tenant);
	pg_param_cstr(&params, range->sid.s);
	pg_param_u64(&params, range->after.epoch);
	code = pg_query(pg, range->tenant, &event_sql_texts[EVENT_SQL_EPOCH_AFTER], &params, &rows,
	                err);
	if (code != ERR_OK) {
		return err_wrap(err, "epochs of %s", range->sid.s);
	}
	*ret_first_n = pg_rows_count(rows) == 0 ? UINT64_MAX : pg_u64(rows, 0, 0);
	return ERR_OK;
}

enum err_code log_epoch_store(struct pg *pg, const struct log_epoch *epoch, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, epoch->tenant);
	pg_param_cstr(&params, epoch->sid.s);
	pg_param_u64(&params, epoch->first.epoch);
	pg_param_u64(&params, epoch->first.n);
	pg_param_cstr(&params, epoch->cause);
	pg_param_cstr(&params, epoch->worker_id);
	pg_param_u64(&params, epoch->generation);
	code = pg_query(pg, epoch->tenant, &event_sql_texts[EVENT_SQL_EPOCH_INSERT], &params, NULL,
	                err);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "epoch of %s", epoch->sid.s);
}
