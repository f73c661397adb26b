/* Logging in and out with a browser, and who is logged in. */
#include "rest/login.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/browser.h"
#include "api/door.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/once.h"
#include "auth/auth_http.h"
#include "auth/auth_login.h"
#include "auth/auth_shown.h"
#include "json/write.h"
#include "log/log.h"
#include "login/login_http.h"
#include "login/open.h"
#include "login/password.h"
#include "login/setup.h"
#include "oidc/oidc.h"
#include "rate/rate_http.h"
#include "user/user.h"

#define WRONG "the e-mail address or the password is wrong"

/* An open route has to look itself: the node may still be starting. */
static bool is_ready(struct http_request *req, struct http_reply *reply)
{
	if (node_of(req)->app == NULL) {
		answer_code(req, reply, ERR_UNAVAILABLE, NULL);
		return false;
	}
	return true;
}

/* ---- telling ---- */

static void write_providers(struct jsonw *w, const struct app *app)
{
	const struct oidc_providers *all = oidc_providers_of(app->oidc);

	jsonw_array(w, "providers");
	for (size_t i = 0; i < all->count; i++) {
		const struct oidc_provider *provider = &all->items[i];

		jsonw_object(w, NULL);
		jsonw_cstr(w, "name", provider->name);
		jsonw_str(w, "title", provider->title);
		jsonw_bool(w, "browser", provider->kind == OIDC_STANDARD);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

void serve_auth_config(struct http_request *req, struct http_reply *reply)
{
	bool needed = false;
	struct jsonw w;
	struct err err;

	if (!is_ready(req, reply)) {
		return;
	}
	if (setup_needed(node_of(req)->pg, &needed, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "setup", needed);
	jsonw_bool(&w, "password", true);
	write_providers(&w, node_of(req)->app);
	jsonw_end_object(&w);
}

/* Nobody, as an answer: a page asks this first of all. */
static void tell_nobody(struct http_request *req, struct http_reply *reply)
{
	struct app *app = node_of(req)->app;
	bool had_cookie = auth_cookie_of(req, login_cookie_name(req)).p != NULL;
	struct jsonw w;

	if (had_cookie || http_header(req, "Authorization").n > 0) {
		rate_charge_stranger(app->rate, req, false, reply);
	}
	if (reply->status == err_http_status(ERR_LIMIT)) {
		return;
	}
	if (had_cookie) {
		login_clear_cookie(req, reply);
	}
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "authenticated", false);
	jsonw_end_object(&w);
}

void serve_auth_session(struct http_request *req, struct http_reply *reply)
{
	const struct app *app = node_of(req)->app;
	struct principal who;
	struct err err;

	if (!is_ready(req, reply) || !rate_admit_stranger(app->rate, req, reply)) {
		return;
	}
	switch ((int)auth_find(app->auth, req, &who, &err)) {
	case ERR_OK: browser_tell(req, reply, &who); break;
	case ERR_UNAUTHORIZED: tell_nobody(req, reply); break;
	case ERR_INVALID:
	case ERR_FORBIDDEN: answer_code(req, reply, err.code, err.msg); break;
	default: answer_error(req, reply, &err);
	}
}

/* ---- logging in ---- */

/* False: the reply is filled. */
static bool take_body(struct http_request *req, struct http_reply *reply, struct rest_login *body,
                      char email[USER_EMAIL_MAX + 1])
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));

	if (json_decode(req->body, &rest_login_table, body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (!user_email_parse(body->email, email)) {
		answer_problem(req, reply, "email", "must be an address");
		return false;
	}
	return true;
}

/* Is it the password of that address? As much work for nobody's. False: the reply is filled. */
static bool prove(struct http_request *req, struct http_reply *reply, const char *email,
                  struct str password, struct password_row *ret)
{
	const struct app *app = node_of(req)->app;
	struct err err;
	enum err_code code = password_find(node_of(req)->pg, email, ret, &err);
	bool is_known = code == ERR_OK && ret->has_password, ok = false;

	if (code == ERR_OK || code == ERR_NOT_FOUND) {
		code = hasher_check(app->hasher, is_known ? ret->stored : NULL, password, &ok,
		                    &err);
	}
	if (code != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	if (!ok || ret->disabled) {
		log_warn("login.refused", "user=%s address=%" STR_FMT, is_known ? ret->user.s : "",
		         STR_ARG(req->peer));
		browser_refuse(req, reply, WRONG);
		return false;
	}
	return true;
}

/* At the cost of now. The login does not depend on it. */
static void freshen(const struct http_request *req, const struct password_row *row,
                    struct str password)
{
	const struct app *app = node_of(req)->app;
	char again[CRED_STORED_SIZE];
	struct err err;
	enum err_code code;

	if (!hasher_is_stale(app->hasher, row->stored)) {
		return;
	}
	code = hasher_hash(app->hasher, password, again, &err);
	if (code == ERR_OK) {
		code = password_rehash(node_of(req)->pg, &row->user, row->stored, again, &err);
	}
	if (code != ERR_OK) {
		log_warn("login.stale", "user=%s code=%s %s", row->user.s, err_name(code), err.msg);
	}
}

void serve_auth_login(struct http_request *req, struct http_reply *reply)
{
	const struct login_options options = login_open(&node_of(req)->conf, node_of(req)->pg);
	struct password_row row = { .disabled = false };
	char email[USER_EMAIL_MAX + 1];
	struct login_made made;
	struct login_new wanted;
	struct rest_login body;
	struct principal who;
	struct once once;
	struct err err;

	if (!browser_is_ours(req, reply) || !take_body(req, reply, &body, email) ||
	    !browser_may_try(req, reply, email) || !prove(req, reply, email, body.password, &row)) {
		return;
	}
	freshen(req, &row, body.password);
	wanted = browser_login(req, &row.user, "password");
	wanted.tenant = body.tenant.n > 0 ? arena_strdup(req->arena, body.tenant) : NULL;
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (login_create(&options, &wanted, &made, &err) == ERR_OK) {
		who = once_person(&row.user, made.tenant);
		once.object = made.login.s;
		once.who = &who;
		if (once_commit(req, reply, &once)) {
			browser_begin(req, reply, &made);
		}
		cred_wipe(&made, sizeof(made));
		return;
	}
	once_abandon(&once);
	if (err.code == ERR_FORBIDDEN) {
		answer_code(req, reply, err.code, "this person is no member there");
	} else {
		answer_error(req, reply, &err);
	}
}

/* ---- logging out ---- */

void serve_auth_logout_page(struct http_request *req, struct http_reply *reply)
{
	serve_page(req, reply);
}

/* The provider would log them in again without a word: the page goes on there. */
static void answer_logout(struct http_reply *reply, const struct buf *address)
{
	struct jsonw w;

	if (address->len == 0 || buf_failed(address)) {
		reply->status = 204;
		reply->content_type = NULL;
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "endSessionUrl", buf_str(address));
	jsonw_end_object(&w);
}

void serve_auth_logout(struct http_request *req, struct http_reply *reply)
{
	const struct principal *who = app_who(req);
	CLEANUP(buf_fini) struct buf address = { 0 };
	struct once once;
	struct id *ids;
	size_t count;
	struct err err;

	if (who->means != AUTH_BY_LOGIN) {
		answer_code(req, reply, ERR_INVALID, "this request has no login of a browser");
		return;
	}
	buf_init(&address, OIDC_ADDRESS_MAX);
	door_end_address(req, &address);
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (login_end(node_of(req)->pg,
	              &(struct login_which){ .tenant = who->tenant, .login = &who->login },
	              "logged out", req->arena, &ids, &count, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	login_clear_cookie(req, reply);
	answer_logout(reply, &address);
	once.object = who->login.s;
	if (once_commit(req, reply, &once)) {
		give_ring(req, AUTH_BELL_LOGIN, &who->login);
		log_info("login.ended", "login=%s user=%s", who->login.s, who->user.s);
	}
}
