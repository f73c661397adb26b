/* "Autobahn n" is the number of a case in the Autobahn test suite's list; sections are RFC 6455's.
 */
#include <stdio.h>

#include "tests/support/test.h"
#include "tests/support/ws_transcript.h"

enum { FRAMES_MAX = 8, MASK = 0x3d21fa37, MOVES = 8 };

struct frame {
	unsigned first; /* 0: no more */
	struct str payload;
};

struct row {
	const char *name;
	struct frame frames[FRAMES_MAX];
	const char *wanted;
};

#define F(first, text)                                                                             \
	{                                                                                          \
		(first) | 0x100,                                                                   \
		{                                                                                  \
			(text), sizeof(text) - 1                                                   \
		}                                                                                  \
	}

/* Read by many readers, one after the other. */
static void assert_moves(struct str in, const char *wanted, size_t limit, bool deflate)
{
	for (size_t parts = 1; parts <= MOVES; parts++) {
		struct ws_transcript t;
		struct str rest = in;

		ws_transcript_init(&t, limit, deflate);
		while (rest.n > 0) {
			size_t n = parts < MOVES ? 1 + in.n / parts : 1 + in.n / 50;

			n = n < rest.n ? n : rest.n;
			ws_transcript_feed(&t, str_make(rest.p, n));
			ws_transcript_move(&t);
			rest = str_make(rest.p + n, rest.n - n);
		}
		assert_string_equal(buf_cstr(&t.text), wanted);
		ws_transcript_fini(&t);
	}
}

static void assert_reads_with(struct str in, const char *wanted, size_t limit, bool deflate)
{
	for (unsigned i = 0; i <= WS_SPLITS + 1; i++) {
		struct ws_transcript t;

		ws_transcript_init(&t, limit, deflate);
		if (i == 0) {
			ws_transcript_feed(&t, in);
		} else {
			ws_transcript_feed_cut(&t, in, i == 1 ? 1 : 1 + in.n / i, i);
		}
		assert_string_equal(buf_cstr(&t.text), wanted);
		ws_transcript_fini(&t);
	}
	assert_moves(in, wanted, limit, deflate);
}

static void assert_reads(struct str in, const char *wanted)
{
	assert_reads_with(in, wanted, WS_TRANSCRIPT_LIMIT, false);
}

static void assert_row(const struct row *row, bool deflate)
{
	struct buf in;

	buf_init(&in, SIZE_MAX / 2);
	for (size_t i = 0; i < FRAMES_MAX && row->frames[i].first != 0; i++) {
		ws_client_frame(&in, row->frames[i].first & 0xff, row->frames[i].payload, MASK);
	}
	print_message("%s\n", row->name);
	assert_reads_with(buf_str(&in), row->wanted, WS_TRANSCRIPT_LIMIT, deflate);
	buf_fini(&in);
}

static void assert_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_row(&rows[i], false);
	}
}

static void fill(struct buf *out, size_t n, char c)
{
	memset(buf_reserve(out, n + 1), c, n);
	buf_commit(out, n);
}

