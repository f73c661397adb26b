/* Time zones: read like libc reads them, and nothing that is not one is taken for one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schedule/calendar.h"
#include "schedule/zone_file.h"
#include "tests/support/test.h"

enum { YEAR_S = 31556952, FILE_MAX = 16 * 1024, CUTS = 400 };

static const char *const places[] = {
	"Europe/Berlin",      "America/New_York",  "America/Sao_Paulo",
	"Asia/Kolkata",       "Africa/Cairo",      "Australia/Lord_Howe",
	"Pacific/Apia",       "Africa/Casablanca", "Asia/Gaza",
	"America/St_Johns",   "Antarctica/Troll",  "Europe/Dublin",
	"Pacific/Kiritimati", "Etc/GMT+12",        "UTC",
};

static const struct zone *load(const char *name, struct arena *arena)
{
	const struct zone *zone;
	struct err err;

	if (zone_load(str_of(name), arena, &zone, &err) != ERR_OK) {
		fail_msg("%s: %s", name, err.msg);
	}
	return zone;
}

static int32_t libc_offset(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	return (int32_t)tm.tm_gmtoff;
}

static void offsets_are_those_of_libc_from_1900_to_2200(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct arena *arena = arena_new();
		const struct zone *zone = load(places[i], arena);
		int64_t at = -70 * (int64_t)YEAR_S;

		assert_int_equal(setenv("TZ", places[i], 1), 0);
		tzset();
		/* At each change, and just before and after it. */
		while (at < 230 * (int64_t)YEAR_S) {
			struct zone_span span = zone_at(zone, at);
			int64_t next = span.end < at + YEAR_S ? span.end : at + YEAR_S / 7;

			assert_true(span.begin <= at && at < span.end);
			if (libc_offset(at) != span.offset_s ||
			    libc_offset(next - 1) != span.offset_s) {
				fail_msg("%s at %lld", places[i], (long long)at);
			}
			at = next;
		}
		arena_free(arena);
	}
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

static void names_stay_in_their_folder(void **state)
{
	static const char *const bad[] = { "",          "/etc/passwd", "../zone", "Europe/../UTC",
		                           "a//b",      "Europe/",     "-x",      "Europe/Ber lin",
		                           "Europe.tab" };
	struct arena *arena = arena_new();
	const struct zone *zone;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_non_null(zone_check_name(str_of(bad[i])));
		assert_int_equal(zone_load(str_of(bad[i]), arena, &zone, &err), ERR_NOT_FOUND);
	}
	/* A folder, a file that is none, no file, one with leap seconds, and a NUL. */
	assert_int_equal(zone_load(STR_LIT("Europe"), arena, &zone, &err), ERR_NOT_FOUND);
	assert_int_equal(zone_load(STR_LIT("leapseconds"), arena, &zone, &err), ERR_NOT_FOUND);
	assert_int_equal(zone_load(STR_LIT("Mars/Olympus"), arena, &zone, &err), ERR_NOT_FOUND);
	assert_int_equal(zone_load(STR_LIT("UTC\0x"), arena, &zone, &err), ERR_NOT_FOUND);
	assert_null(zone_check_name(STR_LIT("America/Port-au-Prince")));
	arena_free(arena);
}

static size_t read_berlin(char *out)
{
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	size_t n;

	assert_non_null(file);
	n = fread(out, 1, FILE_MAX, file);
	assert_in_range(n, 100, FILE_MAX - 1);
	assert_int_equal(fclose(file), 0);
	return n;
}

static void a_file_that_is_cut_is_none(void **state)
{
	char text[FILE_MAX];
	size_t n = read_berlin(text);
	struct arena *arena = arena_new();
	const struct zone *zone;
	struct err err;

	(void)state;
	for (size_t cut = 0; cut < n; cut += cut < CUTS || cut + CUTS > n ? 1 : 7) {
		assert_int_equal(zone_parse(str_make(text, cut), arena, &zone, &err), ERR_INVALID);
	}
	assert_int_equal(zone_parse(str_make(text, n), arena, &zone, &err), ERR_OK);
	arena_free(arena);
}

