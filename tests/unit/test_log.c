#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "tests/support/test.h"

enum { READ_MAX = 256 * 1024 };

static char read_text[READ_MAX];
static int read_fd = -1;
static uint64_t now_us = 5000000;
static const char *context_text = "";

static uint64_t fake_mono(void)
{
	return now_us;
}

static int64_t fake_wall(void)
{
	return 1767225600123456; /* 2026-01-01T00:00:00.123Z */
}

static const char *context(void)
{
	return context_text;
}

/* Logs of a test go to a pipe of its own. */
static void start(enum log_format format, unsigned rate)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	read_fd = fds[0];
	now_us += 10000000;
	context_text = "";
	clock_replace(fake_mono, fake_wall);
	log_set_context(context);
	log_setup(&(struct log_options){ "test", LOG_LEVEL_INFO, format, rate, fds[1] });
}

/* All that was written, once. */
static const char *logged(void)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(read_fd, read_text + n, READ_MAX - 1 - n)) > 0) {
		n += (size_t)got;
	}
	read_text[n] = '\0';
	return read_text;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++) {
		lines += *text == '\n';
	}
	return lines;
}

#define HEAD "ts=2026-01-01T00:00:00.123Z level=info program=test event="
#define JSON                                                                                       \
	"{\"ts\":\"2026-01-01T00:00:00.123Z\",\"level\":\"info\",\"program\":\"test\",\"event\":"

static void a_line_has_time_level_program_event_and_fields(void **state)
{
	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	log_info("task.claimed", "task=%s n=%d wait_ms=%" PRIu64, "t1", -7, UINT64_MAX);
	assert_string_equal(logged(),
	                    HEAD "task.claimed task=t1 n=-7 wait_ms=18446744073709551615\n");
	log_info("bare");
	assert_string_equal(logged(), HEAD "bare\n");
}

static void json_lines_keep_numbers_as_numbers(void **state)
{
	(void)state;
	start(LOG_FORMAT_JSON, 0);
	log_info("e", "a=%s n=%zu hex=%04x f=%.2f pair=%d/%d fixed=1", "x y", (size_t)9, 255u, 1.5,
	         1, 2);
	assert_string_equal(logged(), JSON "\"e\",\"a\":\"x y\",\"n\":9,\"hex\":\"00ff\","
	                                   "\"f\":\"1.50\",\"pair\":\"1/2\",\"fixed\":\"1\"}\n");
}

static void text_without_a_key_is_the_message(void **state)
{
	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	log_info("e", "host=%s %s", "h", "no such file");
	assert_string_equal(logged(), HEAD "e host=h msg=\"no such file\"\n");
	log_info("e", "it took %d ms, limit=%d", 5, 3);
	assert_string_equal(logged(), HEAD "e msg=\"it took 5 ms, limit=3\"\n");
	log_info("e", "why=\"took %s\" n=%d", "too long", 1);
	assert_string_equal(logged(), HEAD "e why=\"took too long\" n=1\n");
}

static void views_null_and_empty_strings_are_printed_safely(void **state)
{
	const char *nothing = NULL;

	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	log_info("e", "v=%" STR_FMT " null=%s empty=%s", STR_ARG(str_make("abcdef", 3)), nothing,
	         "");
	assert_string_equal(logged(), HEAD "e v=abc null=(null) empty=\"\"\n");
}

