/* A snapshot from the archive's index, the segments that matter, and the end of the log. */
#include <stdlib.h>

#include "base/mem.h"
#include "event/segment.h"
#include "event/segment_index.h"
#include "event/snapshot.h"
#include "event_sql_gen.h"
#include "pg/pg.h"

enum {
	ASKS_MAX = 16,    /* segments looked through for permission requests */
	TAIL_MAX = 65536, /* events after the archive */
	READ_BYTES = 1024 * 1024,
	TRIES = 3,
};

static const char last_names[] = "{turn_started,message,plan,usage,cost,progress}";
/* What asks, answers, or settles all that was asked. */
static const char ask_names[] = "{permission_request,permission_resolved,turn_finished,status}";

struct source {
	const struct log_store *store;
	struct pg *pg;
	struct id sid;
	const char *tenant;
	struct log_head head; /* the snapshot is of this moment */
};

static enum err_code find_head(struct source *source, struct err *err)
{
	const struct log_range range = { source->sid, source->tenant, { 0, 0 }, 1, 1 };
	struct log_page page;
	enum err_code code =
		log_head_get(source->store, &source->sid, source->tenant, &source->head, err);

	if (code != ERR_OK || source->head.found) {
		return code;
	}
	code = log_history(source->store, source->pg, &range, &page, err);
	if (code == ERR_OK) {
		source->head = page.head;
		log_page_fini(&page);
	}
	return code;
}

static enum err_code query(const struct source *source, unsigned text, struct pg_params *params,
                           struct pg_rows **ret, struct err *err)
{
	return pg_query(source->pg, source->tenant, &event_sql_texts[text], params, ret, err);
}

static void begin_params(const struct source *source, uint64_t n, struct pg_params *params)
{
	pg_param_cstr(params, source->tenant);
	pg_param_cstr(params, source->sid.s);
	pg_param_u64(params, n);
}

static enum err_code take_counts(const struct source *source, uint64_t n, struct snapshot *snapshot,
                                 struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	begin_params(source, n, &params);
	code = query(source, EVENT_SQL_SEGMENT_TOTALS, &params, &rows, err);
	for (size_t i = 0; code == ERR_OK && i < pg_rows_count(rows); i++) {
		for (unsigned class = 0; class < EVENT_CLASS_COUNT; class ++) {
			if (str_eq(pg_str(rows, i, 0), str_of(segment_class_name(class)))) {
				snapshot->counts[class] = pg_u64(rows, i, 1);
			}
		}
	}
	return code;
}

static enum err_code apply_segment(const struct source *source, uint64_t first,
                                   struct snapshot *snapshot, struct err *err)
{
	const struct log_range range = { source->sid,
		                         source->tenant,
		                         { CURSOR_EPOCH_ANY, first - 1 },
		                         LOG_READ_MAX,
		                         READ_BYTES };
	struct log_page page;
	enum err_code code = segment_read(source->pg, &range, &page, err);

	if (code != ERR_OK) {
		return code;
	}
	for (size_t i = 0; i < page.count; i++) {
		snapshot_apply(snapshot, &page.events[i], false);
	}
	log_page_fini(&page);
	return ERR_OK;
}

/* The segments that have the newest of each kind, in order. */
static enum err_code apply_segments(const struct source *source, uint64_t n,
                                    struct snapshot *snapshot, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	uint64_t oldest = 1;
	size_t several = 0;
	enum err_code code;

	begin_params(source, n, &params);
	pg_param_cstr(&params, last_names);
	pg_param_cstr(&params, ask_names);
	pg_param_u64(&params, ASKS_MAX);
	code = query(source, EVENT_SQL_SEGMENT_LATEST, &params, &rows, err);
	for (size_t i = 0; code == ERR_OK && i < pg_rows_count(rows); i++) {
		if (pg_bool(rows, i, 1) && several++ == 0) {
			oldest = pg_u64(rows, i, 0);
		}
	}
	for (size_t i = 0; code == ERR_OK && i < pg_rows_count(rows); i++) {
		if (pg_u64(rows, i, 0) == oldest && several == ASKS_MAX) {
			snapshot_forget_asks(snapshot, oldest);
		}
		code = apply_segment(source, pg_u64(rows, i, 0), snapshot, err);
	}
	return code;
}

static enum err_code apply_archive(const struct source *source, struct snapshot *snapshot,
                                   struct err *err)
{
	const struct segment_part part = { source->sid, source->tenant, 1, source->head.at.n };
	struct segment_span span;
	enum err_code code = segment_span(source->pg, &part, &span, err);

	if (code != ERR_OK || span.first == 0) {
		return code;
	}
	snapshot->counted = span.counted;
	code = span.counted ? take_counts(source, span.end.n, snapshot, err) : ERR_OK;
	if (code == ERR_OK) {
		code = apply_segments(source, span.end.n, snapshot, err);
	}
	snapshot->at = span.end;
	return code;
}

/* What came after the archive, up to the head and not beyond. */
static enum err_code apply_tail(const struct source *source, struct snapshot *snapshot,
                                struct err *err)
{
	size_t seen = 0;

	while (snapshot->at.n < source->head.at.n) {
		const struct log_range range = { source->sid, source->tenant, snapshot->at,
			                         LOG_READ_MAX, READ_BYTES };
		struct log_page page;
		enum err_code code;

		if (seen > TAIL_MAX) {
			return err_set(err, ERR_UNAVAILABLE, "too much is not archived yet");
		}
		code = log_history(source->store, source->pg, &range, &page, err);
		if (code != ERR_OK) {
			return code;
		}
		if (page.next.n <= snapshot->at.n) {
			log_page_fini(&page);
			return err_set(err, ERR_REBUILD, "the log has lost its end");
		}
		for (size_t i = 0; i < page.count && page.events[i].at.n <= source->head.at.n;
		     i++) {
			snapshot_apply(snapshot, &page.events[i], true);
		}
		snapshot->at = page.count > 0 ? snapshot->at : page.next; /* past what is gone */
		seen += page.count;
		log_page_fini(&page);
	}
	return snapshot->at.n == source->head.at.n && snapshot->at.epoch == source->head.at.epoch
	               ? ERR_OK
	               : err_set(err, ERR_REBUILD, "the log has lost its end");
}

static enum err_code read_once(struct source *source, struct snapshot *ret, struct err *err)
{
	enum err_code code = find_head(source, err);

	snapshot_init(ret);
	if (code == ERR_OK) {
		code = apply_archive(source, ret, err);
	}
	if (code == ERR_OK) {
		code = apply_tail(source, ret, err);
	}
	ret->state = source->head.state;
	if (code != ERR_OK) {
		snapshot_fini(ret);
	}
	return code;
}

enum err_code snapshot_read(const struct log_store *store, struct pg *pg, const struct id *sid,
                            const char *tenant, struct snapshot *ret, struct err *err)
{
	struct source source = { .store = store, .pg = pg, .sid = *sid, .tenant = tenant };
	enum err_code code = ERR_REBUILD;

	for (int i = 0; i < TRIES && code == ERR_REBUILD; i++) {
		code = read_once(&source, ret, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "snapshot of %s", sid->s);
}
