/* What a worker says, as JSON that a log accepts. */
#include <stdlib.h>
#include <string.h>

#include "event/schema.h"
#include "json/value.h"
#include "tests/support/test.h"
#include "worker/event_text.h"

static void assert_acceptable(const struct buf *text)
{
	struct str level;

	assert_false(buf_failed(text));
	assert_true(event_data_ok(buf_str(text), &level));
}

/* And its members are what they may be. */
static void assert_fits(enum event_type type, const struct buf *text)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(buf_str(text), &err);

	assert_acceptable(text);
	assert_int_equal(event_schema_check(type, json, &err), ERR_OK);
}

static void a_line_says_its_stream_and_whether_more_follows(void **state)
{
	const struct lines_record whole = { .text = STR_LIT("a \"b\""), .kind = LINES_WHOLE },
				  part = { .text = STR_LIT("x"), .kind = LINES_PART };
	struct buf text;

	(void)state;
	event_text_init(&text);
	event_text_log(&text, &whole, RUNNER_STDERR);
	assert_string_equal(
		buf_cstr(&text),
		"{\"level\":\"info\",\"message\":\"a \\\"b\\\"\",\"stream\":\"stderr\"}");
	event_text_log(&text, &part, RUNNER_STDOUT);
	assert_string_equal(buf_cstr(&text), "{\"level\":\"info\",\"message\":\"x\",\"stream\":"
	                                     "\"stdout\",\"partial\":true}");
	assert_fits(EVENT_TYPE_LOG, &text);
	buf_fini(&text);
}

static void a_status_has_only_what_is_known(void **state)
{
	const struct event_text_totals totals = { 1, 2, 3 };
	struct event_text_status status = { .state = SESSION_PAUSED };
	struct buf text;

	(void)state;
	event_text_init(&text);
	event_text_status(&text, &status);
	assert_string_equal(buf_cstr(&text), "{\"status\":\"paused\"}");
	status = (struct event_text_status){ .state = SESSION_FAILED,
		                             .reason = "exit code 3",
		                             .has_exit_code = true,
		                             .exit_code = 3,
		                             .totals = &totals };
	event_text_status(&text, &status);
	assert_string_equal(buf_cstr(&text),
	                    "{\"status\":\"failed\",\"reason\":\"exit code 3\",\"exitCode\":3,"
	                    "\"changes\":{\"files_changed\":1,\"lines_added\":2,"
	                    "\"lines_removed\":3}}");
	buf_fini(&text);
}

static char *filled(size_t n, char c)
{
	char *p = malloc(n + 1);

	assert_non_null(p);
	memset(p, c, n);
	p[n] = '\0';
	return p;
}

/* Whatever the texts are, some form of the event fits: each keeps less than the one before. */
static void limits_are_told_with_what_makes_them_hold(void **state)
{
	const struct event_text_limit limits[] = { { "memory", 1024, "cgroup" },
		                                   { "cpu", 150, "nothing" } };
	const struct event_text_status status = { .state = SESSION_RUNNING,
		                                  .limits = limits,
		                                  .limit_count = ARRAY_LEN(limits) };
	const struct event_text_limit_reached reached = {
		.limit = limits[0], .message = "no more", .unit = "count", .count = 2
	};
	struct buf text;

	(void)state;
	event_text_init(&text);
	event_text_status(&text, &status);
	assert_string_equal(buf_cstr(&text),
	                    "{\"status\":\"running\",\"limits\":{\"memory\":{\"max\":1024,\"by\":"
	                    "\"cgroup\"},\"cpu\":{\"max\":150,\"by\":\"nothing\"}}}");
	assert_fits(EVENT_TYPE_STATUS, &text);
	event_text_limit_reached(&text, &reached);
	assert_string_equal(buf_cstr(&text),
	                    "{\"resource\":\"memory\",\"max\":1024,\"by\":\"cgroup\","
	                    "\"count\":2,\"message\":\"no more\"}");
	assert_fits(EVENT_TYPE_LIMIT, &text);
	buf_fini(&text);
}

