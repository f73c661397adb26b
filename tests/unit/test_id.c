#include "base/clock.h"
#include "base/id.h"
#include "tests/support/test.h"

static int64_t wall_us;

static int64_t test_wall(void)
{
	return wall_us;
}

static uint64_t test_mono(void)
{
	return (uint64_t)wall_us;
}

static void the_encoding_is_that_of_the_ulid_specification(void **state)
{
	static const unsigned char low[10] = { 0 };
	static const unsigned char high[10] = { 0xff, 0xff, 0xff, 0xff, 0xff,
		                                0xff, 0xff, 0xff, 0xff, 0xff };
	static const unsigned char one[10] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 33 };
	struct id id;

	(void)state;
	id = id_make(0, low);
	assert_string_equal(id.s, "00000000000000000000000000");
	id = id_make((UINT64_C(1) << 48) - 1, high);
	assert_string_equal(id.s, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
	id = id_make(UINT64_C(1469918176385), one);
	assert_string_equal(id.s, "01ARYZ6S410000000000000011");
	assert_int_equal(id_time_ms(&id), UINT64_C(1469918176385));
	id = id_make(UINT64_MAX, low); /* a time that does not fit still makes a valid id */
	assert_true(id_parse(str_of(id.s), &id));
}

static void new_ids_only_grow_whatever_the_clock_does(void **state)
{
	static const int64_t steps_us[] = { 0, 10, 1000, -5000000, 999, 3600000000 };
	struct id last = id_new();

	(void)state;
	wall_us = clock_wall_us();
	clock_replace(test_mono, test_wall);
	for (int i = 0; i < 60000; i++) {
		struct id id;

		wall_us += steps_us[(size_t)i / 10000];
		id = id_new();
		assert_true(strcmp(last.s, id.s) < 0);
		last = id;
	}
	assert_int_equal(id_time_ms(&last), wall_us / 1000);
	clock_replace(NULL, NULL);
}

static void parsing_takes_lower_case_and_nothing_else_outside_the_alphabet(void **state)
{
	static const char *const bad[] = { "",
		                           "01ARYZ6S41000000000000001",
		                           "01ARYZ6S4100000000000000111",
		                           "01ARYZ6S41000000000000001I",
		                           "01ARYZ6S41000000000000001L",
		                           "01ARYZ6S41000000000000001O",
		                           "01ARYZ6S41000000000000001U",
		                           "01ARYZ6S41000000000000001-",
		                           "81ARYZ6S410000000000000011" };
	struct id id, again = id_new();
	char with_nul[ID_LEN];

	(void)state;
	assert_true(id_parse(STR_LIT("01aryz6s410000000000000011"), &id));
	assert_string_equal(id.s, "01ARYZ6S410000000000000011");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(id_parse(str_of(bad[i]), &id));
	}
	memset(with_nul, '0', sizeof(with_nul));
	with_nul[9] = '\0';
	assert_false(id_parse(str_make(with_nul, sizeof(with_nul)), &id));
	assert_string_equal(id.s, "01ARYZ6S410000000000000011"); /* untouched by failures */
	assert_true(id_parse(str_of(again.s), &id));
	assert_true(id_eq(&id, &again));
}

static void the_nil_id_is_empty(void **state)
{
	struct id nil = { "" };

	(void)state;
	assert_true(id_is_nil(&nil));
	assert_int_equal(id_time_ms(&nil), 0);
	nil = id_new();
	assert_false(id_is_nil(&nil));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_encoding_is_that_of_the_ulid_specification),
		cmocka_unit_test(new_ids_only_grow_whatever_the_clock_does),
		cmocka_unit_test(parsing_takes_lower_case_and_nothing_else_outside_the_alphabet),
		cmocka_unit_test(the_nil_id_is_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
