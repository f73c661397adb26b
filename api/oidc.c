/*
 * Browsers that log in at a provider: there, and back.
 *
 * What goes wrong is told to a person, as a page, when the browser asked for one.
 */
#include "oidc/oidc.h"

#include <stdio.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/browser.h"
#include "api/door.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/once.h"
#include "auth/auth_shown.h"
#include "log/log.h"
#include "login/login_http.h"
#include "login/open.h"
#include "oidc/member.h"
#include "rest/oidc.h"
#include "rest/query.h"

#define AWAY_COOKIE     "fairlead_oidc"
#define MEANS           "oidc:"
#define AWAY_COOKIE_TLS "__Host-fairlead_oidc"

enum { REDIRECT_MAX = DOOR_BASE_MAX + 32 };

/* ---- answers ---- */

static void add_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<': buf_add_cstr(out, "&lt;"); break;
		case '>': buf_add_cstr(out, "&gt;"); break;
		case '&': buf_add_cstr(out, "&amp;"); break;
		default: buf_add_char(out, *text); break;
		}
	}
}

static void sorry(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	bool told = err->code == ERR_INVALID || err->code == ERR_FORBIDDEN ||
	            err->code == ERR_UNAUTHORIZED || err->code == ERR_UNAVAILABLE ||
	            err->code == ERR_CONFLICT;

	if (!told) {
		answer_error(req, reply, err);
		return;
	}
	if (!http_accepts(req, "text/html") || http_header(req, "Accept").n == 0) {
		answer_code(req, reply, err->code, err->msg);
		return;
	}
	reply->status = err_http_status(err->code);
	reply->content_type = "text/html; charset=utf-8";
	http_reply_header(reply, "Content-Security-Policy",
	                  "default-src 'none'; frame-ancestors 'none'");
	http_reply_header(reply, "Cache-Control", "no-store");
	buf_add_cstr(&reply->body, "<!doctype html><html lang=\"en\"><title>Not logged in</title>"
	                           "<h1>Not logged in</h1><p>");
	add_escaped(&reply->body, err->msg);
	buf_add_cstr(&reply->body, ".</p><p><a href=\"/\">Begin again</a></p></html>\n");
}

static void send_to(struct http_reply *reply, struct str address)
{
	reply->status = 303;
	reply->content_type = NULL;
	http_reply_header(reply, "Cache-Control", "no-store");
	http_reply_header(reply, "Referrer-Policy", "no-referrer");
	buf_add_cstr(&reply->headers, "Location: ");
	buf_add_str(&reply->headers, address);
	buf_add_cstr(&reply->headers, "\r\n");
}

static const char *away_cookie(const struct http_request *req)
{
	return req->https ? AWAY_COOKIE_TLS : AWAY_COOKIE;
}

/* life_s 0: it goes. Lax, since it has to come with the provider's redirect. */
static void set_away(const struct http_request *req, struct http_reply *reply, const char *value,
                     int life_s)
{
	buf_addf(&reply->headers,
	         "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%d%s\r\n",
	         away_cookie(req), value, life_s, req->https ? "; Secure" : "");
}

static bool redirect_uri(const struct http_request *req, char out[REDIRECT_MAX + 1],
                         struct err *err)
{
	char base[DOOR_BASE_MAX + 1];

	if (!door_base(req, base)) {
		(void)err_set(err, ERR_INVALID, "the request does not say which host it is for");
		return false;
	}
	(void)snprintf(out, REDIRECT_MAX + 1, "%s/auth/callback", base);
	return true;
}

/* ---- there ---- */

/* Without a name the only one. NULL: the reply is filled. */
static const struct oidc_provider *take_provider(struct http_request *req, struct http_reply *reply,
                                                 struct str name)
{
	const struct app *app = node_of(req)->app;
	const struct oidc_providers *all = oidc_providers_of(app->oidc);
	const struct oidc_provider *found = oidc_provider_find(all, name);

	for (size_t i = 0; name.n == 0 && i < all->count; i++) {
		if (all->items[i].kind == OIDC_STANDARD) {
			/* A second one: which? */
			found = found == NULL ? &all->items[i] : NULL;
			if (found == NULL) {
				break;
			}
		}
	}
	if (found == NULL) {
		answer_problem(req, reply, "provider",
		               "must be the name of a provider that there is");
	}
	return found;
}