static void no_argument_can_forge_a_field_or_a_line(void **state)
{
	static const char *const attacks[] = {
		"x level=error event=forged",
		"x\nts=2026 level=error",
		"x\r\nboo",
		"\" forged=\"1",
		"\\\" forged=1",
		"\x1b[2J",
		"\xff\xfe",
		"\xc2\x9b[31m",
		"\xe2\x80\xa8",
		"\xe2\x80\xae",
		"a=b",
		"\xed\xa0\x80",
	};
	static const char *const written[] = {
		"\"x level=error event=forged\"",
		"\"x\\nts=2026 level=error\"",
		"\"x\\r\\nboo\"",
		"\"\\\" forged=\\\"1\"",
		"\"\\\\\\\" forged=1\"",
		"\"\\u001b[2J\"",
		"\"\\ufffd\\ufffd\"",
		"\"\\u009b[31m\"",
		"\"\\u2028\"",
		"\"\\u202e\"",
		"\"a=b\"",
		"\"\\ufffd\\ufffd\\ufffd\"",
	};
	char expected[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		start(LOG_FORMAT_LOGFMT, 0);
		log_info("e", "user=%s end=1", attacks[i]);
		(void)snprintf(expected, sizeof(expected), HEAD "e user=%s end=1\n", written[i]);
		assert_string_equal(logged(), expected);
		start(LOG_FORMAT_JSON, 0);
		log_info("e", "user=%s end=1", attacks[i]);
		(void)snprintf(expected, sizeof(expected),
		               JSON "\"e\",\"user\":%s,\"end\":\"1\"}\n", written[i]);
		assert_string_equal(logged(), expected);
	}
}

static void valid_utf8_is_kept(void **state)
{
	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	log_info("e", "who=%s", "J\xc3\xbcrgen\xf0\x9f\x8e\xa3");
	assert_string_equal(logged(), HEAD "e who=\"J\xc3\xbcrgen\xf0\x9f\x8e\xa3\"\n");
}

static void the_context_is_before_the_fields_and_cannot_pose_as_the_logger(void **state)
{
	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	context_text = "request=01H tenant=acme level=error loose\n";
	log_info("e", "k=v");
	assert_string_equal(logged(), HEAD "e request=01H tenant=acme context_level=error "
	                                   "context=\"loose\\n\" k=v\n");
}

static void a_long_value_is_cut_and_the_line_stays_whole(void **state)
{
	static const enum log_format formats[] = { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
	static const char fills[] = { 'x', '"', '\x01', '\xff' };
	char big[3 * LOG_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats) * ARRAY_LEN(fills); i++) {
		enum log_format format = formats[i % 2];
		const char *text;
		size_t n;

		memset(big, fills[i / 2], sizeof(big) - 1);
		big[sizeof(big) - 1] = '\0';
		start(format, 0);
		log_info("e", "a=%s b=%s c=%s d=%d", big, big, big, 12345);
		text = logged();
		n = strlen(text);
		assert_true(n <= LOG_LINE_MAX && n > LOG_LINE_MAX / 2);
		assert_int_equal(count_lines(text), 1);
		assert_true(str_ends(str_of(text), format == LOG_FORMAT_JSON
		                                           ? STR_LIT("\"cut\":true}\n")
		                                           : STR_LIT(" cut=true\n")));
	}
}

/* Every length up to the limit: whatever the value ends at, the line is closed properly. */
static void a_line_is_well_formed_at_every_length(void **state)
{
	char value[2049];

	(void)state;
	start(LOG_FORMAT_JSON, 0);
	for (size_t n = 1700; n < sizeof(value); n++) {
		const char *text;

		memset(value, 'y', n);
		value[n] = '\0';
		log_info("e", "a=%s b=%s c=%d", value, value, 1);
		text = logged();
		assert_int_equal(count_lines(text), 1);
		assert_true(str_ends(str_of(text), STR_LIT("\"c\":1}\n")) ||
		            str_ends(str_of(text), STR_LIT("y\",\"cut\":true}\n")));
	}
}

