/* fairlead-streamer: what the process owns, and its routes. */
#pragma once

#include "node/node.h"
#include "rate/rate_store.h"
#include "rest/rest.h"
#include "steer/steer.h"

struct access;
struct denials;
struct auth;
struct feed;
struct flights;
struct handover;
struct rate;
struct recents;
struct viewers;

struct app {
	struct viewers *viewers;
	struct access *access;
	struct denials *denials;
	struct steer_trail trail;
	struct auth *auth;
	struct bearers *bearers;
	struct fetch *fetch;
	struct issuers *issuers;
	struct flights *flights;
	struct rate *rate;
	struct rate_follower rates;
	struct handover *handover; /* NULL: nobody can take over */
	struct feed *feed;         /* NULL before the start and once it stops */
	struct recents *recents;
};

extern http_handler_fn *const app_handlers[REST_OP_COUNT];
extern const struct node_options app_options; /* but for the routes */

static inline struct app *app_of(const struct http_request *req)
{
	return node_of(req)->app;
}
