/* The shapes of events at the consumer's face. */
#include <string.h>

#include "json/value.h"
#include "streamer/consumer_frame.h"
#include "streamer/frame.h"
#include "tests/support/test.h"
#include "ws/frame.h"

#define TAIL ",\"id\":\"2-7\",\"seq\":7}"

static const struct id sid = { "01ARZ3NDEKTSV4RRFFQ69G5FAV" };

static struct log_event event_of(const char *type, const char *data)
{
	return (struct log_event){
		.at = { 2, 7 }, .ts_ms = 1780000000000, .type = str_of(type), .data = str_of(data)
	};
}

/* NULL: it has no form. */
static void expect(const char *type, const char *data, const char *frame)
{
	const struct log_event event = event_of(type, data);
	struct buf out;

	buf_init(&out, FRAME_MAX);
	consumer_frame_json(&event, &out);
	if (frame == NULL) {
		assert_int_equal(out.len, 0);
	} else {
		assert_string_equal(buf_cstr(&out), frame);
	}
	buf_fini(&out);
}

static void what_is_said_becomes_messages(void **state)
{
	(void)state;
	expect("message", "{\"role\":\"user\",\"content\":\"hi\"}",
	       "{\"type\":\"user_message\",\"content\":\"hi\",\"timestamp\":1780000000000" TAIL);
	expect("message",
	       "{\"role\":\"assistant\",\"content\":\"yes\",\"message_id\":\"m1\",\"model\":\"x\"}",
	       "{\"type\":\"assistant\",\"message\":{\"id\":\"m1\",\"type\":\"message\","
	       "\"role\":\"assistant\",\"model\":\"x\",\"content\":[{\"type\":\"text\",\"text\":"
	       "\"yes\"}],\"stop_reason\":null,\"usage\":{\"input_tokens\":0,\"output_tokens\":0,"
	       "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0}},"
	       "\"parent_tool_use_id\":null" TAIL);
	expect("message",
	       "{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}],"
	       "\"usage\":{\"input_tokens\":3},\"parent_tool_use_id\":\"t\"}",
	       "{\"type\":\"assistant\",\"message\":{\"id\":\"2-7\",\"type\":\"message\","
	       "\"role\":\"assistant\",\"model\":\"\",\"content\":[{\"type\":\"refusal\","
	       "\"refusal\":\"no\"}],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,"
	       "\"output_tokens\":0,\"cache_creation_input_tokens\":0,"
	       "\"cache_read_input_tokens\":0}},\"parent_tool_use_id\":\"t\"" TAIL);
	expect("message", "{\"role\":\"system\",\"content\":\"x\"}", NULL);
}

static void pieces_become_deltas_of_a_stream(void **state)
{
	(void)state;
	expect("message_delta", "{\"message_id\":\"m\",\"delta\":\"ab\"}",
	       "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"index\":0,"
	       "\"delta\":{\"type\":\"text_delta\",\"text\":\"ab\"}},\"message_id\":\"m\","
	       "\"parent_tool_use_id\":null" TAIL);
	expect("thought", "{\"thought\":\"hm\"}",
	       "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"index\":0,"
	       "\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}},"
	       "\"parent_tool_use_id\":null" TAIL);
	expect("usage", "{\"input_tokens\":1,\"output_tokens\":2,\"cache_read_tokens\":3}",
	       "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_delta\",\"delta\":{},"
	       "\"usage\":{\"input_tokens\":1,\"output_tokens\":2,"
	       "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":3}},"
	       "\"parent_tool_use_id\":null" TAIL);
}

static void tools_are_used_go_on_and_end(void **state)
{
	(void)state;
	expect("tool_use",
	       "{\"tool_name\":\"Bash\",\"tool_execution_id\":\"t1\",\"tool_args\":{\"c\":1.5}}",
	       "{\"type\":\"assistant\",\"message\":{\"id\":\"2-7\",\"type\":\"message\","
	       "\"role\":\"assistant\",\"model\":\"\",\"content\":[{\"type\":\"tool_use\","
	       "\"id\":\"t1\",\"name\":\"Bash\",\"input\":{\"c\":1.5}}],\"stop_reason\":null,"
	       "\"usage\":{\"input_tokens\":0,\"output_tokens\":0,"
	       "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0}},"
	       "\"parent_tool_use_id\":null" TAIL);
	expect("tool_progress",
	       "{\"tool_name\":\"Bash\",\"tool_execution_id\":\"t1\",\"last_line\":\"l\"}",
	       "{\"type\":\"tool_progress\",\"tool_use_id\":\"t1\",\"tool_name\":\"Bash\","
	       "\"elapsed_time_seconds\":0,\"last_line\":\"l\"" TAIL);
	expect("tool_result",
	       "{\"tool_name\":\"Bash\",\"tool_execution_id\":\"t1\",\"tool_output\":\"o\","
	       "\"status\":\"failed\"}",
	       "{\"type\":\"tool_use_summary\",\"summary\":\"Bash failed\",\"tool_use_ids\":"
	       "[\"t1\"],\"tool_use_id\":\"t1\",\"tool_name\":\"Bash\",\"status\":\"error\","
	       "\"is_error\":true,\"output\":\"o\"" TAIL);
}

