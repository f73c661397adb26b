#include <string.h>

#include "base/utf8.h"
#include "tests/support/test.h"

static void expect(struct str in, const char *want)
{
	struct buf out;

	buf_init(&out, 1024);
	utf8_clean(in, &out);
	assert_string_equal(buf_cstr(&out), want);
	assert_true(str_is_utf8(buf_str(&out)));
	buf_fini(&out);
}

#define R "\xef\xbf\xbd"

static void valid_text_is_unchanged(void **state)
{
	(void)state;
	expect(STR_LIT(""), "");
	expect(STR_LIT("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"),
	       "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z");
}

/* Unicode 15, tables 3-8 to 3-11. */
static void each_maximal_prefix_is_replaced_once(void **state)
{
	(void)state;
	expect(STR_LIT("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), R R R R R R R R "A");
	expect(STR_LIT("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), R R R R R R R R "A");
	expect(STR_LIT("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"), R R R R R "A" R R "B");
	expect(STR_LIT("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), R R R R "A");
}

static void an_unfinished_character_at_the_end_is_replaced(void **state)
{
	(void)state;
	expect(STR_LIT("a\xf0\x9f\x98"), "a" R);
	expect(STR_LIT("\xc3"), R);
}

/* The same at every cut: how many bytes pass, and whether they end with a whole character. */
static void expect_passes(struct str in, size_t passes, bool whole)
{
	for (size_t cut = 0; cut <= in.n; cut++) {
		struct utf8 utf8 = { .len = 0 };
		struct str head = str_make(in.p, cut), tail = str_make(in.p + cut, in.n - cut);

		assert_int_equal(utf8_check(&utf8, head), cut <= passes);
		if (cut <= passes) {
			assert_int_equal(utf8_check(&utf8, tail), passes == in.n);
		}
		if (passes == in.n) {
			assert_int_equal(utf8_is_whole(&utf8), whole);
		}
	}
}

static void the_first_byte_that_cannot_be_there_is_refused(void **state)
{
	(void)state;
	expect_passes(STR_LIT("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"), 11, true);
	expect_passes(STR_LIT("a\xf0\x9f\x98"), 4, false);
	expect_passes(STR_LIT("\xf4\x90\x80\x80"), 1, false);
	expect_passes(STR_LIT("\xed\xa0\x80"), 1, false);
	expect_passes(STR_LIT("\xe0\x9f\x80"), 1, false);
	expect_passes(STR_LIT("ab\x80"), 2, false);
	expect_passes(STR_LIT("a\xc0\xaf"), 1, false);
	expect_passes(STR_LIT("\xe2\x82 "), 2, false);
	expect_passes(STR_LIT("\xf5"), 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_text_is_unchanged),
		cmocka_unit_test(each_maximal_prefix_is_replaced_once),
		cmocka_unit_test(an_unfinished_character_at_the_end_is_replaced),
		cmocka_unit_test(the_first_byte_that_cannot_be_there_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
