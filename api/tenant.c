/* Tenants, for those who run the installation. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/access.h"
#include "tenant/tenant_store.h"
#include "user/user.h"

static void write_tenant(struct jsonw *w, struct str id, struct str name, bool disabled)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "id", id);
	jsonw_str(w, "name", name);
	jsonw_bool(w, "disabled", disabled);
	jsonw_end_object(w);
}

void serve_tenant_list(struct http_request *req, struct http_reply *reply)
{
	struct tenant_list list;
	struct err err;
	struct jsonw w;

	if (tenant_list(node_of(req)->pg, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_tenant(&w, list.items[i].id, list.items[i].name, list.items[i].disabled);
	}
	items_end(&w, STR_LIT(""));
}

void serve_tenant_create(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_tenant body;
	struct jsonw w;
	struct once once;
	struct err err;
	enum err_code code;

	if (json_decode(req->body, &rest_tenant_table, &body, req->arena, problems) == ERR_OK) {
		body.name = body.name.n > 0 ? body.name : body.id;
		if (!tenant_id_ok(body.id)) {
			json_problem_add(problems, req->arena, "id",
			                 "must be letters, digits, dashes and underscores");
		}
		if (!user_name_ok(body.name)) {
			json_problem_add(problems, req->arena, "name",
			                 "must have no control characters");
		}
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	code = tenant_create(node_of(req)->pg, arena_strdup(req->arena, body.id),
	                     arena_strdup(req->arena, body.name), &err);
	if (code != ERR_OK) {
		once_abandon(&once);
	}
	if (code == ERR_CONFLICT) {
		answer_code(req, reply, code, "another tenant has that id or name");
	} else if (code != ERR_OK) {
		answer_error(req, reply, &err);
	} else {
		reply->status = 201;
		jsonw_init(&w, &reply->body);
		write_tenant(&w, body.id, body.name, false);
		once.object = arena_strdup(req->arena, body.id);
		if (once_commit(req, reply, &once)) {
			log_info("tenant.created", "id=%" STR_FMT " by=%s", STR_ARG(body.id),
			         auth_actor(app_who(req)));
		}
	}
}

/* What is remembered of its keys ends within a second. */
static void set_disabled(struct http_request *req, struct http_reply *reply, bool disabled)
{
	char id[TENANT_ID_MAX + 1] = "";
	struct once once;
	struct err err;
	struct jsonw w;
	enum err_code code = ERR_NOT_FOUND;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (str_copy(id, sizeof(id), req->params[0]) && tenant_id_ok(req->params[0])) {
		code = tenant_disable(node_of(req)->pg, id, disabled, &err);
	}
	if (code != ERR_OK) {
		once_abandon(&once);
	}
	if (code == ERR_NOT_FOUND) {
		answer_code(req, reply, code, "no such tenant");
	} else if (code != ERR_OK) {
		answer_error(req, reply, &err);
	} else {
		jsonw_init(&w, &reply->body);
		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "id", id);
		jsonw_bool(&w, "disabled", disabled);
		jsonw_end_object(&w);
		if (once_commit(req, reply, &once)) {
			log_info("tenant.decided", "id=%s disabled=%d by=%s", id, disabled,
			         auth_actor(app_who(req)));
		}
	}
}

void serve_tenant_disable(struct http_request *req, struct http_reply *reply)
{
	set_disabled(req, reply, true);
}

void serve_tenant_enable(struct http_request *req, struct http_reply *reply)
{
	set_disabled(req, reply, false);
}
