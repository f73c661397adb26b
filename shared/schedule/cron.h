/*
 * Cron expressions: when a clock on the wall shows a time that they name.  Pure.
 *
 * Five fields (minute, hour, day of the month, month, day of the week), or six with seconds first;
 * lists, ranges and steps of ranges as in crontab(5); names of months and days in English; @yearly,
 * @annually, @monthly, @weekly, @daily, @midnight, @hourly.  As in crontab(5) a day matches when
 * its day of the month or its day of the week does, unless one of both fields begins with a star:
 * then both must.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct zone;

enum { CRON_TEXT_MAX = 256 };

/* Sets of bits: bit i is the value i. */
struct cron {
	uint64_t seconds, minutes;
	uint32_t hours, days, months,
		weekdays;          /* days and months from 1; weekdays from 0, Sunday */
	bool any_day, any_weekday; /* the field begins with a star */
};

/* ERR_INVALID: err->msg is the rule that the text breaks, fit for a client, and repeats nothing of
 * the text. A text that can never match is refused too. */
enum err_code cron_parse(struct str text, struct cron *ret, struct err *err) MUST_CHECK;

/* The first moment of a calendar without zones that matches, in seconds since 1970-01-01 00:00 of
 * that calendar: at `from` or later, before `until`. */
bool cron_match(const struct cron *cron, int64_t from, int64_t until, int64_t *ret) MUST_CHECK;

/*
 * When it fires next, strictly after `after`; seconds since 1970 in UTC. False: not within 41
 * years.
 *
 * When clocks are set forward, a time that does not exist fires once, at the first moment after the
 * gap; when they are set back, a time that exists twice fires the first time.  An expression that
 * names every hour follows the passing of time instead: what the clock shows twice fires twice,
 * what it does not show does not fire, so that nothing that runs all day has a hole or a burst.
 */
bool cron_next(const struct cron *cron, const struct zone *zone, int64_t after,
               int64_t *ret) MUST_CHECK;
