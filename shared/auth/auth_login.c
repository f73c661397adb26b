#include "auth/auth_login.h"

#include "auth/auth_cache.h"
#include "base/clock.h"

static enum err_code refuse(struct err *err)
{
	return err_set(err, ERR_UNAUTHORIZED, "this login has ended: log in again");
}

static enum err_code fetch(struct auth *auth, struct str cookie, const struct cred_mark *mark,
                           struct auth_cached *ret, struct err *err)
{
	struct login_shown shown;

	if (!login_cookie_parse(cookie, &auth_options_of(auth)->pepper, clock_wall_us(), &shown)) {
		return refuse(err);
	}
	return auth_fetch(auth, mark, &shown.login, &shown.hash, ret, err);
}

enum err_code auth_login_check(struct auth *auth, struct str cookie, struct principal *ret,
                               struct err *err)
{
	struct auth_cache *cache = auth_cache_of(auth);
	struct cred_mark mark = auth_cache_mark(cache, AUTH_CACHE_LOGIN, cookie);
	const struct auth_cached *found = auth_cache_find(cache, &mark);
	struct auth_cached fresh;
	enum err_code code = ERR_OK;

	if (found == NULL) {
		code = fetch(auth, cookie, &mark, &fresh, err);
		found = &fresh;
	}
	if (code != ERR_OK) {
		return code;
	}
	if (!auth_still_counts(found) || id_is_nil(&found->principal.login)) {
		return refuse(err);
	}
	*ret = found->principal;
	ret->means = AUTH_BY_LOGIN;
	return ERR_OK;
}

/* RFC 9110 section 9.2.1. */
static bool is_safe(enum http_method method)
{
	return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS;
}

enum err_code auth_login_csrf(struct auth *auth, const struct http_request *req,
                              const struct id *login, struct err *err)
{
	if (is_safe(req->method) || login_csrf_ok(&auth_options_of(auth)->pepper, login,
	                                          http_header(req, AUTH_CSRF_HEADER))) {
		return ERR_OK;
	}
	return err_set(err, ERR_FORBIDDEN,
	               "with a login's cookie this needs " AUTH_CSRF_HEADER
	               ": the csrfToken of GET /auth/session");
}

void auth_login_token(const struct auth *auth, const struct id *login, char out[LOGIN_CSRF_LEN + 1])
{
	login_csrf(&auth_options_of(auth)->pepper, login, out);
}
