/*
 * The session that a request names, as far as its principal may see it.  The head of its log says
 * where it is now; its row says the rest.  Unknown and foreign ids are answered alike, with 404.
 */
#pragma once

#include <stdbool.h>

#include "event/log.h"
#include "http/http.h"
#include "session/session_store.h"

struct seen {
	struct id id;
	struct log_head head;     /* .found false: the session has ended and left Redis */
	enum session_state state; /* as of now */
	bool has_row;
	struct session row; /* when has_row; in the request's arena */
};

/* The id in the path. False: the reply is filled. */
bool seen_id(struct http_request *req, struct http_reply *reply, struct id *ret);

/* The row of a session, if the principal may see it; nothing of Redis. */
bool seen_row(struct http_request *req, struct http_reply *reply, const struct id *id,
              struct session *ret);

/* The head, and the row where the head alone does not decide. */
bool seen_now(struct http_request *req, struct http_reply *reply, struct seen *ret);

/*
 * After the log did not know a session: ERR_OK: it was accepted but never got its log, and has
 * it now: try again. ERR_NOT_FOUND, ERR_GONE (it has ended), ERR_REBUILD (later), or an error.
 */
enum err_code seen_without_log(const struct http_request *req, const struct id *id,
                               struct session *ret_row, struct err *err) MUST_CHECK;

/* May it see this row. */
bool seen_allowed(const struct http_request *req, const struct session *row);
