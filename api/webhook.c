/* Servers of others that are told what happens: /api/v1/webhooks. Their secrets are shown once. */
#include "rest/webhook.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "api/webhook_seen.h"
#include "cred/digest.h"
#include "json/write.h"
#include "webhook/webhook_log.h"
#include "webhook/webhook_store.h"

/* ---- looking ---- */

static void write_given(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	}
}

static void write_secret(struct http_request *req, struct jsonw *w,
                         const struct webhook_secret_of *of)
{
	struct cred_pepper pepper = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	char text[WEBHOOK_SECRET_SIZE];

	webhook_secret_text(&pepper, of, text);
	jsonw_cstr(w, "secret", text);
	cred_wipe(text, sizeof(text));
	cred_wipe(&pepper, sizeof(pepper));
}

static void write_members(struct jsonw *w, const struct webhook *row)
{
	struct str events = row->spec.events;

	jsonw_cstr(w, "id", row->id.s);
	write_given(w, "name", row->spec.name);
	jsonw_str(w, "url", row->spec.url);
	jsonw_array(w, "events");
	while (events.n > 0) {
		jsonw_str(w, NULL, str_split(&events, ','));
	}
	jsonw_end_array(w);
	write_given(w, "projectId", row->spec.project);
	jsonw_str(w, "state", row->state);
	write_given(w, "reason", row->reason);
	if (row->failing_us != 0) {
		jsonw_u64(w, "failures", row->failures);
		jsonw_time(w, "failingSince", row->failing_us);
	}
	jsonw_str(w, "createdBy", row->created_by);
	jsonw_time(w, "createdAt", row->created_us);
	jsonw_time(w, "updatedAt", row->updated_us);
}

static void write_row(struct jsonw *w, const struct webhook *row)
{
	jsonw_object(w, NULL);
	write_members(w, row);
	jsonw_end_object(w);
}

bool webhook_may(struct http_request *req, struct http_reply *reply)
{
	if (!app_who(req)->any_namespace) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "webhooks are of all namespaces, and this key is of some");
		return false;
	}
	return true;
}

