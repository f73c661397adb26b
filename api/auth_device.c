/*
 * Devices that log in at a provider, below /auth, in the shapes of SteadyState's clients
 * (docs/login.md says what is different).  The provider's own token is never handed out.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/door.h"
#include "api/give.h"
#include "api/handlers.h"
#include "json/write.h"
#include "log/log.h"
#include "oidc/device_login.h"
#include "oidc/member.h"
#include "oidc/oidc.h"
#include "rest/oidc.h"
#include "rest/token.h"

enum { MICRO = 1000000 };

/* What is not the client's fault keeps its problem+json. */
static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_INVALID || err->code == ERR_LIMIT || err->code == ERR_UNAVAILABLE) {
		door_error(reply, err_http_status(err->code), err->msg, NULL);
	} else {
		answer_error(req, reply, err);
	}
}

/* ---- device ---- */

static void write_device(struct http_reply *reply, const struct oidc_device *device,
                         const char *code)
{
	struct jsonw w;

	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "device_code", code);
	jsonw_str(&w, "user_code", device->user_code);
	jsonw_str(&w, "verification_uri", device->address);
	if (device->address_complete.n > 0) {
		jsonw_str(&w, "verification_uri_complete", device->address_complete);
	}
	jsonw_u64(&w, "expires_in", device->expires_s);
	jsonw_u64(&w, "interval", device->interval_s);
	jsonw_end_object(&w);
}

