/* What agents print, to lines. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/test.h"
#include "worker/adapters/adapter.h"
#include "worker/adapters/adapter_lines.h"

/* The lines, joined by "|"; one that was too long is "?". */
static void read_all(struct str text, size_t chunk, struct buf *out)
{
	struct adapter_lines lines;
	enum adapter_line kind;
	struct str line;

	buf_init(out, (size_t)64 * 1024);
	adapter_lines_init(&lines);
	while (text.n > 0) {
		size_t n = text.n < chunk ? text.n : chunk;
		struct str in = str_make(text.p, n);

		text = str_make(text.p + n, text.n - n);
		while ((kind = adapter_lines_take(&lines, &in, &line)) != ADAPTER_LINE_NONE) {
			buf_add_str(out, kind == ADAPTER_LINE_WHOLE ? line : STR_LIT("?"));
			buf_add_char(out, '|');
		}
		assert_int_equal(in.n, 0);
	}
	if (adapter_lines_finish(&lines, &line)) {
		buf_add_cstr(out, "+");
		buf_add_str(out, line);
	}
	adapter_lines_fini(&lines);
}

static void lines_are_the_same_however_they_were_split(void **state)
{
	static const char text[] = "one\r\n\n\r\ntwo\n{\"three\":3}\nrest\r";
	struct buf out;

	(void)state;
	for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
		read_all(STR_LIT(text), chunk, &out);
		assert_string_equal(buf_cstr(&out), "one|two|{\"three\":3}|+rest");
		buf_fini(&out);
	}
}

static void a_line_that_is_too_long_is_dropped_and_the_next_is_not(void **state)
{
	static const size_t chunks[] = { 4096, 1 << 20, SIZE_MAX };
	const size_t n = (size_t)ADAPTER_LINE_MAX + 1;
	char *text = mem_calloc(1, n + 8);
	struct buf out;

	(void)state;
	memset(text, 'x', n);
	memcpy(text + n, "\nnext\n", 6);
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		read_all(str_make(text, n + 6), chunks[i], &out);
		assert_string_equal(buf_cstr(&out), "?|next|");
		buf_fini(&out);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_however_they_were_split),
		cmocka_unit_test(a_line_that_is_too_long_is_dropped_and_the_next_is_not),
	};

	return cmocka_run_group_tests_name("adapter_lines", tests, NULL, NULL);
}
