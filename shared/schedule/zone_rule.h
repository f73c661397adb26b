/* Private to this folder: the rule at the end of a TZif file, a POSIX TZ string (RFC 8536 section
 * 3.3.1, POSIX.1-2017 section 8.3). */
#pragma once

#include <stdbool.h>

#include "schedule/zone.h"

struct zone_day {
	enum { ZONE_DAY_JULIAN, ZONE_DAY_PLAIN, ZONE_DAY_WEEK } kind; /* Jn, n, Mm.w.d */
	unsigned day, week, month; /* day: of the year, or of the week */
	int32_t time_s;            /* of the local clock, may be below 0 and above a day */
};

struct zone_rule {
	bool given, has_summer;
	int32_t standard_s, summer_s; /* to add to UTC */
	struct zone_day begin, end;   /* of summer time */
};

/* "": a rule that is not given. */
bool zone_rule_parse(struct str text, struct zone_rule *ret) MUST_CHECK;

/* rule->given */
struct zone_span zone_rule_at(const struct zone_rule *rule, int64_t at);
