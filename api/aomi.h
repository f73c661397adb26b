/* What the routes of the AOMI surface have in common (docs/aomi.md). */
#pragma once

#include <stdbool.h>

#include "aomi/aomi_door.h"
#include "aomi/aomi_view.h"
#include "http/http.h"
#include "rest/aomi.h"
#include "steer/steer.h"

/* A request about one chat. */
struct aomi_request {
	struct http_request *req;
	struct http_reply *reply;
	struct str session;      /* the client's name of it */
	struct chat_key key;     /* tenant "": a guest's, and the chat is not there yet */
	bool found;              /* it is there, and they may see it */
	bool hidden;             /* it is theirs, in a namespace that this key may not use */
	struct chat chat;        /* when found or hidden */
	struct principal acting; /* when found: in its sessions */
};

/* Which chat. False: the reply is filled. */
bool aomi_begin(struct http_request *req, struct http_reply *reply, struct aomi_request *ret);
/* The same, and it must be there: 404. */
bool aomi_begin_found(struct http_request *req, struct http_reply *reply, struct aomi_request *ret);

/* The namespace that is asked for, else the chat's, else the default; and may they use it. False:
 * the reply is filled. */
bool aomi_choose(struct aomi_request *r, struct str namespace, struct str chatbot,
                 struct namespace *ret);
/* It is there from here on. */
bool aomi_make(struct aomi_request *r, const struct namespace *namespace);

/* The parameters, from the query or the body. False: the reply is filled. */
bool aomi_take(struct http_request *req, struct http_reply *reply, struct rest_aomi_chat *ret);

struct steer aomi_steer(const struct aomi_request *r);
/* Its last session, as it is now. *ret_lives false: there is none, or it has ended. */
bool aomi_find_session(struct aomi_request *r, struct steer_session *ret, bool *ret_lives);
/* Stop that session, if there is something to stop. */
enum err_code aomi_stop(struct aomi_request *r, struct steer_session *session, struct str reason,
                        struct err *err) MUST_CHECK;

/* What its sessions say; of the newest, so many. NULL: the reply is filled. */
enum { AOMI_PARTS_NOW = 8, AOMI_MESSAGES_NOW = 200 };
struct aomi_view *aomi_look(struct aomi_request *r, unsigned parts, unsigned messages);
/* 200 with messages, system_events, title, is_processing, cursor. after NULL: of this turn. */
void aomi_answer(struct aomi_request *r, const struct aomi_cursor *after);
/* A cursor in a parameter; "" is none: *ret_after NULL. False: the reply is filled. */
bool aomi_take_after(struct aomi_request *r, struct str text, struct aomi_cursor *at,
                     const struct aomi_cursor **ret_after);
