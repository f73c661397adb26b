#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/support/test.h"
#include "worker/lines.h"

enum { FLUSH_MS = 100, DUMP_MAX = 1 << 20 };

static void dump(struct buf *out, const struct lines_record *record)
{
	static const char kinds[] = {
		[LINES_WHOLE] = 'W', [LINES_PART] = 'P', [LINES_PROGRESS] = 'R'
	};

	assert_true(record->text.n <= LINES_TEXT_MAX);
	assert_true(str_is_utf8(record->text));
	buf_add_char(out, kinds[record->kind]);
	if (record->continues) {
		buf_add_char(out, '+');
	}
	buf_add_char(out, '[');
	buf_add_str(out, record->text);
	buf_add_char(out, ']');
}

static void feed(struct lines *lines, struct str in, uint64_t now, struct buf *out)
{
	struct lines_record record;

	while (lines_take(lines, &in, now, &record)) {
		dump(out, &record);
	}
	assert_int_equal(in.n, 0);
}

static void finish(struct lines *lines, struct buf *out)
{
	struct lines_record record;

	while (lines_finish(lines, &record)) {
		dump(out, &record);
	}
}

/* max_step 0: whole; 1: byte by byte; else random pieces up to it. */
static char *split_into(struct str in, size_t max_step)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct buf out;

	buf_init(&out, DUMP_MAX);
	lines_init(lines, FLUSH_MS);
	while (in.n > 0) {
		size_t n = max_step == 0 ? in.n : 1 + (size_t)rand() % max_step;

		n = n < in.n ? n : in.n;
		feed(lines, str_make(in.p, n), 1000, &out);
		in.p += n;
		in.n -= n;
	}
	finish(lines, &out);
	lines_fini(lines);
	free(lines);
	return buf_take(&out);
}

static void expect(struct str in, const char *records)
{
	for (size_t step = 0; step < 12; step++) {
		char *got = split_into(in, step);

		assert_string_equal(got, records);
		free(got);
	}
}

static void lines_end_at_line_feeds_and_the_last_at_the_end(void **state)
{
	(void)state;
	expect(STR_LIT("one\ntwo\r\n\nfour"), "W[one]W[two]W[]W[four]");
	expect(STR_LIT(""), "");
}

static void a_character_split_over_two_reads_stays_whole(void **state)
{
	(void)state;
	expect(STR_LIT("gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x98\x80\n"),
	       "W[gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x98\x80]");
}

static void what_is_no_utf8_becomes_replacement_characters(void **state)
{
	(void)state;
	expect(STR_LIT("a\xff"
	               "b\xc3\n\xed\xa0\x80|\xf0\x9f\x98"),
	       "W[a\xef\xbf\xbd"
	       "b\xef\xbf\xbd]W[\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd]");
	expect(str_make("a\0b\n", 4), "W[a\xef\xbf\xbd"
	                              "b]");
}

static void escape_sequences_are_kept(void **state)
{
	(void)state;
	expect(STR_LIT("\x1b[31mred\x1b[0m\n"), "W[\x1b[31mred\x1b[0m]");
}

static void the_last_state_of_a_rewritten_line_wins(void **state)
{
	(void)state;
	expect(STR_LIT("10%\r20%\r100%\r\nnext\n"), "W[100%]W[next]");
	expect(STR_LIT("\r10%\r\r20%"), "W[20%]");
}

static void progress_is_seen_at_most_once_an_interval(void **state)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct buf out;

	(void)state;
	buf_init(&out, DUMP_MAX);
	lines_init(lines, FLUSH_MS);
	for (uint64_t now = 0; now <= 250; now += 10) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%u%%\r", (unsigned)now);
		feed(lines, str_of(text), 1000 + now, &out);
	}
	assert_string_equal(buf_cstr(&out), "R[90%]R[190%]");
	feed(lines, STR_LIT("\n"), 1260, &out);
	assert_string_equal(buf_cstr(&out), "R[90%]R[190%]W[250%]");
	buf_fini(&out);
	lines_fini(lines);
	free(lines);
}

