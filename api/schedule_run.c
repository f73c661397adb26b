/* POST /api/v1/schedules/{id}/run: its task, now, for the key that asks. */
#include "api/accepted.h"
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/schedule_seen.h"
#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"
#include "node/request_trace.h"
#include "redis/redis.h"
#include "schedule/schedule_store.h"
#include "steer/publish.h"
#include "task/task_json.h"
#include "trace/trace.h"

static enum err_code make_task(struct http_request *req, struct pg_tx *tx,
                               const struct schedule *schedule, const struct task_spec *spec,
                               struct task_accepted *ret, struct err *err)
{
	const struct traceparent request = request_trace(req);
	const struct principal *who = app_who(req);
	struct task_acceptance acceptance = { .tenant = who->tenant,
		                              .created_by = auth_actor(who),
		                              .owner = who->owner,
		                              .spec = spec,
		                              .generation = node_of(req)->store.generation };
	struct schedule_run run = { .at_us = clock_wall_us(),
		                    .outcome = SCHEDULE_RAN,
		                    .by_hand = true };
	struct trace_span span;
	enum err_code code;
	bool added = false;

	trace_begin(&span, &request, "task.accept", TRACE_PRODUCER);
	acceptance.trace = span.at;
	code = task_accept(tx, &acceptance, req->arena, ret, err);

	if (code == ERR_NOT_FOUND) {
		return err_set(err, ERR_CONFLICT, "its project is gone");
	}
	if (code == ERR_OK) {
		run.task = ret->task;
		code = schedule_run_add(tx, who->tenant, &schedule->id, &run, &added, err);
	}
	if (code == ERR_OK && !added) {
		return err_set(err, ERR_CONFLICT, "it was removed, or run at this very moment");
	}
	if (code == ERR_OK) {
		trace_end(&span,
		          &(struct trace_end){ .attrs = { { "fairlead.task", ret->task.s, 0 } } });
	}
	return code;
}

static bool accept_run(struct http_request *req, struct http_reply *reply,
                       const struct schedule *schedule, const struct task_spec *spec,
                       struct task_accepted *ret)
{
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return false;
	}
	if (make_task(req, once.tx, schedule, spec, ret, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return false;
	}
	accepted_write(ret, reply);
	return once_commit(req, reply, &once);
}

static void publish(struct http_request *req, const struct task_accepted *accepted)
{
	const struct node *node = node_of(req);
	const struct steer_rows rows = { accepted->sessions, accepted->count,
		                         node->store.generation != 0 };
	struct err err;

	if (redis_connected(node->redis) &&
	    steer_publish_rows(&node->store, node->pg, app_tenant(req), &rows, req->arena, &err) !=
	            ERR_OK) {
		log_warn("task.unpublished", "task=%s code=%s %s", accepted->task.s,
		         err_name(err.code), err.msg);
	}
}

void serve_schedule_run(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct task_spec *spec = arena_take(req->arena, sizeof(*spec));
	struct task_accepted accepted;
	struct schedule schedule;

	if (!schedule_seen_row(req, reply, &schedule)) {
		return;
	}
	if (task_decode(schedule.spec.task, spec, req->arena, problems) != ERR_OK) {
		answer_code(req, reply, ERR_CONFLICT,
		            "this version does not take its task any more: replace it");
		return;
	}
	if (!accept_run(req, reply, &schedule, spec, &accepted)) {
		return;
	}
	metric_inc(METRIC_TASKS_ACCEPTED, NULL);
	log_info("schedule.run", "schedule=%s task=%s", schedule.id.s, accepted.task.s);
	/* Also for a client that has left. */
	fiber_shield();
	publish(req, &accepted);
	fiber_unshield();
}
