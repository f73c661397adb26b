/* What agents say on their socket: every rule, and what becomes of it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "event/event.h"
#include "tests/support/test.h"
#include "worker/agent_request.h"

static const int64_t now_us = 1700000000000000; /* 2023-11-14T22:13:20Z */

static void refuses(const char *line, const char *why)
{
	struct agent_request request;
	struct err err;

	if (agent_request_parse(str_of(line), now_us, &request, &err) != ERR_INVALID ||
	    strcmp(err.msg, why) != 0) {
		fail_msg("%s: %s, not: %s", line, err.msg, why);
	}
	assert_null(request.json);
}

static void every_rule_is_named_with_its_member(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "[]", "a line must be a JSON object" },
		{ "{}", "op must be permission_request, wait_until, wait_for_session, note or "
		        "progress" },
		{ "{\"op\":\"sing\"}", "op must be permission_request, wait_until, "
		                       "wait_for_session, note or progress" },
		{ "{\"op\":\"permission_request\"}", "title is required (or tool_name)" },
		{ "{\"op\":\"permission_request\",\"title\":1}", "title must be a string" },
		{ "{\"op\":\"permission_request\",\"title\":\"t\",\"timeout_s\":0}",
		  "timeout_s must be a whole number of seconds, 1 to 2592000" },
		{ "{\"op\":\"permission_request\",\"title\":\"t\",\"timeout_s\":\"1\"}",
		  "timeout_s must be a whole number of seconds, 1 to 2592000" },
		{ "{\"op\":\"wait_until\"}", "at or seconds is required, not both" },
		{ "{\"op\":\"wait_until\",\"seconds\":1,\"at\":\"2023-11-14T22:14:00Z\"}",
		  "at or seconds is required, not both" },
		{ "{\"op\":\"wait_until\",\"at\":\"soon\"}",
		  "at must be a time as RFC 3339 has it" },
		{ "{\"op\":\"wait_until\",\"at\":\"2024-11-14T22:14:00Z\"}", "at is too far away" },
		{ "{\"op\":\"wait_until\",\"seconds\":1,\"reason\":\"mood\"}",
		  "reason must be timer or limit" },
		{ "{\"op\":\"wait_for_session\",\"session\":\"x\"}",
		  "session must be the id of a session" },
		{ "{\"op\":\"note\"}", "message is required" },
		{ "{\"op\":\"progress\"}", "progress or stage is required" },
		{ "{\"op\":\"progress\",\"progress\":101}",
		  "progress must be a whole number, 0 to 100" },
		{ "{\"op\":\"progress\",\"progress\":1.5}",
		  "progress must be a whole number, 0 to 100" },
	};
	char line[AGENT_LINE_MAX];
	int n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		refuses(rows[i].line, rows[i].why);
	}
	n = snprintf(line, sizeof(line), "{\"op\":\"note\",\"message\":\"%*s\"}",
	             AGENT_TEXT_MAX + 1, "x");
	assert_true(n > 0);
	refuses(line, "message is too long");
	n = snprintf(line, sizeof(line),
	             "{\"op\":\"permission_request\",\"title\":\"t\",\"key\":\"%*s\"}",
	             AGENT_KEY_MAX + 1, "x");
	assert_true(n > 0);
	refuses(line, "key is too long");
}

static struct agent_request parse(const char *line)
{
	struct agent_request request;
	struct err err = { .code = ERR_OK };

	if (agent_request_parse(str_of(line), now_us, &request, &err) != ERR_OK) {
		fail_msg("%s: %s", line, err.msg);
	}
	return request;
}

static void times_are_counted_from_now_or_said(void **state)
{
	struct agent_request r = parse("{\"op\":\"wait_until\",\"seconds\":90}");

	(void)state;
	assert_int_equal(r.op, AGENT_WAIT_UNTIL);
	assert_int_equal(r.until_us, now_us + 90000000);
	assert_false(r.limit);
	agent_request_fini(&r);
	r = parse("{\"op\":\"wait_until\",\"at\":\"2023-11-14T22:14:00Z\",\"reason\":\"limit\"}");
	assert_int_equal(r.until_us, now_us + 40000000);
	assert_true(r.limit);
	agent_request_fini(&r);
	r = parse("{\"op\":\"permission_request\",\"tool_name\":\"Bash\"}");
	assert_int_equal(r.until_us, 0);
	agent_request_fini(&r);
}

static void assert_event(const char *line, const struct id *id, const char *expected)
{
	struct agent_request r = parse(line);
	struct buf text;
	struct str level;

	buf_init(&text, EVENT_DATA_MAX);
	agent_request_event(&r, id, 0, &text);
	assert_string_equal(buf_cstr(&text), expected);
	assert_true(event_data_ok(buf_str(&text), &level));
	buf_fini(&text);
	agent_request_fini(&r);
}

static void an_event_has_what_is_known_of_and_nothing_else(void **state)
{
	const struct id id = { "01HF7YAT000000000000000000" };

	(void)state;
	assert_event(
		"{\"op\":\"permission_request\",\"seq\":7,\"title\":\"t\",\"request_id\":\"mine\","
		"\"input\":{\"a\":[1, 2]},\"options\":[],\"ahead\":1}",
		&id,
		"{\"request_id\":\"01HF7YAT000000000000000000\",\"title\":\"t\","
		"\"input\":{\"a\":[1,2]},\"options\":[]}");
	assert_event("{\"op\":\"note\",\"message\":\"m\"}", NULL, "{\"message\":\"m\"}");
	assert_event("{\"op\":\"progress\",\"progress\":0}", NULL, "{\"progress\":0}");
	assert_event("{\"op\":\"progress\",\"stage\":\"s\"}", NULL, "{\"stage\":\"s\"}");
}

static void an_answer_is_a_line(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, AGENT_LINE_MAX);
	agent_answer_ok(&out);
	assert_string_equal(buf_cstr(&out), "{\"ok\":true}\n");
	agent_answer_error(&out, "no \"luck\"\n");
	assert_string_equal(buf_cstr(&out), "{\"ok\":false,\"error\":\"no \\\"luck\\\"\\n\"}\n");
	agent_answer_state(&out, "failed");
	assert_string_equal(buf_cstr(&out), "{\"ok\":true,\"state\":\"failed\"}\n");
	agent_answer_approval(&out,
	                      STR_LIT("{\"request_id\":\"r\",\"ok\":false,\"behavior\":\"allow\","
	                              "\"updated_input\":{\"a\":1}}"));
	assert_string_equal(buf_cstr(&out),
	                    "{\"ok\":true,\"request_id\":\"r\",\"behavior\":\"allow\","
	                    "\"updated_input\":{\"a\":1}}\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_is_named_with_its_member),
		cmocka_unit_test(times_are_counted_from_now_or_said),
		cmocka_unit_test(an_event_has_what_is_known_of_and_nothing_else),
		cmocka_unit_test(an_answer_is_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
