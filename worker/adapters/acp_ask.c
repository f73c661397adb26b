/*
 * Requests of the agent: questions for people (session/request_permission) and calls that the
 * worker serves (fs/..., terminal/...).  Each is answered once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

enum {
	OPTIONS_MAX = 32,
	REQUEST_ID_MAX = 512,
	ASK_MAX = 190 * 1024,
	CANCELLED = -32800,
	INPUT_BESIDE_DIFF = 32 * 1024
};

#define OUTCOME_CANCELLED "{\"outcome\":{\"outcome\":\"cancelled\"}}"

/* ---- what is open ---- */

static void free_open(struct acp_open *open)
{
	free(open->request);
	free(open->tool);
	free(open->options);
	free(open->method);
	free(open->terminal);
	free(open);
}

void acp_opens_free(struct acp_opens *opens)
{
	struct acp_open *open;

	while ((open = TAILQ_FIRST(opens)) != NULL) {
		TAILQ_REMOVE(opens, open, link);
		free_open(open);
	}
}

static struct acp_open *find(const struct acp_opens *opens, struct str id)
{
	struct acp_open *open;

	TAILQ_FOREACH (open, opens, link) {
		if (str_eq(str_of(open->id), id)) {
			return open;
		}
	}
	return NULL;
}

static struct acp_open *find_request(const struct acp_opens *opens, struct str request)
{
	struct acp_open *open;

	TAILQ_FOREACH (open, opens, link) {
		if (str_eq(str_of(open->request), request)) {
			return open;
		}
	}
	return NULL;
}

static char *text_of(const struct json_value *value, size_t max)
{
	struct buf text;
	char *ret = NULL;

	buf_init(&text, max);
	json_format(value, &text);
	if (!buf_failed(&text)) {
		ret = buf_take(&text);
	}
	buf_fini(&text);
	return ret;
}

static struct acp_open *make_open(struct adapter *a, const char *word, char *request)
{
	struct acp_open *open = mem_calloc(1, sizeof(*open));

	(void)snprintf(open->id, sizeof(open->id), "%s-%ju", word, (uintmax_t)++a->next_open);
	open->request = request;
	return open;
}

static void drop_ask(struct adapter *a, struct acp_open *ask)
{
	TAILQ_REMOVE(&a->asks, ask, link);
	a->ask_count--;
	free_open(ask);
}

static void drop_call(struct adapter *a, struct acp_open *call)
{
	TAILQ_REMOVE(&a->calls, call, link);
	a->call_count--;
	free_open(call);
}

/* ---- questions ---- */

static const char *kind_of(const struct json_value *option)
{
	static const char *const kinds[] = { "allow_once", "allow_always", "reject_once",
		                             "reject_always" };
	struct str kind = json_as_str(json_get(option, "kind"));

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(kind, str_of(kinds[i]))) {
			return kinds[i];
		}
	}
	return NULL;
}

/* The options of a kind that we know, as the event has them. */
static char *take_options(const struct json_value *options)
{
	struct buf text;
	struct jsonw w;
	size_t taken = 0;

	buf_init(&text, (size_t)OPTIONS_MAX * ACP_NAME_MAX * 8);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(options) && taken < OPTIONS_MAX; i++) {
		const struct json_value *option = json_at(options, i);
		struct str id = json_as_str(json_get(option, "optionId"));
		struct str name = json_as_str(json_get(option, "name"));

		if (id.n > 0 && id.n <= ADAPTER_ID_MAX && name.n <= ACP_NAME_MAX &&
		    kind_of(option) != NULL) {
			jsonw_object(&w, NULL);
			jsonw_str(&w, "id", id);
			jsonw_str(&w, "name", name.n > 0 ? name : id);
			jsonw_cstr(&w, "kind", kind_of(option));
			jsonw_end_object(&w);
			taken++;
		}
	}
	jsonw_end_array(&w);
	if (taken == 0) {
		buf_reset(&text);
	}
	if (text.len > 0) {
		return buf_take(&text);
	}
	buf_fini(&text);
	return NULL;
}

static void write_ask(const struct adapter *a, struct jsonw *w, const struct acp_tool *tool,
                      const struct acp_open *ask, const struct json_value *params)
{
	const struct json_value *content = json_get(json_get(params, "toolCall"), "content");
	struct buf text;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "title", tool->title != NULL ? tool->title : tool->name);
	buf_init(&text, ADAPTER_LINE_MAX);
	acp_content_text(content, &text);
	if (text.len > 0) {
		jsonw_str(w, "description",
		          str_make(text.data, text.len < ACP_NAME_MAX ? text.len : ACP_NAME_MAX));
	}
	buf_fini(&text);
	jsonw_cstr(w, "tool_name", tool->name);
	jsonw_cstr(w, "tool_use_id", tool->id);
	acp_tool_input(tool, w, "input");
	if (tool->input == NULL || strlen(tool->input) < INPUT_BESIDE_DIFF) {
		acp_tool_diff(a, tool, w, "diff");
	}
	jsonw_raw(w, "options", str_of(ask->options));
	jsonw_end_object(w);
}

