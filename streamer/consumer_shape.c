/* The shapes of events at the consumer's face; docs/consumer.md has them as a table. */
#include "streamer/frame.h"
#include "streamer/shaping.h"

/* ---- what agents and people say ---- */

static void begin_assistant(struct shaping *s, struct str message_id)
{
	shaping_begin(s, "assistant");
	jsonw_object(&s->w, "message");
	if (message_id.n > 0) {
		jsonw_str(&s->w, "id", message_id);
	} else {
		shaping_add_id(s, "id");
	}
	jsonw_cstr(&s->w, "type", "message");
	jsonw_cstr(&s->w, "role", "assistant");
	jsonw_str(&s->w, "model", shaping_text(s, "model"));
}

static void end_assistant(struct shaping *s)
{
	jsonw_null(&s->w, "stop_reason");
	shaping_add_usage(s, json_get(s->data, "usage"));
	jsonw_end_object(&s->w);
	shaping_add_parent(s);
}

/* Blocks, each an object with a type. */
static bool is_blocks(const struct json_value *content)
{
	size_t count = json_count(content);

	for (size_t i = 0; i < count && json_type_of(content) == JSON_T_ARRAY; i++) {
		if (json_as_str(json_get(json_at(content, i), "type")).n == 0) {
			return false;
		}
	}
	return json_type_of(content) == JSON_T_ARRAY;
}

static void add_content(struct shaping *s, const struct json_value *content)
{
	if (is_blocks(content)) {
		shaping_add(s, "content", content);
		return;
	}
	jsonw_array(&s->w, "content");
	jsonw_object(&s->w, NULL);
	jsonw_cstr(&s->w, "type", "text");
	if (content == NULL || json_type_of(content) == JSON_T_STRING) {
		jsonw_str(&s->w, "text", json_as_str(content));
	} else {
		struct buf text;

		buf_init(&text, FRAME_MAX);
		json_format(content, &text);
		s->out->failed = s->out->failed || buf_failed(&text);
		jsonw_str(&s->w, "text", buf_str(&text));
		buf_fini(&text);
	}
	jsonw_end_object(&s->w);
	jsonw_end_array(&s->w);
}

static void shape_message(struct shaping *s)
{
	const struct json_value *content = json_get(s->data, "content");
	struct str role = shaping_text(s, "role");

	if (str_eq(role, STR_LIT("assistant"))) {
		begin_assistant(s, shaping_text(s, "message_id"));
		add_content(s, content);
		end_assistant(s);
	} else if (str_eq(role, STR_LIT("user"))) {
		shaping_begin(s, "user_message");
		if (json_type_of(content) == JSON_T_STRING || content == NULL) {
			jsonw_str(&s->w, "content", json_as_str(content));
		} else {
			shaping_add(s, "content", content);
		}
		jsonw_i64(&s->w, "timestamp", s->event->ts_ms);
	}
}

static void shape_delta(struct shaping *s, const char *type, const char *name, struct str text)
{
	shaping_begin(s, "stream_event");
	jsonw_object(&s->w, "event");
	jsonw_cstr(&s->w, "type", "content_block_delta");
	jsonw_u64(&s->w, "index", 0);
	jsonw_object(&s->w, "delta");
	jsonw_cstr(&s->w, "type", type);
	jsonw_str(&s->w, name, text);
	jsonw_end_object(&s->w);
	jsonw_end_object(&s->w);
	shaping_add_text(s, "message_id", shaping_text(s, "message_id"));
	shaping_add_parent(s);
}

static void shape_message_delta(struct shaping *s)
{
	shape_delta(s, "text_delta", "text", shaping_text(s, "delta"));
}

static void shape_thought(struct shaping *s)
{
	shape_delta(s, "thinking_delta", "thinking", shaping_text_or(s, "thought", "reasoning"));
}

/* ---- tools ---- */

static struct str tool_id(const struct shaping *s)
{
	return shaping_text_or(s, "tool_execution_id", "tool_use_id");
}

