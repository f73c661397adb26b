/*
 * Budgets: what a tenant, a project or a user may use in a day, in a month, or in all.  Days and
 * months are those of UTC, as everywhere in the ledger.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum budget_kind { BUDGET_TENANT, BUDGET_PROJECT, BUDGET_USER, BUDGET_KIND_COUNT };
enum budget_period { BUDGET_DAY, BUDGET_MONTH, BUDGET_TOTAL, BUDGET_PERIOD_COUNT };
enum budget_level { BUDGET_BELOW, BUDGET_SOFT, BUDGET_HARD };

enum { BUDGET_TENANT_MAX = 64, BUDGET_NAME_MAX = 128, BUDGET_TEXT_MAX = 128, BUDGETS_MAX = 1000 };
enum { BUDGET_DATE_SIZE = 11 };
#define BUDGET_TOKENS_MAX INT64_C(1000000000000000)

struct budget_limits { /* BUDGET_NONE: no such limit */
	int64_t soft_nano, hard_nano, soft_tokens, hard_tokens;
};
#define BUDGET_NONE INT64_C(-1)

struct budget {
	char tenant[BUDGET_TENANT_MAX + 1];
	enum budget_kind kind;
	char name[BUDGET_NAME_MAX + 1]; /* "": of the tenant itself */
	enum budget_period period;
	struct budget_limits limits;
	int64_t nano, tokens; /* used in this period */
};

const char *budget_kind_name(enum budget_kind kind);
const char *budget_period_name(enum budget_period period);
bool budget_kind_parse(struct str name, enum budget_kind *ret) MUST_CHECK;
bool budget_period_parse(struct str name, enum budget_period *ret) MUST_CHECK;

/* The first day of the period that a moment is in, as "2026-01-31"; "" of BUDGET_TOTAL. */
void budget_first_day(enum budget_period period, int64_t now_us, char out[BUDGET_DATE_SIZE]);
/* When it ends: the first moment that is not in it; 0 of BUDGET_TOTAL. */
int64_t budget_ends_us(enum budget_period period, int64_t now_us);

/* What is used up to a limit has reached it. */
enum budget_level budget_level_of(const struct budget *budget);

/* What others are told of a budget that is spent, and back: "period,used,hard,tokens,hard". */
void budget_text(const struct budget *budget, char out[BUDGET_TEXT_MAX + 1]);
/* Only period, usage and hard limits are filled. */
bool budget_text_parse(struct str text, struct budget *ret) MUST_CHECK;
