/*
 * Sessions that failed for good, and trying again by hand: POST /api/v1/sessions/{id}/retry,
 * GET /api/v1/dead-letters, POST /api/v1/dead-letters/redrive.  What failed stays as it is; a retry
 * is a new session of the same task that says of which it is one.
 */
#include "session/session_retry.h"

#include <string.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/filter.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/seen.h"
#include "json/write.h"
#include "log/log.h"
#include "redis/redis.h"
#include "rest/body.h"
#include "rest/query.h"
#include "session/session_json.h"
#include "steer/publish.h"
#include "task/task_json.h"

enum { IDS_MAX = SESSION_RETRIES_MAX * (ID_LEN + 1) };

/* ---- into the queue ---- */

static enum err_code publish(struct http_request *req, const struct session_retries *retries,
                             const struct id *sid, struct err *err)
{
	const struct node *node = node_of(req);
	struct steer_publication publication;
	struct session row;
	enum err_code code = session_get(node->pg, app_tenant(req), sid, req->arena, &row, err);

	if (code == ERR_OK) {
		steer_publication_of(&row, req->arena, &publication);
		code = steer_publish(&node->store, node->pg, &publication, retries->generation != 0,
		                     err);
	}
	if (code == ERR_OK) {
		marks_add(&((struct app *)node->app)->marks, app_tenant(req), sid);
	}
	return code;
}

/* After the commit; what fails here the scheduler's reconciler does. */
static void publish_all(struct http_request *req, const struct session_retries *retries)
{
	enum err_code code = ERR_OK;
	struct err err;

	fiber_shield();
	for (size_t i = 0; i < retries->count && code == ERR_OK; i++) {
		log_info("session.retried", "session=%s of=%s", retries->items[i].id.s,
		         retries->items[i].of.s);
		if (redis_connected(node_of(req)->redis)) {
			code = publish(req, retries, &retries->items[i].id, &err);
		}
	}
	fiber_unshield();
	if (code != ERR_OK) {
		log_warn("session.unpublished", "code=%s %s", err_name(code), err.msg);
	}
}

/* ---- one ---- */

static void write_retry(struct jsonw *w, const struct session_retry *retry)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", retry->id.s);
	jsonw_cstr(w, "retryOf", retry->of.s);
	jsonw_cstr(w, "status", session_state_name(SESSION_QUEUED));
	session_write_links(w, "links", &retry->id);
	jsonw_end_object(w);
}

static struct session_retries *begin_retries(struct http_request *req)
{
	struct session_retries *retries = arena_take(req->arena, sizeof(*retries));

	retries->generation = node_of(req)->store.generation;
	return retries;
}

