/* Logins of browsers, to look at and to end. */
#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"
#include "login/login.h"

/* One's own, or for admins anybody's. */
static const struct id *owner_of(const struct http_request *req)
{
	const struct principal *who = app_who(req);

	return auth_allows(who, AUTH_ADMIN) ? NULL : &who->user;
}

static void write_login(struct jsonw *w, const struct login_row *row, const struct principal *who)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", row->login.s);
	jsonw_str(w, "means", row->means);
	jsonw_str(w, "userAgent", row->agent);
	jsonw_str(w, "address", row->address);
	jsonw_time(w, "createdAt", row->created_us);
	jsonw_time(w, "usedAt", row->used_us);
	jsonw_time(w, "expiresAt", row->ends_us);
	jsonw_bool(w, "current", id_eq(&row->login, &who->login));
	jsonw_end_object(w);
}

void serve_login_list(struct http_request *req, struct http_reply *reply)
{
	struct login_list list;
	struct jsonw w;
	struct id user;
	struct err err;

	if (!give_user_asked(req, reply, &user)) {
		return;
	}
	if (login_list(node_of(req)->pg,
	               &(struct login_which){ .tenant = app_tenant(req), .user = &user },
	               req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_login(&w, &list.items[i], app_who(req));
	}
	items_end(&w, STR_LIT(""));
}

void serve_login_get(struct http_request *req, struct http_reply *reply)
{
	struct login_which which = { .tenant = app_tenant(req), .user = owner_of(req) };
	struct login_list list = { .count = 0 };
	struct jsonw w;
	struct id login;
	struct err err;

	which.login = &login;
	if (id_parse(req->params[0], &login) &&
	    login_list(node_of(req)->pg, &which, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	if (list.count == 0) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such login");
		return;
	}
	jsonw_init(&w, &reply->body);
	write_login(&w, &list.items[0], app_who(req));
}

/* False: the reply is filled. */
static bool end(struct http_request *req, struct http_reply *reply, const struct login_which *which,
                size_t *ret_count)
{
	struct once once;
	struct id *ids;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return false;
	}
	if (login_end(node_of(req)->pg, which, "ended", req->arena, &ids, ret_count, &err) !=
	    ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return false;
	}
	if (*ret_count == 0) {
		once_abandon(&once);
		return true;
	}
	once.object = which->login != NULL ? which->login->s : which->user->s;
	once.detail = str_of(arena_printf(req->arena, "{\"ended\":%zu}", *ret_count));
	if (!once_commit(req, reply, &once)) {
		return false;
	}
	for (size_t i = 0; i < *ret_count; i++) {
		give_ring(req, AUTH_BELL_LOGIN, &ids[i]);
		log_info("login.ended", "login=%s by=%s", ids[i].s, auth_actor(app_who(req)));
	}
	return true;
}

void serve_login_end(struct http_request *req, struct http_reply *reply)
{
	struct login_which which = { .tenant = app_tenant(req), .user = owner_of(req) };
	size_t count = 0;
	struct id login;

	which.login = &login;
	if (id_parse(req->params[0], &login) && !end(req, reply, &which, &count)) {
		return;
	}
	if (count == 0) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such login");
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
}

void serve_login_end_all(struct http_request *req, struct http_reply *reply)
{
	const struct principal *who = app_who(req);
	struct login_which which = { .tenant = app_tenant(req) };
	size_t count;
	struct jsonw w;
	struct id user;

	if (!give_user_asked(req, reply, &user)) {
		return;
	}
	which.user = &user;
	which.except = id_is_nil(&who->login) ? NULL : &who->login;
	if (!end(req, reply, &which, &count)) {
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "ended", count);
	jsonw_end_object(&w);
}
