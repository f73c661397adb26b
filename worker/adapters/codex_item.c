/* What codex works on: the items of a turn, as events. */
#include <stdlib.h>

#include "base/arena.h"
#include "worker/adapters/codex_private.h"

enum item_class {
	ITEM_TOOL,
	ITEM_MESSAGE,
	ITEM_THOUGHT,
	ITEM_PLAN,
	ITEM_NOTE,   /* text says what it means */
	ITEM_REVIEW, /* what it found is a message */
	ITEM_KNOWN,  /* said elsewhere */
};

struct item_type {
	const char *type;
	enum item_class class;
	const char *text; /* of a tool its name, NULL: the item names it */
};

/* All others become native events. */
static const struct item_type item_types[] = {
	{ "agentMessage", ITEM_MESSAGE, NULL },
	{ "collabAgentToolCall", ITEM_TOOL, NULL },
	{ "commandExecution", ITEM_TOOL, "shell" },
	{ "contextCompaction", ITEM_NOTE, "The agent shortened what it remembers of the session" },
	{ "dynamicToolCall", ITEM_TOOL, NULL },
	{ "enteredReviewMode", ITEM_NOTE, "The agent reviews" },
	{ "exitedReviewMode", ITEM_REVIEW, NULL },
	{ "fileChange", ITEM_TOOL, "apply_patch" },
	{ "imageGeneration", ITEM_TOOL, "image_generation" },
	{ "imageView", ITEM_TOOL, "view_image" },
	{ "mcpToolCall", ITEM_TOOL, NULL },
	{ "plan", ITEM_PLAN, NULL },
	{ "reasoning", ITEM_THOUGHT, NULL },
	{ "sleep", ITEM_TOOL, "sleep" },
	{ "userMessage", ITEM_KNOWN, NULL },
	{ "webSearch", ITEM_TOOL, "web_search" },
};

const char *const *codex_item_types(struct arena *arena)
{
	const char **names = arena_take(arena, (ARRAY_LEN(item_types) + 1) * sizeof(*names));

	for (size_t i = 0; i < ARRAY_LEN(item_types); i++) {
		names[i] = item_types[i].type;
	}
	return names;
}

static const struct item_type *type_of(const struct json_value *item)
{
	struct str type = json_as_str(json_get(item, "type"));

	for (size_t i = 0; i < ARRAY_LEN(item_types); i++) {
		if (str_eq(type, str_of(item_types[i].type))) {
			return &item_types[i];
		}
	}
	return NULL;
}

/* ---- open items ---- */

static struct codex_item *find(const struct adapter *a, struct str id)
{
	struct codex_item *item;

	TAILQ_FOREACH (item, &a->items, link) {
		if (str_eq(id, str_of(item->id))) {
			return item;
		}
	}
	return NULL;
}

const struct codex_item *codex_item_find(const struct adapter *a, struct str id)
{
	return find(a, id);
}

static void item_free(struct adapter *a, struct codex_item *item)
{
	TAILQ_REMOVE(&a->items, item, link);
	a->item_count--;
	free(item->id);
	free(item->name);
	free(item->agent);
	json_value_free(item->args);
	buf_fini(&item->text);
	free(item);
}

static struct adapter_tool tool_of(const struct codex_item *item)
{
	return (struct adapter_tool){ str_of(item->id), str_of(item->name), str_of(item->agent) };
}

static void item_abandon(struct adapter *a, struct codex_item *item, struct adapter_out *out)
{
	struct adapter_tool tool = tool_of(item);

	if (item->name[0] != '\0') {
		adapter_say_result(out, &tool, STR_LIT("interrupted"), true, NULL);
	} else if (item->text.len > 0) {
		adapter_say_message(out, tool.id, tool.agent, buf_str(&item->text), true);
	}
	item_free(a, item);
}

