#include "task/task_store.h"

#include <assert.h>

#include "json/write.h"
#include "task/task_json.h"
#include "task_sql_gen.h"

enum {
	BATCH_BYTES_MAX =
		64 * 1024 * 1024, /* more than it can be: bodies and batches are bounded */
	COL_MADE = 1,
	COL_KNOWN = 2,
};

void task_plan(struct task_item *item)
{
	struct task_accepted *accepted = &item->accepted;

	accepted->task = id_new();
	accepted->count = (size_t)task_session_count(item->acceptance->spec);
	accepted->sessions = arena_take(item->arena, accepted->count * sizeof(*accepted->sessions));
	for (size_t i = 0; i < accepted->count; i++) {
		accepted->sessions[i] = id_new();
	}
}

/* Which agent each of the sessions runs. */
static void write_sessions(struct jsonw *w, const struct task_spec *spec, const struct id *sessions)
{
	const struct task_agent *agents = spec->agents.items;

	jsonw_array(w, "sessions");
	for (size_t i = 0; i < spec->agents.count; i++) {
		for (uint64_t k = 0; k < agents[i].count; k++) {
			jsonw_array(w, NULL);
			jsonw_cstr(w, NULL, sessions->s);
			jsonw_u64(w, NULL, i);
			jsonw_end_array(w);
			sessions++;
		}
	}
	jsonw_end_array(w);
}

static void add_given(struct jsonw *w, const char *name, struct str value)
{
	if (value.n > 0) {
		jsonw_str(w, name, value);
	}
}

static void add_moment(struct jsonw *w, const char *name, int64_t at_us)
{
	if (at_us != 0) {
		jsonw_i64(w, name, at_us);
	}
}

/* The members are the columns of task_accept.sql. */
static void insert_json(struct jsonw *w, struct task_item *item, size_t i)
{
	const struct task_spec *spec = item->acceptance->spec;
	struct str delivery = task_delivery_json(spec, item->arena);
	char trace[TRACEPARENT_LEN + 1];

	if (item->accepted.count == 0) {
		task_plan(item);
	}
	jsonw_u64(w, "i", i);
	jsonw_cstr(w, "id", item->accepted.task.s);
	add_given(w, "project", spec->project);
	jsonw_str(w, "namespace", spec->namespace.p != NULL ? spec->namespace : STR_LIT(""));
	jsonw_cstr(w, "creator", item->acceptance->created_by);
	jsonw_cstr(w, "owner", item->acceptance->owner);
	jsonw_raw(w, "prompt", task_prompt_json(spec, item->arena));
	jsonw_raw(w, "repo", task_repo_json(spec, item->arena));
	jsonw_raw(w, "runtime", task_runtime_json(spec, item->arena));
	jsonw_raw(w, "agents", task_agents_json(spec, item->arena));
	if (delivery.n > 0) {
		jsonw_raw(w, "delivery", delivery);
	}
	jsonw_raw(w, "labels", task_labels_json(spec, item->arena));
	jsonw_raw(w, "workers", task_workers_json(spec, item->arena));
	if (spec->webhooks.count > 0) {
		jsonw_raw(w, "webhooks", task_webhooks_json(spec, item->arena));
	}
	add_given(w, "key", spec->concurrency_key);
	write_sessions(w, spec, item->accepted.sessions);
	jsonw_u64(w, "priority", spec->priority);
	jsonw_u64(w, "attempts", spec->max_attempts);
	add_given(w, "after", spec->queue_after);
	jsonw_bool(w, "met", item->acceptance->after_met);
	add_moment(w, "not_before", spec->not_before_us);
	add_moment(w, "deadline", spec->deadline_us);
	if (item->acceptance->trace.sampled) {
		traceparent_format(&item->acceptance->trace, trace);
		jsonw_cstr(w, "traceparent", trace);
	}
}

/* The keys in the order of their locks. */
static size_t write_keys(struct buf *out, struct task_item *const items[], size_t count)
{
	size_t keys = 0;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < count; i++) {
		if (items[i]->claim != NULL) {
			keys++;
			jsonw_array(&w, NULL);
			jsonw_cstr(&w, NULL, items[i]->claim->principal);
			jsonw_cstr(&w, NULL, items[i]->claim->key);
			jsonw_end_array(&w);
		}
	}
	jsonw_end_array(&w);
	return keys;
}

