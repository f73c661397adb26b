#include "auth/auth_http.h"

#include "auth/auth_grant.h"
#include "auth/auth_origin.h"
#include "cred/apikey.h"
#include "http/parse.h"

enum { RETRY_S = 1 };

#define COOKIE_NAME     "fairlead_stream"
#define PROTOCOL_PREFIX "fairlead.key."

/* The only header of that name. False: there are two, and which one counts is anybody's guess. */
static bool sole_header(const struct http_request *req, const char *name, struct str *ret)
{
	struct str value = { NULL, 0 };

	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *header = &req->headers[i];

		if (!str_eq_nocase(header->name, str_of(name))) {
			continue;
		}
		if (value.p != NULL) {
			return false;
		}
		value = header->value.p != NULL ? header->value : STR_LIT("");
	}
	*ret = value;
	return true;
}

/* ---- the address ---- */

/* What others call the parameter that has their token. */
static bool is_secret_name(struct str name)
{
	static const char *const names[] = { "token",      "access_token",  "accesstoken", "auth",
		                             "auth_token", "authorization", "bearer",      "jwt",
		                             "key",        "api_key",       "api-key",     "apikey",
		                             "x-api-key",  "secret",        "password" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq_nocase(name, str_of(names[i]))) {
			return true;
		}
	}
	return false;
}

/* Addresses are logged and handed on (Referer): a key in one is refused, good or not, so that
 * nobody comes to rely on it. */
static enum err_code check_address(const struct http_request *req, struct err *err)
{
	struct str name, value;
	struct cred_key key;

	for (size_t i = 0; http_query_at(req, i, &name, &value); i++) {
		bool is_key = cred_key_parse(value, &key) != CRED_KEY_FOREIGN;

		cred_wipe(&key, sizeof(key));
		if (is_key || is_secret_name(name)) {
			return err_set(
				err, ERR_INVALID,
				"a key or token does not belong into the address: send it in "
				"a header, or follow a stream with ?ticket= of POST "
				"/api/v1/stream-tickets");
		}
	}
	return ERR_OK;
}

bool auth_has_ticket(const struct http_request *req)
{
	struct str ticket;

	return http_query(req, "ticket", &ticket);
}

/* ---- headers ---- */

bool auth_is_websocket(const struct http_request *req)
{
	struct str rest = http_header(req, "Upgrade"), one;

	while (http_list_next(&rest, &one)) {
		if (str_eq_nocase(one, STR_LIT("websocket"))) {
			return true;
		}
	}
	return false;
}

/* The key in Sec-WebSocket-Protocol, { NULL, 0 } without one; false: there are two. */
static bool protocol_key(const struct http_request *req, struct str *ret)
{
	struct str prefix = STR_LIT(PROTOCOL_PREFIX), found = { NULL, 0 };

	for (size_t i = 0; i < req->header_count; i++) {
		struct str rest = req->headers[i].value, one;

		if (!str_eq_nocase(req->headers[i].name, STR_LIT("Sec-WebSocket-Protocol"))) {
			continue;
		}
		while (http_list_next(&rest, &one)) {
			if (!str_starts(one, prefix)) {
				continue;
			}
			if (found.p != NULL) {
				return false;
			}
			found = str_make(one.p + prefix.n, one.n - prefix.n);
		}
	}
	*ret = found;
	return true;
}

/* The value of our cookie (RFC 6265 section 5.4), { NULL, 0 } without one. Of two the browser puts
 * that of the longer path first. */
static struct str cookie_of(const struct http_request *req)
{
	for (size_t i = 0; i < req->header_count; i++) {
		struct str rest = req->headers[i].value;

		if (!str_eq_nocase(req->headers[i].name, STR_LIT("Cookie"))) {
			continue;
		}
		while (rest.p != NULL) {
			struct str value = str_trim(str_split(&rest, ';'));
			struct str name = str_split(&value, '=');

			if (str_eq(name, STR_LIT(COOKIE_NAME)) && value.n > 0) {
				return value;
			}
		}
	}
	return (struct str){ NULL, 0 };
}

static enum err_code find_key(struct auth *auth, struct str authorization, struct str x_api_key,
                              struct principal *ret, struct err *err)
{
	struct str key;
	enum err_code code = auth_key_given(authorization, x_api_key, &key, err);

	return code != ERR_OK ? code : auth_check(auth, key, ret, err);
}

static enum err_code take_headers(const struct http_request *req, struct str *authorization,
                                  struct str *x_api_key, struct err *err)
{
	if (!sole_header(req, "Authorization", authorization) ||
	    !sole_header(req, "X-API-Key", x_api_key)) {
		return err_set(err, ERR_UNAUTHORIZED, "a credential header is repeated");
	}
	return ERR_OK;
}

static enum err_code find_principal(struct auth *auth, const struct http_request *req,
                                    struct principal *ret, struct err *err)
{
	struct str authorization, x_api_key;
	enum err_code code = check_address(req, err);

	if (code == ERR_OK && auth_has_ticket(req)) {
		code = err_set(err, ERR_INVALID, "ticket is for routes that stream");
	}
	if (code == ERR_OK) {
		code = take_headers(req, &authorization, &x_api_key, err);
	}
	return code != ERR_OK ? code : find_key(auth, authorization, x_api_key, ret, err);
}

