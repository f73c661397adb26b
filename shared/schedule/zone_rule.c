#include "schedule/zone_rule.h"

#include <string.h>

#include "schedule/calendar.h"

enum { HOUR_S = 3600, MINUTE_S = 60, NAME_MIN = 3, HOURS_MAX = 167 };

/* A rule may reach a week into a neighbouring year: so many years see every change around one. */
enum { YEARS_AROUND = 2, CHANGES = 2 * (2 * YEARS_AROUND + 1) };

/* ---- parsing: each takes its part from the front ---- */

static bool take_char(struct str *rest, char c)
{
	if (rest->n == 0 || rest->p[0] != c) {
		return false;
	}
	*rest = str_make(rest->p + 1, rest->n - 1);
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take_name(struct str *rest)
{
	bool quoted = take_char(rest, '<');
	size_t n = 0;

	while (n < rest->n &&
	       (is_letter(rest->p[n]) ||
	        (quoted && (is_digit(rest->p[n]) || rest->p[n] == '+' || rest->p[n] == '-')))) {
		n++;
	}
	*rest = str_make(rest->p + n, rest->n - n);
	return n >= NAME_MIN && (!quoted || take_char(rest, '>'));
}

static bool take_number(struct str *rest, unsigned max, unsigned *ret)
{
	size_t n = 0;
	uint64_t v;

	while (n < rest->n && n < 4 && is_digit(rest->p[n])) {
		n++;
	}
	if (!parse_u64(str_make(rest->p, n), max, &v)) {
		return false;
	}
	*rest = str_make(rest->p + n, rest->n - n);
	*ret = (unsigned)v;
	return true;
}

/* [+-]h[:m[:s]] */
static bool take_time(struct str *rest, unsigned hours_max, int32_t *ret)
{
	unsigned hours, minutes = 0, seconds = 0;
	bool below = take_char(rest, '-');
	int32_t sum;

	if (!below) {
		(void)take_char(rest, '+');
	}
	if (!take_number(rest, hours_max, &hours)) {
		return false;
	}
	if (take_char(rest, ':')) {
		if (!take_number(rest, 59, &minutes) ||
		    (take_char(rest, ':') && !take_number(rest, 59, &seconds))) {
			return false;
		}
	}
	sum = (int32_t)(hours * HOUR_S + minutes * MINUTE_S + seconds);
	*ret = below ? -sum : sum;
	return true;
}

static bool take_day(struct str *rest, struct zone_day *ret)
{
	struct zone_day day = { .kind = ZONE_DAY_PLAIN, .time_s = 2 * HOUR_S };
	bool ok;

	if (!take_char(rest, ',')) {
		return false;
	}
	if (take_char(rest, 'J')) {
		day.kind = ZONE_DAY_JULIAN;
		ok = take_number(rest, 365, &day.day) && day.day >= 1;
	} else if (take_char(rest, 'M')) {
		day.kind = ZONE_DAY_WEEK;
		ok = take_number(rest, 12, &day.month) && day.month >= 1 && take_char(rest, '.') &&
		     take_number(rest, 5, &day.week) && day.week >= 1 && take_char(rest, '.') &&
		     take_number(rest, 6, &day.day);
	} else {
		ok = take_number(rest, 365, &day.day);
	}
	if (ok && take_char(rest, '/')) {
		ok = take_time(rest, HOURS_MAX, &day.time_s);
	}
	*ret = day;
	return ok;
}

bool zone_rule_parse(struct str text, struct zone_rule *ret)
{
	struct zone_rule rule = { .given = text.n > 0 };
	struct str rest = text;
	int32_t west;

	if (text.n > 0) {
		if (!take_name(&rest) || !take_time(&rest, 24, &west)) {
			return false;
		}
		rule.standard_s = -west;
		rule.has_summer = rest.n > 0;
	}
	if (rule.has_summer) {
		if (!take_name(&rest)) {
			return false;
		}
		west -= HOUR_S;
		if (rest.n > 0 && rest.p[0] != ',' && !take_time(&rest, 24, &west)) {
			return false;
		}
		rule.summer_s = -west;
		if (!take_day(&rest, &rule.begin) || !take_day(&rest, &rule.end)) {
			return false;
		}
	}
	if (rest.n > 0) {
		return false;
	}
	*ret = rule;
	return true;
}

/* ---- applying ---- */

static int64_t day_of(const struct zone_day *day, int64_t year)
{
	struct calendar_date date = { year, 1, 1 };
	int64_t first = calendar_days(&date);
	unsigned to_weekday, at;

	switch (day->kind) {
	case ZONE_DAY_JULIAN: /* February 29 is never counted */
		return first + day->day - 1 + (calendar_is_leap(year) && day->day >= 60 ? 1 : 0);
	case ZONE_DAY_PLAIN: return first + day->day;
	case ZONE_DAY_WEEK: break;
	}
	date.month = day->month;
	first = calendar_days(&date);
	to_weekday = (day->day + 7 - calendar_weekday(first)) % 7;
	at = to_weekday + (day->week - 1) * 7;
	if (at >= calendar_month_days(year, day->month)) {
		at -= 7; /* week 5 is the last, whichever that is */
	}
	return first + at;
}

struct change {
	int64_t at;
	int32_t offset_s;
};

static struct change change_of(const struct zone_rule *rule, int64_t year, bool to_summer)
{
	const struct zone_day *day = to_summer ? &rule->begin : &rule->end;
	int32_t before = to_summer ? rule->standard_s : rule->summer_s;

	return (struct change){ day_of(day, year) * CALENDAR_DAY_S + day->time_s - before,
		                to_summer ? rule->summer_s : rule->standard_s };
}

/* Of those years, in order; where two are at once the end of summer is first, so that summer time
 * all year has no holes. */
static void list_changes(const struct zone_rule *rule, int64_t year, struct change out[CHANGES])
{
	size_t count = 0;

	for (int64_t y = year - YEARS_AROUND; y <= year + YEARS_AROUND; y++) {
		for (unsigned summer = 0; summer < 2; summer++) {
			struct change change = change_of(rule, y, summer == 1);
			size_t i = count++;

			while (i > 0 && (out[i - 1].at > change.at ||
			                 (summer == 0 && out[i - 1].at == change.at))) {
				out[i] = out[i - 1];
				i--;
			}
			out[i] = change;
		}
	}
}

struct zone_span zone_rule_at(const struct zone_rule *rule, int64_t at)
{
	struct zone_span span = { INT64_MIN, INT64_MAX, rule->standard_s };
	struct change changes[CHANGES];
	size_t i = 0;

	if (!rule->has_summer) {
		return span;
	}
	list_changes(rule, calendar_date(calendar_floor(at, CALENDAR_DAY_S)).year, changes);
	while (i + 1 < CHANGES && changes[i + 1].at <= at) {
		i++;
	}
	span.begin = changes[i].at;
	span.offset_s = changes[i].offset_s;
	span.end = i + 1 < CHANGES ? changes[i + 1].at : INT64_MAX;
	return span;
}
