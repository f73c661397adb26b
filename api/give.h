/* What one principal may give another: nobody gives more than they have. */
#pragma once

#include <stdbool.h>

#include "auth/auth_bell.h"
#include "http/http.h"
#include "json/decode.h"
#include "user/user.h"

/* Namespaces of a body (struct str each) in their one form, of the arena; NULL: all of them, which
 * is what ["*"] says. Without any, those of whoever asks. False: the reply is filled. */
bool give_namespaces(struct http_request *req, struct http_reply *reply,
                     const struct json_list *given, const char **ret);

/* May it give this set of scopes there? False: the reply is filled, 403. */
bool give_allowed(struct http_request *req, struct http_reply *reply, unsigned scopes,
                  const char *namespaces);

/* Whose logins are meant: of the user that is named, "": of whoever asks; others' are for admins.
 * False: the reply is filled. */
bool give_user(struct http_request *req, struct http_reply *reply, struct str named,
               struct id *ret);
/* The same, as the query says (rest_tokens_table). */
bool give_user_asked(struct http_request *req, struct http_reply *reply, struct id *ret);
/* Nobody takes anything from those who have more. */
enum err_code give_check_power(const struct principal *who, const struct user *user,
                               struct err *err) MUST_CHECK;

/* What is given to a project needs one of the tenant's; "" is none. False: the reply is filled. */
bool give_project(struct http_request *req, struct http_reply *reply, struct str id);

/* Here and everywhere: what is remembered of them is forgotten. */
void give_ring(struct http_request *req, enum auth_bell_kind kind, const struct id *id);
