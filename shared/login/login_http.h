/* The cookie of a login in a reply. */
#pragma once

#include "http/http.h"
#include "login/login.h"

/* By which name it comes, by TLS or without. */
static inline const char *login_cookie_name(const struct http_request *req)
{
	return req->https ? LOGIN_COOKIE_TLS : LOGIN_COOKIE;
}

void login_set_cookie(const struct http_request *req, struct http_reply *reply,
                      const struct login_made *made, uint64_t life_s);
/* Of a login that has ended. */
void login_clear_cookie(const struct http_request *req, struct http_reply *reply);
