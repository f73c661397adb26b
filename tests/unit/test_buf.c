#include <stdlib.h>

#include "base/buf.h"
#include "tests/support/test.h"

static void appends_of_every_kind_follow_each_other(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4096);
	assert_string_equal(buf_cstr(&buf), "");
	buf_add(&buf, NULL, 0);
	buf_add_cstr(&buf, "a");
	buf_add_char(&buf, ' ');
	buf_add_str(&buf, STR_LIT("b\0c"));
	buf_add_u64(&buf, 0);
	buf_add_u64(&buf, UINT64_MAX);
	buf_addf(&buf, "[%d %s]", -1, "x");
	assert_false(buf_failed(&buf));
	assert_true(str_eq(buf_str(&buf), STR_LIT("a b\0c018446744073709551615[-1 x]")));
	assert_int_equal(buf_cstr(&buf)[buf.len], '\0');
	buf_fini(&buf);
}

static void it_grows_to_exactly_its_cap(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	for (int i = 0; i < 1000; i++) {
		buf_add_char(&buf, (char)('a' + i % 26));
	}
	assert_false(buf_failed(&buf));
	assert_int_equal(buf.len, 1000);
	assert_true(buf.size <= 1001);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(buf.data[i], 'a' + i % 26);
	}
	buf_add_char(&buf, 'x');
	assert_true(buf_failed(&buf));
	assert_int_equal(buf.len, 1000);
	buf_fini(&buf);
}

static void after_the_cap_every_append_is_a_no_op_until_reset(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	buf_add_cstr(&buf, "abc");
	buf_addf(&buf, "%s", "de");
	assert_true(buf_failed(&buf));
	buf_add_char(&buf, 'd'); /* would fit, but the error is sticky */
	assert_string_equal(buf_cstr(&buf), "abc");
	assert_null(buf_reserve(&buf, 1));
	buf_reset(&buf);
	assert_false(buf_failed(&buf));
	assert_string_equal(buf_cstr(&buf), "");
	buf_add_cstr(&buf, "abcd");
	assert_false(buf_failed(&buf));
	assert_string_equal(buf_cstr(&buf), "abcd");
	assert_null(buf_reserve(&buf, SIZE_MAX));
	buf_fini(&buf);
}

static void a_reserve_that_is_not_committed_adds_nothing(void **state)
{
	struct buf buf;
	char *room;

	(void)state;
	buf_init(&buf, 4096);
	assert_non_null(buf_reserve(&buf, 100));
	assert_string_equal(buf_cstr(&buf), "");
	room = buf_reserve(&buf, 300);
	memset(room, 'r', 300);
	buf_commit(&buf, 2);
	assert_string_equal(buf_cstr(&buf), "rr");
	buf_fini(&buf);
}

static void drop_takes_from_the_front_and_take_gives_the_memory_away(void **state)
{
	struct buf buf;
	char *data;

	(void)state;
	buf_init(&buf, 100);
	buf_drop(&buf, 0);
	buf_add_cstr(&buf, "hello world");
	buf_drop(&buf, 6);
	assert_string_equal(buf_cstr(&buf), "world");
	data = buf_take(&buf);
	assert_string_equal(data, "world");
	free(data);
	assert_int_equal(buf.len, 0);
	data = buf_take(&buf); /* of an empty one too */
	assert_string_equal(data, "");
	free(data);
	buf_add_cstr(&buf, "again");
	buf_drop(&buf, 5);
	assert_string_equal(buf_cstr(&buf), "");
	buf_fini(&buf);
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_of_every_kind_follow_each_other),
		cmocka_unit_test(it_grows_to_exactly_its_cap),
		cmocka_unit_test(after_the_cap_every_append_is_a_no_op_until_reset),
		cmocka_unit_test(a_reserve_that_is_not_committed_adds_nothing),
		cmocka_unit_test(drop_takes_from_the_front_and_take_gives_the_memory_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
