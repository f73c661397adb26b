/*
 * The cookie of a browser's login as a credential (login/login.h): looked up as keys are, and
 * remembered as long (auth_cache.h).
 *
 * Browsers send it by themselves, also for pages of others.  So it counts only where no page of
 * another origin asked (auth_origin.h), and for whatever changes something only beside a token that
 * pages of ours have from GET /auth/session and others cannot read.
 */
#pragma once

#include "auth/auth.h"
#include "http/http.h"
#include "login/login.h"

#define AUTH_CSRF_HEADER "X-CSRF-Token"

/* On a fiber. ERR_UNAUTHORIZED with a reason for the client, or what kept us from asking. */
enum err_code auth_login_check(struct auth *auth, struct str cookie, struct principal *ret,
                               struct err *err) MUST_CHECK;

/* May this request act for that login? ERR_FORBIDDEN: it changes something, and the token is
 * missing or another login's. */
enum err_code auth_login_csrf(struct auth *auth, const struct http_request *req,
                              const struct id *login, struct err *err) MUST_CHECK;
/* The token that it has to show. */
void auth_login_token(const struct auth *auth, const struct id *login,
                      char out[LOGIN_CSRF_LEN + 1]);
