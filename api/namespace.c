/* Namespaces and models: /api/v1/namespaces, and what the AOMI surface says of them. */
#include "api/answer.h"
#include "api/aomi.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "task/task_json.h"

enum { BODY_MAX = 64 * 1024 };

/* ---- reading ---- */

static enum err_code list_for(struct http_request *req, struct namespace_list *ret, struct err *err)
{
	const struct principal *who = app_who(req);
	struct pg *pg = node_of(req)->pg;

	return aomi_is_guest(who)
	               ? namespace_list_open(pg, NAMESPACES_OPEN_MAX, req->arena, ret, err)
	               : namespace_list(pg, who->tenant, req->arena, ret, err);
}

/* Those that they may use. False: the reply is filled. */
static bool find_all(struct http_request *req, struct http_reply *reply, struct namespace_list *ret)
{
	const struct principal *who = app_who(req);
	struct namespace_list all;
	struct err err;

	if (list_for(req, &all, &err) != ERR_OK) {
		(void)steer_only_read(&err);
		answer_error(req, reply, &err);
		return false;
	}
	*ret = (struct namespace_list){ .items = all.items };
	for (size_t i = 0; i < all.count; i++) {
		if (aomi_is_guest(who) || who->any_namespace ||
		    auth_allows_namespace(who, all.items[i].name)) {
			ret->items[ret->count++] = all.items[i];
		}
	}
	return true;
}

static void write_namespace(struct jsonw *w, const struct namespace *namespace, bool shows_agent)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "name", namespace->name);
	jsonw_bool(w, "open", namespace->open);
	if (shows_agent) {
		jsonw_raw(w, "agent", namespace->agent);
	}
	jsonw_end_object(w);
}

/* An agent's settings may say how it gets at other systems: they are for who can change them. */
void serve_namespace_list(struct http_request *req, struct http_reply *reply)
{
	bool shows_agent = auth_allows(app_who(req), AUTH_ADMIN);
	struct namespace_list list;
	struct jsonw w;

	if (!find_all(req, reply, &list)) {
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_namespace(&w, &list.items[i], shows_agent);
	}
	items_end(&w, STR_LIT(""));
}

void serve_aomi_namespaces(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_aomi_namespaces query;
	struct namespace_list list;
	struct aomi_request r;
	struct jsonw w;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	if (rest_query(req, &rest_aomi_namespaces_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (find_all(req, reply, &list)) {
		jsonw_init(&w, &reply->body);
		jsonw_array(&w, NULL);
		for (size_t i = 0; i < list.count; i++) {
			jsonw_str(&w, NULL, list.items[i].name);
		}
		jsonw_end_array(&w);
	}
}

void serve_aomi_models(struct http_request *req, struct http_reply *reply)
{
	const struct aomi_model *model;
	struct aomi_request r;
	struct jsonw w;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_array(&w, NULL);
	for (unsigned i = 0; (model = aomi_model_at(i)) != NULL; i++) {
		if (model->label != NULL) {
			jsonw_cstr(&w, NULL, model->label);
		}
	}
	jsonw_end_array(&w);
}

/* ---- changing ---- */

/* Would a task with this agent be accepted? */
static bool check_agent(struct http_request *req, struct str agent, struct json_problems *problems)
{
	struct task_spec *spec = arena_take(req->arena, sizeof(*spec));
	struct buf body;
	enum err_code code;

	buf_init(&body, BODY_MAX);
	buf_addf(&body,
	         "{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"
	         "\"agent\":%" STR_FMT "}",
	         STR_ARG(agent));
	code = task_decode(buf_str(&body), spec, req->arena, problems);
	buf_fini(&body);
	if (code == ERR_OK && task_session_count(spec) != 1) {
		json_problem_add(problems, req->arena, "agent.count", "must be 1");
	}
	return problems->count == 0;
}

/* The name in the path. False: the reply is filled. */
static bool take_name(struct http_request *req, struct http_reply *reply,
                      char out[AOMI_NAMESPACE_MAX + 1])
{
	if (!aomi_namespace_of(req->params[0], out) || !str_eq(str_of(out), req->params[0])) {
		answer_problem(req, reply, "name",
		               "must be 1 to 64 lower-case letters, digits, dots, dashes and "
		               "underscores");
		return false;
	}
	if (!app_who(req)->any_namespace && !auth_allows_namespace(app_who(req), str_of(out))) {
		answer_code(req, reply, ERR_FORBIDDEN, "this key may not use that namespace");
		return false;
	}
	return true;
}

void serve_namespace_put(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	char name[AOMI_NAMESPACE_MAX + 1];
	struct rest_namespace body;
	struct namespace namespace;
	struct once once;
	bool is_new;
	struct err err;
	struct jsonw w;

	if (!take_name(req, reply, name)) {
		return;
	}
	if (json_decode(req->body, &rest_namespace_table, &body, req->arena, problems) != ERR_OK ||
	    !check_agent(req, body.agent, problems)) {
		answer_problems(req, reply, problems);
		return;
	}
	if (body.open && !auth_allows(app_who(req), AUTH_SYSTEM)) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "to open a namespace to everybody needs the scope system");
		return;
	}
	namespace = (struct namespace){ .tenant = str_of(app_tenant(req)),
		                        .name = str_of(name),
		                        .agent = body.agent,
		                        .open = body.open };
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (namespace_put(node_of(req)->pg, &namespace, auth_actor(app_who(req)), &is_new, &err) !=
	    ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_CONFLICT) {
			answer_code(req, reply, ERR_CONFLICT,
			            "a namespace of that name is open already");
		} else {
			answer_error(req, reply, &err);
		}
		return;
	}
	reply->status = is_new ? 201 : 200;
	jsonw_init(&w, &reply->body);
	write_namespace(&w, &namespace, true);
	once.detail = body.open ? STR_LIT("{\"open\":true}") : STR_LIT("{\"open\":false}");
	(void)once_commit(req, reply, &once);
}

void serve_namespace_delete(struct http_request *req, struct http_reply *reply)
{
	char name[AOMI_NAMESPACE_MAX + 1];
	struct once once;
	struct err err;

	if (!take_name(req, reply, name) || !once_begin(req, reply, &once)) {
		return;
	}
	if (namespace_delete(node_of(req)->pg, app_tenant(req), name, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	(void)once_commit(req, reply, &once);
}