void codex_items_close(struct adapter *a, bool all, struct adapter_out *out)
{
	struct codex_item *item, *next;

	for (item = TAILQ_FIRST(&a->items); item != NULL; item = next) {
		next = TAILQ_NEXT(item, link);
		/* A command goes on after the turn that began it was interrupted, and sub-agents
		 * have turns of their own. */
		if (all || (item->name[0] == '\0' && item->agent[0] == '\0')) {
			item_abandon(a, item, out);
		}
	}
}

static struct codex_item *item_add(struct adapter *a, const struct json_value *params,
                                   struct str id, struct adapter_out *out)
{
	struct codex_item *item = find(a, id);

	if (item != NULL) {
		return item;
	}
	if (a->item_count >= CODEX_ITEMS_MAX) {
		item_abandon(a, TAILQ_FIRST(&a->items), out);
	}
	item = mem_calloc(1, sizeof(*item));
	codex_set(&item->id, id);
	codex_set(&item->name, STR_LIT(""));
	codex_set(&item->agent, codex_agent(a, params));
	buf_init(&item->text, CODEX_TEXT_MAX);
	TAILQ_INSERT_TAIL(&a->items, item, link);
	a->item_count++;
	return item;
}

/* ---- tools ---- */

/* One word of a shell in single quotes or without any, with '"'"' or '\'' for a quote. */
static bool unquote(struct str word, struct buf *ret)
{
	bool quoted = false;

	while (word.n > 0) {
		char c = word.p[0];

		if (c == '\'') {
			quoted = !quoted;
		} else if (quoted) {
			buf_add_char(ret, c);
		} else if (str_starts(word, STR_LIT("\"'\""))) {
			buf_add_char(ret, '\'');
			word.p += 2;
			word.n -= 2;
		} else if (str_starts(word, STR_LIT("\\'"))) {
			buf_add_char(ret, '\'');
			word.p++;
			word.n--;
		} else if (strchr(" \t\n\"\\$`;&|<>(){}[]*?!#~=%", c) != NULL) {
			return false;
		} else {
			buf_add_char(ret, c);
		}
		word.p++;
		word.n--;
	}
	return !quoted && !buf_failed(ret);
}

void codex_command_of(struct str command, struct buf *ret)
{
	static const char *const shells[] = { "/bin/bash -lc ", "bash -lc ", "/usr/bin/bash -lc ",
		                              "/bin/sh -c ", "sh -c " };

	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		size_t n = strlen(shells[i]);

		if (str_starts(command, str_of(shells[i]))) {
			if (unquote(str_make(command.p + n, command.n - n), ret)) {
				return;
			}
			buf_reset(ret);
		}
	}
	buf_add_str(ret, command);
}

static void add_command(struct jsonw *w, const struct json_value *item)
{
	struct buf command;

	buf_init(&command, ADAPTER_LINE_MAX);
	codex_command_of(json_as_str(json_get(item, "command")), &command);
	jsonw_str(w, "command", buf_str(&command));
	buf_fini(&command);
	jsonw_str(w, "cwd", json_as_str(json_get(item, "cwd")));
}

static void add_member(struct jsonw *w, const struct json_value *item, const char *name)
{
	const struct json_value *value = json_get(item, name);

	if (value != NULL && json_type_of(value) != JSON_T_NULL) {
		adapter_say_value(w, name, value);
	}
}

/* The members that say what it does; what became of it comes with its end. */
static struct json_value *args_of(const struct json_value *item, struct str type, bool *ret_large)
{
	static const char *const members[] = {
		"changes",           "query",     "action", "path", "prompt", "model",
		"receiverThreadIds", "durationMs"
	};
	const struct json_value *arguments = json_get(item, "arguments");
	struct json_value *args;
	struct buf text;
	struct jsonw w;
	struct err err;

	buf_init(&text, (size_t)2 * ADAPTER_LINE_MAX);
	if (json_type_of(arguments) == JSON_T_OBJECT) {
		json_format(arguments, &text);
	} else {
		jsonw_init(&w, &text);
		jsonw_object(&w, NULL);
		if (str_eq(type, STR_LIT("commandExecution"))) {
			add_command(&w, item);
		} else {
			for (size_t i = 0; i < ARRAY_LEN(members); i++) {
				add_member(&w, item, members[i]);
			}
		}
		jsonw_end_object(&w);
	}
	args = json_parse(buf_str(&text), &err);
	*ret_large = text.len > CODEX_ASK_MAX;
	buf_fini(&text);
	return args;
}