static void ask_person(struct adapter *a, struct acp_open *ask, const struct acp_tool *tool,
                       const struct json_value *params, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	ask->tool = mem_strdup(tool->id);
	TAILQ_INSERT_TAIL(&a->asks, ask, link);
	a->ask_count++;
	buf_init(&text, ASK_MAX * 2);
	jsonw_init(&w, &text);
	write_ask(a, &w, tool, ask, params);
	adapter_out_ask(out, str_of(ask->id), &text);
	buf_fini(&text);
}

static void refuse(struct acp_open *ask, const char *why, struct adapter_out *out)
{
	adapter_say_error(out, STR_LIT("permission"), str_of(why));
	acp_result(out, ask->request, STR_LIT(OUTCOME_CANCELLED));
	free_open(ask);
}

void acp_asked(struct adapter *a, const struct json_value *id, const struct json_value *params,
               struct adapter_out *out)
{
	char *request = text_of(id, REQUEST_ID_MAX);
	struct acp_open *ask;
	const struct acp_tool *tool;

	if (request == NULL) {
		return;
	}
	acp_end_message(a, out);
	ask = make_open(a, "ask", request);
	ask->options = take_options(json_get(params, "options"));
	if (a->turn == NULL) {
		refuse(ask, "the agent asks although no turn is running", out);
	} else if (ask->options == NULL) {
		refuse(ask, "the agent asks without options to choose from", out);
	} else if (a->ask_count >= ADAPTER_ASKS_MAX) {
		refuse(ask, "the agent asks too much at once", out);
	} else if ((tool = acp_tool(a, json_get(params, "toolCall"), ACP_TOOL_ASKED, out)) ==
	           NULL) {
		refuse(ask, "the agent asks without saying for what tool", out);
	} else {
		ask_person(a, ask, tool, params, out);
	}
}

/* ---- their answers ---- */

static struct str option_of_kind(const struct json_value *options, const char *kind)
{
	for (size_t i = 0; i < json_count(options); i++) {
		const struct json_value *option = json_at(options, i);

		if (str_eq(json_as_str(json_get(option, "kind")), str_of(kind))) {
			return json_as_str(json_get(option, "id"));
		}
	}
	return STR_LIT("");
}

static bool is_offered(const struct json_value *options, struct str id, bool allow)
{
	for (size_t i = 0; i < json_count(options); i++) {
		const struct json_value *option = json_at(options, i);
		struct str kind = json_as_str(json_get(option, "kind"));

		if (str_eq(json_as_str(json_get(option, "id")), id)) {
			return str_starts(kind, STR_LIT("allow")) == allow;
		}
	}
	return false;
}

/* By kind, never by an id that we believe to know; nothing is allowed for longer than was said. */
static struct str choose(const struct json_value *options, const struct adapter_answer *answer)
{
	const char *const once = answer->allow ? "allow_once" : "reject_once";
	const char *const always = answer->allow ? "allow_always" : "reject_always";
	struct str id = STR_LIT("");

	if (answer->option.n > 0 && is_offered(options, answer->option, answer->allow)) {
		return answer->option;
	}
	if (answer->scope != ADAPTER_ONCE) {
		id = option_of_kind(options, always);
	}
	if (id.n == 0) {
		id = option_of_kind(options, once);
	}
	if (id.n == 0 && !answer->allow) {
		id = option_of_kind(options, always);
	}
	return id;
}