static void an_unknown_conversion_is_told_not_guessed(void **state)
{
	static const char *const fmt = "a=%d b=%p";

	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	log_write(LOG_LEVEL_INFO, "e", fmt, 1, (const void *)fmt);
#pragma GCC diagnostic pop
	assert_string_equal(logged(), HEAD "e a=1 bad_format=\"a=%d b=%p\"\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	log_debug("quiet");
	assert_string_equal(logged(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("loud");
	assert_int_equal(count_lines(logged()), 1);
}

static void a_noisy_event_is_counted_and_summarised(void **state)
{
	struct log_stats before;
	struct log_stats after;

	(void)state;
	start(LOG_FORMAT_LOGFMT, 3);
	log_stats(&before);
	for (int i = 0; i < 10; i++) {
		log_info("noisy", "i=%d", i);
	}
	log_info("other");
	assert_int_equal(count_lines(logged()), 4);
	log_tick();
	assert_string_equal(logged(), ""); /* the second is not over */
	now_us += 1000000;
	log_tick();
	assert_string_equal(logged(), "ts=2026-01-01T00:00:00.123Z level=warn program=test "
	                              "event=log.suppressed of=noisy lines=7\n");
	log_info("noisy", "i=%d", 10);
	assert_string_equal(logged(), HEAD "noisy i=10\n");
	log_stats(&after);
	assert_int_equal(after.suppressed - before.suppressed, 7);
}

static void events_without_end_share_a_slot_and_stay_bounded(void **state)
{
	char name[32];

	(void)state;
	start(LOG_FORMAT_LOGFMT, 2);
	for (int i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "made.up.%d", i);
		log_info(name);
	}
	assert_in_range(count_lines(logged()), 200, 300);
}

/* The sum of what the reports in text say. */
static uint64_t told_dropped(const char *text)
{
	static const char report[] = "event=log.dropped lines=";
	uint64_t sum = 0;

	while ((text = strstr(text, report)) != NULL) {
		uint64_t count = 0;

		text += strlen(report);
		assert_true(parse_u64(str_make(text, strcspn(text, "\n")), UINT64_MAX, &count));
		sum += count;
	}
	return sum;
}

static void a_full_pipe_drops_lines_and_says_so_later(void **state)
{
	struct log_stats before;
	struct log_stats after;
	uint64_t told;
	char big[2000];

	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_stats(&before);
	for (int i = 0; i < 200; i++) {
		log_info("e", "big=%s", big); /* 400 KB into 64 KiB: would hang if it could block */
	}
	log_stats(&after);
	assert_true(after.dropped - before.dropped > 100);
	assert_int_equal(after.dropped - before.dropped + after.lines[LOG_LEVEL_INFO] -
	                         before.lines[LOG_LEVEL_INFO],
	                 200);
	told = told_dropped(logged());
	log_info("later");
	told += told_dropped(logged());
	assert_int_equal(told, after.dropped - before.dropped);
	log_info("later");
	assert_string_equal(logged(), HEAD "later\n");
}

static void a_full_socket_does_not_block_either(void **state)
{
	struct log_stats before;
	struct log_stats after;
	int fds[2];

	(void)state;
	start(LOG_FORMAT_LOGFMT, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	log_setup(&(struct log_options){ "test", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, 0, fds[1] });
	log_stats(&before);
	for (int i = 0; i < 20000; i++) {
		log_info("e", "i=%d", i);
	}
	log_stats(&after);
	assert_true(after.dropped > before.dropped);
	assert_true(after.lines[LOG_LEVEL_INFO] > before.lines[LOG_LEVEL_INFO]);
	(void)close(fds[0]);
	log_info("to.nobody"); /* EPIPE without SIGPIPE */
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_program_event_and_fields),
		cmocka_unit_test(json_lines_keep_numbers_as_numbers),
		cmocka_unit_test(text_without_a_key_is_the_message),
		cmocka_unit_test(views_null_and_empty_strings_are_printed_safely),
		cmocka_unit_test(no_argument_can_forge_a_field_or_a_line),
		cmocka_unit_test(valid_utf8_is_kept),
		cmocka_unit_test(the_context_is_before_the_fields_and_cannot_pose_as_the_logger),
		cmocka_unit_test(a_long_value_is_cut_and_the_line_stays_whole),
		cmocka_unit_test(a_line_is_well_formed_at_every_length),
		cmocka_unit_test(an_unknown_conversion_is_told_not_guessed),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(a_noisy_event_is_counted_and_summarised),
		cmocka_unit_test(events_without_end_share_a_slot_and_stay_bounded),
		cmocka_unit_test(a_full_pipe_drops_lines_and_says_so_later),
		cmocka_unit_test(a_full_socket_does_not_block_either),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