static void name_tool(struct codex_item *entry, const struct item_type *type,
                      const struct json_value *item)
{
	struct str server = json_as_str(json_get(item, "server"));
	struct str tool = json_as_str(json_get(item, "tool"));
	struct buf name;

	if (type->text != NULL) {
		codex_set(&entry->name, str_of(type->text));
		return;
	}
	buf_init(&name, ADAPTER_LINE_MAX);
	if (server.n > 0) {
		buf_addf(&name, "mcp__%" STR_FMT "__", STR_ARG(server));
	}
	buf_add_str(&name, tool.n > 0 ? tool : str_of(type->type));
	codex_set(&entry->name, buf_str(&name));
	buf_fini(&name);
}

static struct codex_item *start_tool(struct adapter *a, const struct json_value *params,
                                     const struct item_type *type, struct adapter_out *out)
{
	const struct json_value *item = json_get(params, "item");
	struct codex_item *entry = item_add(a, params, json_as_str(json_get(item, "id")), out);
	struct adapter_tool tool;
	bool large;

	if (entry->name[0] != '\0') {
		return entry; /* it was told */
	}
	name_tool(entry, type, item);
	entry->args = args_of(item, str_of(type->type), &large);
	tool = tool_of(entry);
	adapter_say_tool(out, &tool, entry->args);
	if (large) {
		json_value_free(entry->args);
		entry->args = NULL;
	}
	return entry;
}

/* ---- what became of a tool ---- */

static enum adapter_change_kind change_kind(const struct json_value *change)
{
	struct str kind = json_as_str(json_get(json_get(change, "kind"), "type"));

	if (str_eq(kind, STR_LIT("add"))) {
		return ADAPTER_ADDED;
	}
	return str_eq(kind, STR_LIT("delete")) ? ADAPTER_DELETED : ADAPTER_UPDATED;
}

/* As the session's own changes are told: below the workspace. */
static struct str below(const struct adapter *a, struct str path)
{
	struct str cwd = str_of(a->place->cwd);

	if (str_starts(path, cwd) && path.n > cwd.n + 1 && path.p[cwd.n] == '/') {
		return str_make(path.p + cwd.n + 1, path.n - cwd.n - 1);
	}
	return path;
}

static void tell_changes(const struct adapter *a, const struct json_value *item,
                         struct adapter_out *out)
{
	const struct json_value *changes = json_get(item, "changes");

	for (size_t i = 0; i < json_count(changes); i++) {
		const struct json_value *change = json_at(changes, i);
		const struct adapter_change told = {
			.kind = change_kind(change),
			.path = below(a, json_as_str(json_get(change, "path"))),
			.text = json_as_str(json_get(change, "diff")),
			.tool_id = json_as_str(json_get(item, "id")),
		};

		adapter_say_change(out, &told);
	}
}

/* Texts of a list of content items, one after another; what is no text as JSON. */
static void add_texts(struct buf *out, const struct json_value *list)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct str text = json_as_str(json_get(json_at(list, i), "text"));

		if (out->len > 0) {
			buf_add_char(out, '\n');
		}
		if (text.n > 0) {
			buf_add_str(out, text);
		} else {
			json_format(json_at(list, i), out);
		}
	}
}

static void output_of(const struct json_value *item, struct buf *ret)
{
	const struct json_value *result = json_get(item, "result");
	struct str output = json_as_str(json_get(item, "aggregatedOutput"));
	struct str error = json_as_str(json_get(json_get(item, "error"), "message"));

	if (output.n > 0 || error.n > 0) {
		buf_add_str(ret, output.n > 0 ? output : error);
	} else if (json_type_of(result) == JSON_T_STRING) {
		buf_add_str(ret, json_as_str(result));
	} else if (json_get(result, "content") != NULL) {
		add_texts(ret, json_get(result, "content"));
	} else if (json_get(item, "contentItems") != NULL) {
		add_texts(ret, json_get(item, "contentItems"));
	} else if (json_count(json_get(item, "results")) > 0) {
		add_texts(ret, json_get(item, "results"));
	}
}