void serve_session_retry(struct http_request *req, struct http_reply *reply)
{
	struct session_retries *retries = begin_retries(req);
	struct steer_session session;
	struct once once;
	struct jsonw w;
	struct err err;

	if (!seen_now(req, reply, &session)) {
		return;
	}
	if (!session_is_terminal(session.state)) {
		answer_code(req, reply, ERR_CONFLICT, "only a session that has ended is retried");
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	retries->count = 1;
	retries->items[0].of = session.id;
	if (session_retry_add(once.tx, retries, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 201;
	jsonw_init(&w, &reply->body);
	write_retry(&w, &retries->items[0]);
	if (once_commit(req, reply, &once)) {
		publish_all(req, retries);
	}
}

/* ---- many ---- */

static bool take_body(struct http_request *req, struct http_reply *reply, struct rest_redrive *body,
                      struct session_filter *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	bool ok = req->body.n == 0 ||
	          json_decode(req->body, &rest_redrive_table, body, req->arena, problems) == ERR_OK;

	*ret = (struct session_filter){
		.tenant = who->tenant,
		.project = filter_given(req, body->project),
		.agent = filter_given(req, body->agent),
		.namespaces = who->any_namespace ? NULL : who->namespaces,
		.cause = body->has_cause ? session_causes[body->cause] : NULL,
		.unretried = true,
		.max = body->has_limit ? (unsigned)body->limit : SESSION_RETRIES_MAX,
	};
	if (!ok || !filter_take_label(req, body->label, ret, problems)) {
		answer_problems(req, reply, problems);
		return false;
	}
	return true;
}

static const char *join_ids(struct http_request *req, const struct json_list *ids)
{
	const struct str *items = ids->items;
	char *list = arena_take(req->arena, IDS_MAX);
	size_t at = 0;

	for (size_t i = 0; i < ids->count; i++) {
		if (i > 0) {
			list[at++] = ',';
		}
		memcpy(list + at, items[i].p, items[i].n);
		at += items[i].n;
	}
	list[at] = '\0';
	return list;
}

static void write_redriven(struct http_reply *reply, const struct session_retries *retries,
                           bool more)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < retries->count; i++) {
		write_retry(&w, &retries->items[i]);
	}
	jsonw_end_array(&w);
	jsonw_bool(&w, "more", more);
	jsonw_end_object(&w);
}

void serve_dead_letter_redrive(struct http_request *req, struct http_reply *reply)
{
	struct session_retries *retries = begin_retries(req);
	struct rest_redrive body = { .has_cause = false };
	struct session_filter filter;
	struct once once;
	enum err_code code;
	struct err err;

	if (!take_body(req, reply, &body, &filter) || !once_begin(req, reply, &once)) {
		return;
	}
	code = session_retry_find(once.tx, &filter, body.has_ids ? join_ids(req, &body.ids) : NULL,
	                          retries, &err);
	if (code == ERR_OK) {
		code = session_retry_add(once.tx, retries, &err);
	}
	if (code != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	write_redriven(reply, retries, retries->count == filter.max);
	if (once_commit(req, reply, &once)) {
		publish_all(req, retries);
	}
}

/* ---- looking ---- */

static void write_letter(struct jsonw *w, const struct session *session, struct arena *arena)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", session->id.s);
	jsonw_cstr(w, "taskId", session->task.s);
	jsonw_cstr(w, "cause", session_cause_of(session->reason));
	jsonw_str(w, "reason", session->reason);
	if (session->has_exit_code) {
		jsonw_i64(w, "exitCode", session->exit_code);
	}
	jsonw_u64(w, "attempts", session->attempts);
	jsonw_u64(w, "maxAttempts", session->max_attempts);
	if (!id_is_nil(&session->retry_of)) {
		jsonw_cstr(w, "retryOf", session->retry_of.s);
	}
	jsonw_time(w, "createdAt", session->created_us);
	jsonw_time(w, "failedAt", session->ended_us);
	jsonw_str(w, "prompt", task_prompt_text(session->prompt, arena));
	jsonw_raw(w, "labels", session->labels);
	session_write_links(w, "links", &session->id);
	jsonw_end_object(w);
}

static bool take_query(struct http_request *req, struct http_reply *reply,
                       struct session_filter *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	struct rest_dead_letters query;
	enum err_code code = rest_query(req, &rest_dead_letters_table, &query, problems);

	*ret = (struct session_filter){
		.tenant = who->tenant,
		.states = session_bit(SESSION_FAILED),
		.project = filter_given(req, query.project),
		.agent = filter_given(req, query.agent),
		.namespaces = who->any_namespace ? NULL : who->namespaces,
		.cause = query.cause > 0 ? session_causes[query.cause - 1] : NULL,
		.unretried = query.retried == 0,
		.counted = true,
		.max = (unsigned)query.per_page,
	};
	if (code != ERR_OK || !filter_take_page(req, query.page, ret, problems) ||
	    !filter_take_label(req, query.label, ret, problems)) {
		answer_problems(req, reply, problems);
		return false;
	}
	return true;
}

void serve_dead_letter_list(struct http_request *req, struct http_reply *reply)
{
	char next[SESSION_POSITION_SIZE];
	struct session_page page = { .count = 0 };
	struct session_filter filter;
	struct jsonw w;
	struct err err;

	if (!take_query(req, reply, &filter)) {
		return;
	}
	if (session_list(node_of(req)->pg, &filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < page.count; i++) {
		write_letter(&w, &page.items[i], req->arena);
	}
	jsonw_end_array(&w);
	if (page.more) {
		session_position_format(&page.last, next);
		jsonw_cstr(&w, "nextPage", next);
	}
	jsonw_u64(&w, "total", page.total);
	jsonw_end_object(&w);
}