static void section_5_7_examples_are_read(void **state)
{
	(void)state;
	assert_reads(STR_LIT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "text:Hello|");
	assert_reads(STR_LIT("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "pong:Hello|");
}

static void section_5_2_every_length_is_read_and_written(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 128, 65535, 65536, 70000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct buf payload, in, wanted;

		buf_init(&payload, SIZE_MAX / 2);
		buf_init(&in, SIZE_MAX / 2);
		buf_init(&wanted, SIZE_MAX / 2);
		fill(&payload, sizes[i], '*');
		buf_addf(&wanted, "text:%s|binary:%s|", buf_cstr(&payload), buf_cstr(&payload));
		ws_client_frame(&in, 0x81, buf_str(&payload), MASK);
		ws_client_frame(&in, 0x82, buf_str(&payload), 0);
		assert_reads(buf_str(&in), buf_cstr(&wanted));
		buf_fini(&payload);
		buf_fini(&in);
		buf_fini(&wanted);
	}
}

static void section_5_2_a_length_is_minimal_and_has_63_bits(void **state)
{
	(void)state;
	assert_reads(STR_LIT("\x82\xfe\x00\x7d"), "error 1002|");
	assert_reads(STR_LIT("\x82\xff\0\0\0\0\0\0\xff\xff"), "error 1002|");
	assert_reads(STR_LIT("\x82\xff\0\0\0\0\0\0\0\0"), "error 1002|");
	assert_reads(STR_LIT("\x82\xff\x80\0\0\0\0\1\0\0"), "error 1002|");
	assert_reads(STR_LIT("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), "error 1009|");
	assert_reads(STR_LIT("\x82\xfe\x00"), "");
}

static void section_5_1_a_client_must_mask(void **state)
{
	(void)state;
	assert_reads(STR_LIT("\x81\x05Hello"), "error 1002|");
	assert_reads(STR_LIT("\x89\x00"), "error 1002|");
	assert_reads(STR_LIT("\x81\x80\0\0\0\0\x88\x00"), "text:|error 1002|");
}

static void section_5_2_reserved_bits_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "Autobahn 3.1", { F(0x91, "x") }, "error 1002|" },
		{ "Autobahn 3.2",
		  { F(0x81, "x"), F(0xa1, "y"), F(0x89, "") },
		  "text:x|error 1002|" },
		{ "Autobahn 3.3", { F(0x81, "x"), F(0xb1, "y") }, "text:x|error 1002|" },
		{ "Autobahn 3.4", { F(0xc1, "x") }, "error 1002|" },
		{ "Autobahn 3.5", { F(0xd2, "x") }, "error 1002|" },
		{ "Autobahn 3.6", { F(0xe9, "x") }, "error 1002|" },
		{ "Autobahn 3.7", { F(0xf8, "") }, "error 1002|" },
	};

	(void)state;
	assert_rows(rows, ARRAY_LEN(rows));
}

static void section_5_2_reserved_opcodes_are_refused(void **state)
{
	static const unsigned opcodes[] = { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(opcodes); i++) {
		struct row alone = { "Autobahn 4", { F(0x80 | opcodes[i], "x") }, "error 1002|" };
		struct row second = { "Autobahn 4",
			              { F(0x81, "x"), F(0x80 | opcodes[i], ""), F(0x89, "") },
			              "text:x|error 1002|" };

		assert_row(&alone, false);
		assert_row(&second, false);
	}
}

static void section_5_4_messages_come_in_fragments(void **state)
{
	static const struct row rows[] = {
		{ "Autobahn 5.3", { F(0x01, "Hello, "), F(0x80, "world") }, "text:Hello, world|" },
		{ "Autobahn 5.6",
		  { F(0x01, "Hello, "), F(0x89, "ping"), F(0x80, "world") },
		  "ping:ping|text:Hello, world|" },
		{ "Autobahn 5.9", { F(0x80, "x"), F(0x81, "y") }, "error 1002|" },
		{ "Autobahn 5.12", { F(0x00, "x"), F(0x81, "y") }, "error 1002|" },
		{ "Autobahn 5.15",
		  { F(0x01, "a"), F(0x80, "b"), F(0x00, "c"), F(0x81, "d") },
		  "text:ab|error 1002|" },
		{ "Autobahn 5.18", { F(0x01, "a"), F(0x01, "b") }, "error 1002|" },
		{ "Autobahn 5.19",
		  { F(0x01, "1"), F(0x00, "2"), F(0x89, "p1"), F(0x00, "3"), F(0x00, "4"),
		    F(0x89, "p2"), F(0x80, "5") },
		  "ping:p1|ping:p2|text:12345|" },
		{ "Autobahn 6.1.1", { F(0x81, "") }, "text:|" },
		{ "Autobahn 6.1.2", { F(0x01, ""), F(0x00, ""), F(0x80, "") }, "text:|" },
		{ "Autobahn 6.1.3", { F(0x01, ""), F(0x00, "mid"), F(0x80, "") }, "text:mid|" },
		{ "binary, then text",
		  { F(0x02, "\xff"), F(0x80, "\xfe"), F(0x81, "x") },
		  "binary:\xff\xfe|text:x|" },
		{ "binary inside text", { F(0x01, "a"), F(0x82, "b") }, "error 1002|" },
		{ "pong and close inside text",
		  { F(0x01, "a"), F(0x8a, "late"), F(0x88, "\x03\xe8"), F(0x80, "b") },
		  "pong:late|close 1000:|" },
	};

	(void)state;
	assert_rows(rows, ARRAY_LEN(rows));
}

