#include "tests/support/sse_transcript.h"
#include "tests/support/test.h"

/* Whole, at every split into two, and byte by byte. */
static void assert_reads(struct str in, const char *wanted)
{
	for (size_t cut = 0; cut <= in.n + 1; cut++) {
		struct sse_transcript t;

		sse_transcript_init(&t);
		if (cut <= in.n) {
			sse_transcript_feed(&t, str_make(in.p, cut));
			sse_transcript_feed(&t, str_make(in.p + cut, in.n - cut));
		} else {
			for (size_t i = 0; i < in.n; i++) {
				sse_transcript_feed(&t, str_make(in.p + i, 1));
			}
		}
		assert_string_equal(buf_cstr(&t.text), wanted);
		sse_transcript_fini(&t);
	}
}

static void events_are_read_whatever_ends_their_lines(void **state)
{
	(void)state;
	assert_reads(STR_LIT("id: 1\nevent: a\ndata: x\ndata: y\n\n"), "1/a/x\ny|");
	assert_reads(STR_LIT("id: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\n"), "1/a/x\ny|");
	assert_reads(STR_LIT("id: 1\revent: a\rdata: x\rdata: y\r\r"), "1/a/x\ny|");
	assert_reads(STR_LIT("data: x\n\r\ndata: y\r\n\rdata: z\n\n"),
	             "/message/x|/message/y|/message/z|");
}

static void fields_are_read_as_the_standard_says(void **state)
{
	(void)state;
	assert_reads(STR_LIT("data:x\n\ndata:  y\n\ndata\n\ndata:\n\n"),
	             "/message/x|/message/ y|/message/|/message/|");
	assert_reads(STR_LIT(": hi\nfoo: bar\nDATA: x\n\n"), "");
	assert_reads(STR_LIT("event: a\n\ndata: x\n\n"), "/message/x|");
	assert_reads(STR_LIT("id: 1\n\ndata: x\n\ndata: y\nid\n\n"), "1/message/x|/message/y|");
	assert_reads(STR_LIT("id: 1\nid: a\0b\ndata: x\n\n"), "1/message/x|");
	assert_reads(STR_LIT("data: never ended\n"), "");
	assert_reads(STR_LIT("data:a:b\n\n"), "/message/a:b|");
}

/* What other people's clients read too: tests/conformance/clients/eventsource.mjs. */
static void odd_bytes_are_read_as_others_read_them(void **state)
{
	(void)state;
	assert_reads(STR_LIT("\xef\xbb\xbf"
	                     "event: note\nid: 1\ndata: bom\n\n"
	                     "event: note\rid: 2\rdata: bare\rdata: cr\r\r"
	                     "event: note\r\nid: 3\r\ndata: both\r\n\r\n"
	                     "event: note\nid: 4\0\ndata: nul\n\n"
	                     ": comment\nfoo: bar\nretry: soon\nevent: note\nid: 5\ndata:  two\n\n"
	                     "event: note\nid: 6\ndata\n\n"),
	             "1/note/bom|2/note/bare\ncr|3/note/both|3/note/nul|5/note/ two|6/note/|");
}

static void only_a_byte_order_mark_at_the_start_is_dropped(void **state)
{
	(void)state;
	assert_reads(STR_LIT("\xef\xbb\xbf"
	                     "data: x\n\n"),
	             "/message/x|");
	assert_reads(STR_LIT("\xef\xbb"
	                     "data: x\n\n"),
	             "");
	assert_reads(STR_LIT("\n\xef\xbb\xbf"
	                     "data: x\n\n"),
	             "");
	assert_reads(STR_LIT("\xef\xbb\xbf\xef\xbb\xbf"
	                     "data: x\n\n"),
	             "");
}

static void retry_and_comments_are_kept_apart_from_events(void **state)
{
	struct sse_transcript t;

	(void)state;
	sse_transcript_init(&t);
	sse_transcript_feed(&t,
	                    STR_LIT("retry: 1500\n: a\n:b\n\nretry: x\nretry: -1\ndata: y\n\n"));
	assert_string_equal(buf_cstr(&t.text), "/message/y|");
	assert_int_equal(t.parser.retry_ms, 1500);
	assert_int_equal(t.parser.comments, 2);
	sse_transcript_fini(&t);
}

static void a_line_or_an_event_beyond_the_cap_is_an_error(void **state)
{
	char line[SSE_TRANSCRIPT_CAP + 1];
	struct sse_transcript t;
	struct buf in;

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_reads(str_make(line, SSE_TRANSCRIPT_CAP), "");
	assert_reads(str_make(line, sizeof(line)), "error");
	buf_init(&in, SIZE_MAX / 2);
	for (int i = 0; i < SSE_TRANSCRIPT_CAP; i++) {
		buf_add_cstr(&in, "data: x\n");
	}
	sse_transcript_init(&t);
	sse_transcript_feed(&t, buf_str(&in));
	assert_string_equal(buf_cstr(&t.text), "error");
	sse_transcript_fini(&t);
	buf_fini(&in);
}

static void what_is_written_is_read_back(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, SIZE_MAX / 2);
	sse_format_retry(&out, 2000);
	sse_format_comment(&out, STR_LIT("still here\nreally"));
	sse_format(&out, STR_LIT("3-17"), STR_LIT("log\nx"), STR_LIT("a\nb\r\nc\rd\n"));
	sse_format(&out, STR_LIT(""), STR_LIT(""), STR_LIT(""));
	assert_string_equal(buf_cstr(&out), "retry: 2000\n\n: still here really\n\n"
	                                    "id: 3-17\nevent: log x\ndata: a\ndata: b\ndata: c\n"
	                                    "data: d\ndata: \n\ndata: \n\n");
	assert_reads(buf_str(&out), "3-17/log x/a\nb\nc\nd\n|3-17/message/|");
	buf_fini(&out);
}

/* A filter shows as blocks with an id and nothing else; what is cut off has moved nothing. */
static void an_id_counts_once_its_block_is_complete(void **state)
{
	struct str in = STR_LIT("id: 1-4\n\nid: 1-5\n");
	struct sse_parser parser;

	(void)state;
	sse_parser_init(&parser, 100);
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_MORE);
	assert_true(str_eq(parser.id, STR_LIT("1-4")));
	in = STR_LIT("data: x\n");
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_MORE);
	assert_true(str_eq(parser.id, STR_LIT("1-4")));
	in = STR_LIT("\n");
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_EVENT);
	assert_true(str_eq(parser.id, STR_LIT("1-5")));
	sse_parser_fini(&parser);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_read_whatever_ends_their_lines),
		cmocka_unit_test(fields_are_read_as_the_standard_says),
		cmocka_unit_test(odd_bytes_are_read_as_others_read_them),
		cmocka_unit_test(only_a_byte_order_mark_at_the_start_is_dropped),
		cmocka_unit_test(retry_and_comments_are_kept_apart_from_events),
		cmocka_unit_test(a_line_or_an_event_beyond_the_cap_is_an_error),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(an_id_counts_once_its_block_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
