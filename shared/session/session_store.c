#include "session/session_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "session_sql_gen.h"

enum { IDS_MAX = 128 };

/* The order of the columns in every query that returns sessions. */
enum {
	COL_ID,
	COL_TENANT,
	COL_TASK,
	COL_PROJECT,
	COL_NAMESPACE,
	COL_STATE,
	COL_EPOCH,
	COL_N,
	COL_EXIT_CODE,
	COL_REASON,
	COL_PRIORITY,
	COL_RETRY_OF,
	COL_ATTEMPTS,
	COL_MAX_ATTEMPTS,
	COL_WORKER,
	COL_CREATED,
	COL_QUEUED,
	COL_STARTED,
	COL_ENDED,
	COL_UPDATED,
	COL_LABELS,
	COL_CHANGES,
	COL_WORKSPACE,
	COL_AGENT,
	COL_PROMPT,
	COL_REPO,
	COL_RUNTIME,
	COL_DELIVERY,
	COL_CREATED_BY,
	COL_OWNER,
	COL_WORKERS,
	COL_KEY,
	COL_AFTER,
	COL_WAITS,
	COL_NOT_BEFORE,
	COL_DEADLINE,
	COL_FAILURES,
	COL_TRACEPARENT,
};

static const struct text *sql(enum session_sql_id id)
{
	return &session_sql_texts[id];
}

static bool from_row(const struct pg_rows *rows, size_t row, struct arena *arena,
                     struct session *ret)
{
#define TEXT(column) arena_str(arena, pg_str(rows, row, (column)))
	*ret = (struct session){
		.tenant = TEXT(COL_TENANT),
		.project = TEXT(COL_PROJECT),
		.namespace = TEXT(COL_NAMESPACE),
		.created_by = TEXT(COL_CREATED_BY),
		.worker = TEXT(COL_WORKER),
		.reason = TEXT(COL_REASON),
		.epoch = pg_u64(rows, row, COL_EPOCH),
		.n = pg_u64(rows, row, COL_N),
		.has_exit_code = !pg_is_null(rows, row, COL_EXIT_CODE),
		.exit_code = (int)pg_i64(rows, row, COL_EXIT_CODE),
		.priority = (unsigned)pg_u64(rows, row, COL_PRIORITY),
		.attempts = (unsigned)pg_u64(rows, row, COL_ATTEMPTS),
		.max_attempts = (unsigned)pg_u64(rows, row, COL_MAX_ATTEMPTS),
		.created_us = pg_i64(rows, row, COL_CREATED),
		.queued_us = pg_i64(rows, row, COL_QUEUED),
		.started_us = pg_i64(rows, row, COL_STARTED),
		.ended_us = pg_i64(rows, row, COL_ENDED),
		.updated_us = pg_i64(rows, row, COL_UPDATED),
		.labels = TEXT(COL_LABELS),
		.agent = TEXT(COL_AGENT),
		.prompt = TEXT(COL_PROMPT),
		.repo = TEXT(COL_REPO),
		.runtime = TEXT(COL_RUNTIME),
		.changes = TEXT(COL_CHANGES),
		.workspace = TEXT(COL_WORKSPACE),
		.delivery = TEXT(COL_DELIVERY),
		.owner = TEXT(COL_OWNER),
		.workers = TEXT(COL_WORKERS),
		.concurrency_key = TEXT(COL_KEY),
		.queue_after = TEXT(COL_AFTER),
		.waits = pg_bool(rows, row, COL_WAITS),
		.not_before_us = pg_i64(rows, row, COL_NOT_BEFORE),
		.deadline_us = pg_i64(rows, row, COL_DEADLINE),
		.failures = (unsigned)pg_u64(rows, row, COL_FAILURES),
		.traceparent = TEXT(COL_TRACEPARENT),
	};
#undef TEXT
	return id_parse(pg_str(rows, row, COL_ID), &ret->id) &&
	       id_parse(pg_str(rows, row, COL_TASK), &ret->task) &&
	       (pg_is_null(rows, row, COL_RETRY_OF) ||
	        id_parse(pg_str(rows, row, COL_RETRY_OF), &ret->retry_of)) &&
	       session_state_parse(pg_str(rows, row, COL_STATE), &ret->state);
}

static enum err_code from_rows(const struct pg_rows *rows, struct arena *arena,
                               struct session **ret_items, size_t *ret_count, struct err *err)
{
	size_t count = pg_rows_count(rows);
	struct session *items = arena_take(arena, count * sizeof(*items));