static void send_choice(struct adapter_out *out, const struct acp_open *ask, struct str option)
{
	struct buf text;
	struct jsonw w;

	if (option.n == 0) {
		acp_result(out, ask->request, STR_LIT(OUTCOME_CANCELLED));
		return;
	}
	buf_init(&text, (size_t)16 * ACP_NAME_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_object(&w, "outcome");
	jsonw_cstr(&w, "outcome", "selected");
	jsonw_str(&w, "optionId", option);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	acp_result(out, ask->request, buf_str(&text));
	buf_fini(&text);
}

static void end_denied(struct adapter *a, const struct acp_open *ask, struct str message,
                       struct adapter_out *out)
{
	struct acp_tool *tool = acp_tool_find(a, acp_text(ask->tool));

	if (tool != NULL) {
		acp_tool_end(a, tool, message.n > 0 ? message : STR_LIT("denied"), true, out);
	}
}

void acp_answer(struct adapter *a, const struct adapter_answer *answer, struct adapter_out *out)
{
	struct acp_open *ask = find(&a->asks, answer->ask);
	struct adapter_answer what = *answer;
	struct err err;
	struct json_value *options;
	struct str option;

	if (ask == NULL) {
		return;
	}
	/* The protocol has no place for it, and what was not allowed must not run. */
	if (what.allow && what.input != NULL) {
		what = (struct adapter_answer){
			.message =
				STR_LIT("the agent takes no edited input: the tool was denied")
		};
		adapter_say_error(out, STR_LIT("permission"), what.message);
	}
	options = json_parse(str_of(ask->options), &err);
	option = choose(options, &what);
	if (what.allow && option.n == 0) {
		adapter_say_error(out, STR_LIT("permission"),
		                  STR_LIT("the agent offers nothing that allows it this once"));
	}
	send_choice(out, ask, option);
	if (!what.allow) {
		end_denied(a, ask, what.message, out);
	}
	json_value_free(options);
	drop_ask(a, ask);
	if (!what.allow && what.interrupt && a->turn != NULL) {
		acp_interrupt(a, out);
	}
}

void acp_asks_cancel(struct adapter *a, struct adapter_out *out)
{
	struct acp_open *ask;

	while ((ask = TAILQ_FIRST(&a->asks)) != NULL) {
		if (!a->over) {
			acp_result(out, ask->request, STR_LIT(OUTCOME_CANCELLED));
		}
		adapter_out_withdraw(out, str_of(ask->id));
		drop_ask(a, ask);
	}
}

/* ---- calls ---- */

static bool is_served(const struct adapter *a, struct str method)
{
	static const char *const methods[] = { "fs/read_text_file", "fs/write_text_file",
		                               "terminal/create",   "terminal/output",
		                               "terminal/kill",     "terminal/wait_for_exit",
		                               "terminal/release" };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (str_eq(method, str_of(methods[i]))) {
			return a->kind->files || !str_starts(method, STR_LIT("fs/"));
		}
	}
	return false;
}

void acp_called(struct adapter *a, const struct json_value *id, struct str method,
                const struct json_value *params, struct adapter_out *out)
{
	char *request = text_of(id, REQUEST_ID_MAX);
	struct acp_open *call;
	char *text;

	if (request == NULL) {
		return;
	}
	if (!is_served(a, method) || a->call_count >= ACP_CALLS_MAX) {
		acp_error(out, request, is_served(a, method) ? -32603 : -32601,
		          is_served(a, method) ? STR_LIT("too many calls at once")
		                               : STR_LIT("method not found"));
		free(request);
		return;
	}
	if (json_type_of(params) != JSON_T_OBJECT) {
		acp_error(out, request, -32602, STR_LIT("params must be an object"));
		free(request);
		return;
	}
	call = make_open(a, "call", request);
	call->method = mem_strndup(method);
	acp_set(&call->terminal, json_as_str(json_get(params, "terminalId")));
	TAILQ_INSERT_TAIL(&a->calls, call, link);
	a->call_count++;
	text = text_of(params, (size_t)2 * ADAPTER_LINE_MAX);
	adapter_out_call(out, str_of(call->id), method, acp_text(text));
	free(text);
}

void acp_call_result(struct adapter *a, const struct adapter_result *result,
                     struct adapter_out *out)
{
	struct acp_open *call = find(&a->calls, result->call);
	char *text;

	if (call == NULL) {
		return; /* the agent has given it up */
	}
	text = result->result != NULL ? text_of(result->result, ACP_WRITE_MAX) : NULL;
	if (text != NULL) {
		acp_result(out, call->request, str_of(text));
	} else {
		acp_error(out, call->request, -32603,
		          result->message.n > 0 ? result->message : STR_LIT("it failed"));
	}
	if (str_eq(str_of(call->method), STR_LIT("terminal/output"))) {
		acp_terminal_said(a, acp_text(call->terminal),
		                  json_as_str(json_get(result->result, "output")), out);
	}
	free(text);
	drop_call(a, call);
}

void acp_uncalled(struct adapter *a, const struct json_value *id, struct adapter_out *out)
{
	char *request = text_of(id, REQUEST_ID_MAX);
	struct acp_open *ask = request != NULL ? find_request(&a->asks, str_of(request)) : NULL;
	struct acp_open *call = request != NULL ? find_request(&a->calls, str_of(request)) : NULL;

	if (ask != NULL) {
		acp_error(out, ask->request, CANCELLED, STR_LIT("cancelled"));
		adapter_out_withdraw(out, str_of(ask->id));
		drop_ask(a, ask);
	}
	if (call != NULL) {
		acp_error(out, call->request, CANCELLED, STR_LIT("cancelled"));
		drop_call(a, call);
	}
	free(request);
}
