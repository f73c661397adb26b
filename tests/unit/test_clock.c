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
		cmocka_unit_test(the_clocks_can_be_replaced_and_restored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