/* ---- streams ---- */

static enum err_code check_site(const struct http_request *req, enum auth_site site, bool by_cookie,
                                struct err *err)
{
	if (auth_is_websocket(req) && site == AUTH_SITE_FOREIGN) {
		return err_set(err, ERR_FORBIDDEN,
		               "pages of this origin may not connect (cors.origins)");
	}
	if (by_cookie && auth_is_websocket(req) && http_header(req, "Origin").n == 0) {
		return err_set(err, ERR_FORBIDDEN, "a WebSocket with a cookie needs Origin");
	}
	if (by_cookie && site != AUTH_SITE_OURS) {
		return err_set(err, ERR_FORBIDDEN,
		               "a cookie counts only from pages of this origin or of those in "
		               "cors.origins: Origin, Sec-Fetch-Site or Referer has to say so");
	}
	return ERR_OK;
}

/* EventSource repeats its address when it reconnects, a used ticket included: then the cookie that
 * came of it counts. */
static enum err_code find_lent(struct auth *auth, const struct http_request *req, struct str ticket,
                               struct principal *ret, struct err *err)
{
	enum auth_site site = auth_site_of(req, auth_options_of(auth)->origins);
	struct str cookie = cookie_of(req);
	enum err_code code = ERR_UNAUTHORIZED;

	if (ticket.p != NULL) {
		code = check_site(req, site, false, err);
		if (code == ERR_OK) {
			code = auth_ticket_use(auth, ticket, req->path, ret, err);
		}
	}
	if (code != ERR_UNAUTHORIZED || cookie.p == NULL) {
		return code;
	}
	code = check_site(req, site, true, err);
	return code != ERR_OK ? code : auth_cookie_use(auth, cookie, req->path, ret, err);
}

static enum err_code find_stream(struct auth *auth, const struct http_request *req,
                                 struct principal *ret, struct err *err)
{
	struct str authorization, x_api_key, by_protocol = { NULL, 0 }, ticket = { NULL, 0 };
	enum err_code code = check_address(req, err);

	if (code == ERR_OK) {
		code = take_headers(req, &authorization, &x_api_key, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (auth_is_websocket(req) && !protocol_key(req, &by_protocol)) {
		return err_set(err, ERR_UNAUTHORIZED, "Sec-WebSocket-Protocol has two keys");
	}
	if (by_protocol.p != NULL && (authorization.p != NULL || x_api_key.p != NULL)) {
		return err_set(err, ERR_UNAUTHORIZED,
		               "send a key as a header or as a subprotocol, not both");
	}
	(void)http_query(req, "ticket", &ticket);
	if (by_protocol.p == NULL && authorization.p == NULL && x_api_key.p == NULL &&
	    (ticket.p != NULL || cookie_of(req).p != NULL)) {
		return find_lent(auth, req, ticket, ret, err);
	}
	if (ticket.p != NULL) {
		return err_set(err, ERR_UNAUTHORIZED, "send a key or a ticket, not both");
	}
	code = check_site(req, auth_site_of(req, auth_options_of(auth)->origins), false, err);
	if (code != ERR_OK) {
		return code;
	}
	return by_protocol.p != NULL ? auth_check(auth, by_protocol, ret, err)
	                             : find_key(auth, authorization, x_api_key, ret, err);
}

static bool refuse(const struct http_request *req, const struct err *err, struct http_reply *reply)
{
	if (err->code == ERR_UNAUTHORIZED) {
		http_problem(reply, req, err->code, err->msg);
		http_reply_header(reply, "WWW-Authenticate", "ApiKey realm=\"fairlead\"");
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

static bool check_scope(const struct http_request *req, enum auth_scope scope,
                        const struct principal *principal, struct http_reply *reply)
{
	struct err err;

	if (auth_allows(principal, scope)) {
		return true;
	}
	(void)err_set(&err, ERR_FORBIDDEN, "this needs a key with the scope %s",
	              auth_scope_name(scope));
	return refuse(req, &err, reply);
}

bool auth_admit(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                struct principal *ret, struct http_reply *reply)
{
	struct err err;

	if (find_principal(auth, req, ret, &err) != ERR_OK) {
		return refuse(req, &err, reply);
	}
	return check_scope(req, scope, ret, reply);
}

bool auth_admit_stream(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                       struct principal *ret, struct http_reply *reply)
{
	struct err err;

	if (find_stream(auth, req, ret, &err) != ERR_OK) {
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
	struct str cookie = cookie_of(req);
	struct err err;

	if (principal->means == AUTH_BY_KEY || !is_plain_path(req->path)) {
		return;
	}
	if (principal->means == AUTH_BY_TICKET) {
		if (auth_cookie_give(auth, principal, req->path, made, &err) != ERR_OK) {
			return;
		}
		cookie = str_of(made);
	}
	http_reply_header(reply, "Set-Cookie",
	                  COOKIE_NAME "=%" STR_FMT "; Path=%" STR_FMT
	                              "; Max-Age=%llu; HttpOnly; SameSite=Strict%s",
	                  STR_ARG(cookie), STR_ARG(req->path), (unsigned long long)life_s,
	                  req->https ? "; Secure" : "");
}
