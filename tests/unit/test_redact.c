#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "json/write.h"
#include "tests/support/test.h"
#include "worker/redact.h"
#include "worker/redact_event.h"

enum { ROOM = 8 << 20 };

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}
#define KEY36 "abcdefghijklmnopqrstuvwxyz0123456789"

static const struct redact_value values[] = {
	{ TEXT("DB_PASSWORD"), TEXT("hunter2/\"plus\"+\xc3\xa4?&z") },
	{ TEXT("ANTHROPIC_API_KEY"), TEXT("sk-ant-api03-verysecret") },
	{ TEXT("PERIODIC"), TEXT("abababababX") },
	{ TEXT("DEPLOY_KEY"), TEXT("first line of a key\nsecond line of a key\n") },
	{ TEXT("DIGITS"), TEXT("12345678901") },
};

static struct redact *with_values(void)
{
	return redact_new(values, ARRAY_LEN(values));
}

/* max_step 0: whole; else pieces of up to it; flushed after each piece when it is asked for. */
static char *clean(const struct redact *redact, struct str in, size_t max_step, bool flush)
{
	struct redact_stream *stream = redact_stream_new(redact);
	struct buf out;

	buf_init(&out, ROOM);
	while (in.n > 0) {
		size_t n = max_step == 0 ? in.n : 1 + (size_t)rand() % max_step;

		n = n < in.n ? n : in.n;
		redact_feed(stream, str_make(in.p, n), &out);
		if (flush) {
			redact_flush(stream, &out);
		}
		in.p += n;
		in.n -= n;
	}
	redact_end(stream, &out);
	assert_int_equal(redact_held(stream), 0);
	redact_stream_free(stream);
	return buf_take(&out);
}

static void check(const struct redact *redact, const char *in, const char *expected)
{
	for (size_t step = 0; step < 12; step++) {
		char *out = clean(redact, str_of(in), step, false);

		assert_string_equal(out, expected);
		free(out);
	}
	for (size_t at = 0; at <= strlen(in); at++) {
		struct redact_stream *stream = redact_stream_new(redact);
		struct buf out;

		buf_init(&out, ROOM);
		redact_feed(stream, str_make(in, at), &out);
		redact_feed(stream, str_of(in + at), &out);
		redact_end(stream, &out);
		assert_string_equal(buf_cstr(&out), expected);
		buf_fini(&out);
		redact_stream_free(stream);
	}
}

static const struct {
	const char *secret, *kept; /* kept: what of it is no secret */
} shapes[] = {
	{ "sk-ant-api03-AbC_d-9", "" },
	{ "sk-proj-abcdefghij0123456789", "" },
	{ "ghp_" KEY36, "" },
	{ "gho_" KEY36, "" },
	{ "ghu_" KEY36, "" },
	{ "ghs_" KEY36, "" },
	{ "ghr_" KEY36, "" },
	{ "github_pat_" KEY36, "" },
	{ "glpat-" KEY36, "" },
	{ "npm_" KEY36, "" },
	{ "xoxb-12345678-abc", "" },
	{ "xoxp-12345678-abc", "" },
	{ "AKIAIOSFODNN7EXAMPLE", "" },
	{ "ASIAIOSFODNN7EXAMPLE", "" },
	{ "AIzaSyA0123456789012345678901234567890X", "" },
	{ "Bearer abcdefghij0123456789.-_~+/=", "Bearer " },
	{ "bearer \tabcdefghij0123456789", "bearer \t" },
	{ "ANTHROPIC_API_KEY=whatever", "ANTHROPIC_API_KEY=" },
	{ "OPENAI_API_KEY='x'", "OPENAI_API_KEY='" },
	{ "AWS_SECRET_ACCESS_KEY=a/b+c", "AWS_SECRET_ACCESS_KEY=" },
	{ "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s1gn-ature_", "" },
	{ "-----BEGIN PRIVATE KEY-----\nMIIE+/=\nabc\n-----END PRIVATE KEY-----", "" },
	{ "-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIE\r\n-----END ENCRYPTED PRIVATE KEY-----",
	  "" },
	{ "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
	  "00\n\nMIIE\n-----END RSA PRIVATE KEY-----",
	  "" },
	{ "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNz\\n-----END OPENSSH PRIVATE KEY-----",
	  "" },
	{ "-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----", "" },
	{ "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END PGP PRIVATE KEY BLOCK-----", "" },
};

