#include "api/give.h"

#include <string.h>

#include "api/answer.h"
#include "api/app.h"
#include "base/arena.h"
#include "log/log.h"
#include "rest/query.h"
#include "rest/token.h"
#include "tenant/project_store.h"

bool give_namespaces(struct http_request *req, struct http_reply *reply,
                     const struct json_list *given, const char **ret)
{
	const struct principal *who = app_who(req);
	const struct str *names = given->items;
	char *made = arena_take(req->arena, AUTH_NAMESPACES_MAX + 1);
	struct buf list;
	bool ok;

	if (given->count == 0) {
		*ret = who->any_namespace ? NULL : who->namespaces;
		return true;
	}
	if (given->count == 1 && str_eq(str_trim(names[0]), STR_LIT("*"))) {
		*ret = NULL;
		return true;
	}
	buf_init(&list, 2 * (size_t)AUTH_NAMESPACES_MAX);
	ok = true;
	for (size_t i = 0; i < given->count; i++) {
		ok = ok && memchr(names[i].p, ',', names[i].n) == NULL;
		buf_addf(&list, "%s%" STR_FMT, i > 0 ? "," : "", STR_ARG(names[i]));
	}
	ok = ok && !buf_failed(&list) && auth_namespaces_parse(buf_str(&list), made);
	buf_fini(&list);
	if (!ok) {
		answer_problem(req, reply, "namespaces",
		               "must be letters, digits, dots, dashes and underscores each, 512 "
		               "bytes together, or only \"*\"");
	}
	*ret = made;
	return ok;
}

bool give_allowed(struct http_request *req, struct http_reply *reply, unsigned scopes,
                  const char *namespaces)
{
	if (!auth_may_give(app_who(req), scopes, namespaces)) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "nobody gives more than they have: scopes, roles and namespaces "
		            "included");
		return false;
	}
	return true;
}

bool give_user(struct http_request *req, struct http_reply *reply, struct str named, struct id *ret)
{
	const struct principal *who = app_who(req);

	*ret = who->user;
	if (named.n > 0 && !id_parse(named, ret)) {
		answer_problem(req, reply, "user", "must be the id of a user");
		return false;
	}
	if (id_is_nil(ret)) {
		answer_problem(req, reply, "user", "is required: this key is of no user");
		return false;
	}
	if (!id_eq(ret, &who->user) && !auth_allows(who, AUTH_ADMIN)) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "another user's logins need the scope admin");
		return false;
	}
	return true;
}

bool give_user_asked(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_tokens query;

	if (rest_query(req, &rest_tokens_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	return give_user(req, reply, query.user, ret);
}

enum err_code give_check_power(const struct principal *who, const struct user *user,
                               struct err *err)
{
	unsigned has = auth_role_scopes(user->role) | (user->system ? auth_bit(AUTH_SYSTEM) : 0);

	return auth_may_give(who, has, user->any_namespace ? NULL : user->namespaces.p)
	               ? ERR_OK
	               : err_set(err, ERR_FORBIDDEN, "this user may do more than this key");
}

void give_ring(struct http_request *req, enum auth_bell_kind kind, const struct id *id)
{
	const struct app *app = node_of(req)->app;
	const struct auth_bell bell = { .kind = kind, .id = *id };
	struct err err;

	auth_heard(app->auth, &bell);
	if (auth_bell_ring(node_of(req)->redis, kind, id, &err) != ERR_OK) {
		/* The others ask again within a second anyway. */
		log_warn("auth.unrung", "id=%s code=%s %s", id->s, err_name(err.code), err.msg);
	}
}

bool give_project(struct http_request *req, struct http_reply *reply, struct str id)
{
	struct project project;
	struct err err;
	enum err_code code = ERR_OK;

	if (id.n > 0) {
		code = project_get(node_of(req)->pg, app_tenant(req), arena_strdup(req->arena, id),
		                   req->arena, &project, &err);
	}
	if (code == ERR_NOT_FOUND) {
		answer_problem(req, reply, "project", "must be a project of the tenant");
	} else if (code != ERR_OK) {
		answer_error(req, reply, &err);
	}
	return code == ERR_OK;
}
