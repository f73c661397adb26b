#include "schedule/calendar.h"

/* Counted in cycles of 400 years, and in years that begin in March: then a leap day is the last of
 * its year. */
enum { CYCLE_YEARS = 400, CYCLE_DAYS = 146097, CYCLE_BEGIN = 719468, MARCH = 3, YEAR_DAYS = 365 };

bool calendar_is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % CYCLE_YEARS == 0;
}

unsigned calendar_month_days(int64_t year, unsigned month)
{
	static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && calendar_is_leap(year) ? 1 : 0);
}

/* Days of a year from March before its month-th month: 31, 30, 31, 30, 31 again and again. */
static int64_t days_before(int64_t month)
{
	return (153 * month + 2) / 5;
}

int64_t calendar_days(const struct calendar_date *date)
{
	int64_t year = date->year - (date->month < MARCH ? 1 : 0);
	int64_t cycle = calendar_floor(year, CYCLE_YEARS), of_cycle = year - cycle * CYCLE_YEARS;
	int64_t month = (int64_t)(date->month + 12 - MARCH) % 12;
	int64_t days = of_cycle * YEAR_DAYS + of_cycle / 4 - of_cycle / 100;

	return cycle * CYCLE_DAYS + days + days_before(month) + (int64_t)date->day - 1 -
	       CYCLE_BEGIN;
}

struct calendar_date calendar_date(int64_t days)
{
	int64_t since = days + CYCLE_BEGIN, cycle = calendar_floor(since, CYCLE_DAYS);
	int64_t of_cycle = since - cycle * CYCLE_DAYS;
	/* Take away the leap days that have passed; what is left are years of 365 days. */
	int64_t year =
		(of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / YEAR_DAYS;
	int64_t of_year = of_cycle - (year * YEAR_DAYS + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;
	struct calendar_date date = {
		.month = (unsigned)((month + MARCH - 1) % 12 + 1),
		.day = (unsigned)(of_year - days_before(month) + 1),
	};

	date.year = cycle * CYCLE_YEARS + year + (date.month < MARCH ? 1 : 0);
	return date;
}

unsigned calendar_weekday(int64_t days)
{
	int64_t since = days + 4; /* 1970-01-01 was a Thursday */

	return (unsigned)(since - calendar_floor(since, 7) * 7);
}