static void every_shape_is_found_wherever_it_is_split(void **state)
{
	struct redact *redact = redact_new(NULL, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const char *end = strchr(shapes[i].secret, '\'') != NULL ? "'" : "";
		char in[512], expected[512];

		(void)snprintf(in, sizeof(in), "before {%s} after", shapes[i].secret);
		(void)snprintf(expected, sizeof(expected), "before {%s[REDACTED]%s} after",
		               shapes[i].kept, end);
		if (strncmp(shapes[i].kept, "AWS", 3) == 0 || strstr(shapes[i].kept, "THROPIC")) {
			/* A value goes on to the next blank. */
			(void)snprintf(expected, sizeof(expected), "before {%s[REDACTED] after",
			               shapes[i].kept);
		}
		check(redact, in, expected);
	}
	redact_free(redact);
}

static void passwords_in_urls_are_found(void **state)
{
	struct redact *redact = redact_new(NULL, 0);

	(void)state;
	check(redact, "postgres://app:s3cret@db:5432/x", "postgres://app:[REDACTED]@db:5432/x");
	check(redact, "redis://:p%40ss:word@h/0", "redis://:[REDACTED]@h/0");
	check(redact, "a mongodb+srv://u:p@h", "a mongodb+srv://u:[REDACTED]@h");
	check(redact, "http://host:8080/a@b https://example.org",
	      "http://host:8080/a@b "
	      "https://example.org");
	redact_free(redact);
}

static void two_keys_in_a_row_are_both_found(void **state)
{
	struct redact *redact = redact_new(NULL, 0);

	(void)state;
	check(redact,
	      "-----BEGIN PRIVATE KEY-----\nAA\n-----BEGIN RSA PRIVATE KEY-----\nBB\n"
	      "-----END RSA PRIVATE KEY-----\nbye.",
	      "[REDACTED]\nbye.");
	check(redact, "Bearer Bearer abcdefghij0123456789!", "Bearer Bearer [REDACTED]!");
	check(redact, "AKIAAKIAIOSFODNN7EXAMPLE.", "[REDACTED].");
	redact_free(redact);
}

static void what_only_looks_alike_stays(void **state)
{
	static const char *const texts[] = {
		"task-management-and-scheduling",
		"sk-learn is a library",
		"ghp_short",
		"Bearer of bad news",
		"eyJust a word",
		"AKIA",
		"-----BEGIN CERTIFICATE-----",
		"git://host:path",
		"ANTHROPIC_API_KEY=",
		"https://example.org:443",
	};
	struct redact *redact = with_values();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		check(redact, texts[i], texts[i]);
	}
	redact_free(redact);
}

static void values_are_found_by_name_wherever_they_are_split(void **state)
{
	struct redact *redact = with_values();

	(void)state;
	check(redact, "x hunter2/\"plus\"+\xc3\xa4?&z y", "x [REDACTED:DB_PASSWORD] y");
	check(redact, "sk-ant-api03-verysecret", "[REDACTED:ANTHROPIC_API_KEY]");
	check(redact, "abababababababX-", "abab[REDACTED:PERIODIC]-");
	check(redact, "first line of a key\nsecond line of a key\nz", "[REDACTED:DEPLOY_KEY]\nz");
	check(redact, "  1> second line of a key.", "  1> [REDACTED:DEPLOY_KEY].");
	check(redact, "hunter2/\"plu", "hunter2/\"plu");
	redact_free(redact);
}

