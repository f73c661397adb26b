/* Messages, thoughts, tools and their results, as events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/claude.h"

enum { OUTPUT_MAX = 8 * 1024 * 1024 };

/* ---- who speaks ---- */

static struct claude_speaker *speaker_of(struct adapter *c, struct str agent)
{
	struct claude_speaker **oldest = &c->speakers[0];

	for (size_t i = 0; i < ARRAY_LEN(c->speakers); i++) {
		struct claude_speaker **s = &c->speakers[i];

		if (*s == NULL) {
			*s = mem_calloc(1, sizeof(**s));
			oldest = s;
			break;
		}
		if (str_eq(str_of((*s)->agent), agent)) {
			(*s)->turn = ++c->clock;
			return *s;
		}
		oldest = (*s)->turn < (*oldest)->turn ? s : oldest;
	}
	**oldest = (struct claude_speaker){ .turn = ++c->clock };
	(void)str_copy((*oldest)->agent, sizeof((*oldest)->agent), agent);
	return *oldest;
}

/* ---- tools that run ---- */

static struct adapter_tool view_of(const struct claude_tool *tool)
{
	return (struct adapter_tool){ str_of(tool->id), str_of(tool->name), str_of(tool->agent) };
}

static void forget_tool(struct adapter *c, size_t i)
{
	c->tool_count--;
	memmove(&c->tools[i], &c->tools[i + 1], (c->tool_count - i) * sizeof(c->tools[0]));
	if (c->tool_count == 0) { /* between turns it keeps no memory for them */
		free(c->tools);
		c->tools = NULL;
		c->tool_room = 0;
	}
}

static struct claude_tool *find_tool(struct adapter *c, struct str id)
{
	for (size_t i = 0; i < c->tool_count; i++) {
		if (str_eq(str_of(c->tools[i].id), id)) {
			return &c->tools[i];
		}
	}
	return NULL;
}

static struct claude_tool *keep_tool(struct adapter *c, const struct json_value *block,
                                     struct str agent)
{
	struct claude_tool *tool;

	if (c->tool_count == CLAUDE_TOOLS_MAX) {
		forget_tool(c, 0);
	}
	if (c->tool_count == c->tool_room) {
		c->tool_room = c->tool_room == 0 ? 2 : 2 * c->tool_room;
		c->tools = mem_realloc(c->tools, c->tool_room * sizeof(*c->tools));
	}
	tool = &c->tools[c->tool_count++];
	memset(tool, 0, sizeof(*tool));
	(void)str_copy(tool->id, sizeof(tool->id), claude_member(block, "id"));
	(void)str_copy(tool->name, sizeof(tool->name), claude_member(block, "name"));
	(void)str_copy(tool->agent, sizeof(tool->agent), agent);
	return tool;
}

void claude_tools_end(struct adapter *c, struct str why, struct adapter_out *out)
{
	while (c->tool_count > 0) {
		const struct adapter_tool tool = view_of(&c->tools[0]);

		adapter_say_result(out, &tool, why, true, NULL);
		forget_tool(c, 0);
	}
}

/* How long it runs: it says nothing else meanwhile. */
void claude_tool_progress(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	const struct claude_tool *kept = find_tool(c, claude_member(line, "tool_use_id"));
	struct adapter_tool tool;
	char text[40];

	if (kept != NULL) {
		tool = view_of(kept);
		(void)snprintf(text, sizeof(text), "%.0f s",
		               json_as_f64(json_get(line, "elapsed_time_seconds")));
		adapter_say_progress(out, &tool, str_of(text));
	}
}

/* ---- what is streamed ---- */

void claude_stream_event(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	const struct json_value *event = json_get(line, "event"), *delta = json_get(event, "delta");
	struct str agent = claude_member(line, "parent_tool_use_id");
	struct claude_speaker *s = speaker_of(c, agent);
	struct str type = claude_member(event, "type"), text = claude_member(delta, "text");
	struct str thought = claude_member(delta, "thinking");

	if (str_eq(type, STR_LIT("message_start"))) {
		(void)str_copy(s->message, sizeof(s->message),
		               claude_member(json_get(event, "message"), "id"));
		s->streamed = true;
	} else if (str_eq(type, STR_LIT("content_block_delta")) && text.n > 0) {
		adapter_say_delta(out, str_of(s->message), agent, text);
	} else if (str_eq(type, STR_LIT("content_block_delta")) && thought.n > 0) {
		adapter_say_thought(out, str_of(s->message), agent, thought);
	}
}

/* ---- messages ---- */

static void say_todos(const struct json_value *todos, struct adapter_out *out)
{
	struct jsonw w;
	struct buf text;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "entries");
	for (size_t i = 0; i < json_count(todos); i++) {
		jsonw_object(&w, NULL);
		jsonw_str(&w, "content", claude_member(json_at(todos, i), "content"));
		jsonw_str(&w, "status", claude_member(json_at(todos, i), "status"));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	if (!buf_failed(&text)) {
		adapter_out_event(out, EVENT_TYPE_PLAN, &text);
	}
	buf_fini(&text);
}

static void say_tool_use(struct adapter *c, const struct json_value *block, struct str agent,
                         struct adapter_out *out)
{
	const struct json_value *input = json_get(block, "input");
	struct adapter_tool tool;

	if (find_tool(c, claude_member(block, "id")) != NULL) {
		return; /* said again */
	}
	tool = view_of(keep_tool(c, block, agent));
	adapter_say_tool(out, &tool, input);
	if (str_eq(tool.name, STR_LIT("TodoWrite")) &&
	    json_type_of(json_get(input, "todos")) == JSON_T_ARRAY) {
		say_todos(json_get(input, "todos"), out);
	}
}

