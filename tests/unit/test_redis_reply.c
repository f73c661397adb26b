#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "redis/reply.h"
#include "tests/support/test.h"

static const char wire[] =
	"+OK\r\n-WRONGTYPE no\r\n:-42\r\n$-1\r\n*-1\r\n$0\r\n\r\n$5\r\na\0b\r\n\r\n"
	"*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n-E e\r\n:7\r\n";

/* One line a reply, in a notation of its own. */
static void render(struct buf *out, const struct redis_reply *reply)
{
	struct str text = redis_reply_str(reply);

	switch (redis_reply_type(reply)) {
	case REDIS_NIL: buf_add_char(out, '_'); break;
	case REDIS_INTEGER: buf_addf(out, "%lld", (long long)redis_reply_int(reply)); break;
	case REDIS_STRING:
		buf_addf(out, "%zu'", text.n);
		buf_add_str(out, text);
		buf_add_char(out, '\'');
		break;
	case REDIS_STATUS: buf_addf(out, "+%.*s", (int)text.n, text.p); break;
	case REDIS_ERROR: buf_addf(out, "-%.*s", (int)text.n, text.p); break;
	case REDIS_ARRAY:
		buf_add_char(out, '[');
		for (size_t i = 0; i < redis_reply_len(reply); i++) {
			render(out, redis_reply_at(reply, i));
			buf_add_char(out, ' ');
		}
		buf_add_char(out, ']');
		break;
	}
}

static enum err_code drain(struct redis_parser *parser, struct buf *out)
{
	struct redis_reply *reply = NULL;
	struct err err;

	while (redis_parser_next(parser, &reply, &err) == ERR_OK) {
		if (reply == NULL) {
			return ERR_OK;
		}
		render(out, reply);
		buf_add_char(out, '\n');
		redis_reply_free(reply);
	}
	return err.code;
}

static void assert_rendered(const struct buf *out)
{
	static const char want[] = "+OK\n-WRONGTYPE no\n-42\n_\n_\n0''\n5'a\0b\r\n'\n"
				   "[1 [1'x' [] ] -E e ]\n7\n";

	assert_true(str_eq(buf_str(out), STR_LIT(want)));
}

/* The same bytes in pieces whose lengths next() gives. */
static void parse_in_pieces(size_t (*next)(void))
{
	struct redis_parser *parser = redis_parser_new();
	size_t len = sizeof(wire) - 1;
	struct buf out;

	buf_init(&out, 4096);
	for (size_t at = 0; at < len;) {
		size_t piece = next();

		piece = piece < len - at ? piece : len - at;
		assert_true(redis_parser_feed(parser, wire + at, piece));
		assert_int_equal(drain(parser, &out), ERR_OK);
		at += piece;
	}
	assert_rendered(&out);
	buf_fini(&out);
	redis_parser_free(parser);
}

static size_t whole(void)
{
	return sizeof(wire);
}

static size_t one_byte(void)
{
	return 1;
}

/* xorshift32: the same cuts in every run. */
static size_t random_piece(void)
{
	static uint32_t x = 1;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return 1 + x % 12;
}

static void replies_arrive_however_the_bytes_are_cut(void **state)
{
	(void)state;
	parse_in_pieces(whole);
	parse_in_pieces(one_byte);
	for (int i = 0; i < 500; i++) {
		parse_in_pieces(random_piece);
	}
}

static void what_is_not_resp2_is_an_error(void **state)
{
	static const char *const wrong[] = {
		"HTTP/1.1 200 OK\r\n",
		"$x\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", /* too deep */
		"*1048577\r\n",                                                       /* too many */
		"*2147483647\r\n",
		"*2\r\n:1\r\n*99999999\r\n",
		"%1\r\n:1\r\n:2\r\n", /* RESP3 */
		"~1\r\n:1\r\n",
		"#t\r\n",
		",1.5\r\n",
		"=4\r\ntxt:\r\n",
		"*1\r\n#t\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct redis_parser *parser = redis_parser_new();
		struct buf out;

		buf_init(&out, 4096);
		assert_true(redis_parser_feed(parser, wrong[i], strlen(wrong[i])));
		if (drain(parser, &out) != ERR_BACKEND) {
			fail_msg("accepted: %s", wrong[i]);
		}
		buf_fini(&out);
		redis_parser_free(parser);
	}
}

static void a_reply_is_refused_when_it_passes_the_bound(void **state)
{
	enum { PIECE = 1024 * 1024 };
	static char bytes[PIECE];
	struct redis_parser *parser = redis_parser_new();
	struct redis_reply *reply = NULL;
	struct err err;
	size_t fed = 0;

	(void)state;
	assert_true(redis_parser_feed(parser, "$2000000000\r\n", 13));
	while (redis_parser_feed(parser, bytes, PIECE)) {
		fed += PIECE;
		assert_int_equal(redis_parser_next(parser, &reply, &err), ERR_OK);
		assert_null(reply);
		assert_true(fed <= REDIS_REPLY_MAX);
	}
	assert_true(fed >= REDIS_REPLY_MAX - 2 * PIECE);
	redis_parser_free(parser);
}

static void many_replies_together_do_not_count_as_one(void **state)
{
	struct redis_parser *parser = redis_parser_new();
	struct redis_reply *reply = NULL;
	static char value[REDIS_FEED];
	struct err err;

	(void)state;
	for (size_t fed = 0; fed < (size_t)REDIS_REPLY_MAX / 8 * 9; fed += sizeof(value)) {
		assert_true(redis_parser_feed(parser, "$16384\r\n", 8));
		assert_true(redis_parser_feed(parser, value, sizeof(value)));
		assert_true(redis_parser_feed(parser, "\r\n", 2));
		assert_int_equal(redis_parser_next(parser, &reply, &err), ERR_OK);
		assert_non_null(reply);
		redis_reply_free(reply);
	}
	redis_parser_free(parser);
}

static void an_error_reply_becomes_the_right_code(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "LOADING Redis is loading", ERR_UNAVAILABLE },
		{ "READONLY x", ERR_UNAVAILABLE },
		{ "MASTERDOWN x", ERR_UNAVAILABLE },
		{ "TRYAGAIN x", ERR_UNAVAILABLE },
		{ "OOM command not allowed", ERR_UNAVAILABLE },
		{ "NOAUTH x", ERR_BACKEND },
		{ "WRONGPASS x", ERR_BACKEND },
		{ "ERR LOADING", ERR_BACKEND },
		{ "OOMPH x", ERR_BACKEND },
		{ "", ERR_BACKEND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		struct redis_reply reply = { .type = REDIS_ERROR, .n = strlen(cases[i].text) };
		struct err err;

		assert_true(str_copy(text, sizeof(text), str_of(cases[i].text)));
		reply.text = text;
		assert_int_equal(redis_reply_error(&reply, &err), cases[i].code);
		assert_string_equal(err.msg, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_arrive_however_the_bytes_are_cut),
		cmocka_unit_test(what_is_not_resp2_is_an_error),
		cmocka_unit_test(a_reply_is_refused_when_it_passes_the_bound),
		cmocka_unit_test(many_replies_together_do_not_count_as_one),
		cmocka_unit_test(an_error_reply_becomes_the_right_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
