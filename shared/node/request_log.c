#include "node/request_log.h"

#include <inttypes.h>

#include "auth/auth.h"
#include "log/log.h"
#include "node/node.h"
#include "node/probes.h"

/* As in the setting. */
enum { LOG_NONE, LOG_FAILED, LOG_ALL };

static bool is_told(const struct http_request *req, int status)
{
	unsigned which = node_of(req)->conf.log_requests;

	if (status >= 400 || req->route == NULL) {
		return which != LOG_NONE;
	}
	/* Who only looks whether this process lives comes every second. */
	return which == LOG_ALL && !probe_is(req->route);
}

void request_log(const struct http_request *req, int status, uint64_t took_us)
{
	const struct principal *who = req->principal;

	if (!is_told(req, status)) {
		return;
	}
	/* The query is left out: tickets are in it. */
	log_each("http.request",
	         "method=%s route=%s path=%.*s status=%d took_us=%" PRIu64
	         " peer=%.*s tenant=%s key=%s user=%s request=%s trace=%s",
	         http_method_name(req->method), req->route != NULL ? req->route->pattern : "none",
	         (int)req->path.n, req->path.p, status, took_us, (int)req->peer.n, req->peer.p,
	         who != NULL ? who->tenant : "", who != NULL ? who->key.s : "",
	         who != NULL ? who->user.s : "", req->request_id, req->trace_id);
}
