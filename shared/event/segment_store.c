/* Segments and epochs as rows of PostgreSQL. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "event/damage.h"
#include "event/origin.h"
#include "event/segment.h"
#include "event/segment_index.h"
#include "event_sql_gen.h"
#include "pg/pg.h"

enum { ARRAY_MAX = 8192 };

/* What a segment holds, as two PostgreSQL arrays; the names need no quotes. */
struct content {
	struct buf names, counts;
};

static void add_content(struct content *content, const char *name, const char *more, unsigned count)
{
	const char *comma = content->names.len > 1 ? "," : "";

	if (count > 0) {
		buf_addf(&content->names, "%s%s%s", comma, name, more);
		buf_addf(&content->counts, "%s%u", comma, count);
	}
}

static void begin_content(struct content *content)
{
	buf_init(&content->names, ARRAY_MAX);
	buf_init(&content->counts, ARRAY_MAX);
	buf_add_char(&content->names, '{');
	buf_add_char(&content->counts, '{');
}

static void end_content(struct content *content)
{
	buf_add_char(&content->names, '}');
	buf_add_char(&content->counts, '}');
}

static void free_content(struct content *content)
{
	buf_fini(&content->names);
	buf_fini(&content->counts);
}

static void content_of(const struct segment *segment, struct content *ret)
{
	begin_content(ret);
	for (unsigned i = 0; i < EVENT_CLASS_COUNT; i++) {
		add_content(ret, segment_class_name(i), "", segment->counts[i]);
	}
	for (unsigned i = 0; i < EVENT_GRADES; i++) {
		const char *grade = log_event_grade_name(i);

		add_content(ret, "log:", grade, segment->log_grades[i]);
		add_content(ret, "output:", grade, segment->output_grades[i]);
	}
	end_content(ret);
}

enum err_code segment_store(struct pg *pg, const struct id *sid, const char *tenant,
                            const struct segment *segment, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;
	struct content content;

	content_of(segment, &content);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, sid->s);
	pg_param_u64(&params, segment->first.epoch);
	pg_param_u64(&params, segment->first.n);
	pg_param_u64(&params, segment->last.epoch);
	pg_param_u64(&params, segment->last.n);
	pg_param_i64(&params, segment->first_ts_ms);
	pg_param_i64(&params, segment->last_ts_ms);
	pg_param_u64(&params, segment->count);
	pg_param_cstr(&params, buf_cstr(&content.names));
	pg_param_cstr(&params, buf_cstr(&content.counts));
	pg_param_u64(&params, segment->bytes);
	pg_param_bytes(&params,
	               str_make((const char *)segment->checksum, sizeof(segment->checksum)));
	pg_param_bytes(&params, buf_str(&segment->data));
	code = pg_query(pg, tenant, &event_sql_texts[EVENT_SQL_SEGMENT_INSERT], &params, NULL, err);
	free_content(&content);
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

/* The row's events into page. What cannot be one is told, and is as good as gone. */
static void take_row(const struct log_range *range, struct pg_rows *rows, struct log_page *page)
{
	const struct cursor last = { pg_u64(rows, 0, 4), pg_u64(rows, 0, 5) };
	struct err err;
	enum err_code code = segment_unpack(pg_bytes(rows, 0, 0), pg_bytes(rows, 0, 1),
	                                    pg_u64(rows, 0, 2), page, &err);

	if (code == ERR_OK && (page->events[0].at.n != pg_u64(rows, 0, 3) ||
	                       cursor_compare(&page->next, &last) != 0)) {
		log_page_fini(page);
		code = err_set(&err, ERR_BACKEND, "a segment of another range");
	}
	if (code != ERR_OK) {
		damage_tell(&range->sid, pg_u64(rows, 0, 3), err.msg);
		page->gap = (struct log_gap){ LOG_GAP_LOST, range->after.n + 1, last.n };
		page->next = last;
		return;
	}
	cut_page(range, page);
	if (page->events[0].at.n > range->after.n + 1) {
		page->gap = (struct log_gap){ LOG_GAP_LOST, range->after.n + 1,
			                      page->events[0].at.n - 1 };
	}
	page->next = page->events[page->count - 1].at;
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
	if (code != ERR_OK) {
		return err_wrap(err, "archive of %s", range->sid.s);
	}
	page.next = range->after;
	page.caught_up = true;
	if (pg_rows_count(rows) > 0) {
		const struct cursor removed = { pg_u64(rows, 0, 7), pg_u64(rows, 0, 8) };

		if (range->after.n < removed.n) {
			page.gap = (struct log_gap){ LOG_GAP_RETENTION, range->after.n + 1,
				                     removed.n };
			page.next = removed;
		} else if (!pg_is_null(rows, 0, 0)) {
			take_row(range, rows, &page);
		}
		page.caught_up = page.next.n >= pg_u64(rows, 0, 6);
	}
	*ret = page;
	return ERR_OK;
}

enum err_code segment_drop(struct pg *pg, const struct id *sid, const char *tenant,
                           const struct segment *segment, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, sid->s);
	pg_param_u64(&params, segment->first.n);
	return pg_query(pg, tenant, &event_sql_texts[EVENT_SQL_SEGMENT_DROP], &params, NULL, err);
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

enum { LISTS = 7, LIST_MAX = LOG_EPOCHS_MAX * 128 };

enum err_code log_epoch_store_all(struct pg *pg, const struct log_epoch *epochs, size_t count,
                                  struct err *err)
{
	struct pg_params params = { 0 };
	struct buf lists[LISTS];
	enum err_code code;

	assert(count <= LOG_EPOCHS_MAX);
	for (size_t k = 0; k < LISTS; k++) {
		buf_init(&lists[k], LIST_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		const struct log_epoch *epoch = &epochs[i];
		const char *comma = i > 0 ? "," : "";

		buf_addf(&lists[0], "%s%s", comma, epoch->tenant);
		buf_addf(&lists[1], "%s%s", comma, epoch->sid.s);
		buf_addf(&lists[2], "%s%" PRIu64, comma, epoch->first.epoch);
		buf_addf(&lists[3], "%s%" PRIu64, comma, epoch->first.n);
		buf_addf(&lists[4], "%s%s", comma, epoch->cause);
		buf_addf(&lists[5], "%s%s", comma,
		         epoch->worker_id != NULL ? epoch->worker_id : "");
		buf_addf(&lists[6], "%s%" PRIu64, comma, epoch->generation);
	}
	for (size_t k = 0; k < LISTS; k++) {
		pg_param_cstr(&params, buf_cstr(&lists[k]));
	}
	code = pg_query(pg, "", &event_sql_texts[EVENT_SQL_EPOCH_INSERT_ALL], &params, NULL, err);
	for (size_t k = 0; k < LISTS; k++) {
		buf_fini(&lists[k]);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "%zu epochs", count);
}
