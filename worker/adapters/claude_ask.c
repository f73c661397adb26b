/* Permissions: its control requests can_use_tool, and the answers. */
#include <stdio.h>

#include "worker/adapters/claude.h"

enum { ANSWER_MAX = 16 * 1024 * 1024, TITLE_MAX = 300 };

/* ---- answers to it ---- */

/* {"type":"control_response","response":{"subtype":...,"request_id":..., and then what follows. */
static void open_response(struct jsonw *w, struct buf *text, const char *subtype, struct str id)
{
	buf_init(text, ANSWER_MAX);
	jsonw_init(w, text);
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", "control_response");
	jsonw_object(w, "response");
	jsonw_cstr(w, "subtype", subtype);
	jsonw_str(w, "request_id", id);
}

static void close_response(struct jsonw *w, struct buf *text, struct adapter_out *out)
{
	jsonw_end_object(w);
	jsonw_end_object(w);
	buf_add_char(text, '\n');
	adapter_out_write(out, buf_str(text));
	buf_fini(text);
}

static void refuse(struct str id, const char *why, struct adapter_out *out)
{
	struct jsonw w;
	struct buf text;

	open_response(&w, &text, "error", id);
	jsonw_cstr(&w, "error", why);
	close_response(&w, &text, out);
}

/* ---- the question ---- */

/* What it is about, in a line: the tool and the first of these that its input has. */
static void write_title(struct jsonw *w, const struct json_value *request)
{
	static const char *const telling[] = { "command", "file_path", "notebook_path",
		                               "url",     "pattern",   "description" };
	const struct json_value *input = json_get(request, "input");
	struct str tool = claude_member(request, "tool_name"), text = { "", 0 };
	char title[TITLE_MAX + 8];

	for (size_t i = 0; i < ARRAY_LEN(telling) && text.n == 0; i++) {
		text = claude_member(input, telling[i]);
	}
	(void)snprintf(title, sizeof(title), "%.*s%s%.*s", (int)(tool.n < 100 ? tool.n : 100),
	               tool.p, text.n > 0 ? ": " : "",
	               (int)(text.n < TITLE_MAX - 110 ? text.n : TITLE_MAX - 110), text.p);
	jsonw_cstr(w, "title", title);
}

static void write_option(struct jsonw *w, const char *id, const char *name, const char *kind)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", id);
	jsonw_cstr(w, "name", name);
	jsonw_cstr(w, "kind", kind);
	jsonw_end_object(w);
}

static void write_options(struct jsonw *w, const struct json_value *request)
{
	jsonw_array(w, "options");
	write_option(w, "allow", "Allow", "allow_once");
	if (json_count(json_get(request, "permission_suggestions")) > 0) {
		write_option(w, "allow_always", "Allow, and do not ask again", "allow_always");
	}
	write_option(w, "deny", "Deny", "reject_once");
	write_option(w, "deny_stop", "Deny, and stop", "reject_once");
	jsonw_end_array(w);
}

static void write_question(const struct json_value *request, struct buf *out)
{
	struct str description = claude_member(request, "description");
	struct str path = claude_member(request, "blocked_path");
	struct str agent = claude_member(request, "agent_id");
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	write_title(&w, request);
	if (description.n > 0) {
		jsonw_str(&w, "description", description);
	}
	jsonw_str(&w, "tool_name", claude_member(request, "tool_name"));
	jsonw_str(&w, "tool_use_id", claude_member(request, "tool_use_id"));
	if (path.n > 0) {
		jsonw_str(&w, "blocked_path", path);
	}
	if (agent.n > 0) {
		jsonw_str(&w, "agent_id", agent);
	}
	write_options(&w, request);
	adapter_say_value(&w, "suggestions", json_get(request, "permission_suggestions"));
	if (str_eq(claude_member(request, "tool_name"), STR_LIT("AskUserQuestion"))) {
		adapter_say_value(&w, "questions",
		                  json_get(json_get(request, "input"), "questions"));
	} else {
		adapter_say_value(&w, "input", json_get(request, "input"));
	}
	jsonw_end_object(&w);
}