static void values_are_found_in_their_other_forms(void **state)
{
	struct redact *redact = with_values();

	(void)state;
	check(redact, "hunter2%2F%22plus%22%2B%C3%A4%3F%26z", "[REDACTED:DB_PASSWORD]");
	check(redact, "hunter2%2f%22plus%22%2b%c3%a4%3f%26z", "[REDACTED:DB_PASSWORD]");
	check(redact, "{\"a\":\"hunter2/\\\"plus\\\"+\xc3\xa4?&z\"}",
	      "{\"a\":\"[REDACTED:DB_PASSWORD]\"}");
	check(redact, "hunter2/\\\\\\\"plus\\\\\\\"+\xc3\xa4?&z", "[REDACTED:DB_PASSWORD]");
	/* base64 of the value, and of user:value in two more positions */
	check(redact, "PASS aHVudGVyMi8icGx1cyIrw6Q/Jno=", "PASS [REDACTED:DB_PASSWORD]o=");
	check(redact, "aHVudGVyMi8icGx1cyIrw6Q_Jno", "[REDACTED:DB_PASSWORD]o");
	check(redact, "dTpodW50ZXIyLyJwbHVzIivDpD8meg==", "dTp[REDACTED:DB_PASSWORD]g==");
	check(redact, "dXM6aHVudGVyMi8icGx1cyIrw6Q/Jno=", "dXM6[REDACTED:DB_PASSWORD]o=");
	redact_free(redact);
}

static void a_text_that_stands_still_shows_no_more_than_a_few_bytes(void **state)
{
	struct redact *redact = with_values();

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(values); v++) {
		for (size_t step = 1; step < 12; step++) {
			char *out = clean(redact, values[v].value, step, true);
			char part[REDACT_PART_MIN + 1] = "";

			for (size_t i = 0; i + REDACT_PART_MIN <= values[v].value.n; i++) {
				memcpy(part, values[v].value.p + i, REDACT_PART_MIN);
				assert_null(strstr(out, part));
			}
			assert_non_null(strstr(out, "[REDACTED"));
			free(out);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		char *out = clean(redact, str_of(shapes[i].secret), 3, true);

		assert_non_null(strstr(out, "[REDACTED"));
		free(out);
	}
	redact_free(redact);
}

static void ports_at_the_end_are_no_passwords(void **state)
{
	struct redact *redact = with_values();
	char *out = clean(redact, STR_LIT("http://host:8080"), 0, true);

	(void)state;
	assert_string_equal(out, "http://host:8080");
	free(out);
	redact_free(redact);
}

static void what_is_held_back_is_bounded(void **state)
{
	struct redact *redact = with_values();
	struct redact_stream *stream = redact_stream_new(redact);
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	for (int i = 0; i < 200000; i++) {
		static const char letters[] = "eyJaBs-k/:@.";
		char c = letters[(unsigned)rand() % (sizeof(letters) - 1)];

		redact_feed(stream, str_make(&c, 1), &out);
		assert_true(redact_held(stream) < 8192);
	}
	redact_feed(stream, STR_LIT(" eyJ"), &out);
	for (int i = 0; i < 200000; i++) {
		redact_feed(stream, STR_LIT("a"), &out);
		assert_true(redact_held(stream) < 8192);
	}
	buf_fini(&out);
	redact_stream_free(stream);
	redact_free(redact);
}

/* ---- events ---- */

struct heard {
	struct redact_events *events;
	struct buf text; /* type and data, one a line */
	struct buf deltas;
};

static void hear(void *arg, enum event_type type, struct str data)
{
	struct heard *heard = arg;
	struct str level;

	assert_true(event_data_ok(data, &level));
	assert_true(data.n <= EVENT_DATA_MAX);
	buf_addf(&heard->text, "%s %" STR_FMT "\n", event_type_info(type)->name, STR_ARG(data));
}