static void write_batch(struct buf *out, struct task_item *const items[], size_t count)
{
	unsigned lock = 0;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < count; i++) {
		jsonw_object(&w, NULL);
		insert_json(&w, items[i], i);
		if (items[i]->claim != NULL) {
			idempotency_write(&w, items[i]->claim, &items[i]->once.answer, ++lock);
		}
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
}

static enum err_code read_accepted(struct pg_rows *rows, struct task_item *const items[],
                                   size_t count, struct err *err)
{
	uint64_t sessions = 0;

	for (size_t i = 0; i < count; i++) {
		items[i]->once.outcome = IDEMPOTENCY_FRESH;
	}
	for (size_t row = 1; row < pg_rows_count(rows); row++) {
		size_t i = (size_t)pg_u64(rows, row, 0);

		assert(i < count && items[i]->claim != NULL);
		/* The others are accepted: one that cannot be read is not theirs. */
		if (idempotency_read(rows, row, COL_KNOWN, items[i]->claim, items[i]->arena,
		                     &items[i]->once, err) != ERR_OK) {
			items[i]->once.outcome = IDEMPOTENCY_OTHER;
		}
	}
	for (size_t i = 0; i < count; i++) {
		bool fresh = items[i]->once.outcome == IDEMPOTENCY_FRESH;

		sessions += fresh ? items[i]->accepted.count : 0;
	}
	return pg_u64(rows, 0, COL_MADE) == sessions
	               ? ERR_OK
	               : err_set(err, ERR_INTERNAL, "task %s: not all sessions were inserted",
	                         items[0]->accepted.task.s);
}

/* In tx, or alone. */
static enum err_code insert(struct pg *pg, struct pg_tx *tx, struct task_item *const items[],
                            size_t count, struct err *err)
{
	const struct task_acceptance *first = items[0]->acceptance;
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 }, locks = { 0 };
	const struct pg_statement step = { &task_sql_texts[TASK_SQL_TASK_ACCEPT], &params };
	const struct pg_statement before = { idempotency_locks, &locks };
	enum err_code code;
	struct buf batch, keys;
	size_t keyed;

	buf_init(&batch, BATCH_BYTES_MAX);
	buf_init(&keys, BATCH_BYTES_MAX);
	write_batch(&batch, items, count);
	keyed = write_keys(&keys, items, count);
	assert(tx == NULL || keyed == 0);
	pg_param_cstr(&locks, first->tenant);
	pg_param_cstr(&locks, buf_cstr(&keys));
	pg_param_cstr(&params, first->tenant);
	if (first->generation != 0) {
		pg_param_u64(&params, first->generation);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, buf_cstr(&batch));
	code = tx != NULL ? pg_tx_query(tx, step.query, &params, &rows, err)
	                  : pg_query_after(pg, first->tenant, keyed > 0 ? &before : NULL, &step,
	                                   &rows, err);
	buf_fini(&keys);
	buf_fini(&batch);
	return code == ERR_OK ? read_accepted(rows, items, count, err) : code;
}

enum err_code task_accept(struct pg_tx *tx, const struct task_acceptance *acceptance,
                          struct arena *arena, struct task_accepted *ret, struct err *err)
{
	struct task_item item = { .acceptance = acceptance, .arena = arena };
	struct task_item *items[] = { &item };
	enum err_code code = insert(NULL, tx, items, 1, err);

	if (code == ERR_OK) {
		*ret = item.accepted;
	}
	return code;
}

enum err_code task_accept_all(struct pg *pg, struct task_item *const items[], size_t count,
                              struct err *err)
{
	return insert(pg, NULL, items, count, err);
}

enum err_code task_after_get(struct pg *pg, struct pg_tx *tx, const struct task_after_ask *ask,
                             struct task_after *ret, struct err *err)
{
	const struct text *query = &task_sql_texts[TASK_SQL_TASK_AFTER];
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_text(&params, ask->id);
	pg_param_cstr(&params, ask->namespaces);
	pg_param_cstr(&params, ask->tenant);
	code = tx != NULL ? pg_tx_query(tx, query, &params, &rows, err)
	                  : pg_query(pg, ask->tenant, query, &params, &rows, err);
	if (code == ERR_OK) {
		*ret = (struct task_after){ pg_u64(rows, 0, 0), pg_bool(rows, 0, 1) };
	}
	return code;
}
