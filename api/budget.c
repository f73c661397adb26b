/* What tenants, projects and users may use: /api/v1/budgets. */
#include <string.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "base/clock.h"
#include "cost/budget_store.h"
#include "cost/cost_json.h"
#include "log/log.h"
#include "rest/cost.h"

static void write_usd(struct jsonw *w, const char *name, int64_t nano)
{
	if (nano == BUDGET_NONE) {
		jsonw_null(w, name);
	} else {
		cost_write_usd(w, name, nano);
	}
}

static void write_tokens(struct jsonw *w, const char *name, int64_t tokens)
{
	if (tokens == BUDGET_NONE) {
		jsonw_null(w, name);
	} else {
		jsonw_i64(w, name, tokens);
	}
}

static void write_limits(struct jsonw *w, const struct budget *budget)
{
	jsonw_cstr(w, "kind", budget_kind_name(budget->kind));
	jsonw_cstr(w, "name", budget->name[0] != '\0' ? budget->name : budget->tenant);
	jsonw_cstr(w, "period", budget_period_name(budget->period));
	write_usd(w, "softUsd", budget->limits.soft_nano);
	write_usd(w, "hardUsd", budget->limits.hard_nano);
	write_tokens(w, "softTokens", budget->limits.soft_tokens);
	write_tokens(w, "hardTokens", budget->limits.hard_tokens);
}

static void write_budget(struct jsonw *w, const struct budget *budget, int64_t now_us)
{
	static const char *const levels[] = {
		[BUDGET_BELOW] = "below", [BUDGET_SOFT] = "soft", [BUDGET_HARD] = "hard"
	};
	int64_t ends_us = budget_ends_us(budget->period, now_us);

	jsonw_object(w, NULL);
	write_limits(w, budget);
	cost_write_usd(w, "usd", budget->nano);
	jsonw_i64(w, "tokens", budget->tokens);
	jsonw_cstr(w, "level", levels[budget_level_of(budget)]);
	if (ends_us > 0) {
		jsonw_time(w, "periodEnd", ends_us);
	} else {
		jsonw_null(w, "periodEnd");
	}
	jsonw_end_object(w);
}

void serve_budget_list(struct http_request *req, struct http_reply *reply)
{
	struct budget *items = arena_take(req->arena, BUDGETS_MAX * sizeof(*items));
	const int64_t now_us = clock_wall_us();
	size_t count = 0;
	struct err err;
	struct jsonw w;

	if (budget_list(node_of(req)->pg, app_tenant(req), NULL, now_us, items, BUDGETS_MAX, &count,
	                &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < count; i++) {
		write_budget(&w, &items[i], now_us);
	}
	items_end(&w, STR_LIT(""));
}

/* ---- changing ---- */

static bool problem(struct http_request *req, struct http_reply *reply, const char *field,
                    const char *rule)
{
	answer_problem(req, reply, field, rule);
	return false;
}

/* What the path names; of the tenant itself by its id. False: the reply is filled. */
static bool take_path(struct http_request *req, struct http_reply *reply, struct budget *ret)
{
	const struct str name = req->params[1];

	*ret = (struct budget){ .nano = 0 };
	(void)str_copy(ret->tenant, sizeof(ret->tenant), str_of(app_tenant(req)));
	if (!budget_kind_parse(req->params[0], &ret->kind)) {
		return problem(req, reply, "kind", "must be tenant, project or user");
	}
	if (!budget_period_parse(req->params[2], &ret->period)) {
		return problem(req, reply, "period", "must be day, month or total");
	}
	if (ret->kind == BUDGET_TENANT) {
		return str_eq(name, str_of(app_tenant(req))) ||
		       problem(req, reply, "name", "must be the id of your own tenant");
	}
	return (name.n > 0 && str_copy(ret->name, sizeof(ret->name), name)) ||
	       problem(req, reply, "name", "must be 1 to 128 bytes");
}

static int64_t limit_of(bool given, int64_t value)
{
	return given ? value : BUDGET_NONE;
}

void serve_budget_put(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_budget body;
	struct budget budget;
	struct once once;
	bool is_new = false;
	struct err err;
	struct jsonw w;

	if (!take_path(req, reply, &budget)) {
		return;
	}
	if (json_decode(req->body, &rest_budget_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	budget.limits = (struct budget_limits){
		limit_of(body.has_soft_usd, body.soft_usd),
		limit_of(body.has_hard_usd, body.hard_usd),
		limit_of(body.has_soft_tokens, body.soft_tokens),
		limit_of(body.has_hard_tokens, body.hard_tokens),
	};
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (budget_set(node_of(req)->pg, &budget, &is_new, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = is_new ? 201 : 200;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	write_limits(&w, &budget);
	jsonw_end_object(&w);
	once.object = arena_printf(req->arena, "%s/%s/%s", budget_kind_name(budget.kind),
	                           budget.name, budget_period_name(budget.period));
	(void)once_commit(req, reply, &once);
}

void serve_budget_delete(struct http_request *req, struct http_reply *reply)
{
	struct budget budget;
	struct once once;
	struct err err;

	if (!take_path(req, reply, &budget) || !once_begin(req, reply, &once)) {
		return;
	}
	if (budget_delete(node_of(req)->pg, &budget, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	once.object = arena_printf(req->arena, "%s/%s/%s", budget_kind_name(budget.kind),
	                           budget.name, budget_period_name(budget.period));
	(void)once_commit(req, reply, &once);
}
