/* Making, changing and removing schedules. */
#include "api/accepted.h"
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/schedule_seen.h"
#include "base/clock.h"
#include "log/log.h"
#include "schedule/schedule_json.h"

static bool take_body(struct http_request *req, struct http_reply *reply,
                      struct schedule_body *body, struct schedule_new *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	int64_t now_us = clock_wall_us();

	*ret = (struct schedule_new){ .tenant = app_tenant(req),
		                      .created_by = auth_actor(app_who(req)),
		                      .owner = app_who(req)->owner,
		                      .spec = &body->spec,
		                      .anchor_us = now_us };
	if (schedule_decode(req->body, now_us, body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (!schedule_next(&body->timing, now_us, &ret->next_us)) {
		answer_problem(req, reply, "cron", "must name a time that comes");
		return false;
	}
	return accepted_allows(req, reply, body->task, "task.");
}

static void refuse_change(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		answer_problem(req, reply, "task.projectId", "is not a project of the tenant");
	} else {
		answer_error(req, reply, err);
	}
}

/* ---- making ---- */

void serve_schedule_create(struct http_request *req, struct http_reply *reply)
{
	const struct id id = id_new();
	struct schedule_body *body = arena_take(req->arena, sizeof(*body));
	struct schedule_new what;
	struct schedule made;
	struct once once;
	struct err err;

	if (!take_body(req, reply, body, &what)) {
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (schedule_insert(once.tx, &id, &what, &err) != ERR_OK ||
	    schedule_lock(once.tx, what.tenant, &id, req->arena, &made, &err) != ERR_OK) {
		once_abandon(&once);
		refuse_change(req, reply, &err);
		return;
	}
	reply->status = 201;
	schedule_answer(req, reply, &made, NULL);
	http_reply_header(reply, "Location", "/api/v1/schedules/%s", id.s);
	once.object = id.s;
	if (once_commit(req, reply, &once)) {
		log_info("schedule.created", "schedule=%s", id.s);
	}
}

/* ---- changing ---- */

/* Does one thing to a locked schedule. */
typedef enum err_code(change_fn)(struct pg_tx *tx, const struct schedule *schedule, void *arg,
                                 struct err *err);

struct change {
	change_fn *make;
	void *arg;
	void (*refuse)(struct http_request *req, struct http_reply *reply, const struct err *err);
};

/* False: the reply is filled. */
static bool make_change(struct http_request *req, struct http_reply *reply, struct pg_tx *tx,
                        const struct id *id, const struct change *change, struct schedule *ret)
{
	struct err err;

	if (schedule_lock(tx, app_tenant(req), id, req->arena, ret, &err) != ERR_OK) {
		schedule_refuse(req, reply, &err);
		return false;
	}
	if (!schedule_seen(req, reply, ret)) {
		return false;
	}
	if (change->make(tx, ret, change->arg, &err) != ERR_OK) {
		change->refuse(req, reply, &err);
		return false;
	}
	if (schedule_lock(tx, app_tenant(req), id, req->arena, ret, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

static void change(struct http_request *req, struct http_reply *reply, const struct change *what)
{
	struct schedule schedule;
	struct once once;
	struct id id;

	if (!schedule_seen_id(req, reply, &id) || !once_begin(req, reply, &once)) {
		return;
	}
	if (!make_change(req, reply, once.tx, &id, what, &schedule)) {
		once_abandon(&once);
		return;
	}
	schedule_answer(req, reply, &schedule, NULL);
	if (once_commit(req, reply, &once)) {
		log_info("schedule.changed", "schedule=%s", id.s);
	}
}

static enum err_code replace(struct pg_tx *tx, const struct schedule *schedule, void *arg,
                             struct err *err)
{
	return schedule_update(tx, &schedule->id, arg, err);
}

void serve_schedule_replace(struct http_request *req, struct http_reply *reply)
{
	struct schedule_body *body = arena_take(req->arena, sizeof(*body));
	struct schedule_new what;

	if (take_body(req, reply, body, &what)) {
		change(req, reply, &(struct change){ replace, &what, refuse_change });
	}
}

static enum err_code pause(struct pg_tx *tx, const struct schedule *schedule, void *arg,
                           struct err *err)
{
	(void)arg;
	return schedule->spec.paused ? ERR_OK
	                             : schedule_set_paused(tx, schedule->tenant.p, &schedule->id,
	                                                   true, schedule->next_us, err);
}

void serve_schedule_pause(struct http_request *req, struct http_reply *reply)
{
	change(req, reply, &(struct change){ pause, NULL, answer_error });
}

static enum err_code resume(struct pg_tx *tx, const struct schedule *schedule, void *arg,
                            struct err *err)
{
	struct schedule_timing timing;
	int64_t next_us = 0;

	if (!schedule->spec.paused) {
		return ERR_OK;
	}
	if (schedule_timing_of(schedule, arg, &timing, err) != ERR_OK) {
		return err_set(err, ERR_CONFLICT, "it no longer says when: %s", err->msg);
	}
	if (schedule->next_us != 0 && !schedule_next(&timing, schedule->now_us, &next_us)) {
		next_us = 0;
	}
	return schedule_set_paused(tx, schedule->tenant.p, &schedule->id, false, next_us, err);
}

void serve_schedule_resume(struct http_request *req, struct http_reply *reply)
{
	change(req, reply, &(struct change){ resume, req->arena, answer_error });
}

/* ---- removing ---- */

void serve_schedule_delete(struct http_request *req, struct http_reply *reply)
{
	struct schedule schedule;
	struct once once;
	struct err err;

	if (!schedule_seen_row(req, reply, &schedule) || !once_begin(req, reply, &once)) {
		return;
	}
	if (schedule_delete(node_of(req)->pg, app_tenant(req), &schedule.id, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	if (once_commit(req, reply, &once)) {
		log_info("schedule.deleted", "schedule=%s", schedule.id.s);
	}
}