/* A file of version 2 that has a rule and nothing else. */
static enum err_code parse_rule(const char *rule, struct arena *arena, const struct zone **ret)
{
	static const char block[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				    "\0\0\0\0\0\0\0\1\0\0\0\4"
				    "\0\0\0\0\0\0XYZ";
	char text[2 * sizeof(block) + 128];
	struct err err;
	int n;

	memcpy(text, block, sizeof(block));
	memcpy(text + sizeof(block), block, sizeof(block));
	n = snprintf(text + 2 * sizeof(block), 128, "\n%s\n", rule);
	return zone_parse(str_make(text, 2 * sizeof(block) + (size_t)n), arena, ret, &err);
}

static void rules_say_what_comes_after_the_last_transition(void **state)
{
	static const struct {
		const char *rule;
		int64_t at;
		int32_t offset_s;
	} all[] = {
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000 - 1, 3600 }, /* 2026-03-29 01:00 UTC */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 7200 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1792890000 - 1, 7200 }, /* 2026-10-25 01:00 UTC */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1792890000, 3600 },
		{ "<-03>3", 1774746000, -10800 },
		{ "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", 1767225600, 49500 },
		{ "XXX3EDT4,0/0,J365/23", 1767225600, -14400 },  /* summer all year */
		{ "XXX3EDT4,0/0,J365/23", 1767236400, -14400 },  /* where both changes meet */
		{ "AAA0BBB,J60,J300", 1709250000, 0 },           /* 2024-02-29 23:40 */
		{ "AAA0BBB,J60,J300", 1709258400, 3600 },        /* 2024-03-01 02:00 */
		{ "AAA0BBB,59,300", 1709172000, 3600 },          /* 2024-02-29 02:00 */
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", 1767225600, 0 }, /* summer is in winter */
	};
	static const char *const bad[] = { "C1",
		                           "CET",
		                           "CET-25",
		                           "CET-1CEST",
		                           "CET-1CE,0,1",
		                           "CET-1CEST,M3.5.0",
		                           "CET-1CEST,M13.1.0,0",
		                           "CET-1CEST,0/168,1",
		                           "CET-1CEST,J0,1",
		                           "<CET-1",
		                           "CET-1CEST,0,1,",
		                           "CET-1CEST,M3.6.0,1",
		                           "CET-1:60" };
	struct arena *arena = arena_new();
	const struct zone *zone;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (parse_rule(all[i].rule, arena, &zone) != ERR_OK ||
		    zone_at(zone, all[i].at).offset_s != all[i].offset_s) {
			fail_msg("%s at %lld", all[i].rule, (long long)all[i].at);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse_rule(bad[i], arena, &zone) == ERR_OK) {
			fail_msg("%s is taken for a rule", bad[i]);
		}
	}
	arena_free(arena);
}

static void the_calendar_goes_there_and_back(void **state)
{
	int64_t days = -1000000;

	(void)state;
	for (; days < 1000000; days += 13) {
		struct calendar_date date = calendar_date(days), next = calendar_date(days + 1);

		assert_int_equal(calendar_days(&date), days);
		assert_int_equal(next.day, date.day == calendar_month_days(date.year, date.month)
		                                   ? 1
		                                   : date.day + 1);
	}
	assert_int_equal(calendar_weekday(-1), 3);
	assert_int_equal(calendar_weekday(20646), 0); /* 2026-07-12 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_are_those_of_libc_from_1900_to_2200),
		cmocka_unit_test(names_stay_in_their_folder),
		cmocka_unit_test(a_file_that_is_cut_is_none),
		cmocka_unit_test(rules_say_what_comes_after_the_last_transition),
		cmocka_unit_test(the_calendar_goes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