static void section_5_5_control_frames_are_small_and_whole(void **state)
{
	struct buf payload, in, wanted;
	static const struct row rows[] = {
		{ "Autobahn 2.1", { F(0x89, "") }, "ping:|" },
		{ "Autobahn 2.2", { F(0x89, "Hello, world!") }, "ping:Hello, world!|" },
		{ "Autobahn 2.3", { F(0x89, "\x80\xff\xfe\xfd") }, "ping:\x80\xff\xfe\xfd|" },
		{ "Autobahn 2.7", { F(0x8a, "") }, "pong:|" },
		{ "Autobahn 2.9", { F(0x8a, "x"), F(0x89, "y") }, "pong:x|ping:y|" },
		{ "Autobahn 2.10",
		  { F(0x89, "1"), F(0x89, "2"), F(0x89, "3") },
		  "ping:1|ping:2|ping:3|" },
		{ "Autobahn 5.1", { F(0x09, "a"), F(0x80, "b") }, "error 1002|" },
		{ "Autobahn 5.2", { F(0x0a, "a"), F(0x80, "b") }, "error 1002|" },
		{ "a fragmented close", { F(0x08, "\x03\xe8") }, "error 1002|" },
	};

	(void)state;
	assert_rows(rows, ARRAY_LEN(rows));
	buf_init(&payload, SIZE_MAX / 2);
	buf_init(&in, SIZE_MAX / 2);
	buf_init(&wanted, SIZE_MAX / 2);
	fill(&payload, 125, 'p'); /* Autobahn 2.4 */
	ws_client_frame(&in, 0x89, buf_str(&payload), MASK);
	fill(&payload, 1, 'p'); /* Autobahn 2.5 */
	ws_client_frame(&in, 0x89, buf_str(&payload), MASK);
	buf_addf(&wanted, "ping:%.125s|error 1002|", buf_cstr(&payload));
	assert_reads(buf_str(&in), buf_cstr(&wanted));
	buf_fini(&payload);
	buf_fini(&in);
	buf_fini(&wanted);
}

static void section_5_5_1_close_payloads_are_checked(void **state)
{
	char reason[2 + 124] = "\x03\xe8";
	struct buf in, wanted;
	static const struct row rows[] = {
		{ "Autobahn 7.1.3", { F(0x88, ""), F(0x89, "x") }, "close 1005:|" },
		{ "Autobahn 7.1.4", { F(0x88, ""), F(0x81, "x") }, "close 1005:|" },
		{ "Autobahn 7.1.5", { F(0x01, "a"), F(0x88, ""), F(0x80, "b") }, "close 1005:|" },
		{ "Autobahn 7.3.2", { F(0x88, "a") }, "error 1002|" },
		{ "Autobahn 7.3.3", { F(0x88, "\x03\xe8") }, "close 1000:|" },
		{ "Autobahn 7.3.4",
		  { F(0x88, "\x03\xe8Hello World!") },
		  "close 1000:Hello World!|" },
		{ "Autobahn 7.5.1", { F(0x88, "\x03\xe8\xce\xba\xed\xa0\x80") }, "error 1007|" },
		{ "a cut reason", { F(0x88, "\x03\xe8\xce") }, "error 1007|" },
	};

	(void)state;
	assert_rows(rows, ARRAY_LEN(rows));
	memset(reason + 2, '*', sizeof(reason) - 2);
	buf_init(&in, SIZE_MAX / 2);
	buf_init(&wanted, SIZE_MAX / 2);
	ws_client_frame(&in, 0x88, str_make(reason, 125), MASK); /* Autobahn 7.3.5 */
	buf_addf(&wanted, "close 1000:%.123s|", reason + 2);
	assert_reads(buf_str(&in), buf_cstr(&wanted));
	buf_reset(&in);
	ws_client_frame(&in, 0x88, str_make(reason, 126), MASK); /* Autobahn 7.3.6 */
	assert_reads(buf_str(&in), "error 1002|");
	buf_fini(&in);
	buf_fini(&wanted);
}

