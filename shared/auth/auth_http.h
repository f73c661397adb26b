/* The credential of a request, and the answers to those that are refused. */
#pragma once

#include "auth/auth.h"
#include "http/http.h"

/*
 * True: *ret is who the request acts for, and it has the scope. False: reply is filled: 401
 * with WWW-Authenticate, 403 naming the scope, or 503 while keys cannot be looked up.
 */
bool auth_admit(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                struct principal *ret, struct http_reply *reply);
