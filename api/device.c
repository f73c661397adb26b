/* The person's side of a device code: what waits for it, and yes or no. Only who is logged in with
 * a browser says that: a token or a key that could make tokens would outlive its own end. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"
#include "oidc/device_code.h"

enum { SCOPES_MAX = 256 };

/* False: the reply is filled. */
static bool take_code(struct http_request *req, struct http_reply *reply,
                      char ret[DEVICE_USER_LEN + 1])
{
	if (app_who(req)->means != AUTH_BY_LOGIN) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "only who is logged in with a browser decides about programs");
		return false;
	}
	if (!device_user_code_parse(req->params[0], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no program waits for this code (any more)");
		return false;
	}
	return true;
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_LIMIT) {
		answer_code(req, reply, err->code, err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

/* False: the reply is filled. */
static bool look(struct http_request *req, struct http_reply *reply, const char *code,
                 struct device_code_shown *ret)
{
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	struct err err;

	if (device_code_look(node_of(req)->pg, &secret, &app_who(req)->user, code, req->arena, ret,
	                     &err) != ERR_OK) {
		refuse(req, reply, &err);
		return false;
	}
	return true;
}

/* Of what it asks for, what the person has. */
static unsigned given(const struct http_request *req, const struct device_code_shown *shown)
{
	unsigned asked;

	return auth_scopes_meant(app_who(req)->scopes) &
	       (shown->scopes.n > 0 && auth_scopes_parse(shown->scopes, &asked)
	                ? auth_scopes_meant(asked)
	                : AUTH_ALL);
}

static void write_scopes(struct jsonw *w, unsigned set)
{
	jsonw_array(w, "scopes");
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		if ((set & auth_bit((enum auth_scope)i)) != 0) {
			jsonw_cstr(w, NULL, auth_scope_name((enum auth_scope)i));
		}
	}
	jsonw_end_array(w);
}

void serve_device_code_get(struct http_request *req, struct http_reply *reply)
{
	char code[DEVICE_USER_LEN + 1];
	struct device_code_shown shown;
	struct jsonw w;

	if (!take_code(req, reply, code) || !look(req, reply, code, &shown)) {
		return;
	}
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "userCode", code);
	jsonw_str(&w, "client", shown.client);
	jsonw_str(&w, "address", shown.address);
	write_scopes(&w, given(req, &shown));
	jsonw_time(&w, "createdAt", shown.created_us);
	jsonw_time(&w, "expiresAt", shown.expires_us);
	jsonw_end_object(&w);
}

static void decide(struct http_request *req, struct http_reply *reply, const char *code,
                   const char *scopes, bool allow)
{
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	const struct principal *who = app_who(req);
	const struct device_code_decision decision = {
		.allow = allow,
		.tenant = who->tenant,
		.user = &who->user,
		.scopes = scopes,
		.namespaces = who->any_namespace ? NULL : who->namespaces,
	};
	struct once once;
	struct jsonw w;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (device_code_decide(node_of(req)->pg, &secret, code, &decision, &err) != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "userCode", code);
	jsonw_cstr(&w, "decision", allow ? "allowed" : "denied");
	jsonw_end_object(&w);
	if (once_commit(req, reply, &once)) {
		log_info("device.decided", "user=%s decision=%s", who->user.s,
		         allow ? "allowed" : "denied");
	}
}

void serve_device_code_allow(struct http_request *req, struct http_reply *reply)
{
	CLEANUP(buf_fini) struct buf scopes = { 0 };
	char code[DEVICE_USER_LEN + 1];
	struct device_code_shown shown;

	if (!take_code(req, reply, code) || !look(req, reply, code, &shown)) {
		return;
	}
	if (given(req, &shown) == 0) {
		answer_code(req, reply, ERR_FORBIDDEN, "you have nothing of what it asks for");
		return;
	}
	buf_init(&scopes, SCOPES_MAX);
	auth_scopes_format(given(req, &shown), &scopes);
	decide(req, reply, code, buf_cstr(&scopes), true);
}

void serve_device_code_deny(struct http_request *req, struct http_reply *reply)
{
	char code[DEVICE_USER_LEN + 1];

	if (take_code(req, reply, code)) {
		decide(req, reply, code, NULL, false);
	}
}
