/* Rules that answer for people: /api/v1/approval-rules. */
#include "api/answer.h"
#include "api/app.h"
#include "api/filter.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "approval/rule_store.h"
#include "base/clock.h"
#include "json/write.h"
#include "rest/approval.h"
#include "steer/steer.h"

static void write_given(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	}
}

static void write_row(struct jsonw *w, const struct approval_rule_row *row)
{
	const struct approval_rule *rule = &row->rule;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", rule->id.s);
	jsonw_cstr(w, "behavior", rule->allow ? "allow" : "deny");
	write_given(w, "tool", rule->tool);
	write_given(w, "command", rule->command);
	write_given(w, "path", rule->path);
	write_given(w, "host", rule->host);
	write_given(w, "project", rule->project);
	write_given(w, "user", rule->user);
	jsonw_str(w, "createdBy", row->created_by);
	jsonw_time(w, "createdAt", row->created_us);
	jsonw_end_object(w);
}

static void answer_row(struct http_reply *reply, const struct approval_rule_row *row)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	write_row(&w, row);
}

void serve_approval_rule_list(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct approval_rule_filter filter = { .tenant = app_tenant(req) };
	struct approval_rule_list list;
	struct rest_rules query;
	struct id before;
	struct err err;
	struct jsonw w;

	if (rest_query(req, &rest_rules_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (query.page.n > 0 && !id_parse(query.page, &before)) {
		answer_problem(req, reply, "page", "must be nextPage of the answer before");
		return;
	}
	filter.project = filter_given(req, query.project);
	filter.owner = filter_given(req, query.user);
	filter.before = query.page.n > 0 ? &before : NULL;
	filter.max = (unsigned)query.per_page;
	if (approval_rule_list(node_of(req)->pg, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_row(&w, &list.items[i]);
	}
	items_end(&w, list.more ? str_of(list.items[list.count - 1].rule.id.s) : STR_LIT(""));
}

/* False: the reply is filled. */
static bool find_rule(struct http_request *req, struct http_reply *reply,
                      struct approval_rule_row *ret)
{
	struct id id;
	struct err err;
	enum err_code code = ERR_NOT_FOUND;

	if (id_parse(req->params[0], &id)) {
		code = approval_rule_get(node_of(req)->pg, app_tenant(req), &id, req->arena, ret,
		                         &err);
	}
	if (code == ERR_NOT_FOUND) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such rule");
	} else if (code != ERR_OK) {
		answer_error(req, reply, &err);
	}
	return code == ERR_OK;
}

void serve_approval_rule_get(struct http_request *req, struct http_reply *reply)
{
	struct approval_rule_row row;

	if (find_rule(req, reply, &row)) {
		answer_row(reply, &row);
	}
}

/* ---- changing ---- */

/* Whose tasks are one's own. */
static struct str own_name(const struct http_request *req)
{
	const struct principal *who = app_who(req);

	return str_of(who->owner[0] != '\0' ? who->owner : auth_actor(who));
}

/* One's own rules are one's own business; others' are an administrator's. */
static bool may_change(struct http_request *req, struct http_reply *reply,
                       const struct approval_rule *rule)
{
	if (!app_who(req)->any_namespace) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "a rule is of all namespaces, and this key is of some");
		return false;
	}
	if (str_eq(rule->user, own_name(req)) || auth_allows(app_who(req), AUTH_ADMIN)) {
		return true;
	}
	answer_code(req, reply, ERR_FORBIDDEN,
	            "a rule for others than oneself needs the scope admin");
	return false;
}

static bool take_rule(struct http_request *req, struct http_reply *reply, struct approval_rule *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_rule body;
	const char *field, *flaw;

	if (json_decode(req->body, &rest_rule_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = body.rule;
	ret->allow = body.behavior == 0;
	ret->id = id_new();
	if (body.everybody && ret->user.n > 0) {
		answer_problem(req, reply, "everybody", "cannot be given with a user");
		return false;
	}
	if (!body.everybody && ret->user.n == 0) {
		ret->user = own_name(req);
	}
	flaw = approval_rule_flaw(ret, &field);
	if (flaw != NULL) {
		answer_problem(req, reply, field, flaw);
		return false;
	}
	return give_project(req, reply, ret->project) && may_change(req, reply, ret);
}

void serve_approval_rule_create(struct http_request *req, struct http_reply *reply)
{
	struct approval_rule_row row = { .created_us = clock_wall_us() };
	struct once once;
	struct err err;

	row.created_by = str_of(auth_actor(app_who(req)));
	if (!take_rule(req, reply, &row.rule) || !once_begin(req, reply, &once)) {
		return;
	}
	if (approval_rule_add(once.tx, app_tenant(req), &row.rule, row.created_by.p, &row.rule.id,
	                      &err) != ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_CONFLICT) {
			answer_code(req, reply, ERR_CONFLICT, err.msg);
		} else {
			answer_error(req, reply, &err);
		}
		return;
	}
	reply->status = 201;
	answer_row(reply, &row);
	http_reply_header(reply, "Location", "/api/v1/approval-rules/%s", row.rule.id.s);
	once.object = row.rule.id.s;
	if (once_commit(req, reply, &once)) {
		steer_tell_rule(node_of(req)->redis, app_tenant(req), &row.rule, false);
	}
}

void serve_approval_rule_delete(struct http_request *req, struct http_reply *reply)
{
	struct approval_rule_row row;
	struct once once;
	struct err err;

	if (!find_rule(req, reply, &row) || !may_change(req, reply, &row.rule) ||
	    !once_begin(req, reply, &once)) {
		return;
	}
	if (approval_rule_delete(once.tx, app_tenant(req), &row.rule.id, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	if (once_commit(req, reply, &once)) {
		steer_tell_rule(node_of(req)->redis, app_tenant(req), &row.rule, true);
	}
}