	for (size_t i = 0; i < count; i++) {
		if (!from_row(rows, i, arena, &items[i])) {
			return err_set(err, ERR_INTERNAL, "session row %s does not decode",
			               pg_str(rows, i, COL_ID).p);
		}
	}
	*ret_items = items;
	*ret_count = count;
	return ERR_OK;
}

enum err_code session_look(struct pg *pg, const char *tenant, const struct id *const ids[],
                           size_t count, struct pg_rows **ret, struct err *err)
{
	char list[SESSION_LOOK_MAX * sizeof(struct id)];
	struct pg_params params = { 0 };
	size_t at = 0;

	assert(count >= 1 && count <= SESSION_LOOK_MAX);
	if (count == 1) {
		pg_param_cstr(&params, ids[0]->s);
	} else {
		for (size_t i = 0; i < count; i++) {
			memcpy(list + at, ids[i]->s, ID_LEN);
			at += ID_LEN;
			list[at++] = i + 1 < count ? ',' : '\0';
		}
		pg_param_cstr(&params, list);
	}
	pg_param_cstr(&params, tenant);
	return pg_look(pg, tenant,
	               sql(count == 1 ? SESSION_SQL_SESSION_GET : SESSION_SQL_SESSION_LOOK),
	               &params, ret, err);
}

enum err_code session_take(const struct pg_rows *rows, const struct id *id, struct arena *arena,
                           struct session *ret, struct err *err)
{
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		if (!str_eq(pg_str(rows, i, COL_ID), str_of(id->s))) {
			continue;
		}
		return from_row(rows, i, arena, ret)
		               ? ERR_OK
		               : err_set(err, ERR_INTERNAL, "session row %s does not decode",
		                         id->s);
	}
	return err_set(err, ERR_NOT_FOUND, "no session %s", id->s);
}

enum err_code session_get(struct pg *pg, const char *tenant, const struct id *id,
                          struct arena *arena, struct session *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = session_look(pg, tenant, &id, 1, &rows, err);

	return code == ERR_OK ? session_take(rows, id, arena, ret, err) : code;
}

/* ---- lists ---- */

void session_position_format(const struct session_position *position,
                             char out[SESSION_POSITION_SIZE])
{
	(void)snprintf(out, SESSION_POSITION_SIZE, "%" PRId64 "-%s", position->created_us,
	               position->id.s);
}

bool session_position_parse(struct str text, struct session_position *ret)
{
	struct session_position position;
	struct str rest = text;
	uint64_t created_us;

	/* PostgreSQL's timestamps end in the year 294276. */
	if (!parse_u64(str_split(&rest, '-'), UINT64_C(9000000000000000), &created_us) ||
	    !id_parse(rest, &position.id)) {
		return false;
	}
	position.created_us = (int64_t)created_us;
	*ret = position;
	return true;
}

static void write_states(unsigned states, char out[SESSION_STATES_SIZE])
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		if ((states & session_bit((enum session_state)i)) != 0) {
			at += (size_t)snprintf(out + at, SESSION_STATES_SIZE - at, "%s%s",
			                       at > 0 ? "," : "",
			                       session_state_name((enum session_state)i));
		}
	}
}

void session_filter_params(const struct session_filter *filter, struct pg_params *params,
                           char states[SESSION_STATES_SIZE])
{
	write_states(filter->states, states);
	pg_param_cstr(params, filter->tenant);
	pg_param_cstr(params, states[0] != '\0' ? states : NULL);
	pg_param_cstr(params, filter->project);
	pg_param_cstr(params, filter->agent);
	pg_param_cstr(params, filter->namespaces);
	pg_param_cstr(params, filter->label_name);
	pg_param_cstr(params, filter->label_name != NULL ? filter->label_value : NULL);
	pg_param_cstr(params, filter->cause);
	pg_param_bool(params, filter->unretried);
}

static enum err_code count_all(struct pg *pg, const struct session_filter *filter,
                               const struct pg_params *params, uint64_t *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code =
		pg_query(pg, filter->tenant, sql(SESSION_SQL_SESSION_COUNT), params, &rows, err);

	if (code == ERR_OK) {
		*ret = pg_u64(rows, 0, 0);
	}
	return code;
}

