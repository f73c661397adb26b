/*
 * Tools, by their ids: whatever names one first (a tool_call, an update, a question) makes it, what
 * follows adds to it.  A tool is told once, when it begins or is asked about, and ends once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

enum { ASKED_TEXT_MAX = 12 * 1024 }; /* of each side of a diff that is asked about */

/* ---- content ---- */

static void add_text(struct buf *out, struct str text)
{
	buf_add_str(out, text);
}

static void add_block(const struct json_value *block, struct buf *out)
{
	struct str type = json_as_str(json_get(block, "type"));
	const struct json_value *resource = json_get(block, "resource");

	if (str_eq(type, STR_LIT("text"))) {
		add_text(out, json_as_str(json_get(block, "text")));
	} else if (str_eq(type, STR_LIT("resource_link"))) {
		buf_add_cstr(out, "[");
		add_text(out, json_as_str(json_get(block, "name")));
		buf_add_cstr(out, "](");
		add_text(out, json_as_str(json_get(block, "uri")));
		buf_add_cstr(out, ")");
	} else if (str_eq(type, STR_LIT("resource"))) {
		add_text(out, json_as_str(json_get(resource, "text")));
	} else if (type.n > 0) { /* an image or a sound: what it is, not its bytes */
		buf_add_cstr(out, "[");
		add_text(out, type);
		buf_add_cstr(out, " ");
		add_text(out, json_as_str(json_get(block, "mimeType")));
		buf_add_cstr(out, "]");
	}
}

void acp_content_text(const struct json_value *content, struct buf *out)
{
	if (json_type_of(content) == JSON_T_OBJECT) {
		add_block(content, out);
		return;
	}
	for (size_t i = 0; i < json_count(content); i++) {
		const struct json_value *item = json_at(content, i);

		if (str_eq(json_as_str(json_get(item, "type")), STR_LIT("content"))) {
			if (out->len > 0) {
				buf_add_char(out, '\n');
			}
			add_block(json_get(item, "content"), out);
		}
	}
}

static void keep_json(char **at, const struct json_value *value, size_t max)
{
	struct buf text;

	buf_init(&text, max);
	json_format(value, &text);
	if (!buf_failed(&text)) {
		free(*at);
		*at = buf_take(&text);
	}
	buf_fini(&text);
}

/* ---- terminals ---- */

static struct acp_terminal *find_terminal(struct adapter *a, struct str id)
{
	struct acp_terminal *terminal;

	TAILQ_FOREACH (terminal, &a->terminals, link) {
		if (str_eq(str_of(terminal->id), id)) {
			return terminal;
		}
	}
	return NULL;
}

void acp_terminal_said(struct adapter *a, struct str id, struct str text, struct adapter_out *out)
{
	struct acp_terminal *terminal = find_terminal(a, id);
	struct acp_tool *tool;

	if (text.n > ACP_TERMINAL_MAX) {
		text = str_make(text.p + text.n - ACP_TERMINAL_MAX, ACP_TERMINAL_MAX);
	}
	if (terminal == NULL && (id.n == 0 || a->terminal_count >= ACP_CALLS_MAX)) {
		return;
	}
	if (terminal == NULL) {
		terminal = mem_calloc(1, sizeof(*terminal));
		acp_set(&terminal->id, id);
		TAILQ_INSERT_TAIL(&a->terminals, terminal, link);
		a->terminal_count++;
	}
	free(terminal->text);
	terminal->text = mem_strndup(text);
	TAILQ_FOREACH (tool, &a->tools, link) {
		if (!tool->ended && str_eq(acp_text(tool->terminal), id)) {
			const struct adapter_tool it = { .id = str_of(tool->id),
				                         .name = acp_text(tool->name) };

			adapter_say_progress(out, &it, text);
		}
	}
}

/* ---- one tool ---- */