static void shape_tool_use(struct shaping *s)
{
	const struct json_value *input = shaping_value_or(s, "tool_args", "input");

	begin_assistant(s, (struct str){ NULL, 0 });
	jsonw_array(&s->w, "content");
	jsonw_object(&s->w, NULL);
	jsonw_cstr(&s->w, "type", "tool_use");
	jsonw_str(&s->w, "id", tool_id(s));
	jsonw_str(&s->w, "name", shaping_text(s, "tool_name"));
	shaping_add_object(s, "input", input);
	jsonw_end_object(&s->w);
	jsonw_end_array(&s->w);
	end_assistant(s);
}

static void shape_tool_progress(struct shaping *s)
{
	shaping_begin(s, "tool_progress");
	jsonw_str(&s->w, "tool_use_id", tool_id(s));
	jsonw_str(&s->w, "tool_name", shaping_text(s, "tool_name"));
	shaping_add_number(s, "elapsed_time_seconds", json_get(s->data, "elapsed_time_seconds"));
	shaping_copy(s, "last_line");
}

static void shape_tool_result(struct shaping *s)
{
	const struct json_value *output = shaping_value_or(s, "tool_output", "output");
	bool failed = str_eq(shaping_text(s, "status"), STR_LIT("failed"));
	struct str name = shaping_text(s, "tool_name");
	struct buf summary;

	buf_init(&summary, FRAME_MAX);
	buf_add_str(&summary, name.n > 0 ? name : STR_LIT("tool"));
	buf_add_cstr(&summary, failed ? " failed" : " completed");
	shaping_begin(s, "tool_use_summary");
	jsonw_str(&s->w, "summary", buf_str(&summary));
	buf_fini(&summary);
	jsonw_array(&s->w, "tool_use_ids");
	jsonw_str(&s->w, NULL, tool_id(s));
	jsonw_end_array(&s->w);
	jsonw_str(&s->w, "tool_use_id", tool_id(s));
	jsonw_str(&s->w, "tool_name", name);
	jsonw_cstr(&s->w, "status", failed ? "error" : "success");
	jsonw_bool(&s->w, "is_error", failed);
	if (output != NULL) {
		shaping_add(s, "output", output);
	}
	shaping_copy(s, "error");
}

static void shape_log(struct shaping *s)
{
	struct str stream = shaping_text(s, "stream");
	struct buf line;

	if (!str_eq(stream, STR_LIT("stdout")) && !str_eq(stream, STR_LIT("stderr"))) {
		return;
	}
	buf_init(&line, FRAME_MAX);
	buf_add_str(&line, shaping_text(s, "message"));
	if (!json_as_bool(json_get(s->data, "partial"))) {
		buf_add_char(&line, '\n');
	}
	shaping_begin(s, "process_output");
	jsonw_str(&s->w, "stream", stream);
	jsonw_str(&s->w, "data", buf_str(&line));
	buf_fini(&line);
}

/* ---- permissions ---- */

static void shape_permission_request(struct shaping *s)
{
	const struct json_value *input = shaping_value_or(s, "input", "tool_args");

	shaping_begin(s, "permission_request");
	jsonw_object(&s->w, "request");
	jsonw_str(&s->w, "request_id", shaping_text(s, "request_id"));
	jsonw_str(&s->w, "tool_name", shaping_text_or(s, "tool_name", "title"));
	shaping_add_object(s, "input", input);
	shaping_add_text(s, "description", shaping_text_or(s, "description", "title"));
	shaping_copy(s, "options");
	shaping_copy(s, "permission_suggestions");
	shaping_copy(s, "agent_id");
	jsonw_str(&s->w, "tool_use_id", shaping_text_or(s, "tool_use_id", "tool_execution_id"));
	jsonw_i64(&s->w, "timestamp", s->event->ts_ms);
	jsonw_end_object(&s->w);
}

static void shape_permission_resolved(struct shaping *s)
{
	shaping_begin(s, "permission_resolved");
	shaping_copy(s, "request_id");
	shaping_copy(s, "behavior");
	shaping_copy(s, "scope");
	shaping_copy(s, "by");
	shaping_copy(s, "command_id");
}

/* ---- how it goes ---- */

