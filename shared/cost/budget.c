#include "cost/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { MICRO = 1000000 };

static const char *const kinds[BUDGET_KIND_COUNT] = {
	[BUDGET_TENANT] = "tenant", [BUDGET_PROJECT] = "project", [BUDGET_USER] = "user"
};
static const char *const periods[BUDGET_PERIOD_COUNT] = {
	[BUDGET_DAY] = "day", [BUDGET_MONTH] = "month", [BUDGET_TOTAL] = "total"
};

const char *budget_kind_name(enum budget_kind kind)
{
	return kinds[kind];
}

const char *budget_period_name(enum budget_period period)
{
	return periods[period];
}

bool budget_kind_parse(struct str name, enum budget_kind *ret)
{
	for (unsigned i = 0; i < BUDGET_KIND_COUNT; i++) {
		if (str_eq(name, str_of(kinds[i]))) {
			*ret = (enum budget_kind)i;
			return true;
		}
	}
	return false;
}

bool budget_period_parse(struct str name, enum budget_period *ret)
{
	for (unsigned i = 0; i < BUDGET_PERIOD_COUNT; i++) {
		if (str_eq(name, str_of(periods[i]))) {
			*ret = (enum budget_period)i;
			return true;
		}
	}
	return false;
}

/* ---- periods ---- */

/* The first moment of the period; its day of the month is the first one of a month's. */
static struct tm begin_of(enum budget_period period, int64_t now_us)
{
	/* Towards the past, before 1970 too. */
	time_t now = (time_t)((now_us - (now_us < 0 ? MICRO - 1 : 0)) / MICRO);
	struct tm tm = { 0 };

	(void)gmtime_r(&now, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	if (period == BUDGET_MONTH) {
		tm.tm_mday = 1;
	}
	return tm;
}

void budget_first_day(enum budget_period period, int64_t now_us, char out[BUDGET_DATE_SIZE])
{
	struct tm tm = begin_of(period, now_us);

	out[0] = '\0';
	if (period != BUDGET_TOTAL) {
		(void)strftime(out, BUDGET_DATE_SIZE, "%Y-%m-%d", &tm);
	}
}

int64_t budget_ends_us(enum budget_period period, int64_t now_us)
{
	struct tm tm = begin_of(period, now_us);

	if (period == BUDGET_TOTAL) {
		return 0;
	}
	tm.tm_mday += period == BUDGET_DAY;
	tm.tm_mon += period == BUDGET_MONTH;
	return (int64_t)timegm(&tm) * MICRO; /* which knows how long months are */
}

/* ---- limits ---- */

static bool reached(int64_t used, int64_t limit)
{
	return limit != BUDGET_NONE && used >= limit;
}

enum budget_level budget_level_of(const struct budget *budget)
{
	const struct budget_limits *limits = &budget->limits;

	if (reached(budget->nano, limits->hard_nano) ||
	    reached(budget->tokens, limits->hard_tokens)) {
		return BUDGET_HARD;
	}
	return reached(budget->nano, limits->soft_nano) ||
	                       reached(budget->tokens, limits->soft_tokens)
	               ? BUDGET_SOFT
	               : BUDGET_BELOW;
}

/* ---- told to others ---- */

void budget_text(const struct budget *budget, char out[BUDGET_TEXT_MAX + 1])
{
	(void)snprintf(out, BUDGET_TEXT_MAX + 1, "%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64,
	               periods[budget->period], budget->nano, budget->limits.hard_nano,
	               budget->tokens, budget->limits.hard_tokens);
}

bool budget_text_parse(struct str text, struct budget *ret)
{
	*ret = (struct budget){ .limits = { BUDGET_NONE, BUDGET_NONE, BUDGET_NONE, BUDGET_NONE } };
	return budget_period_parse(str_split(&text, ','), &ret->period) &&
	       parse_i64(str_split(&text, ','), &ret->nano) &&
	       parse_i64(str_split(&text, ','), &ret->limits.hard_nano) &&
	       parse_i64(str_split(&text, ','), &ret->tokens) &&
	       parse_i64(text, &ret->limits.hard_tokens);
}
