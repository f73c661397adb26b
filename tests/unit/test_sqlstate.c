/* Which error a caller sees for what PostgreSQL answered; private header of shared/pg. */
#include "pg/conn.h"
#include "tests/support/test.h"

static void a_code_stands_before_its_class(void **state)
{
	(void)state;
	assert_int_equal(pg_state_code("23505"), ERR_CONFLICT);
	assert_int_equal(pg_state_code("23503"), ERR_NOT_FOUND);
	assert_int_equal(pg_state_code("23514"), ERR_INVALID);
	assert_int_equal(pg_state_code("22P02"), ERR_INVALID);
	assert_int_equal(pg_state_code("42501"), ERR_FORBIDDEN);
	assert_int_equal(pg_state_code("42P01"), ERR_INTERNAL);
}

static void what_may_pass_is_retryable(void **state)
{
	static const char *const passing[] = { "40001", "40P01", "57P01", "57P03",
		                               "53300", "08006", "25006", "57014" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		assert_true(err_retryable(pg_state_code(passing[i])));
	}
}

static void an_unknown_state_is_the_backends_error(void **state)
{
	(void)state;
	assert_int_equal(pg_state_code("XX000"), ERR_BACKEND);
	assert_int_equal(pg_state_code(""), ERR_BACKEND);
}

static void a_connection_that_cannot_serve_is_retired(void **state)
{
	(void)state;
	assert_true(pg_state_retires("25006"));
	assert_true(pg_state_retires("57P01"));
	assert_false(pg_state_retires("57014"));
	assert_false(pg_state_retires("23505"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_stands_before_its_class),
		cmocka_unit_test(what_may_pass_is_retryable),
		cmocka_unit_test(an_unknown_state_is_the_backends_error),
		cmocka_unit_test(a_connection_that_cannot_serve_is_retired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
