#include "api/browser.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "auth/auth_login.h"
#include "auth/auth_origin.h"
#include "auth/auth_shown.h"
#include "json/write.h"
#include "log/log.h"
#include "login/login_http.h"
#include "login/open.h"
#include "rate/rate_http.h"
#include "user/user.h"

bool browser_is_ours(struct http_request *req, struct http_reply *reply)
{
	const struct app *app = node_of(req)->app;
	enum auth_site site = auth_site_of(req, auth_options_of(app->auth)->origins);

	if (site == AUTH_SITE_OURS || site == AUTH_SITE_UNTOLD) {
		return true;
	}
	answer_code(req, reply, ERR_FORBIDDEN, "pages of another origin do not log in here");
	return false;
}

struct login_new browser_login(struct http_request *req, const struct id *user, const char *means)
{
	return (struct login_new){
		.user = user,
		.means = means,
		.agent = arena_strdup(req->arena, http_header(req, "User-Agent")),
		.address = arena_strdup(req->arena, req->peer),
	};
}

/* ---- telling ---- */

static void write_person(struct jsonw *w, const struct principal *who)
{
	if (id_is_nil(&who->user)) {
		return;
	}
	jsonw_object(w, "user");
	jsonw_cstr(w, "id", who->user.s);
	jsonw_cstr(w, "name", who->name);
	jsonw_end_object(w);
	jsonw_cstr(w, "role", auth_role_name(who->role));
}

static void write_scopes(struct jsonw *w, const struct principal *who)
{
	jsonw_array(w, "scopes");
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		if (auth_allows(who, (enum auth_scope)i)) {
			jsonw_cstr(w, NULL, auth_scope_name((enum auth_scope)i));
		}
	}
	jsonw_end_array(w);
	user_write_namespaces(w, who->any_namespace, str_of(who->namespaces));
}

void browser_tell(struct http_request *req, struct http_reply *reply,
                  const struct principal *principal)
{
	const struct app *app = node_of(req)->app;
	char csrf[LOGIN_CSRF_LEN + 1];
	struct jsonw w;

	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "authenticated", true);
	jsonw_cstr(&w, "tenant", principal->tenant);
	write_person(&w, principal);
	write_scopes(&w, principal);
	if (!id_is_nil(&principal->key)) {
		jsonw_cstr(&w, "key", principal->key.s);
	}
	if (principal->means == AUTH_BY_LOGIN) {
		auth_login_token(app->auth, &principal->login, csrf);
		jsonw_cstr(&w, "login", principal->login.s);
		jsonw_cstr(&w, "csrfToken", csrf);
	}
	if (principal->expires_us != 0) {
		jsonw_time(&w, "expiresAt", principal->expires_us);
	}
	jsonw_end_object(&w);
}

/* ---- beginning ---- */

void browser_end_old(struct http_request *req)
{
	const struct app *app = node_of(req)->app;
	struct str cookie = auth_cookie_of(req, login_cookie_name(req));
	struct principal old;
	struct id *ids;
	size_t count;
	struct err err;

	if (cookie.p == NULL || auth_login_check(app->auth, cookie, &old, &err) != ERR_OK) {
		return;
	}
	if (login_end(node_of(req)->pg,
	              &(struct login_which){ .tenant = old.tenant, .login = &old.login },
	              "replaced", req->arena, &ids, &count, &err) != ERR_OK) {
		log_warn("login.kept", "login=%s code=%s %s", old.login.s, err_name(err.code),
		         err.msg);
		return;
	}
	give_ring(req, AUTH_BELL_LOGIN, &old.login);
}

void browser_begin(struct http_request *req, struct http_reply *reply,
                   const struct login_made *made)
{
	const struct app *app = node_of(req)->app;
	struct principal now;
	struct err err;

	browser_end_old(req);
	if (auth_check_id(app->auth, &made->login, &now, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	now.means = AUTH_BY_LOGIN;
	login_set_cookie(req, reply, made, login_open(&node_of(req)->conf, NULL).life_s);
	browser_tell(req, reply, &now);
	log_info("login.begun", "login=%s user=%s tenant=%s address=%" STR_FMT, made->login.s,
	         now.user.s, now.tenant, STR_ARG(req->peer));
}

/* ---- attempts ---- */

bool browser_may_try(struct http_request *req, struct http_reply *reply, const char *account)
{
	const struct app *app = node_of(req)->app;
	const struct rate_subject subject = { .kind = RATE_USER,
		                              .tenant = STR_LIT(""),
		                              .name = str_of(account) };
	struct rate_verdict verdict = rate_take(app->rate, &subject, RATE_AUTH, 1);

	if (!verdict.allowed) {
		rate_answer(req, &verdict, reply);
		log_warn("login.limited", "address=%" STR_FMT, STR_ARG(req->peer));
	}
	return verdict.allowed;
}

/* The route has charged the address for one attempt already. */
void browser_refuse(struct http_request *req, struct http_reply *reply, const char *detail)
{
	const struct app *app = node_of(req)->app;
	const struct rate_subject address = { .kind = RATE_ADDRESS, .name = req->peer };
	struct rate_verdict verdict =
		rate_take(app->rate, &address, RATE_AUTH, RATE_COST_WRONG_CREDENTIAL - 1);

	if (!verdict.allowed) {
		rate_answer(req, &verdict, reply);
		return;
	}
	answer_code(req, reply, ERR_UNAUTHORIZED, detail);
	http_reply_header(reply, "WWW-Authenticate", "ApiKey realm=\"fairlead\"");
}