/* One line a finished block, of the same message. */
void claude_assistant(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	const struct json_value *message = json_get(line, "message");
	const struct json_value *content = json_get(message, "content");
	struct str agent = claude_member(line, "parent_tool_use_id");
	struct str id = claude_member(message, "id");
	const struct claude_speaker *s = speaker_of(c, agent);
	bool streamed = s->streamed && str_eq(id, str_of(s->message));

	for (size_t i = 0; i < json_count(content); i++) {
		const struct json_value *block = json_at(content, i);
		struct str type = claude_member(block, "type");

		if (str_eq(type, STR_LIT("text"))) {
			adapter_say_message(out, id, agent, claude_member(block, "text"), false);
		} else if (str_eq(type, STR_LIT("thinking")) && !streamed) {
			adapter_say_thought(out, id, agent, claude_member(block, "thinking"));
		} else if (str_eq(type, STR_LIT("tool_use")) ||
		           str_eq(type, STR_LIT("server_tool_use"))) {
			say_tool_use(c, block, agent, out);
		}
	}
}

/* ---- changes of files ---- */

static struct str below(const struct adapter *c, struct str path)
{
	struct str cwd = str_of(c->cwd);

	if (str_starts(path, cwd) && path.n > cwd.n + 1 && path.p[cwd.n] == '/') {
		path.p += cwd.n + 1;
		path.n -= cwd.n + 1;
	}
	return path;
}

static void write_hunk(const struct json_value *hunk, struct buf *out)
{
	const struct json_value *lines = json_get(hunk, "lines");

	buf_addf(out, "@@ -%lld,%lld +%lld,%lld @@\n",
	         (long long)json_as_i64(json_get(hunk, "oldStart")),
	         (long long)json_as_i64(json_get(hunk, "oldLines")),
	         (long long)json_as_i64(json_get(hunk, "newStart")),
	         (long long)json_as_i64(json_get(hunk, "newLines")));
	for (size_t i = 0; i < json_count(lines); i++) {
		buf_add_str(out, json_as_str(json_at(lines, i)));
		buf_add_char(out, '\n');
	}
}

/* Of Write, Edit and MultiEdit. */
static void say_change(const struct adapter *c, const struct json_value *result, struct str tool_id,
                       struct adapter_out *out)
{
	const struct json_value *hunks = json_get(result, "structuredPatch");
	struct adapter_change change = { .kind = ADAPTER_UPDATED,
		                         .path = below(c, claude_member(result, "filePath")),
		                         .tool_id = tool_id };
	struct buf patch;

	if (change.path.n == 0 || json_type_of(hunks) != JSON_T_ARRAY) {
		return;
	}
	buf_init(&patch, OUTPUT_MAX);
	if (str_eq(claude_member(result, "type"), STR_LIT("create"))) {
		change.kind = ADAPTER_ADDED;
		change.text = claude_member(result, "content");
	} else {
		for (size_t i = 0; i < json_count(hunks); i++) {
			write_hunk(json_at(hunks, i), &patch);
		}
		change.text = buf_str(&patch);
	}
	adapter_say_change(out, &change);
	buf_fini(&patch);
}

/* ---- results of tools ---- */

/* Text, or blocks of it; what is no text is named. */
static void add_output(const struct json_value *content, struct buf *out)
{
	buf_add_str(out, json_as_str(content));
	for (size_t i = 0; json_type_of(content) == JSON_T_ARRAY && i < json_count(content); i++) {
		const struct json_value *block = json_at(content, i);
		struct str type = claude_member(block, "type");

		buf_add_cstr(out, i > 0 ? "\n" : "");
		if (str_eq(type, STR_LIT("text"))) {
			buf_add_str(out, claude_member(block, "text"));
		} else {
			buf_addf(out, "[%" STR_FMT "]", STR_ARG(type));
		}
	}
}

static void say_result(struct adapter *c, const struct json_value *line,
                       const struct json_value *block, struct adapter_out *out)
{
	struct str id = claude_member(block, "tool_use_id");
	struct claude_tool *kept = find_tool(c, id);
	struct adapter_tool tool = { id, STR_LIT(""), claude_member(line, "parent_tool_use_id") };
	bool failed = json_as_bool(json_get(block, "is_error"));
	struct buf output;

	if (kept != NULL) {
		tool = view_of(kept);
	}
	buf_init(&output, OUTPUT_MAX);
	add_output(json_get(block, "content"), &output);
	adapter_say_result(out, &tool, buf_str(&output), failed, NULL);
	if (!failed) {
		say_change(c, json_get(line, "tool_use_result"), tool.id, out);
	}
	buf_fini(&output);
	if (kept != NULL) {
		forget_tool(c, (size_t)(kept - c->tools));
	}
}

/* What a local command says comes as if the user had said it. */
static void say_local(struct str text, struct adapter_out *out)
{
	static const struct str opens = { "<local-command-stdout>", 22 };
	static const struct str closes = { "</local-command-stdout>", 23 };

	if (str_starts(text, opens) && str_ends(text, closes) && text.n >= opens.n + closes.n) {
		adapter_say_note(out, str_make(text.p + opens.n, text.n - opens.n - closes.n));
	}
}

void claude_user(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	const struct json_value *content = json_get(json_get(line, "message"), "content");

	say_local(json_as_str(content), out);
	for (size_t i = 0; json_type_of(content) == JSON_T_ARRAY && i < json_count(content); i++) {
		const struct json_value *block = json_at(content, i);

		if (str_eq(claude_member(block, "type"), STR_LIT("tool_result"))) {
			say_result(c, line, block, out);
		} else {
			say_local(claude_member(block, "text"), out);
		}
	}
}
