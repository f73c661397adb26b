/* Projects of the tenant of whoever asks. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "base/clock.h"
#include "json/write.h"
#include "rest/access.h"
#include "rest/query.h"
#include "tenant/project_store.h"
#include "user/user.h"

static void write_project(struct jsonw *w, const struct project *project)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "id", project->id);
	jsonw_str(w, "name", project->name);
	jsonw_time(w, "createdAt", project->created_us);
	jsonw_end_object(w);
}

static void answer_project(struct http_reply *reply, const struct project *project)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	write_project(&w, project);
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such project");
	} else if (err->code == ERR_CONFLICT) {
		answer_code(req, reply, ERR_CONFLICT, "another project has that id or name");
	} else {
		answer_error(req, reply, err);
	}
}

void serve_project_list(struct http_request *req, struct http_reply *reply)
{
	struct project_filter filter = { .tenant = app_tenant(req) };
	struct project_page page;
	struct rest_page query;
	struct err err;
	struct jsonw w;

	if (!items_asked(req, reply, &query)) {
		return;
	}
	filter.after = query.page.n > 0 ? query.page.p : NULL;
	filter.max = (unsigned)query.per_page;
	if (project_list(node_of(req)->pg, &filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < page.count; i++) {
		write_project(&w, &page.items[i]);
	}
	items_end(&w, page.more ? page.items[page.count - 1].id : STR_LIT(""));
}

/* False: the reply is filled. */
static bool find_project(struct http_request *req, struct http_reply *reply, struct project *ret)
{
	struct err err;
	enum err_code code = ERR_NOT_FOUND;

	(void)err_set(&err, code, "no such project");
	if (project_id_ok(req->params[0])) {
		code = project_get(node_of(req)->pg, app_tenant(req),
		                   arena_strdup(req->arena, req->params[0]), req->arena, ret, &err);
	}
	if (code != ERR_OK) {
		refuse(req, reply, &err);
	}
	return code == ERR_OK;
}

void serve_project_get(struct http_request *req, struct http_reply *reply)
{
	struct project project;

	if (find_project(req, reply, &project)) {
		answer_project(reply, &project);
	}
}

/* False: the reply is filled. */
static bool take_body(struct http_request *req, struct http_reply *reply,
                      const struct json_table *table, struct project *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_project body;

	if (json_decode(req->body, table, &body, req->arena, problems) == ERR_OK) {
		if (!user_name_ok(body.name)) {
			json_problem_add(problems, req->arena, "name",
			                 "must have no control characters");
		}
		if (body.id.n > 0 && !project_id_ok(body.id)) {
			json_problem_add(problems, req->arena, "id",
			                 "must be letters, digits, dots, dashes and underscores");
		}
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = (struct project){ .id = body.id.n > 0 ? arena_str(req->arena, body.id)
		                                     : arena_str(req->arena, str_of(id_new().s)),
		                 .name = arena_str(req->arena, body.name),
		                 .created_us = clock_wall_us() };
	return true;
}

void serve_project_create(struct http_request *req, struct http_reply *reply)
{
	struct project project;
	struct once once;
	struct err err;

	if (!take_body(req, reply, &rest_project_table, &project)) {
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (project_insert(once.tx, app_tenant(req), project.id.p, project.name.p, &err) !=
	    ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	reply->status = 201;
	answer_project(reply, &project);
	http_reply_header(reply, "Location", "/api/v1/projects/%s", project.id.p);
	once.object = project.id.p;
	(void)once_commit(req, reply, &once);
}

void serve_project_rename(struct http_request *req, struct http_reply *reply)
{
	struct project project, wanted;
	struct once once;
	struct err err;

	if (!take_body(req, reply, &rest_rename_table, &wanted) ||
	    !find_project(req, reply, &project) || !once_begin(req, reply, &once)) {
		return;
	}
	if (project_rename(node_of(req)->pg, app_tenant(req), project.id.p, wanted.name.p, &err) !=
	    ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	project.name = wanted.name;
	answer_project(reply, &project);
	(void)once_commit(req, reply, &once);
}
