/* Sections are RFC 7692's. */
#include <zlib.h>

#include "tests/support/test.h"
#include "ws/deflate.h"

enum { LIMIT = 100000, BITS = 15, LEVEL = 6 };

static void assert_inflates(struct ws_inflater *inflater, struct str payload, struct str wanted)
{
	struct buf out;

	buf_init(&out, LIMIT);
	assert_int_equal(ws_inflate(inflater, payload, true, LIMIT, &out), 0);
	assert_int_equal(out.len, wanted.n);
	assert_true(str_eq(buf_str(&out), wanted));
	buf_fini(&out);
}

static void assert_refused(struct str payload, bool text, size_t limit, unsigned code)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct buf out;

	buf_init(&out, LIMIT);
	assert_int_equal(ws_inflate(inflater, payload, text, limit, &out), code);
	assert_true(out.len <= limit);
	buf_fini(&out);
	ws_inflater_free(inflater);
}

static void section_7_2_3_1_a_message_in_one_block(void **state)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);

	(void)state;
	assert_inflates(inflater, STR_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"), STR_LIT("Hello"));
	ws_inflater_free(inflater);
}

static void section_7_2_3_2_the_window_is_shared_unless_given_up(void **state)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct str again = STR_LIT("\xf2\x00\x11\x00\x00");

	(void)state;
	assert_inflates(inflater, STR_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"), STR_LIT("Hello"));
	assert_inflates(inflater, again, STR_LIT("Hello"));
	assert_inflates(inflater, again, STR_LIT("Hello"));
	ws_inflater_free(inflater);
	assert_refused(again, true, LIMIT, WS_CODE_INVALID);

	inflater = ws_inflater_new(BITS, true);
	assert_inflates(inflater, STR_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"), STR_LIT("Hello"));
	{
		struct buf out;

		buf_init(&out, LIMIT);
		assert_int_equal(ws_inflate(inflater, again, true, LIMIT, &out), WS_CODE_INVALID);
		buf_fini(&out);
	}
	ws_inflater_free(inflater);
}

static void section_7_2_3_3_a_block_without_compression(void **state)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);

	(void)state;
	assert_inflates(inflater, STR_LIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
	                STR_LIT("Hello"));
	ws_inflater_free(inflater);
}

static void section_7_2_3_4_a_final_block_does_not_end_the_context(void **state)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);

	(void)state;
	assert_inflates(inflater, STR_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), STR_LIT("Hello"));
	assert_inflates(inflater, STR_LIT("\xf2\x00\x11\x00\x00"), STR_LIT("Hello"));
	ws_inflater_free(inflater);
}

static void final_blocks_in_one_message_are_counted(void **state)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct buf in;

	(void)state;
	buf_init(&in, LIMIT);
	for (unsigned i = 0; i < 16; i++) {
		buf_add(&in, "\x03\x00", 2);
	}
	buf_add(&in, "\x00", 1);
	assert_inflates(inflater, buf_str(&in), STR_LIT(""));
	ws_inflater_free(inflater);
	buf_reset(&in);
	for (unsigned i = 0; i < 17; i++) {
		buf_add(&in, "\x03\x00", 2);
	}
	buf_add(&in, "\x00", 1);
	assert_refused(buf_str(&in), true, LIMIT, WS_CODE_INVALID);
	buf_fini(&in);
}

static void section_7_2_3_5_two_blocks_in_one_message(void **state)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);

	(void)state;
	assert_inflates(inflater, STR_LIT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
	                STR_LIT("Hello"));
	ws_inflater_free(inflater);
}

