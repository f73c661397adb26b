/*
 * POST /api/v1/tasks.  Accepted is: committed in PostgreSQL.  What follows (a log and a place in
 * the queue for each session) is done at once, so that the ids work when the client has them, but a
 * failure there is not the client's: the scheduler's reconciler does it within seconds.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/once.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "session/session_json.h"
#include "steer/publish.h"
#include "task/task_json.h"
#include "task/task_store.h"

static const char *const runtime_names[] = { "local", "disabled", "devcontainer" };

/* What the body alone does not decide: is it the key's tenant, and a namespace of the key's. */
static bool is_allowed(struct http_request *req, struct http_reply *reply,
                       const struct task_spec *spec)
{
	const struct principal *who = app_who(req);

	if (spec->tenant.n > 0 && !str_eq(spec->tenant, str_of(who->tenant))) {
		answer_problem(req, reply, "tenantId", "must be the tenant of the key");
		return false;
	}
	if (!who->any_namespace && spec->namespace.n == 0) {
		answer_problem(req, reply, "namespace",
		               "is required: the key is limited to namespaces");
		return false;
	}
	if (!who->any_namespace && !auth_allows_namespace(who, spec->namespace)) {
		answer_code(req, reply, ERR_FORBIDDEN, "this key may not use that namespace");
		return false;
	}
	return true;
}

static void write_accepted(const struct task_accepted *accepted, struct http_reply *reply)
{
	struct jsonw w;

	reply->status = 201;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", accepted->task.s);
	jsonw_array(&w, "session_ids");
	for (size_t i = 0; i < accepted->count; i++) {
		jsonw_cstr(&w, NULL, accepted->sessions[i].s);
	}
	jsonw_end_array(&w);
	jsonw_cstr(&w, "status", session_state_name(SESSION_QUEUED));
	session_write_links(&w, "links", &accepted->sessions[0]);
	jsonw_end_object(&w);
}

/* From the body, so that a replay has it too. */
static void add_location(struct http_reply *reply)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *body = json_parse(buf_str(&reply->body), &err);
	struct str self = json_as_str(json_get(json_get(body, "links"), "self"));

	if (reply->status == 201 && self.n > 0) {
		http_reply_header(reply, "Location", "%" STR_FMT, STR_ARG(self));
	}
}

/* accepted->sessions are in the order of the agents. */
static void publish_all(const struct http_request *req, const struct task_spec *spec,
                        const struct task_accepted *accepted)
{
	const struct node *node = node_of(req);
	const struct task_agent *agents = spec->agents.items;
	enum err_code code = ERR_OK;
	size_t done = 0;
	struct err err;

	for (size_t i = 0; i < spec->agents.count && code == ERR_OK; i++) {
		char *needs =
			session_needs_of(str_of(runtime_names[spec->runtime.type]),
		                         str_of(task_agent_types[agents[i].type]), req->arena);

		for (uint64_t k = 0; k < agents[i].count && code == ERR_OK; k++) {
			const struct steer_publication publication = {
				.sid = accepted->sessions[done],
				.tenant = app_tenant(req),
				.priority = (unsigned)spec->priority,
				.needs = needs,
			};

			code = steer_publish(&node->store, node->pg, &publication, &err);
			done += code == ERR_OK ? 1 : 0;
		}
	}
	if (code == ERR_OK) {
		code = session_mark_queued(node->pg, app_tenant(req), accepted->sessions, done,
		                           &err);
	}
	if (code != ERR_OK) {
		log_warn("task.unpublished", "task=%s sessions=%zu of=%zu code=%s %s",
		         accepted->task.s, done, accepted->count, err_name(code), err.msg);
	}
}

static bool accept_task(struct http_request *req, struct http_reply *reply,
                        const struct task_spec *spec, struct task_accepted *ret)
{
	const struct task_acceptance acceptance = { .tenant = app_tenant(req),
		                                    .created_by = app_who(req)->key.s,
		                                    .spec = spec };
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		add_location(reply);
		return false;
	}
	if (task_accept(once.tx, &acceptance, req->arena, ret, &err) != ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_NOT_FOUND) {
			answer_problem(req, reply, "projectId", "is not a project of the tenant");
		} else {
			answer_error(req, reply, &err);
		}
		return false;
	}
	write_accepted(ret, reply);
	if (!once_commit(req, reply, &once)) {
		return false;
	}
	metric_inc(METRIC_TASKS_ACCEPTED, NULL);
	return true;
}

void serve_task_create(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct task_spec *spec = arena_take(req->arena, sizeof(*spec));
	struct task_accepted accepted;

	if (task_decode(req->body, spec, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!is_allowed(req, reply, spec) || !accept_task(req, reply, spec, &accepted)) {
		return;
	}
	add_location(reply);
	log_info("task.accepted", "task=%s sessions=%zu", accepted.task.s, accepted.count);
	/* Also for a client that has left. */
	fiber_shield();
	if (redis_connected(node_of(req)->redis)) {
		publish_all(req, spec, &accepted);
	}
	fiber_unshield();
}
