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

static enum err_code insert_task(struct pg_tx *tx, const struct task_acceptance *acceptance,
                                 const struct id *task, struct arena *arena, struct err *err)
{
	const struct task_spec *spec = acceptance->spec;
	struct pg_params params = { 0 };

	pg_param_cstr(&params, task->s);
	pg_param_cstr(&params, acceptance->tenant);
	param_given(&params, spec->project);
	pg_param_text(&params, spec->namespace);
	pg_param_cstr(&params, acceptance->created_by);
	pg_param_text(&params, task_prompt_json(spec, arena));
	pg_param_text(&params, task_repo_json(spec, arena));
	pg_param_text(&params, task_runtime_json(spec, arena));
	pg_param_text(&params, task_agents_json(spec, arena));
	param_given(&params, task_delivery_json(spec, arena));
	pg_param_text(&params, task_labels_json(spec, arena));
	return pg_tx_query(tx, &task_sql_texts[TASK_SQL_TASK_INSERT], &params, NULL, err);
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

static enum err_code insert_sessions(struct pg_tx *tx, const struct task_spec *spec,
                                     const struct task_accepted *accepted, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct buf plan;
	enum err_code code;

	buf_init(&plan, SESSIONS_TEXT_MAX);
	plan_sessions(spec, accepted->sessions, &plan);
	pg_param_cstr(&params, accepted->task.s);
	pg_param_cstr(&params, buf_cstr(&plan));
	pg_param_u64(&params, spec->priority);
	pg_param_u64(&params, spec->max_attempts);
	code = pg_tx_query(tx, &task_sql_texts[TASK_SQL_TASK_INSERT_SESSIONS], &params, &rows, err);
	buf_fini(&plan);
	if (code == ERR_OK && pg_rows_affected(rows) != accepted->count) {
		return err_set(err, ERR_INTERNAL, "task %s: not all sessions were inserted",
		               accepted->task.s);
	}
	return code;
}

enum err_code task_accept(struct pg_tx *tx, const struct task_acceptance *acceptance,
                          struct arena *arena, struct task_accepted *ret, struct err *err)
{
	struct task_accepted accepted = {
		.task = id_new(),
		.count = (size_t)task_session_count(acceptance->spec),
	};
	enum err_code code;

	accepted.sessions = arena_take(arena, accepted.count * sizeof(*accepted.sessions));
	code = insert_task(tx, acceptance, &accepted.task, arena, err);
	if (code == ERR_OK) {
		code = insert_sessions(tx, acceptance->spec, &accepted, err);
	}
	if (code == ERR_OK) {
		*ret = accepted;
	}
	return code;
}