static void section_7_2_3_6_an_empty_message_is_one_byte(void **state)
{
	struct ws_deflater *deflater = ws_deflater_new(BITS, false, LEVEL);
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct buf out;

	(void)state;
	buf_init(&out, LIMIT);
	assert_true(ws_deflate(deflater, STR_LIT(""), &out));
	assert_true(ws_deflate(deflater, STR_LIT(""), &out));
	assert_int_equal(out.len, 2);
	assert_memory_equal(out.data, "\0\0", 2);
	assert_inflates(inflater, STR_LIT("\0"), STR_LIT(""));
	assert_inflates(inflater, STR_LIT("\0"), STR_LIT(""));
	buf_fini(&out);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static void what_is_not_deflate_is_refused(void **state)
{
	(void)state;
	assert_refused(STR_LIT("\x06"), false, LIMIT, WS_CODE_INVALID);     /* block type 3 */
	assert_refused(STR_LIT("\xff\xff"), false, LIMIT, WS_CODE_INVALID); /* the same */
	assert_refused(STR_LIT(""), false, LIMIT, WS_CODE_INVALID);         /* not even a block */
	/* Cut: what is missing must not be taken from the tail. */
	assert_refused(STR_LIT("\xf2\x48\xcd"), false, LIMIT, WS_CODE_INVALID);
	assert_refused(STR_LIT("\x00\x05\x00\xfa\xff\x48"), false, LIMIT, WS_CODE_INVALID);
	assert_refused(STR_LIT("\x00\x04\x00\xfb\xff"), false, LIMIT, WS_CODE_INVALID);
}

static void text_is_checked_once_it_is_inflated(void **state)
{
	struct ws_deflater *deflater = ws_deflater_new(BITS, true, LEVEL);
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct buf squeezed, out;

	(void)state;
	buf_init(&squeezed, LIMIT);
	buf_init(&out, LIMIT);
	assert_true(ws_deflate(deflater, STR_LIT("ab\xed\xa0\x80"), &squeezed));
	assert_refused(buf_str(&squeezed), true, LIMIT, WS_CODE_INVALID);
	assert_int_equal(ws_inflate(inflater, buf_str(&squeezed), false, LIMIT, &out), 0);
	buf_fini(&squeezed);
	buf_fini(&out);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static void a_bomb_stops_at_the_limit(void **state)
{
	struct ws_deflater *deflater = ws_deflater_new(BITS, true, 9);
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct buf message, squeezed, out;
	size_t size = 8 * 1024 * 1024;

	(void)state;
	buf_init(&message, size);
	buf_init(&squeezed, size);
	buf_init(&out, LIMIT);
	memset(buf_reserve(&message, size), 'b', size);
	buf_commit(&message, size);
	assert_true(ws_deflate(deflater, buf_str(&message), &squeezed));
	assert_true(squeezed.len < 10000);
	assert_refused(buf_str(&squeezed), true, LIMIT, WS_CODE_TOO_BIG);
	assert_refused(buf_str(&squeezed), true, 0, WS_CODE_TOO_BIG);
	/* One byte more than allowed, and exactly what is allowed. */
	buf_reset(&squeezed);
	assert_true(ws_deflate(deflater, str_make(message.data, LIMIT), &squeezed));
	assert_refused(buf_str(&squeezed), true, LIMIT - 1, WS_CODE_TOO_BIG);
	assert_int_equal(ws_inflate(inflater, buf_str(&squeezed), true, LIMIT, &out), 0);
	assert_int_equal(out.len, LIMIT);
	buf_fini(&message);
	buf_fini(&squeezed);
	buf_fini(&out);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static void a_message_that_did_not_fit_leaves_a_context_the_client_can_follow(void **state)
{
	struct ws_deflater *deflater = ws_deflater_new(BITS, false, LEVEL);
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct str text = STR_LIT("the client has never seen this text, which was too long for it");
	struct buf small, out;

	(void)state;
	buf_init(&small, 8);
	buf_init(&out, LIMIT);
	assert_false(ws_deflate(deflater, text, &small));
	assert_true(ws_deflate(deflater, text, &out));
	assert_inflates(inflater, buf_str(&out), text);
	buf_fini(&small);
	buf_fini(&out);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Sizes about the chunks and windows; text that repeats over many distances, and noise. */
static void fill(struct buf *message, uint32_t *seed)
{
	static const size_t sizes[] = { 0, 1, 100, 511, 512, 513, 4091, 4096, 4101, 40000 };
	size_t size = sizes[next(seed) % ARRAY_LEN(sizes)];
	bool noise = next(seed) % 4 == 0;

	while (message->len < size) {
		if (noise) {
			buf_add_char(message, (char)next(seed));
		} else {
			buf_addf(message, "{\"event\":%u,\"type\":\"delta\"}", next(seed) % 50);
		}
	}
}

static void assert_round_trips(unsigned bits, bool no_takeover, int level)
{
	struct ws_deflater *deflater = ws_deflater_new(bits, no_takeover, level);
	struct ws_inflater *inflater = ws_inflater_new(bits, no_takeover);
	uint32_t seed = bits * 10 + (uint32_t)level;

	for (unsigned i = 0; i < 25; i++) {
		struct buf message, squeezed, out;

		buf_init(&message, LIMIT);
		buf_init(&squeezed, LIMIT);
		buf_init(&out, LIMIT);
		fill(&message, &seed);
		assert_true(ws_deflate(deflater, buf_str(&message), &squeezed));
		assert_int_equal(ws_inflate(inflater, buf_str(&squeezed), false, LIMIT, &out), 0);
		assert_true(str_eq(buf_str(&out), buf_str(&message)));
		buf_fini(&message);
		buf_fini(&squeezed);
		buf_fini(&out);
	}
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static void messages_come_back_at_every_window_and_level(void **state)
{
	(void)state;
	for (unsigned bits = WS_BITS_MIN; bits <= WS_BITS_MAX; bits++) {
		for (int level = 1; level <= 9; level += 4) {
			assert_round_trips(bits, false, level);
			assert_round_trips(bits, true, level);
		}
	}
}

/* RFC 7692 section 7.1.2.1: what we send never refers further back than was agreed. */
static void a_smaller_window_is_kept(void **state)
{
	struct ws_deflater *deflater = ws_deflater_new(WS_BITS_MIN, false, 9);
	struct buf message, squeezed;
	z_stream z = { .zalloc = Z_NULL };
	char out[1024];
	uint32_t seed = 3;

	(void)state;
	buf_init(&message, LIMIT);
	buf_init(&squeezed, LIMIT);
	for (unsigned i = 0; i < 600; i++) {
		buf_add_char(&message, (char)next(&seed));
	}
	buf_add(&message, message.data, 300); /* 600 back: only a larger window sees it */
	assert_true(ws_deflate(deflater, buf_str(&message), &squeezed));
	assert_int_equal(inflateInit2(&z, -WS_BITS_MIN), Z_OK);
	z.next_in = (Bytef *)squeezed.data;
	z.avail_in = (uInt)squeezed.len;
	z.next_out = (Bytef *)out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(z.total_out, message.len);
	assert_memory_equal(out, message.data, message.len);
	assert_int_equal(inflateEnd(&z), Z_OK);
	buf_fini(&message);
	buf_fini(&squeezed);
	ws_deflater_free(deflater);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(section_7_2_3_1_a_message_in_one_block),
		cmocka_unit_test(section_7_2_3_2_the_window_is_shared_unless_given_up),
		cmocka_unit_test(section_7_2_3_3_a_block_without_compression),
		cmocka_unit_test(section_7_2_3_4_a_final_block_does_not_end_the_context),
		cmocka_unit_test(final_blocks_in_one_message_are_counted),
		cmocka_unit_test(section_7_2_3_5_two_blocks_in_one_message),
		cmocka_unit_test(section_7_2_3_6_an_empty_message_is_one_byte),
		cmocka_unit_test(what_is_not_deflate_is_refused),
		cmocka_unit_test(text_is_checked_once_it_is_inflated),
		cmocka_unit_test(a_bomb_stops_at_the_limit),
		cmocka_unit_test(a_message_that_did_not_fit_leaves_a_context_the_client_can_follow),
		cmocka_unit_test(messages_come_back_at_every_window_and_level),
		cmocka_unit_test(a_smaller_window_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