static enum err_code read_page(struct pg *pg, const struct session_filter *filter,
                               struct pg_params *params, struct arena *arena,
                               struct session_page *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code;

	if (id_is_nil(&filter->after.id)) {
		pg_param_null(params);
		pg_param_null(params);
	} else {
		pg_param_i64(params, filter->after.created_us);
		pg_param_cstr(params, filter->after.id.s);
	}
	pg_param_u64(params, filter->skip);
	pg_param_u64(params, (uint64_t)filter->max + 1); /* one more tells whether there is more */
	code = pg_query(pg, filter->tenant, sql(SESSION_SQL_SESSION_LIST), params, &rows, err);
	if (code == ERR_OK) {
		code = from_rows(rows, arena, &ret->items, &ret->count, err);
	}
	return code;
}

enum err_code session_list(struct pg *pg, const struct session_filter *filter, struct arena *arena,
                           struct session_page *ret, struct err *err)
{
	struct session_page page = { .count = 0 };
	struct pg_params params = { 0 };
	char states[SESSION_STATES_SIZE];
	enum err_code code;

	assert(filter->max >= 1 && filter->max <= SESSION_PAGE_MAX);
	session_filter_params(filter, &params, states);
	code = count_all(pg, filter, &params, &page.total, err);
	if (code == ERR_OK) {
		code = read_page(pg, filter, &params, arena, &page, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	page.more = page.count > filter->max;
	if (page.more) {
		page.count = filter->max;
	}
	if (page.count > 0) {
		const struct session *last = &page.items[page.count - 1];

		page.last = (struct session_position){ last->created_us, last->id };
	}
	*ret = page;
	return ERR_OK;
}

/* ---- for reconcilers ---- */

static enum err_code read_batch(struct pg *pg, const struct text *query,
                                const struct pg_params *params, struct arena *arena,
                                struct session_batch *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = pg_look(pg, "", query, params, &rows, err);

	return code != ERR_OK ? code : from_rows(rows, arena, &ret->items, &ret->count, err);
}

enum err_code session_live(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                           struct session_batch *ret, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, walk->after.s);
	pg_param_u64(&params, walk->max);
	return read_batch(pg, sql(SESSION_SQL_SESSION_LIVE), &params, arena, ret, err);
}

enum err_code session_begun(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                            struct session_batch *ret, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, walk->after.s);
	pg_param_u64(&params, walk->max);
	return read_batch(pg, sql(SESSION_SQL_SESSION_BEGUN), &params, arena, ret, err);
}

enum err_code session_waiting(struct pg *pg, const struct session_waiting_walk *walk,
                              struct arena *arena, struct session_batch *ret, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_u64(&params, walk->priority);
	pg_param_cstr(&params, walk->after.s);
	pg_param_u64(&params, walk->max);
	return read_batch(pg, sql(SESSION_SQL_SESSION_WAITING), &params, arena, ret, err);
}

enum err_code session_unqueued(struct pg *pg, const struct session_walk *walk, struct arena *arena,
                               struct session_batch *ret, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, walk->after.s);
	pg_param_u64(&params, walk->older_ms);
	pg_param_u64(&params, walk->max);
	return read_batch(pg, sql(SESSION_SQL_SESSION_UNQUEUED), &params, arena, ret, err);
}

static void add_ids(struct buf *list, const struct id *ids, size_t count)
{
	assert(count <= IDS_MAX);
	buf_init(list, IDS_MAX * sizeof(struct id));
	for (size_t i = 0; i < count; i++) {
		buf_addf(list, "%s%s", i > 0 ? "," : "", ids[i].s);
	}
}

enum err_code session_get_all(struct pg *pg, const struct id *ids, size_t count,
                              struct arena *arena, struct session_batch *ret, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf list;

	add_ids(&list, ids, count);
	pg_param_cstr(&params, buf_cstr(&list));
	code = read_batch(pg, sql(SESSION_SQL_SESSION_GET_ALL), &params, arena, ret, err);
	buf_fini(&list);
	return code;
}

enum err_code session_mark_queued(struct pg *pg, const char *tenant, const struct id *ids,
                                  size_t count, struct err *err)
{
	struct pg_params params = { 0 };
	struct buf list;
	enum err_code code;

	add_ids(&list, ids, count);
	pg_param_cstr(&params, buf_cstr(&list));
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SESSION_SQL_SESSION_MARK_QUEUED), &params, NULL, err);
	buf_fini(&list);
	return code;
}

/* ---- following the log ---- */

enum { LEASED_LISTS = 5, LEASED_WORD_MAX = 80 };

