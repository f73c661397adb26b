/* The session that a request names (steer/steer.h), with the refusals of HTTP. Unknown and foreign
 * ids are answered alike, with 404. */
#pragma once

#include <stdbool.h>

#include "http/http.h"
#include "steer/steer.h"

/* Who asks, and with what. */
struct steer seen_steer(const struct http_request *req);

/* The id in the path. False: the reply is filled. */
bool seen_id(struct http_request *req, struct http_reply *reply, struct id *ret);

/* The row of a session, if the principal may see it; nothing of Redis. */
bool seen_row(struct http_request *req, struct http_reply *reply, const struct id *id,
              struct session *ret);
/* The same, read together with what others ask for now: for a request that only looks. */
bool seen_row_with_others(struct http_request *req, struct http_reply *reply, const struct id *id,
                          struct session *ret);

/* Where the session in the path is now. */
bool seen_now(struct http_request *req, struct http_reply *reply, struct steer_session *ret);
