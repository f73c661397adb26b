/* The proleptic Gregorian calendar in days since 1970-01-01. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CALENDAR_DAY_S = 86400 };

struct calendar_date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

int64_t calendar_days(const struct calendar_date *date);
struct calendar_date calendar_date(int64_t days);
unsigned calendar_weekday(int64_t days); /* 0: Sunday */
unsigned calendar_month_days(int64_t year, unsigned month);
bool calendar_is_leap(int64_t year);

/* Rounded down, below zero too; b > 0. */
static inline int64_t calendar_floor(int64_t a, int64_t b)
{
	int64_t quotient = a / b;

	return quotient - (a % b < 0 ? 1 : 0);
}
