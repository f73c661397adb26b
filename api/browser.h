/* Browsers that log in: what the answers about that share. */
#pragma once

#include <stdbool.h>

#include "auth/auth.h"
#include "http/http.h"
#include "login/login.h"

/* Did a page of another origin ask? It could log somebody into an account that is not theirs.
 * False: the reply is filled. */
bool browser_is_ours(struct http_request *req, struct http_reply *reply);

/* What is right for a login of this request; to be filled in further. */
struct login_new browser_login(struct http_request *req, const struct id *user, const char *means);

/* The reply is who it is now, with its cookie; what the browser had before ends, so that nobody
 * goes on with a login that somebody else began (session fixation). */
void browser_begin(struct http_request *req, struct http_reply *reply,
                   const struct login_made *made);

/* What the browser had before ends. */
void browser_end_old(struct http_request *req);

/* The reply is who asks. */
void browser_tell(struct http_request *req, struct http_reply *reply,
                  const struct principal *principal);

/* One attempt at an account, or at another thing with a name. False: the reply is 429. */
bool browser_may_try(struct http_request *req, struct http_reply *reply, const char *account);
/* It failed: its address is charged more. The reply is 401 with that detail, or 429. */
void browser_refuse(struct http_request *req, struct http_reply *reply, const char *detail);
