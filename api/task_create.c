/*
 * POST /api/v1/tasks.  Accepted is: committed in PostgreSQL.  What follows (a log and a place in
 * the queue for each session) is done at once, so that the ids work when the client has them, but a
 * failure there is not the client's: the scheduler's reconciler does it within seconds.
 */
#include "api/accepted.h"
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/once.h"
#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"
#include "node/request_trace.h"
#include "redis/redis.h"
#include "session/session_json.h"
#include "steer/publish.h"
#include "task/task_json.h"
#include "task/task_store.h"
#include "trace/trace.h"

/* ---- accepting ---- */

/* What time and other sessions decide: not asked again when the answer is a replay. */
static bool is_possible(struct http_request *req, struct http_reply *reply, struct pg_tx *tx,
                        struct task_acceptance *acceptance)
{
	const struct task_spec *spec = acceptance->spec;
	const struct principal *who = app_who(req);
	const struct task_after_ask ask = { .tenant = who->tenant,
		                            .id = spec->queue_after,
		                            .namespaces =
		                                    who->any_namespace ? NULL : who->namespaces };
	struct task_after after = { .sessions = 0 };
	struct err err;

	if (spec->deadline_us != 0 && spec->deadline_us <= clock_wall_us()) {
		answer_problem(req, reply, "deadline", "must be in the future");
		return false;
	}
	if (spec->queue_after.n == 0) {
		return true;
	}
	if (task_after_get(node_of(req)->pg, tx, &ask, &after, &err) != ERR_OK) {
		answer_code(req, reply, err.code == ERR_CANCELLED ? err.code : ERR_UNAVAILABLE,
		            NULL);
		return false;
	}
	if (after.sessions == 0) {
		answer_problem(req, reply, "queueAfter",
		               "is no session or task of the tenant that this key may see");
		return false;
	}
	acceptance->after_met = after.ended;
	return true;
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	buf_reset(&reply->headers);
	if (err->code == ERR_NOT_FOUND) {
		answer_problem(req, reply, "projectId", "is not a project of the tenant");
	} else {
		answer_error(req, reply, err);
	}
}

/* What is asked first decides, so that a replay is one whatever has changed since. */
static bool accept_alone(struct http_request *req, struct http_reply *reply,
                         struct task_acceptance *acceptance, struct task_accepted *ret)
{
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return false;
	}
	if (!is_possible(req, reply, once.tx, acceptance)) {
		once_abandon(&once);
		return false;
	}
	if (task_accept(once.tx, acceptance, req->arena, ret, &err) != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return false;
	}
	accepted_write(ret, reply);
	return once_commit(req, reply, &once);
}

/* Shares the transaction of others; with a key its answer is in the same one. */
static bool accept_together(struct http_request *req, struct http_reply *reply,
                            const struct task_acceptance *acceptance, struct once *once,
                            struct task_accepted *ret)
{
	struct app *app = node_of(req)->app;
	struct task_item item = { .acceptance = acceptance,
		                  .arena = req->arena,
		                  .claim = once->keyed ? &once->claim : NULL };
	struct err err;

	task_plan(&item);
	accepted_write(&item.accepted, reply);
	item.once.answer = once_answer(reply);
	if (gather_accept(&app->gather, &item, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return false;
	}
	*ret = item.accepted;
	if (once->keyed && item.once.outcome != IDEMPOTENCY_FRESH) {
		buf_reset(&reply->headers);
		buf_reset(&reply->body);
	}
	return !once->keyed || once_found(req, reply, &item.once);
}

static bool accept_task(struct http_request *req, struct http_reply *reply,
                        struct task_acceptance *acceptance, struct task_accepted *ret)
{
	const struct task_spec *spec = acceptance->spec;
	struct once once = { .keyed = false };

	if (!once_key(req, reply, &once)) {
		return false;
	}
	if (once.keyed &&
	    (once.claim.seal != NULL || spec->deadline_us != 0 || spec->queue_after.n > 0)) {
		return accept_alone(req, reply, acceptance, ret);
	}
	return is_possible(req, reply, NULL, acceptance) &&
	       accept_together(req, reply, acceptance, &once, ret);
}

/* ---- what follows ---- */

/* accepted->sessions are in the order of the agents. */
static void publish_all(struct http_request *req, const struct task_acceptance *acceptance,
                        const struct task_accepted *accepted)
{
	const struct node *node = node_of(req);
	const struct task_agent *agents = acceptance->spec->agents.items;
	bool stored = acceptance->generation != 0;
	struct steer_publication publication;
	struct session row;
	enum err_code code = ERR_OK;
	size_t done = 0;
	struct err err;

	steer_accepted(acceptance, &accepted->task, req->arena, &row);
	for (size_t i = 0; i < acceptance->spec->agents.count && code == ERR_OK; i++) {
		row.agent = task_agent_json(&agents[i], req->arena);
		steer_publication_of(&row, req->arena, &publication);
		for (uint64_t k = 0; k < agents[i].count && code == ERR_OK; k++) {
			publication.sid = row.id = accepted->sessions[done];
			publication.copy = steer_copy_of(&row, &publication, req->arena);
			code = steer_publish(&node->store, node->pg, &publication, stored, &err);
			if (code == ERR_OK) {
				marks_add(&((struct app *)node->app)->marks, acceptance->tenant,
				          &accepted->sessions[done++]);
			}
		}
	}
	if (code != ERR_OK) {
		log_warn("task.unpublished", "task=%s sessions=%zu of=%zu code=%s %s",
		         accepted->task.s, done, accepted->count, err_name(code), err.msg);
	}
}

void serve_task_create(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct task_spec *spec = arena_take(req->arena, sizeof(*spec));
	struct task_acceptance acceptance = { .tenant = app_tenant(req),
		                              .created_by = auth_actor(app_who(req)),
		                              .owner = app_who(req)->owner,
		                              .spec = spec,
		                              .generation = node_of(req)->store.generation };
	const struct traceparent request = request_trace(req);
	struct task_accepted accepted;
	struct trace_span span;

	if (task_decode(req->body, spec, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	trace_begin(&span, &request, "task.accept", TRACE_PRODUCER);
	acceptance.trace = span.at;
	if (!accepted_allows(req, reply, spec, "") ||
	    !accept_task(req, reply, &acceptance, &accepted)) {
		return;
	}
	trace_end(&span,
	          &(struct trace_end){ .attrs = { { "fairlead.task", accepted.task.s, 0 } } });
	metric_inc(METRIC_TASKS_ACCEPTED, NULL);
	log_info("task.accepted", "task=%s sessions=%zu", accepted.task.s, accepted.count);
	/* Also for a client that has left. */
	fiber_shield();
	if (redis_connected(node_of(req)->redis)) {
		publish_all(req, &acceptance, &accepted);
	}
	fiber_unshield();
}