static void free_tool(struct adapter *a, struct acp_tool *tool)
{
	TAILQ_REMOVE(&a->tools, tool, link);
	a->tool_count--;
	free(tool->id);
	free(tool->name);
	free(tool->title);
	free(tool->kind);
	free(tool->path);
	free(tool->terminal);
	free(tool->input);
	free(tool->diffs);
	free(tool);
}

struct acp_tool *acp_tool_find(struct adapter *a, struct str id)
{
	struct acp_tool *tool;

	TAILQ_FOREACH (tool, &a->tools, link) {
		if (str_eq(str_of(tool->id), id)) {
			return tool;
		}
	}
	return NULL;
}

static void make_room(struct adapter *a, struct adapter_out *out)
{
	struct acp_tool *tool, *oldest = TAILQ_FIRST(&a->tools);

	if (a->tool_count < ACP_TOOLS_MAX) {
		return;
	}
	TAILQ_FOREACH (tool, &a->tools, link) {
		if (tool->ended) {
			oldest = tool;
			break;
		}
	}
	acp_tool_end(a, oldest, STR_LIT("too many tools run at once"), true, out);
	free_tool(a, oldest);
}

static struct acp_tool *make_tool(struct adapter *a, struct str id, struct adapter_out *out)
{
	struct acp_tool *tool;

	make_room(a, out);
	tool = mem_calloc(1, sizeof(*tool));
	tool->id = mem_strndup(id);
	TAILQ_INSERT_TAIL(&a->tools, tool, link);
	a->tool_count++;
	return tool;
}

static void take_word(char **at, const struct json_value *update, const char *name)
{
	struct str word = json_as_str(json_get(update, name));

	if (word.n > 0) {
		acp_set(at, word);
	}
}

/* A diff, a terminal: what only the last content that had one tells. */
static void take_content(struct acp_tool *tool, const struct json_value *content)
{
	for (size_t i = 0; i < json_count(content); i++) {
		const struct json_value *item = json_at(content, i);
		struct str type = json_as_str(json_get(item, "type"));

		if (str_eq(type, STR_LIT("diff"))) {
			keep_json(&tool->diffs, content, ACP_DIFF_MAX);
			if (tool->path == NULL) {
				take_word(&tool->path, item, "path");
			}
		} else if (str_eq(type, STR_LIT("terminal"))) {
			take_word(&tool->terminal, item, "terminalId");
		}
	}
}

/* Bytes before the last "__"; 0: there is none. */
static size_t before_id(struct str id)
{
	for (size_t i = id.n; i > 1; i--) {
		if (id.p[i - 1] == '_' && id.p[i - 2] == '_') {
			return i - 2;
		}
	}
	return 0;
}

/* The tool's own name where it is said, or the kind of the tool, which rules can be made for. */
static void name_tool(const struct adapter *a, struct acp_tool *tool)
{
	size_t n = a->kind->tool_in_id ? before_id(str_of(tool->id)) : 0;

	if (tool->name == NULL && n > 0) {
		acp_set(&tool->name, str_make(tool->id, n));
	} else if (tool->name == NULL) {
		acp_set(&tool->name, tool->kind != NULL ? str_of(tool->kind) : STR_LIT("other"));
	}
}

static void merge(const struct adapter *a, struct acp_tool *tool, const struct json_value *update)
{
	const struct json_value *input = json_get(update, "rawInput");
	const struct json_value *places = json_get(update, "locations");

	take_word(&tool->name, update, "name");
	take_word(&tool->title, update, "title");
	take_word(&tool->kind, update, "kind");
	if (json_count(places) > 0) {
		take_word(&tool->path, json_at(places, 0), "path");
	}
	if (json_type_of(input) == JSON_T_OBJECT && json_count(input) > 0) {
		keep_json(&tool->input, input, ACP_INPUT_MAX);
	}
	take_content(tool, json_get(update, "content"));
	name_tool(a, tool);
}