static void begin_hearing(struct heard *heard, const struct redact *redact)
{
	buf_init(&heard->text, ROOM);
	heard->events = redact_events_new(redact, hear, heard);
}

static void end_hearing(struct heard *heard)
{
	redact_events_free(heard->events);
	buf_fini(&heard->text);
}

static void say(struct heard *heard, enum event_type type, const char *data)
{
	redact_events_add(heard->events, type, str_of(data), 1000);
}

static void strings_names_and_numbers_of_an_event_are_looked_at(void **state)
{
	struct redact *redact = with_values();
	struct heard heard;

	(void)state;
	begin_hearing(&heard, redact);
	say(&heard, EVENT_TYPE_TOOL_USE,
	    "{\"tool_args\":{\"sk-ant-api03-verysecret\":[12345678901,true,-1.5e10],\"k\":"
	    "\"-----BEGIN PRIVATE KEY-----\\nMII\\n-----END PRIVATE KEY-----\\n\"},\"s\":"
	    "\"\\u0073k-ant-api03-verysecret\",\"e\":\"\\u00e4\\ud83d\\ude00\"}");
	assert_string_equal(buf_cstr(&heard.text),
	                    "tool_use {\"tool_args\":{\"[REDACTED:ANTHROPIC_API_KEY]\":["
	                    "\"[REDACTED:DIGITS]\",true,-1.5e10],\"k\":\"[REDACTED]\\n\"},\"s\":"
	                    "\"[REDACTED:ANTHROPIC_API_KEY]\",\"e\":\"\\u00e4\\ud83d\\ude00\"}\n");
	end_hearing(&heard);
	redact_free(redact);
}

static void say_piece(struct heard *heard, enum event_type type, struct str piece)
{
	struct buf data;
	struct jsonw w;

	buf_init(&data, ROOM);
	jsonw_init(&w, &data);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "message_id", "m1");
	jsonw_str(&w, type == EVENT_TYPE_THOUGHT ? "thought" : "delta", piece);
	jsonw_end_object(&w);
	redact_events_add(heard->events, type, buf_str(&data), 1000);
	buf_fini(&data);
}

/* A character is never split over two events: their texts are UTF-8. */
static bool is_between(struct str text, size_t at)
{
	return at >= text.n || ((unsigned char)text.p[at] & 0xC0) != 0x80;
}

static void secrets_that_are_spread_over_two_events_are_found(void **state)
{
	static const enum event_type types[] = { EVENT_TYPE_MESSAGE_DELTA, EVENT_TYPE_THOUGHT };
	struct redact *redact = with_values();

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(values) + ARRAY_LEN(shapes); v++) {
		struct str secret = v < ARRAY_LEN(values)
		                            ? values[v].value
		                            : str_of(shapes[v - ARRAY_LEN(values)].secret);

		for (size_t at = 0; at <= secret.n; at++) {
			struct heard heard;
			size_t n = secret.n - at < 8 ? secret.n - at : 8;
			char tail[16] = "";

			if (!is_between(secret, at)) {
				continue;
			}
			begin_hearing(&heard, redact);
			say_piece(&heard, types[v % 2], str_make(secret.p, at));
			say(&heard, EVENT_TYPE_LOG, "{\"message\":\"beside\"}");
			say_piece(&heard, types[v % 2], str_make(secret.p + at, secret.n - at));
			say(&heard, EVENT_TYPE_MESSAGE, "{\"content\":\"over\"}");
			assert_non_null(strstr(buf_cstr(&heard.text), "[REDACTED"));
			memcpy(tail, secret.p + secret.n - n, n);
			if (n == 8 && memchr(tail, '\n', n) == NULL && tail[7] != '-') {
				assert_null(strstr(buf_cstr(&heard.text), tail));
			}
			end_hearing(&heard);
		}
	}
	redact_free(redact);
}

