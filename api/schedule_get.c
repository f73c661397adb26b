/* Schedules as they are, and their next times. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/schedule_seen.h"
#include "base/clock.h"
#include "rest/query.h"
#include "schedule/schedule_json.h"

enum { RUNS_SHOWN = 20 };

bool schedule_seen_id(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	if (!id_parse(req->params[0], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such schedule");
		return false;
	}
	return true;
}

bool schedule_seen(struct http_request *req, struct http_reply *reply,
                   const struct schedule *schedule)
{
	const struct principal *who = app_who(req);

	if (!who->any_namespace && !auth_allows_namespace(who, schedule->spec.namespace)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such schedule");
		return false;
	}
	return true;
}

void schedule_refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such schedule");
	} else {
		answer_error(req, reply, err);
	}
}

bool schedule_seen_row(struct http_request *req, struct http_reply *reply, struct schedule *ret)
{
	struct id id;
	struct err err;

	if (!schedule_seen_id(req, reply, &id)) {
		return false;
	}
	if (schedule_get(node_of(req)->pg, app_tenant(req), &id, req->arena, ret, &err) != ERR_OK) {
		schedule_refuse(req, reply, &err);
		return false;
	}
	return schedule_seen(req, reply, ret);
}

/* A task may hold what only those who make tasks should know: arguments, variables. */
static bool shows_task(const struct http_request *req)
{
	return auth_allows(app_who(req), AUTH_TASK_WRITE);
}

void schedule_answer(struct http_request *req, struct http_reply *reply,
                     const struct schedule *schedule, const struct schedule_run_list *runs)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	schedule_write(&w, schedule, runs, shows_task(req));
}

void serve_schedule_get(struct http_request *req, struct http_reply *reply)
{
	struct schedule_run_list runs;
	struct schedule schedule;
	struct err err;

	if (!schedule_seen_row(req, reply, &schedule)) {
		return;
	}
	if (schedule_runs(node_of(req)->pg, app_tenant(req), &schedule.id, RUNS_SHOWN, req->arena,
	                  &runs, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	schedule_answer(req, reply, &schedule, &runs);
}

static void write_page(struct http_request *req, struct http_reply *reply,
                       const struct schedule_page *page)
{
	struct jsonw w;

	items_begin(reply, &w);
	for (size_t i = 0; i < page->count; i++) {
		schedule_write(&w, &page->items[i], NULL, shows_task(req));
	}
	items_end(&w, page->more ? str_of(page->items[page->count - 1].id.s) : STR_LIT(""));
}

void serve_schedule_list(struct http_request *req, struct http_reply *reply)
{
	struct schedule_filter filter = { .tenant = app_tenant(req) };
	struct schedule_page page;
	struct err err;

	if (!items_asked_before(req, reply, &filter.before, &filter.max)) {
		return;
	}
	filter.namespaces = app_who(req)->any_namespace ? NULL : app_who(req)->namespaces;
	if (schedule_list(node_of(req)->pg, &filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	write_page(req, reply, &page);
}

/* ---- next times ---- */

static bool take_preview(struct http_request *req, struct http_reply *reply,
                         struct rest_preview *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));

	if (rest_query(req, &rest_preview_table, ret, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (ret->after_us == 0) {
		ret->after_us = clock_wall_us();
	}
	return true;
}

void serve_schedule_preview(struct http_request *req, struct http_reply *reply)
{
	struct schedule_timing timing;
	struct schedule schedule;
	struct rest_preview query;
	struct err err;
	struct jsonw w;

	if (!take_preview(req, reply, &query) || !schedule_seen_row(req, reply, &schedule)) {
		return;
	}
	if (schedule_timing_of(&schedule, req->arena, &timing, &err) != ERR_OK) {
		answer_code(req, reply, ERR_CONFLICT, err.msg);
		return;
	}
	jsonw_init(&w, &reply->body);
	schedule_write_preview(&w, &timing, schedule.spec.timezone, query.after_us, query.count);
}

void serve_schedule_foresee(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct schedule_body body;
	struct rest_preview query;
	struct jsonw w;

	if (!take_preview(req, reply, &query)) {
		return;
	}
	if (schedule_timing_decode(req->body, clock_wall_us(), &body, req->arena, problems) !=
	    ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	jsonw_init(&w, &reply->body);
	schedule_write_preview(&w, &body.timing, body.spec.timezone, query.after_us, query.count);
}