/* An agent that does not say what it gives the tool: what can be made out of the rest. */
void acp_tool_input(const struct acp_tool *tool, struct jsonw *w, const char *name)
{
	if (tool->input != NULL) {
		jsonw_raw(w, name, str_of(tool->input));
		return;
	}
	jsonw_object(w, name);
	if (str_eq(acp_text(tool->kind), STR_LIT("execute")) && tool->title != NULL) {
		jsonw_cstr(w, "command", tool->title);
	} else if (tool->path != NULL) {
		jsonw_cstr(w, "file_path", tool->path);
	}
	jsonw_end_object(w);
}

/* As the other events of files have it: without the workspace before it. */
static struct str in_workspace(const struct adapter *a, struct str path)
{
	struct str cwd = str_of(a->place.cwd);

	if (!str_starts(path, cwd) || path.n < cwd.n + 2 || path.p[cwd.n] != '/') {
		return path;
	}
	return str_make(path.p + cwd.n + 1, path.n - cwd.n - 1);
}

/* At most n bytes of it. */
static struct str front_of(struct str text, size_t n)
{
	if (text.n > n) {
		text.n = n;
		while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xC0) == 0x80) {
			text.n--;
		}
	}
	return text;
}

void acp_tool_diff(const struct adapter *a, const struct acp_tool *tool, struct jsonw *w,
                   const char *name)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *content =
		tool->diffs != NULL ? json_parse(str_of(tool->diffs), &err) : NULL;

	for (size_t i = 0; i < json_count(content); i++) {
		const struct json_value *item = json_at(content, i);
		struct str before = json_as_str(json_get(item, "oldText"));
		struct str after = json_as_str(json_get(item, "newText"));

		if (str_eq(json_as_str(json_get(item, "type")), STR_LIT("diff"))) {
			jsonw_object(w, name);
			jsonw_str(w, "path",
			          front_of(in_workspace(a, json_as_str(json_get(item, "path"))),
			                   ACP_NAME_MAX));
			jsonw_str(w, "oldText", front_of(before, ASKED_TEXT_MAX));
			jsonw_str(w, "newText", front_of(after, ASKED_TEXT_MAX));
			if (before.n > ASKED_TEXT_MAX || after.n > ASKED_TEXT_MAX) {
				jsonw_bool(w, "truncated", true);
			}
			jsonw_end_object(w);
			return;
		}
	}
}

static void tell(struct acp_tool *tool, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	tool->told = true;
	buf_init(&text, ACP_INPUT_MAX + 8 * ACP_NAME_MAX * 6);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "tool_name", tool->name);
	jsonw_cstr(&w, "tool_execution_id", tool->id);
	if (tool->title != NULL) {
		jsonw_cstr(&w, "title", tool->title);
	}
	if (tool->kind != NULL) {
		jsonw_cstr(&w, "kind", tool->kind);
	}
	acp_tool_input(tool, &w, "tool_args");
	jsonw_cstr(&w, "status", "started");
	jsonw_end_object(&w);
	if (!buf_failed(&text)) {
		adapter_out_event(out, EVENT_TYPE_TOOL_USE, &text);
	}
	buf_fini(&text);
}

static void say_diffs(const struct adapter *a, const struct acp_tool *tool, struct adapter_out *out)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *content =
		tool->diffs != NULL ? json_parse(str_of(tool->diffs), &err) : NULL;

	for (size_t i = 0; i < json_count(content); i++) {
		const struct json_value *item = json_at(content, i);
		const struct json_value *before = json_get(item, "oldText");
		const struct adapter_texts texts = {
			.path = in_workspace(a, json_as_str(json_get(item, "path"))),
			.tool_id = str_of(tool->id),
			.before = json_as_str(before),
			.after = json_as_str(json_get(item, "newText")),
			.added = json_as_str(before).n == 0,
		};

		if (str_eq(json_as_str(json_get(item, "type")), STR_LIT("diff"))) {
			adapter_say_texts(out, &texts);
		}
	}
}

