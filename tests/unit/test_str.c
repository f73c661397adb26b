#include "base/str.h"
#include "tests/support/test.h"

static void comparisons_take_empty_and_null_strings(void **state)
{
	const struct str none = { NULL, 0 };

	(void)state;
	assert_true(str_eq(none, STR_LIT("")));
	assert_false(str_eq(none, STR_LIT("a")));
	assert_true(str_starts(none, none));
	assert_true(str_ends(none, none));
	assert_true(str_starts(STR_LIT("abc"), STR_LIT("ab")));
	assert_false(str_starts(STR_LIT("ab"), STR_LIT("abc")));
	assert_true(str_ends(STR_LIT("abc"), STR_LIT("bc")));
	assert_false(str_ends(STR_LIT("bc"), STR_LIT("abc")));
	assert_true(str_ends(STR_LIT("abc"), none));
	assert_true(str_eq_nocase(STR_LIT("Content-LENGTH"), STR_LIT("content-length")));
	assert_false(str_eq_nocase(STR_LIT("a"), STR_LIT("ab")));
	assert_false(str_eq_nocase(STR_LIT("[@"), STR_LIT("{`"))); /* next to the letters */
	assert_true(str_eq(str_of(NULL), none));
}

static void trim_removes_spaces_and_tabs_at_both_ends_only(void **state)
{
	(void)state;
	assert_true(str_eq(str_trim(STR_LIT(" \t a b\t ")), STR_LIT("a b")));
	assert_int_equal(str_trim(STR_LIT(" \t ")).n, 0);
	assert_int_equal(str_trim((struct str){ NULL, 0 }).n, 0);
	assert_true(str_eq(str_trim(STR_LIT("\r\n")), STR_LIT("\r\n")));
}

static void split_returns_every_part_the_empty_ones_too(void **state)
{
	static const char *const parts[] = { "a", "", "bc", "" };
	struct str rest = STR_LIT("a,,bc,");
	size_t i = 0;

	(void)state;
	while (rest.p != NULL) {
		assert_true(i < ARRAY_LEN(parts));
		assert_true(str_eq(str_split(&rest, ','), str_of(parts[i++])));
	}
	assert_int_equal(i, ARRAY_LEN(parts));
	assert_int_equal(str_split(&rest, ',').n, 0);
}

static void copy_fits_with_its_nul_or_leaves_an_empty_string(void **state)
{
	char out[4] = "zzz";

	(void)state;
	assert_true(str_copy(out, sizeof(out), STR_LIT("abc")));
	assert_string_equal(out, "abc");
	assert_false(str_copy(out, sizeof(out), STR_LIT("abcd")));
	assert_string_equal(out, "");
	assert_true(str_copy(out, 1, (struct str){ NULL, 0 }));
	assert_string_equal(out, "");
}

/* The definition of RFC 3629, by decoding: shortest form, no surrogate, at most U+10FFFF. */
static bool model_utf8(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c = p[i];

		len = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
		if (len == 0 || len > n - i) {
			return false;
		}
		if (len > 1) {
			c &= 0x7fU >> len;
		}
		for (size_t k = 1; k < len; k++) {
			if (p[i + k] >> 6 != 2) {
				return false;
			}
			c = c << 6 | (p[i + k] & 0x3fU);
		}
		if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
			return false;
		}
	}
	return true;
}

static bool is_utf8(const unsigned char *p, size_t n)
{
	char copy[8]; /* exactly n bytes, so that a sanitizer sees a read behind them */

	memcpy(copy + sizeof(copy) - n, p, n);
	return str_is_utf8(str_make(copy + sizeof(copy) - n, n));
}

static void utf8_agrees_with_the_definition_for_all_short_strings(void **state)
{
	static const unsigned char ends[] = { 0x41, 0x7f, 0x80, 0xbf, 0xc0 };
	size_t wrong = 0;

	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			unsigned char s[4] = { (unsigned char)a, (unsigned char)b, 0, 0 };

			for (size_t i = 0; i < ARRAY_LEN(ends) * ARRAY_LEN(ends); i++) {
				s[2] = ends[i / ARRAY_LEN(ends)];
				s[3] = ends[i % ARRAY_LEN(ends)];
				for (size_t n = 1 + 2 * (i > 0); n <= 4; n++) {
					wrong += is_utf8(s, n) != model_utf8(s, n);
				}
			}
		}
	}
	assert_int_equal(wrong, 0);
}