static void output_of_the_process_is_its_own_and_logs_are_not(void **state)
{
	(void)state;
	expect("log", "{\"message\":\"a\",\"stream\":\"stdout\"}",
	       "{\"type\":\"process_output\",\"stream\":\"stdout\",\"data\":\"a\\n\"" TAIL);
	expect("log", "{\"message\":\"a\",\"stream\":\"stderr\",\"partial\":true}",
	       "{\"type\":\"process_output\",\"stream\":\"stderr\",\"data\":\"a\"" TAIL);
	expect("log", "{\"message\":\"a\",\"level\":\"info\"}", NULL);
}

static void permissions_are_asked_and_resolved(void **state)
{
	(void)state;
	expect("permission_request",
	       "{\"request_id\":\"r\",\"title\":\"Run it\",\"options\":[1],\"input\":{\"a\":2},"
	       "\"tool_name\":\"Bash\",\"tool_use_id\":\"t\"}",
	       "{\"type\":\"permission_request\",\"request\":{\"request_id\":\"r\",\"tool_name\":"
	       "\"Bash\",\"input\":{\"a\":2},\"description\":\"Run it\",\"options\":[1],"
	       "\"tool_use_id\":\"t\",\"timestamp\":1780000000000}" TAIL);
	expect("permission_request", "{\"request_id\":\"r\",\"title\":\"x\",\"input\":7}",
	       "{\"type\":\"permission_request\",\"request\":{\"request_id\":\"r\",\"tool_name\":"
	       "\"x\",\"input\":{\"value\":7},\"description\":\"x\",\"tool_use_id\":\"\","
	       "\"timestamp\":1780000000000}" TAIL);
	expect("permission_resolved",
	       "{\"request_id\":\"r\",\"behavior\":\"allow\",\"scope\":\"once\",\"by\":\"k\"}",
	       "{\"type\":\"permission_resolved\",\"request_id\":\"r\",\"behavior\":\"allow\","
	       "\"scope\":\"once\",\"by\":\"k\"" TAIL);
}

static void states_turns_and_results_are_told(void **state)
{
	(void)state;
	expect("epoch", "{\"epoch\":1,\"cause\":\"create\",\"previous\":\"0-0\"}",
	       "{\"type\":\"session_lifecycle\",\"subtype\":\"session_created\",\"metadata\":{"
	       "\"epoch\":1,\"previous\":\"0-0\"}" TAIL);
	expect("status", "{\"status\":\"running\"}",
	       "{\"type\":\"cli_connected\",\"metadata\":{\"state\":\"running\"}" TAIL);
	expect("status", "{\"status\":\"failed\",\"reason\":\"lost\",\"exitCode\":3}",
	       "{\"type\":\"cli_disconnected\",\"metadata\":{\"state\":\"failed\",\"reason\":"
	       "\"lost\",\"exitCode\":3}" TAIL);
	expect("status", "{\"status\":\"pausing\"}",
	       "{\"type\":\"status_change\",\"status\":null,\"metadata\":{\"state\":"
	       "\"pausing\"}" TAIL);
	expect("turn_started", "{\"turn\":2}",
	       "{\"type\":\"status_change\",\"status\":\"running\",\"metadata\":{\"turn\":2}" TAIL);
	expect("turn_finished", "{\"turn\":2,\"stop_reason\":\"max_turns\"}",
	       "{\"type\":\"result\",\"data\":{\"subtype\":\"error_max_turns\",\"is_error\":true,"
	       "\"duration_ms\":0,\"duration_api_ms\":0,\"num_turns\":2,\"total_cost_usd\":0,"
	       "\"stop_reason\":\"max_turns\",\"usage\":{\"input_tokens\":0,\"output_tokens\":0,"
	       "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0}}" TAIL);
	expect("cost", "{\"usd\":0.5}",
	       "{\"type\":\"session_update\",\"session\":{\"total_cost_usd\":0.5}" TAIL);
	expect("progress", "{\"stage\":\"clone\",\"progress\":3}",
	       "{\"type\":\"status_change\",\"status\":null,\"metadata\":{\"progress\":3,"
	       "\"stage\":\"clone\"}" TAIL);
	expect("error", "{\"message\":\"no\",\"code\":\"x\"}",
	       "{\"type\":\"error\",\"message\":\"no\",\"code\":\"x\"" TAIL);
}

