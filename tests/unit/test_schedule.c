/* When schedules fire: against a table, and against a walk through every minute of years. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "schedule/calendar.h"
#include "schedule/schedule.h"
#include "schedule/zone_file.h"
#include "tests/support/test.h"

enum { SECOND_US = 1000000, MINUTE_S = 60, HOUR_S = 3600, TIMES_MAX = 4 };

static int64_t time_of(const char *text)
{
	int64_t us;

	if (!clock_parse(str_of(text), &us)) {
		fail_msg("%s is no time", text);
	}
	return us;
}

static struct cron cron_of(const char *text)
{
	struct cron cron;
	struct err err;

	if (cron_parse(str_of(text), &cron, &err) != ERR_OK) {
		fail_msg("%s: %s", text, err.msg);
	}
	return cron;
}

static const struct zone *zone_of(const char *name, struct arena *arena)
{
	const struct zone *zone;
	struct err err;

	if (zone_load(str_of(name), arena, &zone, &err) != ERR_OK) {
		fail_msg("%s: %s", name, err.msg);
	}
	return zone;
}

/* ---- the table ---- */

static const struct row {
	const char *cron, *zone, *after;
	const char *times[TIMES_MAX]; /* that follow; fewer end with NULL */
} rows[] = {
	{ "*/15 * * * *",
	  "UTC",
	  "2026-01-01T00:00:00Z",
	  { "2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z",
	    "2026-01-01T01:00:00Z" } },
	{ "*/20 30 12 * * *",
	  "UTC",
	  "2026-01-01T12:30:19.5Z",
	  { "2026-01-01T12:30:20Z", "2026-01-01T12:30:40Z", "2026-01-02T12:30:00Z" } },
	{ "0 9 * * MON-FRI", "UTC", "2026-01-02T09:00:00Z", { "2026-01-05T09:00:00Z" } },
	{ "0 0 1,15 * 3",
	  "UTC",
	  "2026-01-01T00:00:00Z", /* either day */
	  { "2026-01-07T00:00:00Z", "2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z" } },
	{ "0 0 */2 * 1",
	  "UTC",
	  "2026-01-01T00:00:00Z", /* both: odd Mondays */
	  { "2026-01-05T00:00:00Z", "2026-01-19T00:00:00Z", "2026-02-09T00:00:00Z" } },
	{ "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", { "2104-02-29T00:00:00Z" } },
	{ "0 0 29 feb */7",
	  "UTC",
	  "2088-03-01T00:00:00Z", /* a Sunday, not 2100 */
	  { "2128-02-29T00:00:00Z" } },
	{ "0 0 31 * *",
	  "UTC",
	  "2026-01-31T00:00:00Z",
	  { "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z" } },
	{ "0 0 * * 5-7",
	  "UTC",
	  "2026-01-01T00:00:00Z",
	  { "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z",
	    "2026-01-09T00:00:00Z" } },
	{ "59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z", { "2027-12-31T23:59:00Z" } },
	{ "@weekly", "UTC", "2026-01-01T00:00:00Z", { "2026-01-04T00:00:00Z" } },
	{ "@yearly", "Asia/Kolkata", "2026-01-01T00:00:00Z", { "2026-12-31T18:30:00Z" } },
	{ "0 9 * * *",
	  "Europe/Berlin",
	  "2026-03-28T00:00:00Z",
	  { "2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z" } },
	/* 02:30 does not exist on 29 March: once at 03:00, the first moment after the gap. */
	{ "30 2 * * *",
	  "Europe/Berlin",
	  "2026-03-28T12:00:00Z",
	  { "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z" } },
	{ "0,30 2,3 * * *",
	  "Europe/Berlin",
	  "2026-03-29T00:59:59Z",
	  { "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z" } },
	/* 02:30 exists twice on 25 October: the first. */
	{ "30 2 * * *",
	  "Europe/Berlin",
	  "2026-10-24T12:00:00Z",
	  { "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
	{ "30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", { "2026-10-26T01:30:00Z" } },
	/* What names every hour has neither hole nor burst. */
	{ "30 * * * *",
	  "Europe/Berlin",
	  "2026-10-24T23:30:00Z",
	  { "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z" } },
	{ "30 * * * *",
	  "Europe/Berlin",
	  "2026-03-29T00:30:00Z",
	  { "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z" } },
	{ "@daily",
	  "America/Sao_Paulo",
	  "2018-11-03T12:00:00Z", /* midnight does not exist */
	  { "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z" } },
	{ "15 2 * * *",
	  "Australia/Lord_Howe",
	  "2026-10-03T00:00:00Z", /* half an hour */
	  { "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z" } },
	{ "0 9 30 12 *",
	  "Pacific/Apia",
	  "2011-12-01T00:00:00Z", /* a day that was left out */
	  { "2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z" } },
	{ "0 12 * * *", "Europe/Berlin", "2150-07-01T12:00:00Z", { "2150-07-02T10:00:00Z" } },
};

static void next_times_are_those_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *arena = arena_new();
		const struct schedule_timing timing = { .kind = SCHEDULE_CRON,
			                                .cron = cron_of(rows[i].cron),
			                                .zone = zone_of(rows[i].zone, arena) };
		int64_t at = time_of(rows[i].after);

		for (size_t k = 0; k < TIMES_MAX && rows[i].times[k] != NULL; k++) {
			char text[CLOCK_RFC3339_SIZE] = "never";

			if (schedule_next(&timing, at, &at)) {
				clock_format(at, text);
			}
			if (at != time_of(rows[i].times[k])) {
				fail_msg("%s in %s: %s, not %s", rows[i].cron, rows[i].zone, text,
				         rows[i].times[k]);
			}
		}
		arena_free(arena);
	}
}

