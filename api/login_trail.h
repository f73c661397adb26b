/* Logins by tokens, for the audit. */
#pragma once

#include "auth/auth.h"
#include "http/http.h"

/* Of whom a login is. False: it is gone. */
bool token_find_login(struct http_request *req, const struct id *login, struct principal *ret);
/* One of its tokens came back, and it has ended by now: so this may be a second late. */
void token_note_reuse(struct http_request *req, const struct id *login);
