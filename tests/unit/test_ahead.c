/* What may come before its turn: the newest few events that are kept whole. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "streamer/ahead.h"
#include "streamer/position.h"
#include "tests/support/test.h"

static void push(struct ahead **ahead, uint64_t n, const char *type, struct str data)
{
	struct log_event event = { .at = { 1, n }, .type = str_of(type), .data = data };

	ahead_push(ahead, &event);
}

static uint64_t after(const struct ahead *ahead, uint64_t n, uint64_t classes)
{
	const struct log_event *event = ahead_after(ahead, n, classes);

	return event != NULL ? event->at.n : 0;
}

static void only_what_is_kept_whole_comes_ahead(void **state)
{
	struct ahead *ahead = NULL;

	(void)state;
	assert_null(ahead_after(ahead, 0, POSITION_ALL_TYPES));
	push(&ahead, 1, "note", STR_LIT("{}"));
	push(&ahead, 2, "of a newer version", STR_LIT("{}"));
	assert_null(ahead);
	push(&ahead, 3, "error", STR_LIT("{\"message\":\"m\"}"));
	push(&ahead, 4, "log", STR_LIT("{\"message\":\"m\"}"));
	push(&ahead, 5, "status", STR_LIT("{\"status\":\"running\"}"));
	assert_int_equal(after(ahead, 0, POSITION_ALL_TYPES), 3);
	assert_int_equal(after(ahead, 3, POSITION_ALL_TYPES), 5);
	assert_int_equal(after(ahead, 5, POSITION_ALL_TYPES), 0);
	assert_int_equal(after(ahead, 0, UINT64_C(1) << (unsigned)EVENT_TYPE_STATUS), 5);
	/* The structure, and the copies with what says so. */
	assert_in_range(ahead_memory(ahead), 2 * strlen("{\"message\":\"m\",\"ahead\":true}"),
	                2048);
	ahead_free(ahead);
	assert_int_equal(ahead_memory(NULL), 0);
}

static void a_copy_says_that_it_is_one(void **state)
{
	static const char *const data[][2] = {
		{ "{}", "{\"ahead\":true}" },
		{ "{ }", "{\"ahead\":true}" },
		{ "{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]},\"ahead\":true}" },
		{ "{ \"a\" : 1 }", "{\"a\" : 1,\"ahead\":true}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		struct ahead *ahead = NULL;
		const struct log_event *event;
		char *text = mem_strdup(data[i][0]);

		push(&ahead, 1, "error", str_of(text));
		memset(text, 'x', strlen(text)); /* it is a copy */
		free(text);
		event = ahead_after(ahead, 0, POSITION_ALL_TYPES);
		assert_true(str_eq(event->data, str_of(data[i][1])));
		ahead_free(ahead);
	}
}

static void the_newest_few_are_kept_and_large_ones_are_not(void **state)
{
	static char large[AHEAD_DATA_MAX + 1];
	struct ahead *ahead = NULL;
	size_t full = 0;

	(void)state;
	for (uint64_t n = 1; n <= 3 * (uint64_t)AHEAD_KEPT; n++) {
		push(&ahead, n, "error", STR_LIT("{\"message\":\"m\"}"));
		full = n == AHEAD_KEPT ? ahead_memory(ahead) : full;
	}
	assert_int_equal(ahead_memory(ahead), full);
	assert_int_equal(after(ahead, 0, POSITION_ALL_TYPES), 2 * AHEAD_KEPT + 1);
	memset(large, ' ', sizeof(large));
	large[0] = '{';
	large[sizeof(large) - 1] = '}';
	push(&ahead, 100, "error", str_make(large, sizeof(large)));
	assert_int_equal(after(ahead, 3 * (uint64_t)AHEAD_KEPT, POSITION_ALL_TYPES), 0);
	ahead_free(ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_kept_whole_comes_ahead),
		cmocka_unit_test(a_copy_says_that_it_is_one),
		cmocka_unit_test(the_newest_few_are_kept_and_large_ones_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
