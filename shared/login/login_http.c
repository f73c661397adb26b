#include "login/login_http.h"

/* Lax: whoever follows a link to us from elsewhere is logged in; what others' pages post is not. */
static void set(const struct http_request *req, struct http_reply *reply, const char *value,
                uint64_t life_s)
{
	http_reply_header(reply, "Set-Cookie",
	                  "%s=%s; Path=/; Max-Age=%llu; HttpOnly; SameSite=Lax%s",
	                  login_cookie_name(req), value, (unsigned long long)life_s,
	                  req->https ? "; Secure" : "");
}

void login_set_cookie(const struct http_request *req, struct http_reply *reply,
                      const struct login_made *made, uint64_t life_s)
{
	set(req, reply, made->cookie, life_s);
}

void login_clear_cookie(const struct http_request *req, struct http_reply *reply)
{
	set(req, reply, "", 0);
}
