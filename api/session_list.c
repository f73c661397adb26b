/* GET /api/v1/sessions: PostgreSQL says which, Redis how they are now. */
#include "api/answer.h"
#include "api/app.h"
#include "api/filter.h"
#include "api/handlers.h"
#include "api/live.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/query.h"

static bool take_filter(struct http_request *req, struct http_reply *reply,
                        struct rest_sessions *query, struct session_filter *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	enum err_code code = rest_query(req, &rest_sessions_table, query, problems);

	*ret = (struct session_filter){
		.tenant = app_tenant(req),
		.states = (unsigned)query->states,
		.project = filter_given(req, query->project),
		.agent = filter_given(req, query->agent),
		.namespaces = app_who(req)->any_namespace ? NULL : app_who(req)->namespaces,
		.counted = true,
		.max = (unsigned)query->per_page,
	};
	if (code != ERR_OK || !filter_take_page(req, query->page, ret, problems) ||
	    !filter_take_label(req, query->label, ret, problems)) {
		answer_problems(req, reply, problems);
		return false;
	}
	return true;
}

static void write_page(struct http_request *req, struct http_reply *reply,
                       const struct session_page *page, const struct session_live_view *views)
{
	char next[SESSION_POSITION_SIZE];
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < page->count; i++) {
		session_write(&w, NULL, &page->items[i], &views[i], req->arena);
	}
	jsonw_end_array(&w);
	if (page->more && page->count > 0) {
		session_position_format(&page->last, next);
		jsonw_cstr(&w, "nextPage", next);
	}
	jsonw_u64(&w, "total", page->total);
	jsonw_end_object(&w);
}

void serve_session_list(struct http_request *req, struct http_reply *reply)
{
	struct rest_sessions query;
	struct session_filter filter;
	struct session_page page = { .count = 0 };
	struct session_live_view *views;
	struct err err;

	if (!take_filter(req, reply, &query, &filter)) {
		return;
	}
	if ((query.tenant.n == 0 || str_eq(query.tenant, str_of(filter.tenant))) &&
	    session_list(node_of(req)->pg, &filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	views = arena_take(req->arena, (page.count + 1) * sizeof(*views));
	if (live_fill(req, page.items, views, page.count, &err) != ERR_OK) {
		/* A list may lag: better the states that PostgreSQL has than none. */
		log_debug("sessions.not_live", "code=%s %s", err_name(err.code), err.msg);
	}
	write_page(req, reply, &page, views);
}