/* The least that a question needs, where all of it is too much. */
static void write_short_question(const struct json_value *request, struct buf *out)
{
	struct jsonw w;

	buf_reset(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	write_title(&w, request);
	write_options(&w, request);
	jsonw_bool(&w, "truncated", true);
	jsonw_end_object(&w);
}

/* By the id of its control request; "": a free one. */
static struct claude_ask *find(struct adapter *c, struct str id)
{
	for (size_t i = 0; i < ARRAY_LEN(c->asks); i++) {
		if (str_eq(claude_member(c->asks[i].line, "request_id"), id)) {
			return &c->asks[i];
		}
	}
	return NULL;
}

static void forget(struct claude_ask *ask)
{
	json_value_free(ask->line);
	ask->line = NULL;
}

/* NULL, or why it is not asked. */
static const char *why_not(struct adapter *c, const struct json_value *line, struct str id)
{
	const struct json_value *request = json_get(line, "request");

	if (!str_eq(claude_member(request, "subtype"), STR_LIT("can_use_tool"))) {
		return "not supported";
	}
	if (id.n == 0 || id.n > ADAPTER_ID_MAX || find(c, id) != NULL) {
		return "request_id is not usable";
	}
	return find(c, STR_LIT("")) == NULL ? "too many questions are open" : NULL;
}

void claude_ask(struct adapter *c, struct json_value *line, struct adapter_out *out)
{
	const struct json_value *request = json_get(line, "request");
	struct str id = claude_member(line, "request_id");
	const char *why = why_not(c, line, id);
	struct claude_ask *ask = find(c, STR_LIT(""));
	struct buf text;

	if (why != NULL) {
		refuse(id, why, out);
		json_value_free(line);
		return;
	}
	ask->line = line;
	buf_init(&text, EVENT_DATA_MAX - 1024); /* its request_id comes beside it */
	write_question(request, &text);
	if (buf_failed(&text)) {
		write_short_question(request, &text);
	}
	adapter_out_ask(out, id, &text);
	buf_fini(&text);
}

void claude_ask_cancelled(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	struct str id = claude_member(line, "request_id");
	struct claude_ask *ask = id.n > 0 ? find(c, id) : NULL;

	if (ask != NULL) {
		adapter_out_withdraw(out, id);
		forget(ask);
	}
}

void claude_asks_end(struct adapter *c, struct adapter_out *out)
{
	for (size_t i = 0; i < ARRAY_LEN(c->asks); i++) {
		if (c->asks[i].line != NULL) {
			adapter_out_withdraw(out, claude_member(c->asks[i].line, "request_id"));
			forget(&c->asks[i]);
		}
	}
}

/* ---- the answer ---- */

static void write_raw(struct jsonw *w, const char *name, const struct json_value *value)
{
	struct buf text;

	buf_init(&text, ANSWER_MAX);
	json_format(value, &text);
	jsonw_raw(w, name, buf_str(&text));
	buf_fini(&text);
}

/* With the answers to its questions: {"questions":...,"answers":{question: answer}}. */
static void write_input(struct jsonw *w, const struct json_value *input,
                        const struct json_value *answers)
{
	const struct json_value *value;
	struct str name;
	void *at = NULL;

	jsonw_object(w, "updatedInput");
	while (json_next(input, &at, &name, &value)) {
		if (answers == NULL || !str_eq(name, STR_LIT("answers"))) {
			write_raw(w, name.p, value);
		}
	}
	if (answers != NULL) {
		write_raw(w, "answers", answers);
	}
	jsonw_end_object(w);
}

static bool is_type(const struct json_value *suggestion, const char *type)
{
	return str_eq(claude_member(suggestion, "type"), str_of(type));
}

static void write_suggestion(struct jsonw *w, const struct json_value *suggestion)
{
	const struct json_value *value;
	struct str name;
	void *at = NULL;

	jsonw_object(w, NULL);
	while (json_next(suggestion, &at, &name, &value)) {
		if (!str_eq(name, STR_LIT("destination"))) {
			write_raw(w, name.p, value);
		}
	}
	jsonw_cstr(w, "destination", "session");
	jsonw_end_object(w);
}

/*
 * What it suggested, for its session only: elsewhere it would write settings into the workspace,
 * where they are a change of the work.  Rules that outlive the session are Fairlead's own.  A mode
 * that allows all edits is taken only where nothing narrower is suggested.
 */
static void write_permissions(struct jsonw *w, const struct json_value *suggestions)
{
	bool narrow = false;

	for (size_t i = 0; i < json_count(suggestions); i++) {
		narrow = narrow || is_type(json_at(suggestions, i), "addRules");
	}
	jsonw_array(w, "updatedPermissions");
	for (size_t i = 0; i < json_count(suggestions); i++) {
		const struct json_value *suggestion = json_at(suggestions, i);

		if (json_type_of(suggestion) == JSON_T_OBJECT &&
		    !(narrow && is_type(suggestion, "setMode"))) {
			write_suggestion(w, suggestion);
		}
	}
	jsonw_end_array(w);
}

static void write_allow(struct jsonw *w, const struct json_value *request,
                        const struct adapter_answer *answer)
{
	const struct json_value *suggestions = json_get(request, "permission_suggestions");
	bool always =
		answer->scope != ADAPTER_ONCE || str_eq(answer->option, STR_LIT("allow_always"));

	jsonw_cstr(w, "behavior", "allow");
	/* It insists on having it back. */
	write_input(w, answer->input != NULL ? answer->input : json_get(request, "input"),
	            answer->answers);
	if (always && json_count(suggestions) > 0) {
		write_permissions(w, suggestions);
	}
}

static void write_deny(struct jsonw *w, const struct adapter_answer *answer)
{
	jsonw_cstr(w, "behavior", "deny");
	jsonw_str(w, "message",
	          answer->message.n > 0 ? answer->message : STR_LIT("The user denied this."));
	if (answer->interrupt || str_eq(answer->option, STR_LIT("deny_stop"))) {
		jsonw_bool(w, "interrupt", true);
	}
}

void claude_answer(struct adapter *c, const struct adapter_answer *answer, struct adapter_out *out)
{
	struct claude_ask *ask = answer->ask.n > 0 ? find(c, answer->ask) : NULL;
	struct jsonw w;
	struct buf text;

	if (ask == NULL) {
		return;
	}
	open_response(&w, &text, "success", answer->ask);
	jsonw_object(&w, "response");
	if (answer->allow) {
		write_allow(&w, json_get(ask->line, "request"), answer);
	} else {
		write_deny(&w, answer);
	}
	jsonw_end_object(&w);
	close_response(&w, &text, out);
	forget(ask);
}
