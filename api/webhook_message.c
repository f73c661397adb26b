/* What webhooks were told, how it went, and having it told again: /api/v1/webhook-messages. */
#include <inttypes.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/filter.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "api/webhook_seen.h"
#include "json/write.h"
#include "rest/webhook.h"
#include "webhook/webhook_log.h"

/* False: the reply is filled. */
static bool take_filter(struct http_request *req, struct http_reply *reply,
                        struct webhook_log_filter *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_webhook_messages query;

	if (rest_query(req, &rest_webhook_messages_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = (struct webhook_log_filter){
		.tenant = app_tenant(req),
		.webhook = filter_given(req, query.webhook),
		.session = filter_given(req, query.session),
		.state = query.state > 0 ? rest_webhook_state(query.state - 1) : NULL,
		.before = UINT64_MAX,
		.max = (unsigned)query.per_page,
	};
	if (query.page.n > 0 && !parse_u64(query.page, INT64_MAX, &ret->before)) {
		answer_problem(req, reply, "page", "must be nextPage of the answer before");
		return false;
	}
	return true;
}

void serve_webhook_message_list(struct http_request *req, struct http_reply *reply)
{
	struct webhook_log_filter filter;
	struct webhook_log list;
	struct err err;
	struct jsonw w;

	if (!webhook_may(req, reply) || !take_filter(req, reply, &filter)) {
		return;
	}
	if (webhook_log_list(node_of(req)->pg, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		jsonw_raw(&w, NULL, list.items[i]);
	}
	items_end(&w, list.next > 0 ? str_of(arena_printf(req->arena, "%" PRIu64, list.next))
	                            : STR_LIT(""));
}

void serve_webhook_message_get(struct http_request *req, struct http_reply *reply)
{
	struct str json;
	struct err err;

	if (!webhook_may(req, reply)) {
		return;
	}
	if (webhook_log_get(node_of(req)->pg, app_tenant(req),
	                    arena_strdup(req->arena, req->params[0]), req->arena, &json,
	                    &err) != ERR_OK) {
		webhook_refuse(req, reply, &err);
		return;
	}
	buf_add_str(&reply->body, json);
}

/* ---- again ---- */

static void answer_count(struct http_reply *reply, uint64_t count)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "redriven", count);
	jsonw_end_object(&w);
}

static void redrive(struct http_request *req, struct http_reply *reply,
                    const struct webhook_redrive *what)
{
	struct once once;
	uint64_t count;
	struct err err;

	if (!webhook_may(req, reply) || !once_begin(req, reply, &once)) {
		return;
	}
	if (webhook_redrive(node_of(req)->pg, what, &count, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	if (what->message != NULL && count == 0) {
		once_abandon(&once);
		answer_code(req, reply, ERR_CONFLICT, "there is no such message that has ended");
		return;
	}
	answer_count(reply, count);
	once.object = what->message != NULL   ? what->message
	              : what->webhook != NULL ? what->webhook
	                                      : "*";
	(void)once_commit(req, reply, &once);
}

void serve_webhook_message_redrive(struct http_request *req, struct http_reply *reply)
{
	redrive(req, reply,
	        &(struct webhook_redrive){ .tenant = app_tenant(req),
	                                   .message = arena_strdup(req->arena, req->params[0]) });
}

void serve_webhook_redrive(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_webhook_redrive body;

	if (json_decode(req->body, &rest_webhook_redrive_table, &body, req->arena, problems) !=
	    ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	redrive(req, reply,
	        &(struct webhook_redrive){ .tenant = app_tenant(req),
	                                   .webhook = filter_given(req, body.webhook) });
}

void serve_webhook_test(struct http_request *req, struct http_reply *reply)
{
	const struct id message = id_new();
	struct once once;
	struct err err;
	struct jsonw w;
	struct id id;

	if (!webhook_seen_id(req, reply, &id) || !once_begin(req, reply, &once)) {
		return;
	}
	if (webhook_test(node_of(req)->pg, app_tenant(req), &id, &message, &err) != ERR_OK) {
		once_abandon(&once);
		webhook_refuse(req, reply, &err);
		return;
	}
	reply->status = 202;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "messageId", message.s);
	jsonw_end_object(&w);
	once.object = arena_strdup(req->arena, str_of(id.s));
	(void)once_commit(req, reply, &once);
}
