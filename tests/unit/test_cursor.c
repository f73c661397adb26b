#include "event/cursor.h"
#include "tests/support/test.h"

static void what_is_parsed_is_what_is_written(void **state)
{
	static const char *const good[] = { "0-0", "1-1", "12-9007199254740991",
		                            "99999999999999-1" };
	char out[CURSOR_SIZE];
	struct cursor cursor;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(cursor_parse(str_of(good[i]), &cursor));
		cursor_format(&cursor, out);
		assert_string_equal(out, good[i]);
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"1",
		"1-",
		"-1",
		"01-1",
		"1-01",
		"1-1 ",
		" 1-1",
		"1-1-1",
		"+1-1",
		"1--1",
		"0-1",
		"1-0",
		"1.0-1",
		"a-1",
		"1-a",
		"1-1$",
		"0x1-0x1",
		"100000000000000-1",
		"00-0",
		"0-00",
		"1-9007199254740992",
		"18446744073709551617-1",
	};
	struct cursor cursor;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (cursor_parse(str_of(bad[i]), &cursor)) {
			fail_msg("\"%s\" was accepted", bad[i]);
		}
	}
	assert_false(cursor_parse(str_make("1-1\0", 4), &cursor));
}

static void a_plain_number_means_n_of_any_epoch(void **state)
{
	struct cursor cursor;

	(void)state;
	assert_true(cursor_parse_n(STR_LIT("42"), &cursor));
	assert_int_equal(cursor.n, 42);
	assert_int_equal(cursor.epoch, CURSOR_EPOCH_ANY);
	assert_true(cursor_parse_n(STR_LIT("0"), &cursor));
	assert_true(cursor_is_start(&cursor));
	assert_false(cursor_parse_n(STR_LIT("1-1"), &cursor));
	assert_false(cursor_parse_n(STR_LIT("042"), &cursor));
	assert_false(cursor_parse_n(STR_LIT("-1"), &cursor));
}

static void epochs_go_before_n_and_a_missing_epoch_is_not_compared(void **state)
{
	struct cursor a = { 1, 100 }, b = { 2, 50 }, any = { CURSOR_EPOCH_ANY, 70 };

	(void)state;
	assert_true(cursor_compare(&a, &b) < 0);
	assert_true(cursor_compare(&b, &a) > 0);
	assert_true(cursor_compare(&a, &a) == 0);
	assert_true(cursor_compare(&a, &any) > 0);
	assert_true(cursor_compare(&any, &b) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_parsed_is_what_is_written),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_plain_number_means_n_of_any_epoch),
		cmocka_unit_test(epochs_go_before_n_and_a_missing_epoch_is_not_compared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