static void a_diff_always_fits_an_event(void **state)
{
	static const char contents[] = { 'x', '"', '\x01' };
	struct buf text;

	(void)state;
	event_text_init(&text);
	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		char *side = filled(CHANGE_LARGE_BYTES, contents[i]);
		struct change change = {
			.path = STR_LIT("a"),
			.has_text = true,
			.before = { .text = str_of(side) },
			.after = { .text = str_of(side) },
		};

		event_text_diff(&text, &change, str_of(side));
		assert_fits(EVENT_TYPE_DIFF, &text);
		change.large = true;
		change.before.head = change.before.tail = str_of(side);
		change.after.head = change.after.tail = str_of(side);
		event_text_diff(&text, &change, str_of(side));
		assert_fits(EVENT_TYPE_DIFF, &text);
		assert_non_null(strstr(buf_cstr(&text), "\"truncated\":true"));
		event_text_patch(&text, str_of(side), false);
		assert_fits(EVENT_TYPE_DELIVERY,
		            &text); /* and one that is left out is said to be */
		assert_true((strstr(buf_cstr(&text), "\"patch\":") == NULL) ==
		            (strstr(buf_cstr(&text), "\"truncated\":true") != NULL));
		free(side);
	}
	buf_fini(&text);
}

static void a_patch_is_taken_apart_file_by_file(void **state)
{
	static const char patches[] = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@\n-1\n+2\n"
				      "diff --git a/d/y b/d/y\nnew file\n";
	struct str rest = str_of(patches), part = event_text_next_patch(&rest);

	(void)state;
	assert_true(event_text_patch_is_of(part, STR_LIT("x")));
	assert_false(event_text_patch_is_of(part, STR_LIT("y")));
	assert_true(str_ends(part, STR_LIT("+2\n")));
	part = event_text_next_patch(&rest);
	assert_true(event_text_patch_is_of(part, STR_LIT("d/y")));
	assert_false(event_text_patch_is_of(part, STR_LIT("y")));
	assert_true(str_ends(part, STR_LIT("new file\n")));
	assert_int_equal(event_text_next_patch(&rest).n, 0);
	assert_int_equal(event_text_next_patch(&rest).n, 0);
	assert_false(event_text_patch_is_of(STR_LIT(""), STR_LIT("x")));
}

static void what_a_worker_says_of_a_session_fits_its_types(void **state)
{
	static const struct event_text_totals totals = { 1, 2, 3 };
	const struct event_text_status status = { .state = SESSION_FAILED,
		                                  .reason = "why",
		                                  .has_exit_code = true,
		                                  .exit_code = -1,
		                                  .signal = "KILL",
		                                  .totals = &totals,
		                                  .worker = "w",
		                                  .evicted = true,
		                                  .restored = true,
		                                  .attempt = 2,
		                                  .repo = "r",
		                                  .materialise_ms = 5 };
	const struct event_text_failure failure = { &status, 1, 3, 1000 };
	const struct event_text_wait wait = { "person", "r", "s", 1 };
	const struct change change = { .path = STR_LIT("a"), .binary = true };
	struct buf text;

	(void)state;
	event_text_init(&text);
	event_text_status(&text, &status);
	assert_fits(EVENT_TYPE_STATUS, &text);
	event_text_failure(&text, &failure);
	assert_fits(EVENT_TYPE_ATTEMPT_FAILED, &text);
	event_text_parked(&text, &wait);
	assert_fits(EVENT_TYPE_PARKED, &text);
	event_text_file_edit(&text, &change);
	assert_fits(EVENT_TYPE_FILE_EDIT, &text);
	event_text_progress(&text, STR_LIT("s"));
	assert_fits(EVENT_TYPE_PROGRESS, &text);
	event_text_command(&text, STR_LIT("c"), STR_LIT("stop"));
	assert_fits(EVENT_TYPE_COMMAND_STARTED, &text);
	event_text_command_end(&text,
	                       &(struct event_text_command_end){ STR_LIT("c"), "failed", "why",
	                                                         STR_LIT("{\"a\":1}") });
	assert_fits(EVENT_TYPE_COMMAND_FINISHED, &text);
	event_text_message(&text, "user", STR_LIT("hi"));
	assert_fits(EVENT_TYPE_MESSAGE, &text);
	event_text_turn(&text, 1, NULL);
	assert_fits(EVENT_TYPE_TURN_STARTED, &text);
	event_text_turn(&text, 1, "end_turn");
	assert_fits(EVENT_TYPE_TURN_FINISHED, &text);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_worker_says_of_a_session_fits_its_types),
		cmocka_unit_test(a_line_says_its_stream_and_whether_more_follows),
		cmocka_unit_test(a_status_has_only_what_is_known),
		cmocka_unit_test(limits_are_told_with_what_makes_them_hold),
		cmocka_unit_test(a_diff_always_fits_an_event),
		cmocka_unit_test(a_patch_is_taken_apart_file_by_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