static void texts_are_held_back_no_longer_than_a_moment(void **state)
{
	struct redact *redact = with_values();
	struct heard heard;

	(void)state;
	begin_hearing(&heard, redact);
	say_piece(&heard, EVENT_TYPE_MESSAGE_DELTA, STR_LIT("look: hu"));
	assert_int_equal(redact_events_due(heard.events), 1000 + REDACT_EVENT_MS);
	redact_events_flush(heard.events, 1000 + REDACT_EVENT_MS - 1);
	assert_string_equal(buf_cstr(&heard.text),
	                    "message_delta {\"message_id\":\"m1\",\"delta\":\"look: \"}\n");
	redact_events_flush(heard.events, 1000 + REDACT_EVENT_MS);
	assert_int_equal(redact_events_due(heard.events), 0);
	say(&heard, EVENT_TYPE_TURN_FINISHED, "{\"turn\":1}");
	assert_string_equal(buf_cstr(&heard.text),
	                    "message_delta {\"message_id\":\"m1\",\"delta\":\"look: \"}\n"
	                    "message_delta {\"message_id\":\"m1\",\"delta\":\"hu\"}\n"
	                    "turn_finished {\"turn\":1}\n");
	end_hearing(&heard);
	redact_free(redact);
}

static void texts_come_before_what_follows_them(void **state)
{
	struct redact *redact = with_values();
	struct heard heard;

	(void)state;
	begin_hearing(&heard, redact);
	say_piece(&heard, EVENT_TYPE_MESSAGE_DELTA, STR_LIT("gh"));
	say(&heard, EVENT_TYPE_TOOL_USE, "{}");
	assert_string_equal(buf_cstr(&heard.text),
	                    "message_delta {\"message_id\":\"m1\",\"delta\":\"gh\"}\n"
	                    "tool_use {}\n");
	end_hearing(&heard);
	redact_free(redact);
}

static void an_event_full_of_secrets_stays_an_event(void **state)
{
	static const struct redact_value one[] = { { TEXT("A_LONG_NAME_OF_A_SECRET"),
		                                     TEXT("passw0rd") } };
	struct redact *redact = redact_new(one, 1);
	struct heard heard;
	struct buf data;

	(void)state;
	begin_hearing(&heard, redact);
	buf_init(&data, ROOM);
	buf_add_cstr(&data, "{\"content\":\"");
	while (data.len + 16 < EVENT_DATA_MAX) {
		buf_add_cstr(&data, "passw0rd ");
	}
	buf_add_cstr(&data, "\"}");
	say(&heard, EVENT_TYPE_MESSAGE, buf_cstr(&data));
	assert_null(strstr(buf_cstr(&heard.text), "passw0rd"));
	say_piece(&heard, EVENT_TYPE_MESSAGE_DELTA, str_make(data.data + 12, data.len - 14));
	assert_null(strstr(buf_cstr(&heard.text), "passw0rd"));
	buf_fini(&data);
	end_hearing(&heard);
	redact_free(redact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_is_found_wherever_it_is_split),
		cmocka_unit_test(passwords_in_urls_are_found),
		cmocka_unit_test(two_keys_in_a_row_are_both_found),
		cmocka_unit_test(what_only_looks_alike_stays),
		cmocka_unit_test(values_are_found_by_name_wherever_they_are_split),
		cmocka_unit_test(values_are_found_in_their_other_forms),
		cmocka_unit_test(a_text_that_stands_still_shows_no_more_than_a_few_bytes),
		cmocka_unit_test(ports_at_the_end_are_no_passwords),
		cmocka_unit_test(what_is_held_back_is_bounded),
		cmocka_unit_test(strings_names_and_numbers_of_an_event_are_looked_at),
		cmocka_unit_test(secrets_that_are_spread_over_two_events_are_found),
		cmocka_unit_test(texts_are_held_back_no_longer_than_a_moment),
		cmocka_unit_test(texts_come_before_what_follows_them),
		cmocka_unit_test(an_event_full_of_secrets_stays_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