static void shape_epoch(struct shaping *s)
{
	static const char *const subtypes[][2] = {
		{ "create", "session_created" },   { "lease", "session_leased" },
		{ "cancel", "session_cancelled" }, { "requeue", "session_requeued" },
		{ "rebuild", "session_rebuilt" },
	};
	struct str cause = shaping_text(s, "cause");

	for (size_t i = 0; i < ARRAY_LEN(subtypes); i++) {
		if (str_eq(cause, str_of(subtypes[i][0]))) {
			shaping_begin(s, "session_lifecycle");
			jsonw_cstr(&s->w, "subtype", subtypes[i][1]);
			jsonw_object(&s->w, "metadata");
			shaping_copy(s, "epoch");
			shaping_copy(s, "previous");
			jsonw_end_object(&s->w);
		}
	}
}

static void begin_change(struct shaping *s, const char *status)
{
	shaping_begin(s, "status_change");
	if (status != NULL) {
		jsonw_cstr(&s->w, "status", status);
	} else {
		jsonw_null(&s->w, "status");
	}
	jsonw_object(&s->w, "metadata");
}

/* With an agent, without one, or on the way. */
static void shape_status(struct shaping *s)
{
	enum session_state state = SESSION_QUEUED;
	bool known = session_state_parse(shaping_text(s, "status"), &state);

	if (known && state == SESSION_RUNNING) {
		shaping_begin(s, "cli_connected");
		jsonw_object(&s->w, "metadata");
	} else if (known && (state == SESSION_QUEUED || session_is_terminal(state))) {
		shaping_begin(s, "cli_disconnected");
		jsonw_object(&s->w, "metadata");
	} else {
		begin_change(s, NULL);
	}
	shaping_add_text(s, "state", shaping_text(s, "status"));
	shaping_add_text(s, "reason", shaping_text(s, "reason"));
	shaping_copy(s, "exitCode");
	shaping_copy(s, "signal");
	shaping_copy(s, "changes");
	jsonw_end_object(&s->w);
}

static void shape_progress(struct shaping *s)
{
	begin_change(s, NULL);
	shaping_copy(s, "progress");
	shaping_copy(s, "stage");
	jsonw_end_object(&s->w);
}

static void shape_turn_started(struct shaping *s)
{
	begin_change(s, "running");
	shaping_copy(s, "turn");
	jsonw_end_object(&s->w);
}

static const char *result_subtype(struct str stop)
{
	static const char *const subtypes[][2] = {
		{ "error", "error_during_execution" },
		{ "failed", "error_during_execution" },
		{ "max_turns", "error_max_turns" },
		{ "max_turn_requests", "error_max_turns" },
		{ "max_budget", "error_max_budget_usd" },
	};

	for (size_t i = 0; i < ARRAY_LEN(subtypes); i++) {
		if (str_eq(stop, str_of(subtypes[i][0]))) {
			return subtypes[i][1];
		}
	}
	return "success";
}

static void shape_turn_finished(struct shaping *s)
{
	struct str stop = shaping_text(s, "stop_reason");
	const char *subtype = result_subtype(stop);

	shaping_begin(s, "result");
	jsonw_object(&s->w, "data");
	jsonw_cstr(&s->w, "subtype", subtype);
	jsonw_bool(&s->w, "is_error", subtype[0] == 'e');
	shaping_copy(s, "result");
	shaping_copy(s, "errors");
	shaping_add_number(s, "duration_ms", json_get(s->data, "duration_ms"));
	shaping_add_number(s, "duration_api_ms", json_get(s->data, "duration_api_ms"));
	shaping_add_number(s, "num_turns", shaping_value_or(s, "num_turns", "turn"));
	shaping_add_number(s, "total_cost_usd", json_get(s->data, "total_cost_usd"));
	if (stop.n > 0) {
		jsonw_str(&s->w, "stop_reason", stop);
	} else {
		jsonw_null(&s->w, "stop_reason");
	}
	shaping_add_usage(s, json_get(s->data, "usage"));
	jsonw_end_object(&s->w);
}

static void shape_usage(struct shaping *s)
{
	shaping_begin(s, "stream_event");
	jsonw_object(&s->w, "event");
	jsonw_cstr(&s->w, "type", "message_delta");
	jsonw_object(&s->w, "delta");
	jsonw_end_object(&s->w);
	shaping_add_usage(s, s->data);
	jsonw_end_object(&s->w);
	shaping_add_parent(s);
}

static void shape_cost(struct shaping *s)
{
	shaping_begin(s, "session_update");
	jsonw_object(&s->w, "session");
	shaping_add_number(s, "total_cost_usd", json_get(s->data, "usd"));
	jsonw_end_object(&s->w);
}