/* Autobahn 7.7 and 7.9, and all others. */
static void section_7_4_every_close_code_is_valid_or_not(void **state)
{
	(void)state;
	for (unsigned code = 0; code <= UINT16_MAX; code++) {
		bool valid = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
		              code != 1006) ||
		             (code >= 3000 && code < 5000);
		char payload[2] = { (char)(code >> 8), (char)code }, wanted[32];
		struct ws_transcript t;
		struct buf in;

		buf_init(&in, SIZE_MAX / 2);
		ws_client_frame(&in, 0x88, str_make(payload, 2), MASK);
		ws_transcript_init(&t, 0, false);
		ws_transcript_feed(&t, buf_str(&in));
		(void)snprintf(wanted, sizeof(wanted), valid ? "close %u:|" : "error %u|",
		               valid ? code : WS_CODE_PROTOCOL);
		assert_string_equal(buf_cstr(&t.text), wanted);
		assert_int_equal(ws_code_is_valid(code), valid);
		ws_transcript_fini(&t);
		buf_fini(&in);
	}
}

static void section_8_1_text_is_utf_8_across_fragments(void **state)
{
	static const struct row rows[] = {
		{ "Autobahn 6.2.3",
		  { F(0x01, "Hello-\xc2"), F(0x00, "\xb5@\xc3"), F(0x00, "\x9f"),
		    F(0x80, "\xc3\xb6") },
		  "text:Hello-\xc2\xb5@\xc3\x9f\xc3\xb6|" },
		{ "Autobahn 6.3.1",
		  { F(0x81, "\xce\xba\xed\xa0\x80"), F(0x89, "") },
		  "error 1007|" },
		{ "Autobahn 6.6.1", { F(0x81, "\xce") }, "error 1007|" },
		{ "Autobahn 6.6.5", { F(0x81, "\xce\xba\xe1\xbd") }, "error 1007|" },
		{ "a cut character at the end of the message",
		  { F(0x01, "\xf0\x9f"), F(0x89, "p"), F(0x80, "\x98") },
		  "ping:p|error 1007|" },
		{ "a control frame inside a character",
		  { F(0x01, "\xf0\x9f"), F(0x89, "\xff"), F(0x80, "\x98\x80") },
		  "ping:\xff|text:\xf0\x9f\x98\x80|" },
		{ "Autobahn 6.5.1 to 6.7.4: the first of each length",
		  { F(0x81, "\x01"), F(0x81, "\xc2\x80"), F(0x81, "\xe0\xa0\x80"),
		    F(0x81, "\xf0\x90\x80\x80") },
		  "text:\x01|text:\xc2\x80|text:\xe0\xa0\x80|text:\xf0\x90\x80\x80|" },
		{ "Autobahn 6.9: the last of each length",
		  { F(0x81, "\x7f"), F(0x81, "\xdf\xbf"), F(0x81, "\xef\xbf\xbf"),
		    F(0x81, "\xf4\x8f\xbf\xbf") },
		  "text:\x7f|text:\xdf\xbf|text:\xef\xbf\xbf|text:\xf4\x8f\xbf\xbf|" },
		{ "Autobahn 6.11: around the surrogates",
		  { F(0x81, "\xed\x9f\xbf"), F(0x81, "\xee\x80\x80"), F(0x81, "\xef\xbf\xbd") },
		  "text:\xed\x9f\xbf|text:\xee\x80\x80|text:\xef\xbf\xbd|" },
		{ "Autobahn 6.22: noncharacters are characters here",
		  { F(0x81, "\xef\xbf\xbe"), F(0x81, "\xf0\x9f\xbf\xbf") },
		  "text:\xef\xbf\xbe|text:\xf0\x9f\xbf\xbf|" },
		{ "the check begins anew with each message",
		  { F(0x81, "a"), F(0x82, "\xce"), F(0x81, "\xce\xba") },
		  "text:a|binary:\xce|text:\xce\xba|" },
	};

	(void)state;
	assert_rows(rows, ARRAY_LEN(rows));
}