static bool has_failed(const struct json_value *item)
{
	const struct json_value *success = json_get(item, "success");
	struct str status = json_as_str(json_get(item, "status"));

	return str_eq(status, STR_LIT("failed")) || str_eq(status, STR_LIT("declined")) ||
	       (json_type_of(success) == JSON_T_BOOL && !json_as_bool(success));
}

static struct json_value *more_of(const struct json_value *item)
{
	const struct json_value *code = json_get(item, "exitCode");
	const struct json_value *ms = json_get(item, "durationMs");
	struct json_value *more;
	struct buf text;
	struct jsonw w;
	struct err err;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (json_is_int(code)) {
		jsonw_i64(&w, "exit_code", json_as_i64(code));
	}
	if (json_is_int(ms)) {
		jsonw_i64(&w, "duration_ms", json_as_i64(ms));
	}
	if (str_eq(json_as_str(json_get(item, "status")), STR_LIT("declined"))) {
		jsonw_cstr(&w, "reason", "declined");
	}
	jsonw_end_object(&w);
	more = json_parse(buf_str(&text), &err);
	buf_fini(&text);
	return more;
}

static void end_tool(struct adapter *a, const struct json_value *params,
                     const struct item_type *type, struct adapter_out *out)
{
	const struct json_value *item = json_get(params, "item");
	struct codex_item *entry = start_tool(a, params, type, out);
	struct json_value *more = more_of(item);
	struct adapter_tool tool = tool_of(entry);
	bool failed = has_failed(item);
	struct buf output;

	buf_init(&output, (size_t)2 * ADAPTER_LINE_MAX);
	output_of(item, &output);
	if (!failed) {
		tell_changes(a, item, out);
	}
	adapter_say_result(out, &tool, buf_str(&output), failed, more);
	buf_fini(&output);
	json_value_free(more);
	item_free(a, entry);
}

/* ---- texts ---- */

static void end_message(struct adapter *a, const struct json_value *params, const char *member,
                        struct adapter_out *out)
{
	const struct json_value *item = json_get(params, "item");
	struct str id = json_as_str(json_get(item, "id"));
	struct codex_item *entry = find(a, id);

	adapter_say_message(out, id, codex_agent(a, params), json_as_str(json_get(item, member)),
	                    false);
	if (entry != NULL) {
		item_free(a, entry);
	}
}

static void end_thought(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	static const char *const parts[] = { "summary", "content" };
	const struct json_value *item = json_get(params, "item");
	struct str id = json_as_str(json_get(item, "id"));
	struct codex_item *entry = find(a, id);

	for (size_t i = 0; i < ARRAY_LEN(parts) && (entry == NULL || !entry->streamed); i++) {
		const struct json_value *list = json_get(item, parts[i]);

		for (size_t j = 0; j < json_count(list); j++) {
			adapter_say_thought(out, id, codex_agent(a, params),
			                    json_as_str(json_at(list, j)));
		}
	}
	if (entry != NULL) {
		item_free(a, entry);
	}
}

