/*
 * GET /debug/streams: the connections of this streamer that follow something, of the key's tenant,
 * each with where it is.  For operators, at the node itself.
 *
 * A page goes on after a connection's number; the number of one that has left may come again.
 */
#pragma once

#include "http/http.h"

void debug_streams(struct http_request *req, struct http_reply *reply);
