#include "auth/auth_http.h"

#include "auth/auth_grant.h"
#include "auth/auth_login.h"
#include "auth/auth_origin.h"
#include "auth/auth_token.h"

enum { RETRY_S = 1 };

/* ---- what counts ---- */

typedef enum err_code(check_fn)(struct auth *auth, const struct auth_shown *shown,
                                struct principal *ret, struct err *err);

static enum err_code check_key(struct auth *auth, const struct auth_shown *shown,
                               struct principal *ret, struct err *err)
{
	return auth_check(auth, shown->text, ret, err);
}

static enum err_code check_token(struct auth *auth, const struct auth_shown *shown,
                                 struct principal *ret, struct err *err)
{
	return auth_token_check(auth, shown->text, ret, err);
}

static enum err_code check_ticket(struct auth *auth, const struct auth_shown *shown,
                                  struct principal *ret, struct err *err)
{
	return auth_ticket_use(auth, shown->text, shown->path, ret, err);
}

static enum err_code check_stream_cookie(struct auth *auth, const struct auth_shown *shown,
                                         struct principal *ret, struct err *err)
{
	return auth_cookie_use(auth, shown->text, shown->path, ret, err);
}

static enum err_code check_login(struct auth *auth, const struct auth_shown *shown,
                                 struct principal *ret, struct err *err)
{
	return auth_login_check(auth, shown->text, ret, err);
}

/* Which pages may have caused a request that has it. */
enum sites {
	SITES_ANY,    /* it was given on purpose */
	SITES_OURS,   /* it comes by itself */
	SITES_UNTOLD, /* so does this; but what changes something needs a token beside it */
};

static const struct {
	check_fn *check;
	enum sites sites;
} kinds[AUTH_SHOWN_COUNT] = {
	[AUTH_SHOWN_KEY] = { check_key, SITES_ANY },
	[AUTH_SHOWN_TOKEN] = { check_token, SITES_ANY },
	[AUTH_SHOWN_TICKET] = { check_ticket, SITES_ANY },
	[AUTH_SHOWN_STREAM_COOKIE] = { check_stream_cookie, SITES_OURS },
	[AUTH_SHOWN_LOGIN] = { check_login, SITES_UNTOLD },
};

/* ---- which page asks ---- */

static enum err_code check_site(const struct http_request *req, const char *origins,
                                enum sites sites, struct err *err)
{
	bool by_cookie = sites != SITES_ANY, is_websocket = auth_is_websocket(req);
	enum auth_site site;

	if (!by_cookie && !is_websocket) {
		return ERR_OK;
	}
	site = auth_site_of(req, origins);
	if (is_websocket && site == AUTH_SITE_FOREIGN) {
		return err_set(err, ERR_FORBIDDEN,
		               "pages of this origin may not connect (cors.origins)");
	}
	if (by_cookie && is_websocket && http_header(req, "Origin").n == 0) {
		return err_set(err, ERR_FORBIDDEN, "a WebSocket with a cookie needs Origin");
	}
	if (sites == SITES_UNTOLD && site == AUTH_SITE_UNTOLD) {
		return ERR_OK;
	}
	if (by_cookie && site != AUTH_SITE_OURS) {
		return err_set(err, ERR_FORBIDDEN,
		               "a cookie counts only from pages of this origin or of those in "
		               "cors.origins: Origin, Sec-Fetch-Site or Referer has to say so");
	}
	return ERR_OK;
}

/* ---- the decision ---- */

static enum err_code check_shown(struct auth *auth, const struct http_request *req,
                                 const struct auth_shown *shown, struct principal *ret,
                                 struct err *err)
{
	enum err_code code =
		check_site(req, auth_options_of(auth)->origins, kinds[shown->kind].sites, err);

	if (code == ERR_OK) {
		code = kinds[shown->kind].check(auth, shown, ret, err);
	}
	if (code == ERR_OK && shown->kind == AUTH_SHOWN_LOGIN) {
		code = auth_login_csrf(auth, req, &ret->login, err);
	}
	return code;
}

/* What was given on purpose; else what the browser sent by itself, the first that is good.
 * EventSource repeats its address when it reconnects, a used ticket included: then the cookie that
 * came of it counts. */
static enum err_code find_principal(struct auth *auth, const struct http_request *req, bool streams,
                                    struct principal *ret, struct err *err)
{
	struct auth_shown_set set;
	enum err_code code = auth_shown_find(req, streams, &set, err);

	if (code != ERR_OK) {
		return code;
	}
	if (set.is_given) {
		code = check_shown(auth, req, &set.given, ret, err);
	} else {
		code = err_set(err, ERR_UNAUTHORIZED,
		               "send a key as \"Authorization: ApiKey <key>\" or \"X-API-Key: "
		               "<key>\"");
	}
	if (set.is_given && set.given.kind != AUTH_SHOWN_TICKET) {
		return code;
	}
	for (size_t i = 0; i < set.sent_count && code == ERR_UNAUTHORIZED; i++) {
		code = check_shown(auth, req, &set.sent[i], ret, err);
	}
	return code;
}