static void what_is_no_expression_is_refused_by_its_field(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "5 fields" },
		{ "* * * *", "5 fields" },
		{ "* * * * * * *", "5 fields" },
		{ "60 * * * *", "minute must have values from 0 to 59" },
		{ "60 * * * * *", "second must have values from 0 to 59" },
		{ "* 24 * * *", "hour must have values from 0 to 23" },
		{ "* * 0 * *", "day of the month must have values from 1 to 31" },
		{ "* * * 13 *", "month must have values from 1 to 12" },
		{ "* * * january *", "month must have values" },
		{ "* * * * 8", "day of the week must have values from 0 to 7" },
		{ "* * L * *", "day of the month must have" },
		{ "* * ? * *", "day of the month must have" },
		{ "5/15 * * * *", "minute must have a step only after" },
		{ "*/0 * * * *", "minute must have steps from 1 to 59" },
		{ "*/60 * * * *", "minute must have steps from 1 to 59" },
		{ "30-10 * * * *", "minute must not have a range that goes down" },
		{ "1,,2 * * * *", "minute must have values" },
		{ "1-2-3 * * * *", "minute must have values" },
		{ "*-5 * * * *", "minute must have values" },
		{ "+5 * * * *", "minute must have values" },
		{ "005 * * * *", "minute must have values" },
		{ "* * * * fri-mon", "day of the week must not have a range that goes down" },
		{ "@reboot", "@hourly" },
		{ "0 0 30 2 *", "some month" },
		{ "0 0 31 2,4,6,9,11 *", "some month" },
	};
	char longer[CRON_TEXT_MAX + 2];
	struct cron cron;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (cron_parse(str_of(bad[i].text), &cron, &err) != ERR_INVALID ||
		    strstr(err.msg, bad[i].says) == NULL) {
			fail_msg("\"%s\": %s", bad[i].text, err.msg);
		}
	}
	memset(longer, ' ', sizeof(longer));
	assert_int_equal(cron_parse(str_make(longer, sizeof(longer)), &cron, &err), ERR_INVALID);
	/* Impossible as a day of the month, but any Monday does. */
	assert_int_equal(cron_parse(STR_LIT(" 0  0\t31 2 MON "), &cron, &err), ERR_OK);
}

/* ---- the walk ---- */