void serve_auth_device(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	const struct app *app = node_of(req)->app;
	const struct oidc_provider *provider;
	struct rest_auth_device query;
	struct device_login_new login;
	char code[DEVICE_CODE_LEN + 1];
	struct oidc_device device;
	struct err err;

	if (rest_query(req, &rest_auth_device_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	provider = oidc_provider_find(oidc_providers_of(app->oidc),
	                              query.provider.n > 0 ? query.provider : STR_LIT("github"));
	if (provider == NULL) {
		door_error(reply, 400, "The provider is not configured on the server", NULL);
		return;
	}
	if (oidc_device_begin(app->oidc, provider, req->arena, &device, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	login = (struct device_login_new){ .provider = provider->name,
		                           .code = device.code,
		                           .address = arena_strdup(req->arena, req->peer),
		                           .interval_s = device.interval_s,
		                           .expires_s = device.expires_s };
	if (device_login_create(node_of(req)->pg, &secret, &login, code, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	write_device(reply, &device, code);
}

/* ---- poll ---- */

struct polled {
	const char *status, *error; /* NULL: null */
	struct str access, login;
	const char *refresh;
};

static void write_text(struct jsonw *w, const char *name, struct str text)
{
	if (text.p == NULL) {
		jsonw_null(w, name);
	} else {
		jsonw_str(w, name, text);
	}
}

/* All six, always. */
static void write_polled(struct http_reply *reply, const struct polled *polled)
{
	struct jsonw w;

	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	write_text(&w, "status", str_of(polled->status));
	write_text(&w, "jwt", polled->access);
	write_text(&w, "refresh_token", str_of(polled->refresh));
	write_text(&w, "login", polled->login);
	jsonw_null(&w, "provider_access_token");
	write_text(&w, "error", str_of(polled->error));
	jsonw_end_object(&w);
}

/* The row goes first: of two that ask at the same time one gets the tokens. */
static enum err_code admit(struct http_request *req, const struct device_login *login,
                           const struct oidc_person *person, struct refreshed *ret,
                           struct polled *polled, struct err *err)
{
	struct oidc_member member;
	struct door_new what;
	bool ended;
	enum err_code code = device_login_end(node_of(req)->pg, login, &ended, err);

	if (code == ERR_OK && !ended) {
		return err_set(err, ERR_FORBIDDEN, "invalid_device_code");
	}
	if (code == ERR_OK) {
		code = oidc_member_find(node_of(req)->pg, person, &member, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (member.changed) {
		give_ring(req, AUTH_BELL_USER, &member.user);
	}
	what = (struct door_new){
		.tenant = person->tenant.p,
		.user = &member.user,
		.client = arena_printf(req->arena, "device:%s", person->provider->name),
	};
	code = door_begin(req, &what, ret, &polled->access, err);
	if (code == ERR_OK) {
		log_info("login.begun", "user=%s tenant=%s provider=%s made=%d", member.user.s,
		         what.tenant, person->provider->name, member.made);
		polled->status = "complete";
		polled->refresh = ret->text;
		polled->login = person->name;
	}
	return code;
}

static enum err_code ask(struct http_request *req, const struct oidc_provider *provider,
                         const struct device_login *login, struct refreshed *made,
                         struct polled *polled, struct err *err)
{
	const struct app *app = node_of(req)->app;
	struct oidc_person person;
	enum oidc_polled what;
	struct err ignored;
	bool ended;
	enum err_code code =
		oidc_device_poll(app->oidc, provider, login->code, req->arena, &what, &person, err);

	if (code != ERR_OK) {
		return code;
	}
	polled->status = "pending";
	switch (what) {
	case OIDC_PENDING: return ERR_OK;
	case OIDC_SLOW_DOWN:
		polled->error = "slow_down";
		return device_login_slow(node_of(req)->pg, login, err);
	case OIDC_REFUSED:
		polled->status = NULL;
		polled->error = arena_strdup(req->arena, str_of(err->msg));
		return device_login_end(node_of(req)->pg, login, &ended, &ignored);
	case OIDC_DONE: break;
	}
	polled->status = NULL;
	code = admit(req, login, &person, made, polled, err);
	if (code == ERR_FORBIDDEN || code == ERR_CONFLICT) {
		polled->error = arena_strdup(req->arena, str_of(err->msg));
		return ERR_OK;
	}
	return code;
}

void serve_auth_poll(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	const struct app *app = node_of(req)->app;
	const struct oidc_provider *provider = NULL;
	struct polled polled = { .status = NULL };
	struct rest_auth_poll body;
	struct device_login login;
	struct refreshed made;
	struct err err;
	enum err_code code;

	if (json_decode(req->body, &rest_auth_poll_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	code = device_login_take(node_of(req)->pg, &secret, body.device_code, req->arena, &login,
	                         &err);
	if (code == ERR_OK) {
		provider = oidc_provider_find(oidc_providers_of(app->oidc), login.provider);
	}
	if (code == ERR_NOT_FOUND || (code == ERR_OK && provider == NULL)) {
		polled.error = "invalid_device_code";
		code = ERR_OK;
	} else if (code == ERR_OK && !login.is_due) {
		polled.status = "pending";
		polled.error = "slow_down";
	} else if (code == ERR_OK) {
		code = ask(req, provider, &login, &made, &polled, &err);
	}
	if (code != ERR_OK) {
		refuse(req, reply, &err);
	} else {
		write_polled(reply, &polled);
	}
	cred_wipe(&made, sizeof(made));
}

/* ---- refresh, revoke, me ---- */

/* False: the reply is filled. */
static bool take_token(struct http_request *req, struct http_reply *reply, struct str *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_refresh body;

	if (json_decode(req->body, &rest_refresh_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = body.token;
	return true;
}

void serve_auth_refresh(struct http_request *req, struct http_reply *reply)
{
	struct refreshed made;
	struct str token, access;
	struct jsonw w;
	struct err err;

	if (!take_token(req, reply, &token)) {
		return;
	}
	if (door_refresh(req, token, &made, &access, &err) != ERR_OK) {
		if (err.code == ERR_UNAUTHORIZED) {
			door_error(reply, 401, "invalid refresh token", NULL);
		} else {
			answer_error(req, reply, &err);
		}
		return;
	}
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "jwt", access);
	jsonw_cstr(&w, "refresh_token", made.text);
	jsonw_i64(&w, "refresh_expires_at", made.expires_us / MICRO);
	jsonw_end_object(&w);
	cred_wipe(&made, sizeof(made));
}

void serve_auth_revoke(struct http_request *req, struct http_reply *reply)
{
	struct str token;
	struct jsonw w;
	struct err err;

	if (!take_token(req, reply, &token)) {
		return;
	}
	if (door_revoke(req, token, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "revoked", true);
	jsonw_end_object(&w);
}

void serve_auth_me(struct http_request *req, struct http_reply *reply)
{
	const struct principal *who = app_who(req);
	struct str provider = STR_LIT("");
	struct jsonw w;
	struct err err;

	if (!id_is_nil(&who->user) && oidc_member_provider(node_of(req)->pg, &who->user, req->arena,
	                                                   &provider, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sub", who->name);
	jsonw_str(&w, "provider", provider.n > 0 ? provider : STR_LIT("fairlead"));
	jsonw_cstr(&w, "id", who->user.s);
	jsonw_cstr(&w, "tenant", who->tenant);
	if (who->kind != AUTH_KEY) {
		jsonw_cstr(&w, "role", auth_role_name(who->role));
	}
	if (who->expires_us != 0) {
		jsonw_time(&w, "expiresAt", who->expires_us);
	}
	jsonw_end_object(&w);
}
