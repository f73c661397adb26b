/*
 * GET /api/v1/sessions/{id}/events: a stream of server-sent events when that is what the client
 * accepts, else pages of JSON.
 */
#pragma once

#include "auth/auth.h"
#include "http/http.h"
#include "rest/query.h"

void events_get(struct http_request *req, struct http_reply *reply);

/* What both forms know once the request is understood. */
struct events_request {
	struct http_request *req;
	struct http_reply *reply;
	const struct principal *principal;
	struct id sid;
	struct rest_events query;
	uint64_t classes; /* what is wanted: set of 1 << log_event_class() */
	bool resumes;     /* a cursor was given: */
	struct cursor after;
};

/* Of the page. */
void events_page(struct events_request *request);

/* Nobody but the log knows whether the reads that failed would have found it: 503. */
void events_problem(struct events_request *request, struct err *err);