static bool has(uint64_t set, unsigned i)
{
	return (set >> i & 1) != 0;
}

struct walk {
	struct cron cron;
	const struct zone *zone;
	struct zone_span span; /* around the minute that is looked at */
	int64_t seen;          /* clocks have shown everything below */
	int64_t days;          /* of which is_day was made */
	bool is_day;
};

static bool shows_day(struct walk *walk, int64_t days)
{
	const struct cron *cron = &walk->cron;

	if (days != walk->days) {
		struct calendar_date date = calendar_date(days);
		bool day = has(cron->days, date.day);
		bool weekday = has(cron->weekdays, calendar_weekday(days));

		walk->days = days;
		walk->is_day =
			has(cron->months, date.month) &&
			(cron->any_day || cron->any_weekday ? day && weekday : day || weekday);
	}
	return walk->is_day;
}

/* A local minute; written without cron_match(). */
static bool shows(struct walk *walk, int64_t local)
{
	int64_t days = calendar_floor(local, CALENDAR_DAY_S), time = local - days * CALENDAR_DAY_S;

	return has(walk->cron.minutes, (unsigned)(time / MINUTE_S % 60)) &&
	       has(walk->cron.hours, (unsigned)(time / HOUR_S)) && shows_day(walk, days);
}

static bool fires(struct walk *walk, int64_t at)
{
	bool every_hour = walk->cron.hours == (1U << 24) - 1, any = false;
	int64_t local;

	if (at >= walk->span.end) {
		walk->span = zone_at(walk->zone, at);
	}
	local = at + walk->span.offset_s;
	for (int64_t m = walk->seen; m <= local; m += MINUTE_S) {
		any = shows(walk, m) || any;
	}
	walk->seen = local + MINUTE_S > walk->seen ? local + MINUTE_S : walk->seen;
	return every_hour ? shows(walk, local) : any;
}

static void walk_through(const char *text, const char *name, const char *from, const char *until)
{
	struct arena *arena = arena_new();
	int64_t at = time_of(from) / SECOND_US, end = time_of(until) / SECOND_US, next;
	struct walk walk = { .cron = cron_of(text), .zone = zone_of(name, arena) };

	walk.span = zone_at(walk.zone, at);
	walk.seen = at + walk.span.offset_s;
	assert_true(cron_next(&walk.cron, walk.zone, at - 1, &next));
	for (; at < end; at += MINUTE_S) {
		if (!fires(&walk, at)) {
			continue;
		}
		if (at != next) {
			fail_msg("\"%s\" in %s: %lld, not %lld", text, name, (long long)next,
			         (long long)at);
		}
		assert_true(cron_next(&walk.cron, walk.zone, at, &next));
		assert_true(next > at);
	}
	assert_true(next >= end);
	arena_free(arena);
}

static void next_times_are_all_that_a_slow_walk_finds(void **state)
{
	static const char *const texts[] = {
		"30 2 * * *",  "*/7 * * * *",    "0,59 0-3 * * *", "17 */5 1-7 * sun",
		"0 0 */3 * 2", "15 0,23 31 * *", "@hourly",        "0 1-3 * 3,10 *",
	};
	static const struct {
		const char *zone, *from, *until;
	} times[] = {
		{ "UTC", "2024-01-01T00:00:00Z", "2024-12-31T00:00:00Z" },
		{ "Europe/Berlin", "2025-02-01T00:00:00Z", "2026-12-01T00:00:00Z" },
		{ "America/New_York", "2039-01-01T00:00:00Z", "2040-01-01T00:00:00Z" },
		{ "Australia/Lord_Howe", "2026-03-01T00:00:00Z", "2026-11-01T00:00:00Z" },
		{ "Pacific/Apia", "2011-09-01T00:00:00Z", "2012-05-01T00:00:00Z" },
		{ "Africa/Casablanca", "2025-01-01T00:00:00Z", "2026-04-01T00:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			walk_through(texts[k], times[i].zone, times[i].from, times[i].until);
		}
	}
}

