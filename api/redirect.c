/* A streaming request that reached an API node: the same under /stream, where streamers answer. */
#include "api/app.h"
#include "api/handlers.h"

void serve_redirect(struct http_request *req, struct http_reply *reply)
{
	const char *base = node_of(req)->conf.stream_base_url;

	reply->status = 307;
	reply->content_type = NULL;
	http_reply_header(reply, "Location", "%s/stream%" STR_FMT "%s%" STR_FMT, base,
	                  STR_ARG(req->path), req->query.n > 0 ? "?" : "", STR_ARG(req->query));
}
