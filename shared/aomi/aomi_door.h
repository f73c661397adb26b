/*
 * Who comes to the AOMI surface without a key, or with one that is none.  Where some namespace is
 * open such a request is a guest's; everywhere else it is refused like any other.
 *
 * A guest has no tenant and no scope: nothing that asks for a scope lets it in.  What it may do is
 * decided by the chat that it names, and by the namespace that this chat is in.
 */
#pragma once

#include "aomi/chat_store.h"
#include "auth/auth_http.h"

/* auth_admit() or auth_admit_stream(). */
typedef bool(aomi_admit_fn)(struct auth *auth, const struct http_request *req,
                            enum auth_scope scope, struct principal *ret, struct http_reply *reply);

/* True: *ret is who the request acts for, or a guest. False: the reply is filled. */
bool aomi_admit(aomi_admit_fn *admit, struct auth *auth, struct http_request *req,
                enum auth_scope scope, struct principal *ret, struct http_reply *reply);

bool aomi_is_guest(const struct principal *who);
/* It shows something that should be a key. */
bool aomi_shows_key(const struct http_request *req);

/* X-Session-Id; a path with an id in it (a parameter) must have the same. NULL, or what is wrong:
 * *ret_field says with what. */
const char *aomi_session_of(const struct http_request *req, bool guest, struct str *ret,
                            const char **ret_field);

/* The chat that such an id names for them. */
void aomi_chat_key(const struct auth *auth, const struct principal *who, struct str session,
                   struct chat_key *ret);

/* Who acts in the sessions of a chat of that tenant: they themselves, and for a guest somebody who
 * may do no more than a chat needs.  Only for the sessions of that chat. */
struct principal aomi_acting(const struct principal *who, const char *tenant);