static void utf8_edges(void **state)
{
	(void)state;
	assert_true(str_is_utf8((struct str){ NULL, 0 }));
	assert_true(str_is_utf8(STR_LIT("a\0b")));
	assert_true(str_is_utf8(STR_LIT("\xed\x9f\xbf\xee\x80\x80"))); /* around the surrogates */
	assert_false(str_is_utf8(STR_LIT("\xed\xa0\x80")));
	assert_false(str_is_utf8(STR_LIT("\xc0\x80"))); /* overlong NUL */
	assert_true(str_is_utf8(STR_LIT("\xf4\x8f\xbf\xbf")));
	assert_false(str_is_utf8(STR_LIT("\xf4\x90\x80\x80"))); /* U+110000 */
	assert_false(str_is_utf8(STR_LIT("ab\xe2\x82")));       /* cut */
}

static bool u64(const char *s, uint64_t max, uint64_t *v)
{
	return parse_u64(str_of(s), max, v);
}

static void unsigned_numbers_are_parsed_strictly(void **state)
{
	static const char *const bad[] = { "",
		                           "-1",
		                           "+1",
		                           " 1",
		                           "1 ",
		                           "0x1",
		                           "1a",
		                           "1.0",
		                           "/",
		                           ":",
		                           "18446744073709551616",
		                           "99999999999999999999",
		                           "000000000000000000001" };
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(u64(bad[i], UINT64_MAX, &v));
	}
	assert_int_equal(v, 7); /* untouched */
	assert_true(u64("0", 0, &v));
	assert_int_equal(v, 0);
	assert_true(u64("18446744073709551615", UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_true(u64("65535", 65535, &v));
	assert_false(u64("65536", 65535, &v));
	assert_false(parse_u64(STR_LIT("1\0"), 10, &v));
}

static void signed_numbers_span_the_whole_range(void **state)
{
	int64_t v = 7;

	(void)state;
	assert_true(parse_i64(STR_LIT("9223372036854775807"), &v));
	assert_true(v == INT64_MAX);
	assert_true(parse_i64(STR_LIT("-9223372036854775808"), &v));
	assert_true(v == INT64_MIN);
	assert_true(parse_i64(STR_LIT("-0"), &v));
	assert_int_equal(v, 0);
	assert_false(parse_i64(STR_LIT("9223372036854775808"), &v));
	assert_false(parse_i64(STR_LIT("-9223372036854775809"), &v));
	assert_false(parse_i64(STR_LIT("--1"), &v));
	assert_false(parse_i64(STR_LIT("-"), &v));
	assert_false(parse_i64(STR_LIT(""), &v));
}

static void hex_numbers_take_both_cases_and_at_most_16_digits(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(parse_hex_u64(STR_LIT("DeadBeef"), &v));
	assert_true(v == 0xdeadbeef);
	assert_true(parse_hex_u64(STR_LIT("ffffffffffffffff"), &v));
	assert_true(v == UINT64_MAX);
	assert_false(parse_hex_u64(STR_LIT("10000000000000000"), &v));
	assert_false(parse_hex_u64(STR_LIT("0x1"), &v));
	assert_false(parse_hex_u64(STR_LIT("g"), &v));
	assert_false(parse_hex_u64(STR_LIT("@"), &v));
	assert_false(parse_hex_u64(STR_LIT(""), &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparisons_take_empty_and_null_strings),
		cmocka_unit_test(trim_removes_spaces_and_tabs_at_both_ends_only),
		cmocka_unit_test(split_returns_every_part_the_empty_ones_too),
		cmocka_unit_test(copy_fits_with_its_nul_or_leaves_an_empty_string),
		cmocka_unit_test(utf8_agrees_with_the_definition_for_all_short_strings),
		cmocka_unit_test(utf8_edges),
		cmocka_unit_test(unsigned_numbers_are_parsed_strictly),
		cmocka_unit_test(signed_numbers_span_the_whole_range),
		cmocka_unit_test(hex_numbers_take_both_cases_and_at_most_16_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
