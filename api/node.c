/* GET /api/v1/nodes: every living process, with what it told of itself. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "node/report.h"

void serve_node_list(struct http_request *req, struct http_reply *reply)
{
	struct err err;
	struct jsonw w;

	items_begin(reply, &w);
	if (report_list(node_of(req)->redis, &w, &err) != ERR_OK) {
		buf_reset(&reply->body);
		answer_error(req, reply, &err);
		return;
	}
	items_end(&w, STR_LIT(""));
}
