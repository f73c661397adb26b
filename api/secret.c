/* Secrets that agents get by name: /api/v1/secrets. Their values go in and never come out. */
#include "rest/secret.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "secret/secret_store.h"

static void write_row(struct jsonw *w, const struct secret_row *row)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "name", row->name);
	if (row->project.n > 0) {
		jsonw_str(w, "project", row->project);
	}
	jsonw_str(w, "createdBy", row->created_by);
	jsonw_time(w, "createdAt", row->created_us);
	jsonw_str(w, "updatedBy", row->updated_by);
	jsonw_time(w, "updatedAt", row->updated_us);
	if (row->used_us != 0) {
		jsonw_time(w, "lastUsedAt", row->used_us);
	}
	jsonw_end_object(w);
}

/* A page goes on after "project/name". */
static bool take_page(struct http_request *req, struct http_reply *reply, struct str page,
                      struct secret_filter *filter)
{
	struct str rest = page;

	filter->after_project = filter->after_name = STR_LIT("");
	if (page.n > 0) {
		filter->after_project = str_split(&rest, '/');
		if (rest.p == NULL || secret_check_name(rest) != NULL) {
			answer_problem(req, reply, "page", "must be nextPage of the answer before");
			return false;
		}
		filter->after_name = rest;
	}
	return true;
}

void serve_secret_list(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct secret_filter filter = { .tenant = app_tenant(req) };
	struct str next = STR_LIT("");
	struct rest_secrets query;
	struct secret_list list;
	struct err err;
	struct jsonw w;

	if (rest_query(req, &rest_secrets_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!take_page(req, reply, query.page, &filter)) {
		return;
	}
	filter.project = query.has_project ? arena_strdup(req->arena, query.project) : NULL;
	filter.max = (unsigned)query.per_page;
	if (secret_list(node_of(req)->pg, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_row(&w, &list.items[i]);
	}
	if (list.more) {
		const struct secret_row *last = &list.items[list.count - 1];

		next = str_of(arena_printf(req->arena, "%" STR_FMT "/%" STR_FMT,
		                           STR_ARG(last->project), STR_ARG(last->name)));
	}
	items_end(&w, next);
}

/* ---- changing ---- */

/* A secret is for all namespaces: sessions of any could show it to who sees them. */
static bool may_change(struct http_request *req, struct http_reply *reply)
{
	if (!app_who(req)->any_namespace) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "a secret is of all namespaces, and this key is of some");
		return false;
	}
	return true;
}

static bool take_secret(struct http_request *req, struct http_reply *reply, struct secret_new *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_secret body;
	const char *rule;

	if (json_decode(req->body, &rest_secret_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if ((rule = secret_check_name(req->params[0])) != NULL) {
		answer_problem(req, reply, "name", rule);
		return false;
	}
	if ((rule = secret_check_value(body.value)) != NULL) {
		answer_problem(req, reply, "value", rule);
		return false;
	}
	*ret = (struct secret_new){
		.tenant = app_tenant(req),
		.by = auth_actor(app_who(req)),
		.secret = cred_pepper_from(str_of(node_of(req)->conf.pepper)),
		.key = { arena_str(req->arena, body.project),
		         arena_str(req->arena, req->params[0]) },
		.value = body.value,
	};
	return give_project(req, reply, body.project);
}

static const char *object_of(struct http_request *req, const struct secret_key *key)
{
	return key->project.n > 0 ? arena_printf(req->arena, "%" STR_FMT "/%" STR_FMT,
	                                         STR_ARG(key->project), STR_ARG(key->name))
	                          : arena_strdup(req->arena, key->name);
}

void serve_secret_put(struct http_request *req, struct http_reply *reply)
{
	struct secret_new given;
	struct secret_row row;
	struct once once;
	struct jsonw w;
	struct err err;

	if (!may_change(req, reply) || !take_secret(req, reply, &given) ||
	    !once_begin(req, reply, &once)) {
		return;
	}
	if (secret_put(once.tx, &given, req->arena, &row, &err) != ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_CONFLICT) {
			answer_code(req, reply, ERR_CONFLICT, err.msg);
		} else {
			answer_error(req, reply, &err);
		}
		return;
	}
	jsonw_init(&w, &reply->body);
	write_row(&w, &row);
	once.object = object_of(req, &given.key);
	(void)once_commit(req, reply, &once);
}

void serve_secret_delete(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_secrets query;
	struct secret_key key;
	struct once once;
	struct err err;

	if (rest_query(req, &rest_secret_place_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	key = (struct secret_key){ query.project, req->params[0] };
	if (!may_change(req, reply) || !once_begin(req, reply, &once)) {
		return;
	}
	if (secret_delete(once.tx, app_tenant(req), &key, &err) != ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_NOT_FOUND) {
			answer_code(req, reply, ERR_NOT_FOUND, "no such secret");
		} else {
			answer_error(req, reply, &err);
		}
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	once.object = object_of(req, &key);
	(void)once_commit(req, reply, &once);
}
