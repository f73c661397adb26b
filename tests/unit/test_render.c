/* What an agent printed cannot steer the terminal that it is shown on, and reaches a file as it
 * was. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/printable.h"
#include "cli/render.h"
#include "tests/support/test.h"

#define R "\xef\xbf\xbd"

static void expect(const char *text, size_t n, const char *wanted)
{
	struct buf out;

	buf_init(&out, UINT16_MAX);
	printable_add(&out, str_make(text, n));
	assert_string_equal(buf_cstr(&out), wanted);
	buf_fini(&out);
}

static void text_tabs_lines_and_colours_pass(void **state)
{
	static const char *const same[] = {
		"",
		"a line\nanother\twith a tab",
		"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\x89 \xc2\xa0",
		"\x1b[m\x1b[0m\x1b[1;31mred\x1b[0m",
		"\x1b[38;2;255;0;10mrgb\x1b[38:5:12m",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		expect(same[i], strlen(same[i]), same[i]);
	}
}

static void every_other_control_becomes_visible(void **state)
{
	static const struct {
		struct str text;
		const char *wanted;
	} rows[] = {
		{ STR_LIT("\x1b]0;title\x07"), R "]0;title" R },
		{ STR_LIT("\x1b]52;c;ZXZpbA==\x1b\\"), R "]52;c;ZXZpbA==" R "\\" },
		{ STR_LIT("\x1b[2J\x1b[H"), R "[2J" R "[H" },
		{ STR_LIT("\x1b[?25l\x1b[6n\x1b[c"), R "[?25l" R "[6n" R "[c" },
		{ STR_LIT("\x1b[>4m\x1b[1$m"), R "[>4m" R "[1$m" },
		{ STR_LIT("\x1b[31\x1b[0m"), R "[31\x1b[0m" },
		{ STR_LIT("\x1bP0;1|x\x1b\\"), R "P0;1|x" R "\\" },
		{ STR_LIT("safe\rrm -rf\b\b"), "safe" R "rm -rf" R R },
		{ STR_LIT("\x1b"), R },
		{ STR_LIT("\x1b["), R "[" },
		{ STR_LIT("\x1b[1;"), R "[1;" },
		{ STR_LIT("a\0b\x7f"), "a" R "b" R },
		{ STR_LIT("\xc2\x9b"
		          "2J\xc2\x85"),
		  R "2J" R },
		{ STR_LIT("\x9b"
		          "2J"),
		  R "2J" },
		{ STR_LIT("\x1b[\0m"), R "[" R "m" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		expect(rows[i].text.p, rows[i].text.n, rows[i].wanted);
	}
}

static void every_byte_that_passes_is_text_or_colour(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		const char text[] = { (char)c };
		bool text_itself = (c >= ' ' && c < 0x7f) || c == '\t' || c == '\n';
		const char alone[] = { (char)c, '\0' };

		expect(text, 1, text_itself ? alone : R);
	}
}

/* A colour sequence is bounded: what only looks like a very long one is not one. */
static void a_sequence_without_an_end_is_none(void **state)
{
	char text[4096] = "\x1b[", wanted[4096] = R "[";

	(void)state;
	memset(text + 2, '1', 2000);
	memset(wanted + 4, '1', 2000);
	text[2002] = 'm';
	wanted[2004] = 'm';
	expect(text, 2003, wanted);
}

/* ---- where it goes ---- */

static void show(int fd, const char *type, const char *data)
{
	int saved = dup(STDOUT_FILENO);
	struct render render;

	(void)fflush(stdout);
	assert_true(saved >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	render_init(&render, false);
	render_event(&render, str_of(type), str_of(data));
	(void)fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	(void)close(saved);
}

static void read_all(int fd, size_t wanted, char out[256])
{
	size_t n = 0;

	while (n < wanted) {
		ssize_t got = read(fd, out + n, 255 - n);

		assert_true(got > 0);
		n += (size_t)got;
	}
	out[n] = '\0';
}

static void a_terminal_gets_it_filtered_and_its_colour_ended(void **state)
{
	static const char wanted[] = "\x1b[31mred" R "[2J\x1b[0m\n";
	int controller = posix_openpt(O_RDWR | O_NOCTTY), terminal;
	struct termios raw;
	char out[256];

	(void)state;
	assert_true(controller >= 0);
	assert_int_equal(grantpt(controller), 0);
	assert_int_equal(unlockpt(controller), 0);
	terminal = open(ptsname(controller), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	assert_int_equal(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(terminal, TCSANOW, &raw), 0);
	show(terminal, "log", "{\"message\":\"\\u001b[31mred\\u001b[2J\"}");
	read_all(controller, sizeof(wanted) - 1, out);
	assert_string_equal(out, wanted);
	(void)close(terminal);
	(void)close(controller);
}

static void a_pipe_gets_it_unchanged(void **state)
{
	static const char wanted[] = "\x1b[31mred\x1b[2J\r\n";
	char out[256];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	show(fds[1], "log", "{\"message\":\"\\u001b[31mred\\u001b[2J\\r\"}");
	read_all(fds[0], sizeof(wanted) - 1, out);
	assert_string_equal(out, wanted);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_tabs_lines_and_colours_pass),
		cmocka_unit_test(every_other_control_becomes_visible),
		cmocka_unit_test(every_byte_that_passes_is_text_or_colour),
		cmocka_unit_test(a_sequence_without_an_end_is_none),
		cmocka_unit_test(a_terminal_gets_it_filtered_and_its_colour_ended),
		cmocka_unit_test(a_pipe_gets_it_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
