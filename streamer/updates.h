/*
 * GET /api/updates: a chat of the AOMI surface as server-sent events, also one that is still to
 * begin.  It goes on through all sessions that carry the chat, one after the other.
 *
 * Such a stream has a fiber of its own, which looks where the chat is, reads the log from the
 * client's cursor, and writes when the connection has room: nothing is queued for it, and nothing
 * it has not seen is passed over.  What these clients are told is made for each of them, because
 * the chat's name is in it.
 */
#pragma once

#include "http/http.h"

/* Of the routes aomi_updates and aomi_updates_prefixed. */
void updates_get(struct http_request *req, struct http_reply *reply);
