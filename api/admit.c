#include "api/answer.h"
#include "api/app.h"
#include "auth/auth_http.h"
#include "rest/query.h"
#include "rest/rest.h"

bool app_admit(struct http_request *req, struct http_reply *reply)
{
	const struct rest_route *route = req->route->facts;
	const struct app *app = node_of(req)->app;
	struct principal *who = arena_take(req->arena, sizeof(*who));
	struct json_problems problems;

	if (app == NULL) {
		answer_code(req, reply, ERR_UNAVAILABLE, NULL);
		return false;
	}
	/* A streamer takes the ticket: it is good for one use. */
	if (route->side == REST_STREAMER && auth_has_ticket(req)) {
		return true;
	}
	if (!auth_admit(app->auth, req, route->scope, who, reply)) {
		if (reply->status == err_http_status(ERR_TIMEOUT)) {
			buf_reset(&reply->headers);
			answer_code(req, reply, ERR_UNAVAILABLE, NULL);
		}
		return false;
	}
	req->principal = who;
	fiber_set_tag("request=%s trace=%s tenant=%s", req->request_id, req->trace_id, who->tenant);
	if (route->query == NULL && rest_query(req, NULL, NULL, &problems) != ERR_OK) {
		answer_problems(req, reply, &problems);
		return false;
	}
	return true;
}