/* RFC 9110 section 11.6.1: one for each scheme; RFC 6750 section 3.1 for the one that was tried. */
static void challenge(const struct http_request *req, struct http_reply *reply)
{
	struct str tried = http_header(req, "Authorization");
	bool by_token = str_eq_nocase(str_split(&tried, ' '), STR_LIT("Bearer"));

	http_reply_header(reply, "WWW-Authenticate", "ApiKey realm=\"fairlead\"");
	http_reply_header(reply, "WWW-Authenticate", "Bearer realm=\"fairlead\"%s",
	                  by_token ? ", error=\"invalid_token\"" : "");
}

static bool refuse(const struct http_request *req, const struct err *err, struct http_reply *reply)
{
	if (err->code == ERR_UNAUTHORIZED) {
		http_problem(reply, req, err->code, err->msg);
		challenge(req, reply);
		return false;
	}
	if (err->code == ERR_INVALID || err->code == ERR_FORBIDDEN) {
		http_problem(reply, req, err->code, err->msg);
		return false;
	}
	http_problem(reply, req, err->code, NULL);
	if (err_retryable(err->code)) {
		http_retry_after(reply, RETRY_S);
	}
	return false;
}

/* Whatever else it may lack. */
static bool role_lacks(const struct principal *principal, enum auth_scope scope)
{
	unsigned may = auth_scopes_meant(auth_role_scopes(principal->role));

	return principal->kind != AUTH_KEY && scope != AUTH_SYSTEM && (may & auth_bit(scope)) == 0;
}

static bool check_scope(const struct http_request *req, enum auth_scope scope,
                        const struct principal *principal, struct http_reply *reply)
{
	struct err err;

	if (auth_allows(principal, scope)) {
		return true;
	}
	if (!role_lacks(principal, scope)) {
		(void)err_set(&err, ERR_FORBIDDEN, "this needs a key with the scope %s",
		              auth_scope_name(scope));
	} else if (principal->means == AUTH_BY_KEY) {
		(void)err_set(&err, ERR_FORBIDDEN,
		              "this needs a key with the scope %s; its owner is %s, which does not "
		              "have it",
		              auth_scope_name(scope), auth_role_name(principal->role));
	} else {
		(void)err_set(&err, ERR_FORBIDDEN,
		              "this needs the scope %s, which the role %s does not have",
		              auth_scope_name(scope), auth_role_name(principal->role));
	}
	return refuse(req, &err, reply);
}

enum err_code auth_find(struct auth *auth, const struct http_request *req, struct principal *ret,
                        struct err *err)
{
	return find_principal(auth, req, false, ret, err);
}

bool auth_admit(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                struct principal *ret, struct http_reply *reply)
{
	struct err err;

	if (find_principal(auth, req, false, ret, &err) != ERR_OK) {
		return refuse(req, &err, reply);
	}
	return check_scope(req, scope, ret, reply);
}

bool auth_admit_stream(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                       struct principal *ret, struct http_reply *reply)
{
	struct err err;

	if (find_principal(auth, req, true, ret, &err) != ERR_OK) {
		return refuse(req, &err, reply);
	}
	return check_scope(req, scope, ret, reply);
}

/* A path that could end the attribute, or begin another, gets no cookie. */
static bool is_plain_path(struct str path)
{
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '/' || c == '-' || c == '_' || c == '.')) {
			return false;
		}
	}
	return path.n <= AUTH_GRANT_PATH_MAX;
}

void auth_keep(struct auth *auth, const struct http_request *req, const struct principal *principal,
               struct http_reply *reply)
{
	uint64_t life_s = auth_options_of(auth)->cookie_life_ms / 1000;
	char made[AUTH_LENT_LEN + 1];
	bool was_lent = principal->means == AUTH_BY_TICKET || principal->means == AUTH_BY_COOKIE;
	struct str cookie = auth_cookie_of(req, AUTH_STREAM_COOKIE);
	struct err err;

	if (!was_lent || !is_plain_path(req->path)) {
		return;
	}
	if (principal->means == AUTH_BY_TICKET) {
		if (auth_cookie_give(auth, principal, req->path, made, &err) != ERR_OK) {
			return;
		}
		cookie = str_of(made);
	}
	http_reply_header(reply, "Set-Cookie",
	                  AUTH_STREAM_COOKIE "=%" STR_FMT "; Path=%" STR_FMT
	                                     "; Max-Age=%llu; HttpOnly; SameSite=Strict%s",
	                  STR_ARG(cookie), STR_ARG(req->path), (unsigned long long)life_s,
	                  req->https ? "; Secure" : "");
}
