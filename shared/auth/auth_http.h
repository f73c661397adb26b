/* The credential of a request, and the answers to those that are refused. */
#pragma once

#include "auth/auth.h"
#include "auth/auth_shown.h"
#include "http/http.h"

/* Who asks, of a route that answers everybody. ERR_UNAUTHORIZED: nobody, or nothing that counts;
 * ERR_INVALID, ERR_FORBIDDEN: as auth_admit() would say. */
enum err_code auth_find(struct auth *auth, const struct http_request *req, struct principal *ret,
                        struct err *err) MUST_CHECK;

/*
 * True: *ret is who the request acts for, and it has the scope. False: reply is filled: 401
 * with WWW-Authenticate, 403 naming the scope, 400 for a key in the address, or 503 while keys
 * cannot be looked up.
 */
bool auth_admit(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                struct principal *ret, struct http_reply *reply);

/*
 * The same for a route that streams: beside the headers it takes ?ticket=, the cookie of an
 * earlier ticket, and for WebSockets a subprotocol fairlead.key.<key>. 403 for a page of another
 * origin (auth_origin.h), and for a cookie without a word of where it comes from.
 */
bool auth_admit_stream(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                       struct principal *ret, struct http_reply *reply);

/*
 * Once the reply is to be a stream: who came with a ticket gets a cookie for this path, who came
 * with a cookie keeps it. That it could not be stored costs the client its next reconnect, not
 * this stream.
 */
void auth_keep(struct auth *auth, const struct http_request *req, const struct principal *principal,
               struct http_reply *reply);
