#include "aomi/aomi_door.h"
#include "api/answer.h"
#include "api/app.h"
#include "auth/auth_http.h"
#include "log/log.h"
#include "rate/inflight.h"
#include "rate/rate_http.h"
#include "rest/query.h"
#include "rest/rest.h"
#include "rest/trail.h"

/* What is kept of a request that was let in. */
struct admitted {
	struct principal who; /* the request's principal */
	struct inflight_taken taken;
};

/* Counted under way until app_done(). */
static bool enter(struct http_request *req, struct http_reply *reply, const struct app *app,
                  struct admitted *admitted)
{
	struct principal *who = &admitted->who;
	enum rate_kind kind;

	if (!inflight_enter(app->inflight, who->tenant, auth_lender(who)->s, &admitted->taken,
	                    &kind)) {
		answer_code(req, reply, ERR_LIMIT,
		            kind == RATE_KEY ? "too many requests of this key are under way"
		                             : "too many requests of this tenant are under way");
		return false;
	}
	req->principal = who;
	return true;
}

void app_done(const struct http_request *req, int status)
{
	const struct app *app = node_of(req)->app;
	const struct admitted *admitted = req->principal;
	const struct principal *who = admitted != NULL ? &admitted->who : NULL;

	if (who != NULL || ((const struct rest_route *)req->route->facts)->open) {
		rest_note_refusal(app != NULL ? app->denials : NULL, req, who, status);
	}
	if (who != NULL) {
		inflight_leave(app->inflight, &admitted->taken);
	}
}

/* A redirect is an answer like any other, whatever it leads to. */
static enum rate_class class_of(const struct rest_route *route)
{
	return route->side == REST_STREAMER ? RATE_READ : rest_class(route);
}

/* A key that is none makes a guest where there are guests; guessing costs the same. */
static bool admit_guest(struct http_request *req, struct http_reply *reply, const struct app *app,
                        struct principal *who)
{
	const struct rest_route *route = req->route->facts;

	if (!aomi_admit(auth_admit, app->auth, req, route->scope, who, reply)) {
		return false;
	}
	if (aomi_is_guest(who) && aomi_shows_key(req)) {
		rate_charge_stranger(app->rate, req, false, reply);
	}
	return reply->status != err_http_status(ERR_LIMIT);
}

/* Who asks; false: reply is filled. */
static bool identify(struct http_request *req, struct http_reply *reply, const struct app *app,
                     struct principal *who)
{
	const struct rest_route *route = req->route->facts;

	if (!rate_admit_stranger(app->rate, req, reply)) {
		return false;
	}
	if ((route->traits & REST_GUEST) != 0
	            ? admit_guest(req, reply, app, who)
	            : auth_admit(app->auth, req, route->scope, who, reply)) {
		return true;
	}
	if (reply->status == err_http_status(ERR_UNAUTHORIZED)) {
		rate_charge_stranger(app->rate, req, false, reply);
	} else if (reply->status == err_http_status(ERR_TIMEOUT)) {
		buf_reset(&reply->headers);
		answer_code(req, reply, ERR_UNAVAILABLE, NULL);
	}
	return false;
}

/* Once: else it is a puzzle why all who come through it share one limit. */
static void tell_of_proxy(const struct http_request *req, struct app *app)
{
	if (!app->told_of_proxy && node_of(req)->conf.http_trusted_proxies[0] == '\0' &&
	    http_header(req, "X-Forwarded-For").n > 0) {
		app->told_of_proxy = true;
		log_warn("proxy.untrusted",
		         "address=%.*s sends X-Forwarded-For; if it is a proxy of yours, name it "
		         "in http.trusted_proxies: until then its clients are one address",
		         (int)req->peer.n, req->peer.p);
	}
}

bool app_admit(struct http_request *req, struct http_reply *reply)
{
	const struct rest_route *route = req->route->facts;
	struct app *app = node_of(req)->app;
	struct admitted *admitted = arena_take(req->arena, sizeof(*admitted));
	struct principal *who = &admitted->who;
	struct json_problems problems;

	if (app == NULL) {
		answer_code(req, reply, ERR_UNAVAILABLE, NULL);
		return false;
	}
	tell_of_proxy(req, app);
	if (route->open) {
		return rate_admit(app->rate, req, NULL, class_of(route), reply);
	}
	/* A streamer takes the ticket: it is good for one use. */
	if (route->side == REST_STREAMER && auth_has_ticket(req)) {
		return true;
	}
	if (!identify(req, reply, app, who)) {
		rest_note_refusal(app->denials, req, who, reply->status);
		return false;
	}
	if (!rate_admit(app->rate, req, aomi_is_guest(who) ? NULL : who, class_of(route), reply) ||
	    !enter(req, reply, app, admitted)) {
		return false;
	}
	fiber_add_tag("tenant", who->tenant);
	if (route->query == NULL && rest_query(req, NULL, NULL, &problems) != ERR_OK) {
		answer_problems(req, reply, &problems);
		return false;
	}
	return true;
}