/* Autobahn 6.8, 6.10, 6.12 to 6.21. */
static void section_8_1_what_is_not_utf_8_is_refused(void **state)
{
	static const char *const texts[] = {
		"\x80",
		"\xbf",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\xaf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf7\xbf\xbf\xbf",
		"\xf8\x88\x80\x80\x80",
		"\xfb\xbf\xbf\xbf\xbf",
		"\xfc\x84\x80\x80\x80\x80",
		"\xfd\xbf\xbf\xbf\xbf\xbf",
		"\xfe",
		"\xff",
		"\xfe\xfe\xff\xff",
		"\xed\xa0\x80",
		"\xed\xad\xbf",
		"\xed\xae\x80",
		"\xed\xaf\xbf",
		"\xed\xb0\x80",
		"\xed\xbf\xbf",
		"\xed\xa0\x80\xed\xb0\x80",
		"\xe1\xbd ",
		"\xce\xce",
		"\xe2\x82",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct row row = { "Autobahn 6", { { 0x181, str_of(texts[i]) } }, "error 1007|" };

		assert_row(&row, false);
	}
}

/* Autobahn 6.4.1 to 6.4.4. */
static void section_8_1_bad_text_is_refused_before_the_frame_is_there(void **state)
{
	/* "a", then a character above U+10FFFF, of which only the second byte tells. */
	static const char masked[] = "\x81\xfe\x10\x00\0\0\0\0a\xf4\x90";
	struct ws_transcript t;

	(void)state;
	ws_transcript_init(&t, WS_TRANSCRIPT_LIMIT, false);
	ws_transcript_feed(&t, str_make(masked, sizeof(masked) - 2));
	assert_string_equal(buf_cstr(&t.text), "");
	ws_transcript_feed(&t, str_make(masked + sizeof(masked) - 2, 1));
	assert_string_equal(buf_cstr(&t.text), "error 1007|");
	ws_transcript_fini(&t);
}

static void a_message_beyond_the_limit_is_refused_by_its_head(void **state)
{
	(void)state;
	assert_reads_with(STR_LIT("\x81\x83\0\0\0\0abc"), "text:abc|", 3, false);
	assert_reads_with(STR_LIT("\x81\x84"), "error 1009|", 3, false);
	assert_reads_with(STR_LIT("\x01\x83\0\0\0\0abc\x00\x80\0\0\0\0\x80\x81"), "error 1009|", 3,
	                  false);
	assert_reads_with(STR_LIT("\x01\x83\0\0\0\0abc\x89\x84\0\0\0\0ping\x80\x80\0\0\0\0"),
	                  "ping:ping|text:abc|", 3, false);
	assert_reads_with(STR_LIT("\x82\xff\0\0\0\1\0\0\0\0"), "error 1009|", 65536, false);
}