void acp_tool_end(struct adapter *a, struct acp_tool *tool, struct str output, bool failed,
                  struct adapter_out *out)
{
	const struct adapter_tool it = { .id = str_of(tool->id), .name = acp_text(tool->name) };
	struct acp_terminal *terminal = find_terminal(a, acp_text(tool->terminal));

	if (tool->ended) {
		return;
	}
	if (!tool->told) {
		tell(tool, out);
	}
	tool->ended = true;
	if (output.n == 0 && terminal != NULL) {
		output = acp_text(terminal->text);
	}
	adapter_say_result(out, &it, output, failed, NULL);
	if (!failed) {
		say_diffs(a, tool, out);
	}
}

void acp_tools_close(struct adapter *a, struct str why, struct adapter_out *out)
{
	struct acp_tool *tool;
	struct acp_terminal *terminal;

	while ((tool = TAILQ_FIRST(&a->tools)) != NULL) {
		if (out != NULL) {
			acp_tool_end(a, tool, why, true, out);
		}
		free_tool(a, tool);
	}
	while ((terminal = TAILQ_FIRST(&a->terminals)) != NULL) {
		TAILQ_REMOVE(&a->terminals, terminal, link);
		free(terminal->id);
		free(terminal->text);
		free(terminal);
	}
	a->terminal_count = 0;
}

/* ---- updates ---- */

static void end_by(struct adapter *a, struct acp_tool *tool, const struct json_value *update,
                   bool failed, struct adapter_out *out)
{
	const struct json_value *raw = json_get(update, "rawOutput");
	struct buf text;

	buf_init(&text, ADAPTER_LINE_MAX);
	acp_content_text(json_get(update, "content"), &text);
	if (text.len == 0 && tool->terminal == NULL && raw != NULL) {
		if (json_type_of(raw) == JSON_T_STRING) {
			buf_add_str(&text, json_as_str(raw));
		} else if (json_type_of(raw) != JSON_T_NULL) {
			json_format(raw, &text);
		}
	}
	acp_tool_end(a, tool, buf_str(&text), failed, out);
	buf_fini(&text);
}

static void go_on(struct acp_tool *tool, const struct json_value *update, struct adapter_out *out)
{
	const struct adapter_tool it = { .id = str_of(tool->id), .name = acp_text(tool->name) };
	struct buf text;

	buf_init(&text, ADAPTER_LINE_MAX);
	acp_content_text(json_get(update, "content"), &text);
	adapter_say_progress(out, &it, buf_str(&text));
	buf_fini(&text);
}

struct acp_tool *acp_tool(struct adapter *a, const struct json_value *update,
                          enum acp_tool_step step, struct adapter_out *out)
{
	struct str id = json_as_str(json_get(update, "toolCallId"));
	struct str status = json_as_str(json_get(update, "status"));
	struct acp_tool *tool;
	bool was_told;

	if (id.n == 0 || id.n > ADAPTER_ID_MAX) {
		return NULL;
	}
	tool = acp_tool_find(a, id);
	if (tool != NULL && tool->ended) {
		if (step == ACP_TOOL_GOES_ON) {
			return tool; /* its last words, after it was denied */
		}
		free_tool(a, tool); /* models use ids again */
		tool = NULL;
	}
	tool = tool != NULL ? tool : make_tool(a, id, out);
	merge(a, tool, update);
	was_told = tool->told;
	if (!tool->told && (step == ACP_TOOL_ASKED || str_eq(status, STR_LIT("in_progress")))) {
		tell(tool, out);
	}
	if (str_eq(status, STR_LIT("completed")) || str_eq(status, STR_LIT("failed"))) {
		end_by(a, tool, update, str_eq(status, STR_LIT("failed")), out);
	} else if (was_told && step != ACP_TOOL_ASKED) {
		go_on(tool, update, out);
	}
	return tool;
}