static void an_idle_progress_line_is_flushed_once_and_still_ends(void **state)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct lines_record record;
	struct buf out;

	(void)state;
	buf_init(&out, DUMP_MAX);
	lines_init(lines, FLUSH_MS);
	feed(lines, STR_LIT("1%\r2%"), 1000, &out);
	assert_int_equal(lines_due(lines), 1100);
	assert_false(lines_flush(lines, 1099, &record));
	assert_true(lines_flush(lines, 1100, &record));
	dump(&out, &record);
	assert_int_equal(lines_due(lines), 0);
	assert_false(lines_flush(lines, 5000, &record));
	feed(lines, STR_LIT("\n"), 6000, &out);
	assert_string_equal(buf_cstr(&out), "R[2%]W[2%]");
	buf_fini(&out);
	lines_fini(lines);
	free(lines);
}

static void a_prompt_without_a_line_feed_is_flushed_and_continued(void **state)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct lines_record record;
	struct buf out;

	(void)state;
	buf_init(&out, DUMP_MAX);
	lines_init(lines, FLUSH_MS);
	feed(lines, STR_LIT("name? "), 1000, &out);
	assert_true(lines_flush(lines, 1100, &record));
	dump(&out, &record);
	assert_int_equal(lines_due(lines), 0);
	feed(lines, STR_LIT("Ada\nbye\n"), 9000, &out);
	assert_string_equal(buf_cstr(&out), "P[name? ]W+[Ada]W[bye]");
	buf_fini(&out);
	lines_fini(lines);
	free(lines);
}

static void a_long_line_is_cut_between_characters(void **state)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct lines_record record;
	struct buf in;
	struct str rest;

	(void)state;
	buf_init(&in, DUMP_MAX);
	buf_add_char(&in, 'x');
	for (int i = 0; i < 5000; i++) {
		buf_add_cstr(&in, "\xc3\xa4");
	}
	buf_add_char(&in, '\n');
	rest = buf_str(&in);
	lines_init(lines, FLUSH_MS);
	assert_true(lines_take(lines, &rest, 0, &record));
	assert_int_equal(record.kind, LINES_PART);
	assert_int_equal(record.text.n, LINES_TEXT_MAX - 1);
	assert_true(lines_take(lines, &rest, 0, &record));
	assert_int_equal(record.kind, LINES_WHOLE);
	assert_true(record.continues);
	assert_int_equal(record.text.n, 10001 - (LINES_TEXT_MAX - 1));
	buf_fini(&in);
	lines_fini(lines);
	free(lines);
}

static void any_bytes_give_the_same_records_however_they_are_split(void **state)
{
	static const char alphabet[] = "ab\n\r\xc3\xa4\xf0\x9f\xff\x80\xe2\x82\xac\x1b";
	char bytes[400];

	(void)state;
	srand(1);
	for (int round = 0; round < 300; round++) {
		char *whole;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			bytes[i] = alphabet[(size_t)rand() % sizeof(alphabet)];
		}
		whole = split_into(str_make(bytes, sizeof(bytes)), 0);
		for (size_t step = 1; step < 8; step++) {
			char *got = split_into(str_make(bytes, sizeof(bytes)), step);

			assert_string_equal(got, whole);
			free(got);
		}
		free(whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_at_line_feeds_and_the_last_at_the_end),
		cmocka_unit_test(a_character_split_over_two_reads_stays_whole),
		cmocka_unit_test(what_is_no_utf8_becomes_replacement_characters),
		cmocka_unit_test(escape_sequences_are_kept),
		cmocka_unit_test(the_last_state_of_a_rewritten_line_wins),
		cmocka_unit_test(progress_is_seen_at_most_once_an_interval),
		cmocka_unit_test(an_idle_progress_line_is_flushed_once_and_still_ends),
		cmocka_unit_test(a_prompt_without_a_line_feed_is_flushed_and_continued),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
		cmocka_unit_test(any_bytes_give_the_same_records_however_they_are_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
