#include "task/task_store.h"

#include "json/write.h"
#include "task/task_json.h"
#include "task_sql_gen.h"

enum { SESSIONS_TEXT_MAX = TASK_SESSIONS_MAX * 64 };

static void param_given(struct pg_params *params, struct str value)
{
	if (value.n > 0) {
		pg_param_text(params, value);
	} else {
		pg_param_null(params);
	}
}

static void param_moment(struct pg_params *params, int64_t at_us)
{
	if (at_us != 0) {
		pg_param_i64(params, at_us);
	} else {
		pg_param_null(params);
	}
}

/* Names the sessions and says which agent each of them runs. */
static void plan_sessions(const struct task_spec *spec, struct id *sessions, struct buf *out)
{
	const struct task_agent *agents = spec->agents.items;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < spec->agents.count; i++) {
		for (uint64_t k = 0; k < agents[i].count; k++) {
			*sessions = id_new();
			jsonw_array(&w, NULL);
			jsonw_cstr(&w, NULL, sessions->s);
			jsonw_u64(&w, NULL, i);
			jsonw_end_array(&w);
			sessions++;
		}
	}
	jsonw_end_array(&w);
}

static void fill_params(struct pg_params *params, const struct task_acceptance *acceptance,
                        const struct id *task, const char *plan, struct arena *arena)
{
	const struct task_spec *spec = acceptance->spec;

	pg_param_cstr(params, task->s);
	pg_param_cstr(params, acceptance->tenant);
	param_given(params, spec->project);
	pg_param_text(params, spec->namespace);
	pg_param_cstr(params, acceptance->created_by);
	pg_param_text(params, task_prompt_json(spec, arena));
	pg_param_text(params, task_repo_json(spec, arena));
	pg_param_text(params, task_runtime_json(spec, arena));
	pg_param_text(params, task_agents_json(spec, arena));
	param_given(params, task_delivery_json(spec, arena));
	pg_param_text(params, task_labels_json(spec, arena));
	pg_param_cstr(params, acceptance->owner);
	pg_param_text(params, task_workers_json(spec, arena));
	param_given(params, spec->concurrency_key);
	pg_param_cstr(params, plan);
	pg_param_u64(params, spec->priority);
	pg_param_u64(params, spec->max_attempts);
	param_given(params, spec->queue_after);
	param_moment(params, spec->not_before_us);
	param_moment(params, spec->deadline_us);
	pg_param_bool(params, acceptance->after_met);
	if (acceptance->generation != 0) {
		pg_param_u64(params, acceptance->generation);
	} else {
		pg_param_null(params);
	}
}

/* In tx, or alone. */
static enum err_code insert(struct pg *pg, struct pg_tx *tx,
                            const struct task_acceptance *acceptance, struct arena *arena,
                            struct task_accepted *ret, struct err *err)
{
	const struct text *query = &task_sql_texts[TASK_SQL_TASK_ACCEPT];
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct task_accepted accepted = {
		.task = id_new(),
		.count = (size_t)task_session_count(acceptance->spec),
	};
	struct pg_params params = { 0 };
	struct buf plan;
	enum err_code code;

	accepted.sessions = arena_take(arena, accepted.count * sizeof(*accepted.sessions));
	buf_init(&plan, SESSIONS_TEXT_MAX);
	plan_sessions(acceptance->spec, accepted.sessions, &plan);
	fill_params(&params, acceptance, &accepted.task, buf_cstr(&plan), arena);
	code = tx != NULL ? pg_tx_query(tx, query, &params, &rows, err)
	                  : pg_query(pg, acceptance->tenant, query, &params, &rows, err);
	buf_fini(&plan);
	if (code == ERR_OK && pg_u64(rows, 0, 0) != accepted.count) {
		code = err_set(err, ERR_INTERNAL, "task %s: not all sessions were inserted",
		               accepted.task.s);
	}
	if (code == ERR_OK) {
		*ret = accepted;
	}
	return code;
}

enum err_code task_accept(struct pg_tx *tx, const struct task_acceptance *acceptance,
                          struct arena *arena, struct task_accepted *ret, struct err *err)
{
	return insert(NULL, tx, acceptance, arena, ret, err);
}

enum err_code task_accept_now(struct pg *pg, const struct task_acceptance *acceptance,
                              struct arena *arena, struct task_accepted *ret, struct err *err)
{
	return insert(pg, NULL, acceptance, arena, ret, err);
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
	code = tx != NULL ? pg_tx_query(tx, query, &params, &rows, err)
	                  : pg_query(pg, ask->tenant, query, &params, &rows, err);
	if (code == ERR_OK) {
		*ret = (struct task_after){ pg_u64(rows, 0, 0), pg_bool(rows, 0, 1) };
	}
	return code;
}