static void shape_error(struct shaping *s)
{
	shaping_begin(s, "error");
	jsonw_str(&s->w, "message", shaping_text(s, "message"));
	shaping_copy(s, "code");
}

/* ---- commands ---- */

static void shape_command_started(struct shaping *s)
{
	struct str kind = shaping_text(s, "kind");

	if (str_starts(kind, STR_LIT("set_"))) {
		shaping_begin(s, "configuration_change");
		jsonw_str(&s->w, "subtype", kind);
		jsonw_object(&s->w, "metadata");
		shaping_copy(s, "command_id");
		jsonw_end_object(&s->w);
	}
}

static void begin_command_error(struct shaping *s, const char *code, struct str message)
{
	shaping_begin(s, "error");
	jsonw_cstr(&s->w, "code", code);
	jsonw_str(&s->w, "message", message);
	shaping_copy(s, "command_id");
}

/* Only slash commands have results. */
static void shape_slash(struct shaping *s, const struct json_value *result, bool failed)
{
	bool local = str_eq(json_as_str(json_get(result, "source")), STR_LIT("local"));

	shaping_begin(s, failed ? "slash_command_error" : "slash_command_result");
	shaping_copy(s, "command_id");
	if (failed) {
		jsonw_str(&s->w, "error", shaping_text(s, "message"));
		return;
	}
	jsonw_str(&s->w, "content", json_as_str(json_get(result, "text")));
	jsonw_cstr(&s->w, "source", local ? "emulated" : "cli");
}

static void shape_command_finished(struct shaping *s)
{
	const struct json_value *result = json_get(s->data, "result");
	bool failed = str_eq(shaping_text(s, "outcome"), STR_LIT("failed"));

	if (result != NULL) {
		shape_slash(s, result, failed);
	} else if (failed) {
		begin_command_error(s, "command_failed", shaping_text(s, "message"));
	}
}

static void shape_prompt_edited(struct shaping *s)
{
	shaping_begin(s, "queued_message_updated");
	shaping_copy(s, "content");
	shaping_copy(s, "command_id");
	shaping_copy(s, "by");
}

static void shape_prompt_cancelled(struct shaping *s)
{
	shaping_begin(s, "queued_message_cancelled");
	shaping_copy(s, "command_id");
	shaping_copy(s, "by");
}

static void shape_command_unknown(struct shaping *s)
{
	begin_command_error(s, "command_unknown",
	                    STR_LIT("it is not known whether the command took effect"));
}

shaping_fn *const shaping_table[EVENT_TYPE_COUNT] = {
	[EVENT_TYPE_EPOCH] = shape_epoch,
	[EVENT_TYPE_STATUS] = shape_status,
	[EVENT_TYPE_LOG] = shape_log,
	[EVENT_TYPE_MESSAGE] = shape_message,
	[EVENT_TYPE_MESSAGE_DELTA] = shape_message_delta,
	[EVENT_TYPE_THOUGHT] = shape_thought,
	[EVENT_TYPE_TOOL_USE] = shape_tool_use,
	[EVENT_TYPE_TOOL_PROGRESS] = shape_tool_progress,
	[EVENT_TYPE_TOOL_RESULT] = shape_tool_result,
	[EVENT_TYPE_PERMISSION_REQUEST] = shape_permission_request,
	[EVENT_TYPE_PERMISSION_RESOLVED] = shape_permission_resolved,
	[EVENT_TYPE_USAGE] = shape_usage,
	[EVENT_TYPE_COST] = shape_cost,
	[EVENT_TYPE_ERROR] = shape_error,
	[EVENT_TYPE_PROGRESS] = shape_progress,
	[EVENT_TYPE_TURN_STARTED] = shape_turn_started,
	[EVENT_TYPE_TURN_FINISHED] = shape_turn_finished,
	[EVENT_TYPE_COMMAND_STARTED] = shape_command_started,
	[EVENT_TYPE_COMMAND_FINISHED] = shape_command_finished,
	[EVENT_TYPE_COMMAND_UNKNOWN] = shape_command_unknown,
	[EVENT_TYPE_PROMPT_EDITED] = shape_prompt_edited,
	[EVENT_TYPE_PROMPT_CANCELLED] = shape_prompt_cancelled,
};