static void commands_are_told_when_they_fail_or_change_the_agent(void **state)
{
	(void)state;
	expect("command_started", "{\"command_id\":\"c\",\"kind\":\"set_model\"}",
	       "{\"type\":\"configuration_change\",\"subtype\":\"set_model\",\"metadata\":{"
	       "\"command_id\":\"c\"}" TAIL);
	expect("command_started", "{\"command_id\":\"c\",\"kind\":\"prompt\"}", NULL);
	expect("command_finished", "{\"command_id\":\"c\",\"outcome\":\"done\"}", NULL);
	expect("command_finished",
	       "{\"command_id\":\"c\",\"outcome\":\"failed\",\"message\":\"why\"}",
	       "{\"type\":\"error\",\"code\":\"command_failed\",\"message\":\"why\","
	       "\"command_id\":\"c\"" TAIL);
	expect("command_unknown", "{\"command_id\":\"c\"}",
	       "{\"type\":\"error\",\"code\":\"command_unknown\",\"message\":\"it is not known "
	       "whether the command took effect\",\"command_id\":\"c\"" TAIL);
}

static void what_has_no_form_is_passed_over_and_the_rest_is_told(void **state)
{
	(void)state;
	expect("diff", "{\"path\":\"a\"}", NULL);
	expect("native", "{\"protocol\":\"p\",\"payload\":{}}", NULL);
	expect("a type of a newer version", "{}", NULL);
	/* JSON that a log takes and we do not. */
	expect("message", "{\"role\":\"user\",\"content\":123456789012345678901234567890}",
	       "{\"type\":\"adapter_drop\",\"reason\":\"its JSON is not understood\","
	       "\"dropped_type\":\"message\"" TAIL);
	expect("cost", "{\"usd\":1,\"covers\":{\"from\":\"2-5\",\"to\":\"2-7\"}}",
	       "{\"type\":\"session_update\",\"session\":{\"total_cost_usd\":1},\"id\":\"2-7\","
	       "\"seq\":7,\"covers\":{\"from\":\"2-5\",\"to\":\"2-7\"}}");
}

static void what_grows_too_large_is_told(void **state)
{
	struct buf data;
	struct log_event event;
	struct buf out;

	(void)state;
	buf_init(&data, EVENT_DATA_MAX);
	buf_add_cstr(&data, "{\"tool_args\":{\"a\":[1e9");
	for (unsigned i = 0; i < 40000; i++) {
		buf_add_cstr(&data, ",1e9");
	}
	buf_add_cstr(&data, "]}}");
	event = event_of("tool_use", buf_cstr(&data));
	buf_init(&out, FRAME_MAX);
	consumer_frame_json(&event, &out);
	assert_string_equal(buf_cstr(&out),
	                    "{\"type\":\"adapter_drop\",\"reason\":\"it is too "
	                    "large in this form\",\"dropped_type\":\"tool_use\"" TAIL);
	buf_fini(&data);
	buf_fini(&out);
}

/* The text of the one frame in it, which is whole and not masked. */
static void expect_frame(const struct buf *out, const char *text)
{
	size_t n = strlen(text);
	char head[WS_HEADER_SIZE];
	size_t size = ws_format_header(head, WS_TEXT, WS_FINAL, n);

	assert_int_equal(out->len, size + n);
	assert_memory_equal(out->data, head, size);
	assert_memory_equal(out->data + size, text, n);
}

static void events_and_notes_are_text_frames(void **state)
{
	const struct format_forms *forms = format_forms(FORMAT_CONSUMER);
	const struct log_event event = event_of("cost", "{\"usd\":1}");
	const struct log_event formless = event_of("note", "{}");
	const struct log_gap gap = { LOG_GAP_LOST, 3, 6 };
	struct buf out;

	(void)state;
	buf_init(&out, FRAME_MAX);
	forms->event(&formless, &sid, &out);
	assert_int_equal(out.len, 0);
	forms->event(&event, &sid, &out);
	expect_frame(&out, "{\"type\":\"session_update\",\"session\":{\"total_cost_usd\":1}" TAIL);
	buf_reset(&out);
	forms->gap(&gap, &event.at, &sid, &out);
	expect_frame(&out, "{\"type\":\"replay_gap\",\"from\":3,\"to\":6,\"reason\":\"lost\"" TAIL);
	buf_reset(&out);
	forms->end(SESSION_FAILED, &event.at, &sid, &out);
	expect_frame(&out, "{\"type\":\"session_lifecycle\",\"subtype\":\"session_ended\","
	                   "\"metadata\":{\"status\":\"failed\"}" TAIL);
	buf_reset(&out);
	forms->where(&event.at, &sid, &out);
	expect_frame(&out, "{\"type\":\"cursor\"" TAIL);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_becomes_messages),
		cmocka_unit_test(pieces_become_deltas_of_a_stream),
		cmocka_unit_test(tools_are_used_go_on_and_end),
		cmocka_unit_test(output_of_the_process_is_its_own_and_logs_are_not),
		cmocka_unit_test(permissions_are_asked_and_resolved),
		cmocka_unit_test(states_turns_and_results_are_told),
		cmocka_unit_test(commands_are_told_when_they_fail_or_change_the_agent),
		cmocka_unit_test(what_has_no_form_is_passed_over_and_the_rest_is_told),
		cmocka_unit_test(what_grows_too_large_is_told),
		cmocka_unit_test(events_and_notes_are_text_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
