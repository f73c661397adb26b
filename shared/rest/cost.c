#include "rest/cost.h"

#include "cost/cost_json.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

enum { DAY_LEN = 10, NAME_MAX_BYTES = 128, PAGE_TEXT_MAX = 256 };

static const char *by_name(unsigned i)
{
	return i < COST_BY_COUNT ? cost_by_name((enum cost_by)i) : NULL;
}

static const struct rest_query_field usage_fields[] = {
	{ .name = "by",
	  .kind = REST_WORD,
	  FIELD(rest_usage, by),
	  .names = by_name,
	  .help = "What it is added up by; by project unless given." },
	{ .name = "from",
	  .kind = REST_TEXT,
	  FIELD(rest_usage, from),
	  .min = DAY_LEN,
	  .max = DAY_LEN,
	  .help = "The first day (UTC), as 2026-01-31." },
	{ .name = "to",
	  .kind = REST_TEXT,
	  FIELD(rest_usage, to),
	  .min = DAY_LEN,
	  .max = DAY_LEN,
	  .help = "The first day that does not count any more." },
	{ .name = "session",
	  .kind = REST_TEXT,
	  FIELD(rest_usage, session),
	  .min = ID_LEN,
	  .max = ID_LEN,
	  .help = "Only of this session." },
	{ .name = "project",
	  .kind = REST_TEXT,
	  FIELD(rest_usage, project),
	  .min = 1,
	  .max = NAME_MAX_BYTES,
	  .help = "Only of this project's sessions." },
	{ .name = "user",
	  .kind = REST_TEXT,
	  FIELD(rest_usage, user),
	  .min = 1,
	  .max = NAME_MAX_BYTES,
	  .help = "Only of this user's sessions: the owner of keys, or the id of a key without "
	          "one." },
	{ .name = "page",
	  .kind = REST_TEXT,
	  FIELD(rest_usage, page),
	  .min = 1,
	  .max = PAGE_TEXT_MAX,
	  .help = "nextPage of the answer before." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_usage, per_page),
	  .min = 1,
	  .max = REST_PER_PAGE_MAX,
	  .otherwise = REST_PER_PAGE_MAX,
	  .help = "Items on a page." },
};
const struct rest_query_table rest_usage_table = { sizeof(struct rest_usage), usage_fields,
	                                           ARRAY_LEN(usage_fields) };

#define USD(member)                                                                                \
	.kind = JSON_CUSTOM, .offset = offsetof(struct rest_price, member),                        \
	.decode = cost_decode_usd, .schema = cost_usd_schema

static const struct json_field price_fields[] = {
	{ .name = "input",
	  .flags = JSON_REQUIRED,
	  .present = JSON_NO_PRESENT,
	  USD(input),
	  .help = "US dollars per million tokens, as all of them." },
	{ .name = "output", .flags = JSON_REQUIRED, .present = JSON_NO_PRESENT, USD(output) },
	{ .name = "cacheRead",
	  .flags = JSON_NULLABLE,
	  .present = offsetof(struct rest_price, has_read),
	  USD(cache_read),
	  .help = "The same as input unless given." },
	{ .name = "cacheWrite",
	  .flags = JSON_NULLABLE,
	  .present = offsetof(struct rest_price, has_write),
	  USD(cache_write),
	  .help = "The same as input unless given." },
};
const struct json_table rest_price_table = { "Price", sizeof(struct rest_price), price_fields,
	                                     ARRAY_LEN(price_fields) };

#define LIMIT(word, member, words)                                                                 \
	{                                                                                          \
		.name = (word), .kind = JSON_CUSTOM, .flags = JSON_NULLABLE,                       \
		.offset = offsetof(struct rest_budget, member),                                    \
		.present = offsetof(struct rest_budget, has_##member), .decode = cost_decode_usd,  \
		.schema = cost_usd_schema, .help = (words)                                         \
	}
#define TOKENS(word, member, words)                                                                \
	{                                                                                          \
		.name = (word), .kind = JSON_I64, .flags = JSON_NULLABLE,                          \
		.offset = offsetof(struct rest_budget, member),                                    \
		.present = offsetof(struct rest_budget, has_##member), .min = 0,                   \
		.max = BUDGET_TOKENS_MAX, .help = (words)                                          \
	}

static const struct json_field budget_fields[] = {
	LIMIT("softUsd", soft_usd, "Sessions that run are told when so much is used."),
	LIMIT("hardUsd", hard_usd,
	      "No session starts when so much is used, and those that run ask."),
	TOKENS("softTokens", soft_tokens, "The same in tokens: in, out, from and to a cache."),
	TOKENS("hardTokens", hard_tokens, "The same in tokens."),
};
const struct json_table rest_budget_table = { "Budget", sizeof(struct rest_budget), budget_fields,
	                                      ARRAY_LEN(budget_fields) };
