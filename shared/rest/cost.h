/* What the routes of usage, prices and budgets take. */
#pragma once

#include "cost/budget.h"
#include "cost/cost_store.h"
#include "json/decode.h"
#include "rest/query.h"

struct rest_usage {
	unsigned by; /* 1 + enum cost_by; 0: project */
	struct str from, to, session, project, user, page;
	uint64_t per_page;
};
extern const struct rest_query_table rest_usage_table;

struct rest_price { /* nano USD per million tokens */
	int64_t input, output, cache_read, cache_write;
	bool has_read, has_write;
};
extern const struct json_table rest_price_table;

struct rest_budget { /* nano USD */
	int64_t soft_usd, hard_usd, soft_tokens, hard_tokens;
	bool has_soft_usd, has_hard_usd, has_soft_tokens, has_hard_tokens;
};
extern const struct json_table rest_budget_table;
