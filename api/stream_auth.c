/* POST /api/v1/streams/{stream}/auth: a live stream goes on with the key of this request. Whichever
 * node has the stream does it. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "auth/auth_bell.h"
#include "json/write.h"

void serve_stream_auth(struct http_request *req, struct http_reply *reply)
{
	const struct principal *who = app_who(req);
	uint64_t stream;
	struct jsonw w;
	struct err err;

	if (!auth_stream_parse(req->params[0], &stream)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such stream is open");
		return;
	}
	if (auth_stream_ask(node_of(req)->redis, stream, who, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "stream", req->params[0]);
	jsonw_cstr(&w, "role", auth_part_name(auth_part_of(who)));
	if (who->expires_us != 0) {
		jsonw_time(&w, "expiresAt", who->expires_us);
	}
	jsonw_end_object(&w);
}