void serve_webhook_list(struct http_request *req, struct http_reply *reply)
{
	struct webhook_filter filter = { .tenant = app_tenant(req) };
	struct webhook_list list;
	struct err err;
	struct jsonw w;

	if (!webhook_may(req, reply) ||
	    !items_asked_before(req, reply, &filter.before, &filter.max)) {
		return;
	}
	if (webhook_list(node_of(req)->pg, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_row(&w, &list.items[i]);
	}
	items_end(&w, list.more ? str_of(list.items[list.count - 1].id.s) : STR_LIT(""));
}

void webhook_refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT) {
		answer_code(req, reply, err->code, err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

bool webhook_seen_id(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	if (!id_parse(req->params[0], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such webhook");
		return false;
	}
	return webhook_may(req, reply);
}

void serve_webhook_get(struct http_request *req, struct http_reply *reply)
{
	struct webhook row;
	struct err err;
	struct jsonw w;
	struct id id;

	if (!webhook_seen_id(req, reply, &id)) {
		return;
	}
	if (webhook_get(node_of(req)->pg, app_tenant(req), &id, req->arena, &row, &err) != ERR_OK) {
		webhook_refuse(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	write_row(&w, &row);
}

/* ---- making and changing ---- */

/* A comma list of what was asked for; NULL: problems were added. */
static const char *take_events(struct http_request *req, const struct json_list *given,
                               struct json_problems *problems)
{
	const struct str *items = given->items;
	struct buf list;
	const char *text;

	buf_init(&list, (size_t)WEBHOOK_EVENTS_MAX * (WEBHOOK_EVENT_MAX + 1));
	for (size_t i = 0; i < given->count; i++) {
		const char *rule = webhook_check_event(items[i]);

		if (rule != NULL) {
			json_problem_add(problems, req->arena,
			                 arena_printf(req->arena, "events[%zu]", i), "%s", rule);
		}
		buf_addf(&list, "%s%" STR_FMT, i > 0 ? "," : "", STR_ARG(items[i]));
	}
	text = arena_strdup(req->arena, buf_str(&list));
	buf_fini(&list);
	return problems->count == 0 ? text : NULL;
}

bool webhook_plain_may(const struct http_request *req)
{
	return node_of(req)->conf.webhook_reach == WEBHOOK_REACH_PRIVATE;
}

/* False: the reply is filled. */
static bool take_spec(struct http_request *req, struct http_reply *reply, struct webhook_spec *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_webhook body;
	const char *rule;

	if (json_decode(req->body, &rest_webhook_table, &body, req->arena, problems) == ERR_OK) {
		rule = webhook_check_url(body.url, webhook_plain_may(req));
		if (rule != NULL) {
			json_problem_add(problems, req->arena, "url", "%s", rule);
		}
		*ret = (struct webhook_spec){ body.project, body.name, body.url,
			                      str_of(take_events(req, &body.events, problems)) };
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return false;
	}
	return give_project(req, reply, body.project);
}

enum shown { SHOW_ROW, SHOW_SECRET };

/* The webhook as it is now, and the end of the request. */
static void answer_row(struct http_request *req, struct http_reply *reply, struct once *once,
                       const struct id *id, enum shown shown)
{
	struct webhook row;
	struct err err;
	struct jsonw w;

	if (webhook_get(node_of(req)->pg, app_tenant(req), id, req->arena, &row, &err) != ERR_OK) {
		once_abandon(once);
		webhook_refuse(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	write_members(&w, &row);
	if (shown == SHOW_SECRET) {
		write_secret(
			req, &w,
			&(struct webhook_secret_of){ WEBHOOK_OF_ID, str_of(id->s), row.secret_n });
	}
	jsonw_end_object(&w);
	once->object = arena_strdup(req->arena, str_of(id->s));
	(void)once_commit(req, reply, once);
}

void serve_webhook_create(struct http_request *req, struct http_reply *reply)
{
	const struct id id = id_new();
	struct webhook_spec spec;
	struct once once;
	struct err err;

	if (!webhook_may(req, reply) || !take_spec(req, reply, &spec) ||
	    !once_begin(req, reply, &once)) {
		return;
	}
	if (webhook_insert(node_of(req)->pg, app_tenant(req), auth_actor(app_who(req)), &id, &spec,
	                   &err) != ERR_OK) {
		once_abandon(&once);
		webhook_refuse(req, reply, &err);
		return;
	}
	reply->status = 201;
	http_reply_header(reply, "Location", "/api/v1/webhooks/%s", id.s);
	answer_row(req, reply, &once, &id, SHOW_SECRET);
}

/* Does one thing to the webhook in the path. */
typedef enum err_code(change_fn)(struct pg *pg, const char *tenant, const struct id *id,
                                 const void *arg, struct err *err);

static void change(struct http_request *req, struct http_reply *reply, change_fn *make,
                   const void *arg, enum shown shown)
{
	struct once once;
	struct err err;
	struct id id;

	if (!webhook_seen_id(req, reply, &id) || !once_begin(req, reply, &once)) {
		return;
	}
	if (make(node_of(req)->pg, app_tenant(req), &id, arg, &err) != ERR_OK) {
		once_abandon(&once);
		webhook_refuse(req, reply, &err);
		return;
	}
	answer_row(req, reply, &once, &id, shown);
}

static enum err_code replace(struct pg *pg, const char *tenant, const struct id *id,
                             const void *arg, struct err *err)
{
	return webhook_replace(pg, tenant, id, arg, err);
}

void serve_webhook_replace(struct http_request *req, struct http_reply *reply)
{
	struct webhook_spec spec;

	if (take_spec(req, reply, &spec)) {
		change(req, reply, replace, &spec, SHOW_ROW);
	}
}

static enum err_code set_state(struct pg *pg, const char *tenant, const struct id *id,
                               const void *arg, struct err *err)
{
	return webhook_set_state(pg, tenant, id, arg, err);
}

void serve_webhook_pause(struct http_request *req, struct http_reply *reply)
{
	change(req, reply, set_state, "paused", SHOW_ROW);
}

void serve_webhook_resume(struct http_request *req, struct http_reply *reply)
{
	change(req, reply, set_state, "active", SHOW_ROW);
}

static enum err_code rotate(struct pg *pg, const char *tenant, const struct id *id, const void *arg,
                            struct err *err)
{
	(void)arg;
	return webhook_rotate(pg, tenant, id, err);
}

void serve_webhook_rotate(struct http_request *req, struct http_reply *reply)
{
	change(req, reply, rotate, NULL, SHOW_SECRET);
}

void serve_webhook_delete(struct http_request *req, struct http_reply *reply)
{
	struct once once;
	struct err err;
	struct id id;

	if (!webhook_seen_id(req, reply, &id) || !once_begin(req, reply, &once)) {
		return;
	}
	if (webhook_delete(node_of(req)->pg, app_tenant(req), &id, &err) != ERR_OK) {
		once_abandon(&once);
		webhook_refuse(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	once.object = arena_strdup(req->arena, str_of(id.s));
	(void)once_commit(req, reply, &once);
}

/* ---- what signs the webhooks of tasks ---- */

void serve_webhook_task_rotate(struct http_request *req, struct http_reply *reply)
{
	struct webhook_secret_of of = { WEBHOOK_OF_TENANT, str_of(app_tenant(req)), 0 };
	struct once once;
	struct err err;
	struct jsonw w;

	if (!webhook_may(req, reply) || !once_begin(req, reply, &once)) {
		return;
	}
	if (webhook_task_rotate(node_of(req)->pg, app_tenant(req), &of.n, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	write_secret(req, &w, &of);
	jsonw_end_object(&w);
	once.object = app_tenant(req);
	(void)once_commit(req, reply, &once);
}