enum err_code session_leased_all(struct pg *pg, const struct session_leased *leased, size_t count,
                                 struct err *err)
{
	struct pg_params params = { 0 };
	struct buf lists[LEASED_LISTS];
	enum err_code code;

	assert(count <= IDS_MAX);
	for (size_t k = 0; k < LEASED_LISTS; k++) {
		buf_init(&lists[k], IDS_MAX * LEASED_WORD_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		const char *comma = i > 0 ? "," : "";

		buf_addf(&lists[0], "%s%s", comma, leased[i].id.s);
		buf_addf(&lists[1], "%s%s", comma, leased[i].worker);
		buf_addf(&lists[2], "%s%" PRIu64, comma, leased[i].epoch);
		buf_addf(&lists[3], "%s%" PRIu64, comma, leased[i].first_n);
		buf_addf(&lists[4], "%s%" PRIu64, comma, leased[i].n);
	}
	for (size_t k = 0; k < LEASED_LISTS; k++) {
		pg_param_cstr(&params, buf_cstr(&lists[k]));
	}
	code = pg_query(pg, "", sql(SESSION_SQL_SESSION_LEASED), &params, NULL, err);
	for (size_t k = 0; k < LEASED_LISTS; k++) {
		buf_fini(&lists[k]);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "%zu leases", count);
}

/* One statement that affects one row or none. */
static enum err_code change(struct pg *pg, const char *tenant, enum session_sql_id id,
                            const struct pg_params *params, bool *ret_changed, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = pg_query(pg, tenant, sql(id), params, &rows, err);

	if (code == ERR_OK) {
		*ret_changed = pg_rows_affected(rows) > 0;
	}
	return code;
}

enum err_code session_move(struct pg *pg, const char *tenant, const struct session_move *move,
                           struct session_moved *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, move->id.s);
	pg_param_cstr(&params, session_state_name(move->state));
	pg_param_u64(&params, move->epoch);
	pg_param_u64(&params, move->n);
	pg_param_i64(&params, move->at_us);
	if (move->has_exit_code) {
		pg_param_i64(&params, move->exit_code);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, move->reason);
	pg_param_cstr(&params, move->worker);
	if (move->has_attempts) {
		pg_param_u64(&params, move->attempts);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, move->changes);
	pg_param_cstr(&params, move->workspace);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SESSION_SQL_SESSION_MOVE), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret = (struct session_moved){ .moved = pg_rows_count(rows) > 0 };
	if (ret->moved) {
		ret->awaited = pg_bool(rows, 0, 1);
		if (!id_parse(pg_str(rows, 0, 0), &ret->task)) {
			return err_set(err, ERR_INTERNAL, "session row %s does not decode",
			               move->id.s);
		}
	}
	return ERR_OK;
}

enum err_code session_attempt_failed(struct pg *pg, const char *tenant, const struct id *id,
                                     unsigned attempt, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_u64(&params, attempt);
	pg_param_cstr(&params, tenant);
	return pg_query(pg, tenant, sql(SESSION_SQL_SESSION_ATTEMPT_FAILED), &params, NULL, err);
}

enum err_code session_delete(struct pg *pg, const char *tenant, const struct id *id,
                             bool *ret_deleted, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	return change(pg, tenant, SESSION_SQL_SESSION_DELETE, &params, ret_deleted, err);
}

enum err_code session_epoch_add(struct pg *pg, const struct session_epoch *epoch, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, epoch->tenant);
	pg_param_cstr(&params, epoch->session.s);
	pg_param_u64(&params, epoch->epoch);
	pg_param_u64(&params, epoch->first_n);
	pg_param_cstr(&params, epoch->cause);
	pg_param_cstr(&params, epoch->worker);
	pg_param_u64(&params, epoch->generation);
	return pg_query(pg, epoch->tenant, sql(SESSION_SQL_SESSION_EPOCH_ADD), &params, NULL, err);
}

enum err_code session_epoch_last(struct pg *pg, const char *tenant, const struct id *id,
                                 struct session_epoch *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(SESSION_SQL_SESSION_EPOCH_LAST), &params, &rows, err);
	if (code == ERR_OK) {
		bool known = pg_rows_count(rows) > 0;

		*ret = (struct session_epoch){
			.epoch = known ? pg_u64(rows, 0, 0) : 0,
			.generation = known ? pg_u64(rows, 0, 1) : 0,
		};
	}
	return code;
}
