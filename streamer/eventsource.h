/*
 * A browser's EventSource gives up for good at any answer but 200 (HTML standard, section 9.2.3),
 * however short the trouble is that it was told of.
 */
#pragma once

#include "http/http.h"

/* A refusal that passes becomes, for an EventSource, a stream without events that says when to come
 * back; programs read the status and Retry-After, and keep them. The request was for a stream.
 * False: the reply is as it was. */
bool eventsource_soften(struct http_request *req, struct http_reply *reply);
