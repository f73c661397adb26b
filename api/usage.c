/* What was used: /api/v1/usage and /api/v1/sessions/{id}/usage. */
#include <string.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/filter.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/seen.h"
#include "base/clock.h"
#include "cost/cost_json.h"
#include "rest/cost.h"

static void write_item(struct jsonw *w, const char *by, const struct cost_sum *sum)
{
	jsonw_object(w, NULL);
	jsonw_str(w, by, sum->key);
	cost_write_sum(w, sum);
	jsonw_end_object(w);
}

/* "" or a day. */
static bool is_day(struct http_request *req, struct str day)
{
	const char *midnight = arena_printf(req->arena, "%" STR_FMT "T00:00:00Z", STR_ARG(day));
	int64_t us;

	return day.n == 0 || clock_parse(str_of(midnight), &us);
}

static bool take_days(struct http_request *req, struct http_reply *reply,
                      const struct rest_usage *query)
{
	const char *wrong = !is_day(req, query->from) ? "from"
	                    : !is_day(req, query->to) ? "to"
	                                              : NULL;

	if (wrong != NULL) {
		answer_problem(req, reply, wrong, "must be a day, as 2026-01-31");
	}
	return wrong == NULL;
}

static bool take_ask(struct http_request *req, struct http_reply *reply, struct cost_ask *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	struct rest_usage query;

	if (rest_query(req, &rest_usage_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = (struct cost_ask){
		.tenant = who->tenant,
		.by = query.by > 0 ? (enum cost_by)(query.by - 1) : COST_BY_PROJECT,
		.from = filter_given(req, query.from),
		.to = filter_given(req, query.to),
		.session = filter_given(req, query.session),
		.project = filter_given(req, query.project),
		.user = filter_given(req, query.user),
		.namespaces = who->any_namespace ? NULL : who->namespaces,
		.after = filter_given(req, query.page),
		.max = (unsigned)query.per_page,
	};
	/* The sum of one project has the key "". */
	if (ret->after != NULL && strcmp(ret->after, "-") == 0) {
		ret->after = "";
	}
	if (!id_is_nil(&who->session)) {
		ret->session = who->session.s;
	}
	return take_days(req, reply, &query);
}

void serve_usage_list(struct http_request *req, struct http_reply *reply)
{
	struct cost_ask ask;
	struct cost_sums sums;
	struct str next = STR_LIT("");
	struct err err;
	struct jsonw w;

	if (!take_ask(req, reply, &ask)) {
		return;
	}
	if (cost_sum(node_of(req)->pg, &ask, req->arena, &sums, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < sums.count; i++) {
		write_item(&w, cost_by_name(ask.by), &sums.items[i]);
	}
	if (sums.more) {
		next = sums.items[sums.count - 1].key;
		next = next.n > 0 ? next : STR_LIT("-");
	}
	items_end(&w, next);
}

static void add_sum(struct cost_sum *total, const struct cost_sum *sum)
{
	total->tokens.input += sum->tokens.input;
	total->tokens.output += sum->tokens.output;
	total->tokens.cache_read += sum->tokens.cache_read;
	total->tokens.cache_write += sum->tokens.cache_write;
	total->tokens.reasoning += sum->tokens.reasoning;
	total->known = total->known || sum->known;
	total->nano += sum->nano;
	total->agent_nano += sum->agent_nano;
	total->unpriced += sum->unpriced;
}

void serve_session_usage(struct http_request *req, struct http_reply *reply)
{
	struct cost_ask ask = { .tenant = app_tenant(req),
		                .by = COST_BY_MODEL,
		                .max = REST_PER_PAGE_MAX };
	struct cost_sum total = { .sessions = 1 };
	struct cost_sums sums;
	struct session row;
	struct id id;
	struct err err;
	struct jsonw w;

	if (!seen_id(req, reply, &id) || !seen_row(req, reply, &id, &row)) {
		return;
	}
	ask.session = id.s;
	if (cost_sum(node_of(req)->pg, &ask, req->arena, &sums, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	for (size_t i = 0; i < sums.count; i++) {
		add_sum(&total, &sums.items[i]);
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", id.s);
	cost_write_sum(&w, &total);
	jsonw_array(&w, "models");
	for (size_t i = 0; i < sums.count; i++) {
		write_item(&w, "model", &sums.items[i]);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
}
