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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_text_is_unchanged),
		cmocka_unit_test(each_maximal_prefix_is_replaced_once),
		cmocka_unit_test(an_unfinished_character_at_the_end_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
