/* The audit of the tenant of whoever asks, and of all of them for those who run the installation.
 */
#include <inttypes.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "audit/audit_list.h"
#include "json/write.h"
#include "rest/audit_query.h"
#include "tenant/tenant_store.h"

static const char *const media_types[] = { "application/json", "application/x-ndjson", "text/csv",
	                                   NULL };

/* Whose is asked for, and across which tenants that is to be looked for. False: the reply is
 * filled. */
static bool take_chain(struct http_request *req, struct http_reply *reply, struct str wanted,
                       const char **ret_as, const char **ret_chain)
{
	*ret_as = *ret_chain = app_tenant(req);
	if (wanted.n == 0 || str_eq(wanted, str_of(*ret_chain))) {
		return true;
	}
	if (!auth_allows(app_who(req), AUTH_SYSTEM)) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "the audit of others needs the scope system");
		return false;
	}
	if (!str_eq(wanted, STR_LIT("*")) && !str_eq(wanted, STR_LIT(AUDIT_SYSTEM)) &&
	    !tenant_id_ok(wanted)) {
		answer_problem(req, reply, "tenant", "must be a tenant, \".\" or \"*\"");
		return false;
	}
	*ret_as = "";
	*ret_chain = str_eq(wanted, STR_LIT("*")) ? NULL : arena_strdup(req->arena, wanted);
	return true;
}

static const char *text_of(struct http_request *req, struct str text)
{
	return text.n > 0 ? arena_strdup(req->arena, text) : NULL;
}

static void write_json(struct http_reply *reply, const struct audit_list *list)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < list->count; i++) {
		audit_write_json(&w, &list->items[i]);
	}
	jsonw_end_array(&w);
	if (list->more) {
		jsonw_u64(&w, "nextPage", list->items[list->count - 1].seq);
	}
	jsonw_end_object(&w);
}

static void write_as(struct http_reply *reply, const struct audit_list *list, const char *type)
{
	bool is_csv = type == media_types[2];

	if (type == media_types[0]) {
		write_json(reply, list);
		return;
	}
	reply->content_type = type;
	if (is_csv) {
		audit_write_csv_head(&reply->body);
	}
	for (size_t i = 0; i < list->count; i++) {
		(is_csv ? audit_write_csv : audit_write_line)(&reply->body, &list->items[i]);
	}
	if (list->more) {
		http_reply_header(reply, "Fairlead-Next-Page", "%" PRIu64,
		                  list->items[list->count - 1].seq);
	}
}

void serve_audit_list(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const char *type = http_negotiate(req, media_types), *as;
	struct audit_filter filter;
	struct audit_list list;
	struct rest_audit query;
	struct err err;

	if (type == NULL) {
		answer_code(req, reply, ERR_ACCEPT, NULL);
		return;
	}
	if (rest_query(req, &rest_audit_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	filter = (struct audit_filter){
		.actor = text_of(req, query.actor),
		.action = text_of(req, query.action),
		.object = text_of(req, query.object),
		.outcome = query.outcome > 0 ? audit_outcome_name(query.outcome - 1) : NULL,
		.since_us = query.since_us,
		.until_us = query.until_us,
		.before = query.page,
		.max = (unsigned)query.per_page,
	};
	if (!take_chain(req, reply, query.tenant, &as, &filter.chain)) {
		return;
	}
	if (audit_list(node_of(req)->pg, as, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	write_as(reply, &list, type);
}