/* ---- intervals, one time, and being late ---- */

static void an_interval_is_counted_from_its_beginning(void **state)
{
	const struct schedule_timing timing = { .kind = SCHEDULE_EVERY,
		                                .every_us = 90 * INT64_C(1000000),
		                                .anchor_us = time_of("2026-01-01T00:00:00Z") };
	int64_t at;

	(void)state;
	assert_true(schedule_next(&timing, time_of("2025-01-01T00:00:00Z"), &at));
	assert_int_equal(at, timing.anchor_us);
	assert_true(schedule_next(&timing, at, &at));
	assert_int_equal(at, time_of("2026-01-01T00:01:30Z"));
	assert_true(schedule_next(&timing, time_of("2026-01-01T00:04:29.9Z"), &at));
	assert_int_equal(at, time_of("2026-01-01T00:04:30Z"));
}

static void one_time_is_once(void **state)
{
	const struct schedule_timing timing = { .kind = SCHEDULE_AT,
		                                .at_us = time_of("2026-01-01T00:00:00.5Z") };
	int64_t at;

	(void)state;
	assert_true(schedule_next(&timing, time_of("2026-01-01T00:00:00Z"), &at));
	assert_int_equal(at, timing.at_us);
	assert_false(schedule_next(&timing, at, &at));
}

static struct schedule_step decide(enum schedule_catch_up catch_up, unsigned caught_up,
                                   const char *due, const char *now)
{
	const struct schedule_timing hourly = { .kind = SCHEDULE_CRON,
		                                .cron = cron_of("@hourly"),
		                                .zone = zone_utc() };
	const struct schedule_late late = { .grace_us = 60 * INT64_C(1000000),
		                            .catch_up = catch_up,
		                            .caught_up = caught_up };

	return schedule_decide(&hourly, &late, time_of(due), time_of(now));
}

static void a_time_within_the_grace_runs_whatever_the_policy(void **state)
{
	(void)state;
	for (int policy = SCHEDULE_NONE; policy <= SCHEDULE_ALL; policy++) {
		struct schedule_step step = decide((enum schedule_catch_up)policy, 7,
		                                   "2026-01-01T01:00:00Z", "2026-01-01T01:01:00Z");

		assert_true(step.runs && step.goes_on);
		assert_int_equal(step.next_us, time_of("2026-01-01T02:00:00Z"));
		assert_int_equal(step.caught_up, 0);
	}
}

static void late_times_are_missed_run_once_or_run_each(void **state)
{
	const char *due = "2026-01-01T01:00:00Z", *now = "2026-01-01T05:00:30Z";
	struct schedule_step step = decide(SCHEDULE_NONE, 0, due, now);

	(void)state;
	assert_false(step.runs);
	assert_int_equal(step.next_us, time_of("2026-01-01T05:00:00Z")); /* that is not late */
	step = decide(SCHEDULE_ONE, 0, due, now);
	assert_true(step.runs);
	assert_int_equal(step.next_us, time_of("2026-01-01T06:00:00Z"));
	step = decide(SCHEDULE_ALL, 0, due, now);
	assert_true(step.runs);
	assert_int_equal(step.next_us, time_of("2026-01-01T02:00:00Z"));
	assert_int_equal(step.caught_up, 1);
	step = decide(SCHEDULE_ALL, SCHEDULE_CATCH_UP_MAX, due, now);
	assert_false(step.runs);
	assert_int_equal(step.next_us, time_of("2026-01-01T05:00:00Z"));
	assert_int_equal(step.caught_up, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_times_are_those_of_the_table),
		cmocka_unit_test(what_is_no_expression_is_refused_by_its_field),
		cmocka_unit_test(next_times_are_all_that_a_slow_walk_finds),
		cmocka_unit_test(an_interval_is_counted_from_its_beginning),
		cmocka_unit_test(one_time_is_once),
		cmocka_unit_test(a_time_within_the_grace_runs_whatever_the_policy),
		cmocka_unit_test(late_times_are_missed_run_once_or_run_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
