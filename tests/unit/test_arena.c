#include <stdint.h>

#include "base/arena.h"
#include "tests/support/test.h"

static void what_is_taken_is_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 100000, 3 };
	struct arena *arena = arena_new();
	unsigned char *taken[10 * ARRAY_LEN(sizes)];
	size_t total = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		size_t size = sizes[i % ARRAY_LEN(sizes)];

		taken[i] = arena_take(arena, size);
		assert_non_null(taken[i]);
		assert_int_equal((uintptr_t)taken[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < size; k++) {
			assert_int_equal(taken[i][k], 0);
		}
		memset(taken[i], (int)i + 1, size);
		total += size;
	}
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		for (size_t k = 0; k < sizes[i % ARRAY_LEN(sizes)]; k++) {
			assert_int_equal(taken[i][k], (unsigned char)(i + 1));
		}
	}
	assert_int_equal(arena_used(arena), total);
	arena_free(arena);
	arena_free(NULL);
}

static void strings_are_copied_and_end_in_nul(void **state)
{
	struct arena *arena = arena_new();
	char source[] = "abc";
	struct str view;
	char *copy;

	(void)state;
	copy = arena_strdup(arena, str_make(source, 2));
	view = arena_str(arena, str_of(source));
	source[0] = 'x';
	assert_string_equal(copy, "ab");
	assert_true(str_eq(view, STR_LIT("abc")));
	assert_string_equal(arena_strdup(arena, (struct str){ NULL, 0 }), "");
	assert_string_equal(arena_printf(arena, "%s-%05d", "n", 42), "n-00042");
	assert_int_equal(strlen(arena_printf(arena, "%5000d", 1)), 5000);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_is_zeroed_aligned_and_apart),
		cmocka_unit_test(strings_are_copied_and_end_in_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
