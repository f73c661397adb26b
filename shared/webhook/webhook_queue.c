#include "webhook/webhook_queue.h"

#include "json/write.h"
#include "webhook_sql_gen.h"

enum { TRY_MAX = 4096, PRUNE_MAX = 1000 };

enum due_column {
	DUE_ID,
	DUE_TENANT,
	DUE_TYPE,
	DUE_AT,
	DUE_TASK,
	DUE_SESSION,
	DUE_PROJECT,
	DUE_CURSOR,
	DUE_DATA,
	DUE_WEBHOOK,
	DUE_URL,
	DUE_ATTEMPT,
	DUE_SECRET_N,
	DUE_FORMER,
	DUE_FAILURES
};

static const struct text *sql(enum webhook_sql_id id)
{
	return &webhook_sql_texts[id];
}

enum err_code webhook_emit(struct pg *pg, const struct webhook_happened *what, size_t *ret,
                           struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	char asked[WEBHOOK_ASKED_SIZE];
	struct pg_params params = { 0 };
	enum err_code code;

	webhook_asked(what->type, asked);
	pg_param_cstr(&params, what->tenant);
	pg_param_cstr(&params, what->session.s);
	pg_param_cstr(&params, what->type);
	pg_param_cstr(&params, asked);
	pg_param_cstr(&params, what->cursor);
	pg_param_i64(&params, what->at_us);
	if (what->data.n > WEBHOOK_DATA_MAX) {
		pg_param_cstr(&params, "");
	} else {
		pg_param_text(&params, what->data);
	}
	code = pg_query(pg, what->tenant, sql(WEBHOOK_SQL_WEBHOOK_EMIT), &params, &rows, err);
	*ret = code == ERR_OK ? pg_rows_count(rows) : 0;
	return code;
}

static struct webhook_due due_of(const struct pg_rows *rows, size_t i, struct arena *arena)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	return (struct webhook_due){
		.message = { .id = TEXT(DUE_ID).p,
		             .type = TEXT(DUE_TYPE).p,
		             .tenant = TEXT(DUE_TENANT),
		             .project = TEXT(DUE_PROJECT),
		             .task = TEXT(DUE_TASK),
		             .session = TEXT(DUE_SESSION),
		             .cursor = TEXT(DUE_CURSOR),
		             .data = TEXT(DUE_DATA),
		             .truncated = !pg_is_null(rows, i, DUE_DATA) &&
		                          pg_str(rows, i, DUE_DATA).n == 0,
		             .at_us = pg_i64(rows, i, DUE_AT) },
		.url = TEXT(DUE_URL),
		.webhook = TEXT(DUE_WEBHOOK),
		.attempt = pg_u64(rows, i, DUE_ATTEMPT),
		.secret_n = pg_u64(rows, i, DUE_SECRET_N),
		.former_too = pg_bool(rows, i, DUE_FORMER),
		.failures = pg_u64(rows, i, DUE_FAILURES),
	};
#undef TEXT
}

enum err_code webhook_claim(struct pg *pg, unsigned max, uint64_t lease_ms, struct arena *arena,
                            struct webhook_due_list *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, max);
	pg_param_u64(&params, WEBHOOK_OF_ENDPOINT);
	pg_param_u64(&params, WEBHOOK_REST_AFTER);
	pg_param_u64(&params, WEBHOOK_HOLD);
	pg_param_u64(&params, lease_ms);
	code = pg_query(pg, "", sql(WEBHOOK_SQL_WEBHOOK_CLAIM), &params, &rows, err);
	ret->count = code == ERR_OK ? pg_rows_count(rows) : 0;
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = due_of(rows, i, arena);
	}
	return code;
}

/* What is kept of an attempt, and shown as it is. */
static void write_try(const struct webhook_due *due, const struct webhook_outcome *outcome,
                      struct buf *out)
{
	struct jsonw w;

	buf_init(out, TRY_MAX);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "attempt", due->attempt);
	jsonw_time(&w, "at", outcome->at_us);
	jsonw_u64(&w, "ms", outcome->took_ms);
	if (outcome->status != 0) {
		jsonw_i64(&w, "status", outcome->status);
	}
	if (outcome->error[0] != '\0') {
		jsonw_cstr(&w, "error", outcome->error);
	}
	jsonw_end_object(&w);
}

/* Which attempt of which message. */
static void add_attempt(struct pg_params *params, const struct webhook_due *due)
{
	pg_param_cstr(params, due->message.id);
	pg_param_cstr(params, due->message.tenant.p);
	pg_param_u64(params, due->attempt);
}

enum err_code webhook_delivered(struct pg *pg, const struct webhook_due *due,
                                const struct webhook_outcome *outcome, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf how;

	write_try(due, outcome, &how);
	add_attempt(&params, due);
	pg_param_i64(&params, outcome->status);
	pg_param_cstr(&params, buf_cstr(&how));
	code = pg_query(pg, due->message.tenant.p, sql(WEBHOOK_SQL_WEBHOOK_DELIVERED), &params,
	                NULL, err);
	buf_fini(&how);
	return code;
}

enum err_code webhook_failed(struct pg *pg, const struct webhook_due *due,
                             const struct webhook_outcome *outcome, bool *ret_dead, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf how;

	write_try(due, outcome, &how);
	add_attempt(&params, due);
	if (outcome->status != 0) {
		pg_param_i64(&params, outcome->status);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, outcome->error);
	pg_param_cstr(&params, buf_cstr(&how));
	pg_param_u64(&params, outcome->again_ms);
	pg_param_u64(&params, outcome->give_up_ms);
	pg_param_u64(&params, outcome->rest_ms);
	code = pg_query(pg, due->message.tenant.p, sql(WEBHOOK_SQL_WEBHOOK_FAILED), &params, &rows,
	                err);
	buf_fini(&how);
	*ret_dead = code == ERR_OK && pg_rows_count(rows) > 0 && pg_bool(rows, 0, 0);
	return code;
}

enum err_code webhook_disable(struct pg *pg, const struct webhook_due *due, uint64_t after_ms,
                              bool *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, due->webhook.p);
	pg_param_cstr(&params, due->message.tenant.p);
	pg_param_u64(&params, after_ms);
	code = pg_query(pg, due->message.tenant.p, sql(WEBHOOK_SQL_WEBHOOK_DISABLE), &params, &rows,
	                err);
	*ret = code == ERR_OK && pg_rows_count(rows) > 0;
	return code;
}

/* Some of what is older than that. */
static enum err_code end_old(struct pg *pg, enum webhook_sql_id query, uint64_t age_ms,
                             uint64_t *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, age_ms);
	pg_param_u64(&params, PRUNE_MAX);
	code = pg_query(pg, "", sql(query), &params, &rows, err);
	*ret = code == ERR_OK ? pg_rows_affected(rows) : 0;
	return code;
}

enum err_code webhook_give_up(struct pg *pg, uint64_t give_up_ms, uint64_t *ret, struct err *err)
{
	return end_old(pg, WEBHOOK_SQL_WEBHOOK_GIVE_UP, give_up_ms, ret, err);
}

enum err_code webhook_prune(struct pg *pg, uint64_t keep_ms, uint64_t *ret, struct err *err)
{
	return end_old(pg, WEBHOOK_SQL_WEBHOOK_PRUNE, keep_ms, ret, err);
}
