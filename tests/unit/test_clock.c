#include <string.h>

#include "base/clock.h"
#include "tests/support/test.h"

static void assert_format(int64_t us, const char *text)
{
	char out[CLOCK_RFC3339_SIZE];

	clock_format(us, out);
	assert_string_equal(out, text);
}

static void moments_are_formatted_as_rfc3339(void **state)
{
	(void)state;
	assert_format(0, "1970-01-01T00:00:00.000Z");
	assert_format(INT64_C(1767225600123999), "2026-01-01T00:00:00.123Z");
	assert_format(INT64_C(1709164799999999), "2024-02-28T23:59:59.999Z");
	assert_format(INT64_C(1709164800000000), "2024-02-29T00:00:00.000Z");
}

static void moments_before_1970_and_outside_four_digit_years_are_valid_too(void **state)
{
	(void)state;
	assert_format(-1, "1969-12-31T23:59:59.999Z");
	assert_format(-1000000, "1969-12-31T23:59:59.000Z");
	assert_format(INT64_MAX, "9999-12-31T23:59:59.999Z");
	assert_format(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

static void assert_parse(const char *text, int64_t us)
{
	int64_t got = 0;

	if (!clock_parse(str_of(text), &got)) {
		fail_msg("%s is refused", text);
	}
	assert_int_equal(got, us);
}

static void times_of_rfc3339_are_parsed(void **state)
{
	(void)state;
	assert_parse("1970-01-01T00:00:00Z", 0);
	assert_parse("2026-01-01t00:00:00.123456789z", INT64_C(1767225600123456));
	assert_parse("2026-01-01T02:30:00+02:30", INT64_C(1767225600000000));
	assert_parse("2025-12-31T23:00:00.5-01:00", INT64_C(1767225600500000));
	assert_parse("2024-02-29T00:00:00Z", INT64_C(1709164800000000));
	assert_parse("2016-12-31T23:59:60Z", INT64_C(1483228800000000));
}

static void what_was_formatted_parses_to_the_same_millisecond(void **state)
{
	char text[CLOCK_RFC3339_SIZE];

	(void)state;
	for (int64_t us = INT64_C(-62135596800000000); us < INT64_C(253402300799000000);
	     us += INT64_C(86400000000) * 37 + 12345000) {
		clock_format(us, text);
		assert_parse(text, us);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"now",
		"2026-01-01",
		"2026-01-01T00:00:00",
		"2026-01-01 00:00:00Z",
		"2026-1-01T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"0000-01-01T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00+0100",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00Zx",
		"+026-01-01T00:00:00Z",
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (clock_parse(str_of(bad[i]), &us)) {
			fail_msg("%s is taken", bad[i]);
		}
	}
	assert_false(clock_parse(str_make("2026-01-01T00:00:00Z\0", 21), &us));
}

static uint64_t fixed_mono(void)
{
	return 1234567;
}

static int64_t fixed_wall(void)
{
	return -5;
}

static void the_clocks_can_be_replaced_and_restored(void **state)
{
	uint64_t before = clock_mono_us();

	(void)state;
	clock_replace(fixed_mono, fixed_wall);
	assert_int_equal(clock_mono_us(), 1234567);
	assert_int_equal(clock_mono_ms(), 1234);
	assert_int_equal(clock_wall_us(), -5);
	clock_replace(NULL, NULL);
	assert_true(clock_mono_us() >= before);
	assert_true(clock_wall_us() > INT64_C(1700000000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_formatted_as_rfc3339),
		cmocka_unit_test(moments_before_1970_and_outside_four_digit_years_are_valid_too),
		cmocka_unit_test(times_of_rfc3339_are_parsed),
		cmocka_unit_test(what_was_formatted_parses_to_the_same_millisecond),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(the_clocks_can_be_replaced_and_restored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