static void say_plan(struct adapter_out *out, struct str agent, struct str explanation,
                     const struct json_value *steps)
{
	enum { STEPS_MAX = 200, STEP_MAX = 512 };
	struct buf text;
	struct jsonw w;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (agent.n > 0) {
		jsonw_str(&w, "agent_id", agent);
	}
	jsonw_array(&w, "entries");
	for (size_t i = 0; i < json_count(steps) && i < STEPS_MAX; i++) {
		struct str step = json_as_str(json_get(json_at(steps, i), "step"));
		struct str status = json_as_str(json_get(json_at(steps, i), "status"));
		bool running = str_eq(status, STR_LIT("inProgress"));

		jsonw_object(&w, NULL);
		jsonw_str(&w, "content", str_make(step.p, step.n < STEP_MAX ? step.n : STEP_MAX));
		jsonw_str(&w, "status", running ? STR_LIT("in_progress") : status);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	if (explanation.n > 0) {
		jsonw_str(&w, "explanation",
		          str_make(explanation.p, explanation.n < 16384 ? explanation.n : 16384));
	}
	jsonw_end_object(&w);
	if (!buf_failed(&text)) {
		adapter_out_event(out, EVENT_TYPE_PLAN, &text);
	}
	buf_fini(&text);
}

void codex_plan_updated(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	say_plan(out, codex_agent(a, params), json_as_str(json_get(params, "explanation")),
	         json_get(params, "plan"));
}

/* ---- started and completed ---- */

void codex_item_started(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	const struct json_value *item = json_get(params, "item");
	const struct item_type *type = type_of(item);

	if (type == NULL) {
		adapter_say_native(out, CODEX_PROTOCOL, STR_LIT(""), params);
		return;
	}
	switch (type->class) {
	case ITEM_TOOL: (void)start_tool(a, params, type, out); break;
	case ITEM_MESSAGE:
	case ITEM_THOUGHT:
	case ITEM_PLAN: (void)item_add(a, params, json_as_str(json_get(item, "id")), out); break;
	case ITEM_NOTE: adapter_say_note(out, str_of(type->text)); break;
	case ITEM_REVIEW:
	case ITEM_KNOWN: break;
	}
}

void codex_item_completed(struct adapter *a, const struct json_value *params,
                          struct adapter_out *out)
{
	const struct item_type *type = type_of(json_get(params, "item"));

	if (type == NULL) {
		adapter_say_native(out, CODEX_PROTOCOL, STR_LIT(""), params);
		return;
	}
	switch (type->class) {
	case ITEM_TOOL: end_tool(a, params, type, out); break;
	case ITEM_MESSAGE:
	case ITEM_PLAN: end_message(a, params, "text", out); break;
	case ITEM_THOUGHT: end_thought(a, params, out); break;
	case ITEM_REVIEW: end_message(a, params, "review", out); break;
	case ITEM_NOTE:
	case ITEM_KNOWN: break;
	}
}

/* ---- deltas ---- */

void codex_message_delta(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out)
{
	struct str id = json_as_str(json_get(params, "itemId"));
	struct str delta = json_as_str(json_get(params, "delta"));
	struct codex_item *item = item_add(a, params, id, out);

	buf_add_str(&item->text, delta);
	adapter_say_delta(out, id, codex_agent(a, params), delta);
}

void codex_plan_delta(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	codex_message_delta(a, params, out);
}

void codex_thought_delta(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out)
{
	struct str id = json_as_str(json_get(params, "itemId"));

	item_add(a, params, id, out)->streamed = true;
	adapter_say_thought(out, id, codex_agent(a, params),
	                    json_as_str(json_get(params, "delta")));
}

/* Between the parts of a summary stands an empty line. */
void codex_thought_part(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	if (json_as_i64(json_get(params, "summaryIndex")) > 0) {
		adapter_say_thought(out, json_as_str(json_get(params, "itemId")),
		                    codex_agent(a, params), STR_LIT("\n\n"));
	}
}

void codex_tool_delta(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	const struct codex_item *item = find(a, json_as_str(json_get(params, "itemId")));
	struct str text = json_as_str(json_get(params, "delta"));
	struct adapter_tool tool;

	if (item != NULL) {
		tool = tool_of(item);
		adapter_say_progress(out, &tool,
		                     text.n > 0 ? text : json_as_str(json_get(params, "message")));
	}
}

void codex_patch_updated(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out)
{
	struct codex_item *item = find(a, json_as_str(json_get(params, "itemId")));
	bool large;

	(void)out;
	if (item != NULL && item->name[0] != '\0') {
		json_value_free(item->args);
		item->args = args_of(params, STR_LIT("fileChange"), &large);
		if (large) {
			json_value_free(item->args);
			item->args = NULL;
		}
	}
}