void serve_oidc_login(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct app *app = node_of(req)->app;
	CLEANUP(buf_fini) struct buf address = { 0 };
	CLEANUP(buf_fini) struct buf cookie = { 0 };
	const struct oidc_provider *provider;
	struct rest_oidc_login query;
	char redirect[REDIRECT_MAX + 1];
	struct err err;

	if (rest_query(req, &rest_oidc_login_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (query.return_to.n == 0) {
		query.return_to = STR_LIT("/");
	}
	if (!oidc_return_ok(query.return_to)) {
		answer_problem(req, reply, "return_to", "must be a path of this server");
		return;
	}
	provider = take_provider(req, reply, query.provider);
	if (provider == NULL) {
		return;
	}
	buf_init(&address, OIDC_ADDRESS_MAX + 2048);
	buf_init(&cookie, OIDC_COOKIE_MAX);
	if (!redirect_uri(req, redirect, &err) ||
	    oidc_begin(app->oidc, provider, redirect, query.return_to, &address, &cookie, &err) !=
	            ERR_OK) {
		sorry(req, reply, &err);
		return;
	}
	set_away(req, reply, buf_cstr(&cookie), OIDC_AWAY_S);
	send_to(reply, buf_str(&address));
}

/* ---- and back ---- */

/* RFC 6749 section 3.1: not twice; what we do not know does not matter. */
static bool take_once(const struct http_request *req, const char *name, struct str *ret)
{
	struct str found, value;
	size_t count = 0;

	*ret = (struct str){ NULL, 0 };
	for (size_t i = 0; http_query_at(req, i, &found, &value); i++) {
		if (str_eq(found, str_of(name))) {
			*ret = value.p != NULL ? value : STR_LIT("");
			count++;
		}
	}
	return count <= 1;
}

/* A login, and its row in the audit. */
static enum err_code create(struct http_request *req, const struct login_options *options,
                            const struct login_new *wanted, struct login_made *ret, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	enum err_code code = once_open(req, &tx, err);

	if (code == ERR_OK) {
		code = login_create(options, wanted, ret, err);
	}
	if (code == ERR_OK) {
		const struct principal who = once_person(wanted->user, ret->tenant);
		const struct once facts = { .object = ret->login.s, .who = &who };

		code = once_note(req, tx, &facts, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code;
}

static enum err_code log_in(struct http_request *req, const struct oidc_person *person,
                            struct http_reply *reply, struct err *err)
{
	const struct login_options options = login_open(&node_of(req)->conf, node_of(req)->pg);
	struct oidc_member member;
	struct login_made made;
	struct login_new wanted;
	enum err_code code = oidc_member_find(node_of(req)->pg, person, &member, err);

	if (code != ERR_OK) {
		log_info("login.refused", "provider=%s code=%s %s", person->provider->name,
		         err_name(code), err->msg);
		return code;
	}
	if (member.changed) {
		give_ring(req, AUTH_BELL_USER, &member.user);
	}
	wanted = browser_login(req, &member.user,
	                       arena_printf(req->arena, MEANS "%s", person->provider->name));
	wanted.tenant = person->tenant.p;
	code = create(req, &options, &wanted, &made, err);
	if (code == ERR_OK) {
		browser_end_old(req);
		log_info("login.begun", "login=%s user=%s tenant=%s provider=%s made=%d",
		         made.login.s, member.user.s, made.tenant, person->provider->name,
		         member.made);
		login_set_cookie(req, reply, &made, options.life_s);
		cred_wipe(&made, sizeof(made));
	}
	return code;
}

static enum err_code finish(struct http_request *req, struct http_reply *reply,
                            struct str *ret_return_to, struct err *err)
{
	const struct app *app = node_of(req)->app;
	struct oidc_answer answer;
	struct oidc_person person;
	char redirect[REDIRECT_MAX + 1];
	enum err_code code;

	if (!take_once(req, "code", &answer.code) || !take_once(req, "state", &answer.state) ||
	    !take_once(req, "iss", &answer.iss) || !take_once(req, "error", &answer.error)) {
		return err_set(err, ERR_INVALID, "the provider's answer makes no sense");
	}
	if (!redirect_uri(req, redirect, err)) {
		return err->code;
	}
	code = oidc_finish(app->oidc, auth_cookie_of(req, away_cookie(req)), &answer, redirect,
	                   req->arena, &person, ret_return_to, err);
	return code == ERR_OK ? log_in(req, &person, reply, err) : code;
}

void serve_oidc_callback(struct http_request *req, struct http_reply *reply)
{
	struct str return_to = STR_LIT("/");
	struct err err;
	enum err_code code = finish(req, reply, &return_to, &err);

	if (code != ERR_OK) {
		sorry(req, reply, &err);
	} else {
		send_to(reply, return_to);
	}
	/* Whatever became of it, that was it; unless it is another login's answer. */
	if (code != ERR_INVALID) {
		set_away(req, reply, "", 0);
	}
}

/* ---- and away ---- */

void door_end_address(struct http_request *req, struct buf *out)
{
	const struct principal *who = app_who(req);
	const struct app *app = node_of(req)->app;
	const struct oidc_provider *provider;
	char back[REDIRECT_MAX + 1], base[DOOR_BASE_MAX + 1];
	struct str prefix = STR_LIT(MEANS), means;
	struct login_list list;
	struct err ignored;

	if (!door_base(req, base) ||
	    login_list(node_of(req)->pg,
	               &(struct login_which){ .tenant = who->tenant, .login = &who->login },
	               req->arena, &list, &ignored) != ERR_OK ||
	    list.count == 0 || !str_starts(list.items[0].means, prefix)) {
		return;
	}
	means = list.items[0].means;
	provider = oidc_provider_find(oidc_providers_of(app->oidc),
	                              str_make(means.p + prefix.n, means.n - prefix.n));
	if (provider != NULL) {
		(void)snprintf(back, sizeof(back), "%s/", base);
		oidc_end_address(app->oidc, provider, back, out);
	}
}
