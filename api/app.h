/* What an API node owns, and who a request acts for. Nothing here outlives the process. */
#pragma once

#include <stdbool.h>

#include "api/gather.h"
#include "api/marks.h"
#include "auth/auth.h"
#include "cred/digest.h"
#include "http/http.h"
#include "node/node.h"
#include "rate/rate_store.h"
#include "session/session_gather.h"

struct denials;
struct hasher;
struct inflight;
struct rate;
struct redis_replicas;

struct app {
	struct cred_pepper seal;  /* of stored answers that show a secret */
	struct cred_pepper audit; /* of the ends of its chains */
	struct denials *denials;
	struct auth *auth;
	struct bearers *bearers;
	struct fetch *fetch;
	struct hasher *hasher; /* of passwords */
	struct issuers *issuers;
	struct oidc *oidc;
	struct auth_watch *watch;
	struct redis_replicas *replicas; /* NULL: an append is acknowledged without */
	struct rate *rate;
	struct rate_follower rates;
	struct inflight *inflight;
	bool told_of_proxy; /* that one is not believed */
	struct marks marks;
	struct gather gather;
	struct session_gather rows; /* of single sessions, for those who only look */
};

const struct node_options *app_options(void);

static inline const struct principal *app_who(const struct http_request *req)
{
	return req->principal;
}

static inline const char *app_tenant(const struct http_request *req)
{
	return app_who(req)->tenant;
}

/* What its principal sees of a log: a set of log_event_class(). */
uint64_t app_sees(const struct http_request *req);

/* Of a route with a row in rest/routes.def: is the key good, may it do this, and is the query one
 * that the route takes. False: the reply is filled. */
bool app_admit(struct http_request *req, struct http_reply *reply);
/* It was answered, or its client is gone. */
void app_done(const struct http_request *req, int status);
