#include "api/accepted.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/upload.h"
#include "api/webhook_seen.h"
#include "json/write.h"
#include "session/session_json.h"
#include "webhook/webhook.h"

/* Questions to people are for those who may answer them. False: the reply is filled. */
static bool webhooks_may(struct http_request *req, struct http_reply *reply,
                         const struct json_list *webhooks, const char *before)
{
	const struct task_webhook *items = webhooks->items;
	bool participates = auth_allows(app_who(req), AUTH_SESSION_WRITE);

	for (size_t i = 0; i < webhooks->count; i++) {
		const char *rule = webhook_check_event(items[i].event), *member = "event";

		if (rule == NULL && !participates && !webhook_for_observers(items[i].event)) {
			rule = "needs the scope session:write";
		}
		if (rule == NULL) {
			member = "url";
			rule = webhook_check_url(items[i].url, webhook_plain_may(req));
		}
		if (rule != NULL) {
			answer_problem(
				req, reply,
				arena_printf(req->arena, "%swebhooks[%zu].%s", before, i, member),
				rule);
			return false;
		}
	}
	return true;
}

bool accepted_allows(struct http_request *req, struct http_reply *reply,
                     const struct task_spec *spec, const char *before)
{
	const struct principal *who = app_who(req);

	if (spec->tenant.n > 0 && !str_eq(spec->tenant, str_of(who->tenant))) {
		answer_problem(req, reply, arena_printf(req->arena, "%stenantId", before),
		               "must be the tenant of the key");
		return false;
	}
	if (!who->any_namespace && spec->namespace.n == 0) {
		answer_problem(req, reply, arena_printf(req->arena, "%snamespace", before),
		               "is required: the key is limited to namespaces");
		return false;
	}
	if (!who->any_namespace && !auth_allows_namespace(who, spec->namespace)) {
		answer_code(req, reply, ERR_FORBIDDEN, "this key may not use that namespace");
		return false;
	}
	return webhooks_may(req, reply, &spec->webhooks, before) &&
	       uploads_are_there(req, reply, &spec->prompt.uploads, before);
}

void accepted_write(const struct task_accepted *accepted, struct http_reply *reply)
{
	struct jsonw w;

	reply->status = 201;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", accepted->task.s);
	jsonw_array(&w, "session_ids");
	for (size_t i = 0; i < accepted->count; i++) {
		jsonw_cstr(&w, NULL, accepted->sessions[i].s);
	}
	jsonw_end_array(&w);
	jsonw_cstr(&w, "status", session_state_name(SESSION_QUEUED));
	session_write_links(&w, "links", &accepted->sessions[0]);
	jsonw_end_object(&w);
	http_reply_header(reply, "Location", "/api/v1/sessions/%s", accepted->sessions[0].s);
}