static void rfc_7692_section_6_rsv1_marks_the_first_frame_of_a_message(void **state)
{
	static const struct row rows[] = {
		{ "compressed", { F(0xc1, "\xff\xfe") }, "compressed text:\xff\xfe|" },
		{ "in fragments", { F(0x42, "a"), F(0x80, "b") }, "compressed binary:ab|" },
		{ "not all are", { F(0xc1, "a"), F(0x81, "b") }, "compressed text:a|text:b|" },
		{ "a continuation", { F(0x41, "a"), F(0xc0, "b") }, "error 1002|" },
		{ "a ping", { F(0xc9, "a") }, "error 1002|" },
		{ "a close", { F(0xc8, "") }, "error 1002|" },
		{ "RSV2", { F(0xe1, "a") }, "error 1002|" },
		{ "text is still checked", { F(0x81, "\xff") }, "error 1007|" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_row(&rows[i], true);
	}
}

static void section_5_5_1_after_our_close_only_the_peers_is_reported(void **state)
{
	struct ws_transcript t;
	struct buf in;

	(void)state;
	buf_init(&in, SIZE_MAX / 2);
	ws_client_frame(&in, 0x80, STR_LIT("\xffrest"), MASK);
	ws_client_frame(&in, 0x81, STR_LIT("longer than the limit"), MASK);
	ws_client_frame(&in, 0x89, STR_LIT("ping"), MASK);
	ws_client_frame(&in, 0x88,
	                STR_LIT("\x03\xe9"
	                        "bye"),
	                MASK);
	ws_client_frame(&in, 0x89, STR_LIT("ignored"), MASK);
	for (size_t piece = 1; piece <= in.len; piece++) {
		ws_transcript_init(&t, 8, false);
		ws_transcript_feed(&t, STR_LIT("\x01\x83\0\0\0\0ab")); /* a byte is missing */
		ws_reader_closing(&t.reader);
		ws_transcript_feed(&t, STR_LIT("c"));
		ws_transcript_feed_cut(&t, buf_str(&in), piece, 1);
		assert_string_equal(buf_cstr(&t.text), "close 1001:bye|");
		ws_transcript_fini(&t);
	}
	ws_transcript_init(&t, 8, false);
	ws_reader_closing(&t.reader);
	ws_transcript_feed(&t, STR_LIT("\x80\x80\0\0\0\0"));
	assert_string_equal(buf_cstr(&t.text), "error 1002|");
	ws_transcript_fini(&t);
	buf_fini(&in);
}

static void an_idle_reader_is_small_and_holds_nothing(void **state)
{
	struct ws_transcript t;

	(void)state;
	assert_true(sizeof(struct ws_reader) <= 160);
	ws_transcript_init(&t, WS_TRANSCRIPT_LIMIT, false);
	ws_transcript_feed(&t, STR_LIT("\x81\x83\0\0\0\0abc\x89\x82\0\0\0\0de"));
	assert_string_equal(buf_cstr(&t.text), "text:abc|ping:de|");
	assert_null(t.reader.bytes.data);
	ws_transcript_fini(&t);
}

static void section_5_2_headers_of_ours_are_short_and_unmasked(void **state)
{
	char out[WS_HEADER_SIZE];

	(void)state;
	assert_int_equal(ws_format_header(out, WS_TEXT, WS_FINAL, 125), 2);
	assert_memory_equal(out, "\x81\x7d", 2);
	assert_int_equal(ws_format_header(out, WS_BINARY, WS_FINAL | WS_COMPRESSED, 126), 4);
	assert_memory_equal(out, "\xc2\x7e\x00\x7e", 4);
	assert_int_equal(ws_format_header(out, WS_TEXT, 0, 65535), 4);
	assert_memory_equal(out, "\x01\x7e\xff\xff", 4);
	assert_int_equal(ws_format_header(out, WS_CONTINUATION, WS_FINAL, 65536), 10);
	assert_memory_equal(out, "\x80\x7f\0\0\0\0\0\1\0\0", 10);
}

static void section_5_5_control_frames_of_ours_fit(void **state)
{
	char out[WS_CONTROL_SIZE], reason[130];
	size_t n;

	(void)state;
	assert_int_equal(ws_format_control(out, WS_PONG, STR_LIT("hi")), 4);
	assert_memory_equal(out, "\x8a\x02hi", 4);
	assert_int_equal(ws_format_close(out, WS_CODE_NONE, STR_LIT("not said")), 2);
	assert_memory_equal(out, "\x88\x00", 2);
	assert_int_equal(ws_format_close(out, 4001, STR_LIT("why")), 7);
	assert_memory_equal(out, "\x88\x05\x0f\xa1why", 7);
	/* 122 bytes, then a character of two that would be cut. */
	memset(reason, 'r', sizeof(reason));
	reason[122] = '\xc3';
	reason[123] = '\xb6';
	n = ws_format_close(out, WS_CODE_NORMAL, str_make(reason, sizeof(reason)));
	assert_int_equal(n, 2 + 2 + 122);
	assert_int_equal(out[1], 2 + 122);
	reason[122] = 'r';
	reason[123] = 'r';
	n = ws_format_close(out, WS_CODE_NORMAL, str_make(reason, sizeof(reason)));
	assert_int_equal(n, WS_CONTROL_SIZE);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Random messages in random fragments with pings between, in random pieces. */
static void random_messages_are_read_back(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		bool text = next(&seed) % 2 == 0;
		size_t size = next(&seed) % (round % 10 == 0 ? 3000 : 40), at = 0;
		struct buf payload, in, wanted;
		unsigned first = text ? WS_TEXT : WS_BINARY;

		buf_init(&payload, SIZE_MAX / 2);
		buf_init(&in, SIZE_MAX / 2);
		buf_init(&wanted, SIZE_MAX / 2);
		while (payload.len < size) {
			/* printable, with a character of three bytes now and then */
			if (next(&seed) % 5 == 0) {
				buf_add_cstr(&payload, "\xe2\x82\xac");
			} else {
				buf_add_char(&payload, (char)(' ' + next(&seed) % 90));
			}
		}
		for (bool final = false; !final; first = WS_CONTINUATION) {
			size_t n = next(&seed) % (payload.len - at + 1);

			final = at + n == payload.len;
			ws_client_frame(&in, first | (final ? WS_FINAL : 0),
			                str_make(buf_cstr(&payload) + at, n), next(&seed));
			at += n;
			if (!final && next(&seed) % 3 == 0) {
				ws_client_frame(&in, 0x89, STR_LIT("p"), next(&seed));
				buf_add_cstr(&wanted, "ping:p|");
			}
		}
		buf_addf(&wanted, "%s:%s|", text ? "text" : "binary", buf_cstr(&payload));
		assert_reads(buf_str(&in), buf_cstr(&wanted));
		buf_fini(&payload);
		buf_fini(&in);
		buf_fini(&wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(section_5_7_examples_are_read),
		cmocka_unit_test(section_5_2_every_length_is_read_and_written),
		cmocka_unit_test(section_5_2_a_length_is_minimal_and_has_63_bits),
		cmocka_unit_test(section_5_1_a_client_must_mask),
		cmocka_unit_test(section_5_2_reserved_bits_are_refused),
		cmocka_unit_test(section_5_2_reserved_opcodes_are_refused),
		cmocka_unit_test(section_5_4_messages_come_in_fragments),
		cmocka_unit_test(section_5_5_control_frames_are_small_and_whole),
		cmocka_unit_test(section_5_5_1_close_payloads_are_checked),
		cmocka_unit_test(section_7_4_every_close_code_is_valid_or_not),
		cmocka_unit_test(section_8_1_text_is_utf_8_across_fragments),
		cmocka_unit_test(section_8_1_what_is_not_utf_8_is_refused),
		cmocka_unit_test(section_8_1_bad_text_is_refused_before_the_frame_is_there),
		cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_head),
		cmocka_unit_test(rfc_7692_section_6_rsv1_marks_the_first_frame_of_a_message),
		cmocka_unit_test(section_5_5_1_after_our_close_only_the_peers_is_reported),
		cmocka_unit_test(an_idle_reader_is_small_and_holds_nothing),
		cmocka_unit_test(section_5_2_headers_of_ours_are_short_and_unmasked),
		cmocka_unit_test(section_5_5_control_frames_of_ours_fit),
		cmocka_unit_test(random_messages_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
