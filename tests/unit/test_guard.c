#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/protocol.h"
#include "guard/tree.h"
#include "tests/support/test.h"

static const char *const lines[] = {
	"deadline 123456789",
	"freeze",
	"thaw",
	"signal 15",
	"stop 10000",
	"kill",
	"fenced",
	"started 4711",
	"exited code 3",
	"exited signal 9",
	"frozen",
	"thawed",
	"gone",
	"error sh: No such file or directory",
};

static void every_message_is_read_as_it_was_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct guard_message message;
		char out[GUARD_LINE_MAX + 1];
		size_t n;

		assert_true(guard_parse(str_of(lines[i]), &message));
		n = guard_format(&message, out);
		assert_int_equal(n, strlen(lines[i]) + 1);
		assert_memory_equal(out, lines[i], n - 1);
		assert_int_equal(out[n - 1], '\n');
	}
}

static void what_is_no_message_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Freeze",
		"freeze ",
		"freeze now",
		"deadline",
		"deadline ",
		"deadline -1",
		"deadline 99999999999999999999",
		"signal x",
		"exited",
		"exited 3",
		"exited code",
		"exited code 256",
		"error",
		" kill",
		"kill\r",
	};
	struct guard_message message;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(guard_parse(str_of(bad[i]), &message));
	}
	assert_false(guard_parse(str_make("error a\0b", 9), &message));
}

static void a_long_reason_fits_a_line(void **state)
{
	struct guard_message message = { .verb = GUARD_ERROR }, back;
	char out[GUARD_LINE_MAX + 1];
	size_t n;

	(void)state;
	memset(message.text, 'x', GUARD_TEXT_MAX);
	n = guard_format(&message, out);
	assert_true(guard_parse(str_make(out, n - 1), &back));
	assert_string_equal(back.text, message.text);
}

static size_t read_all(struct str in, size_t max_step, enum guard_verb *verbs, size_t *bad)
{
	struct guard_reader reader = { .used = 0 };
	struct guard_message message;
	size_t count = 0;

	*bad = 0;
	while (in.n > 0) {
		size_t n = max_step == 0 ? in.n : 1 + (size_t)rand() % max_step;
		struct str piece = str_make(in.p, n < in.n ? n : in.n);
		enum guard_read got;

		in.p += piece.n;
		in.n -= piece.n;
		while ((got = guard_next(&reader, &piece, &message)) != GUARD_READ_MORE) {
			if (got == GUARD_READ_BAD) {
				(*bad)++;
			} else {
				verbs[count++] = message.verb;
			}
		}
	}
	return count;
}

static void a_stream_is_read_the_same_however_it_is_split(void **state)
{
	char stream[1200];
	size_t used, bad;
	enum guard_verb verbs[8] = { 0 };

	(void)state;
	srand(2);
	used = (size_t)snprintf(stream, sizeof(stream), "freeze\ndeadline 7\nnonsense\n");
	memset(stream + used, 'k', 1000); /* too long to be anything */
	used += 1000;
	used += (size_t)snprintf(stream + used, sizeof(stream) - used, "\nkill\nstop");
	for (size_t step = 0; step < 40; step++) {
		assert_int_equal(read_all(str_make(stream, used), step, verbs, &bad), 3);
		assert_int_equal(bad, 2);
		assert_int_equal(verbs[0], GUARD_FREEZE);
		assert_int_equal(verbs[1], GUARD_DEADLINE);
		assert_int_equal(verbs[2], GUARD_KILL);
	}
}

static void a_process_is_read_whatever_it_calls_itself(void **state)
{
	static const char line[] =
		"4711 (a) R 1 (b) T 42 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 "
		"0 3 0 98765 1000 10 18446744073709551615 1 1\n";
	struct tree_process process;

	(void)state;
	assert_true(tree_parse_stat(line, sizeof(line) - 1, &process));
	assert_int_equal(process.pid, 4711);
	assert_int_equal(process.parent, 42);
	assert_int_equal(process.state, 'T');
	assert_int_equal(process.threads, 3);
	assert_int_equal(process.start, 98765);
	for (size_t n = 0; n < 60; n++) {
		assert_false(tree_parse_stat(line, n, &process));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_read_as_it_was_written),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(a_long_reason_fits_a_line),
		cmocka_unit_test(a_stream_is_read_the_same_however_it_is_split),
		cmocka_unit_test(a_process_is_read_whatever_it_calls_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
