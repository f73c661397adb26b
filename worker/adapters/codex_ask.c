/* What codex asks people, and what it asks of us: requests from it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "worker/adapters/codex_private.h"

enum { TITLE_MAX = 200, TEXT_SHOWN = 8 * 1024, PATH_MAX_SHOWN = 512, AMENDMENTS_MAX = 8 };

struct codex_asking {
	const char *method;
	/* The members of the question but its options. */
	void (*describe)(const struct adapter *a, const struct json_value *params, struct jsonw *w);
	void (*options)(const struct json_value *params, struct jsonw *w);
	/* The result. */
	void (*answer)(struct adapter *a, const struct json_value *params,
	               const struct adapter_answer *answer, struct jsonw *w);
	/* A denial is all it has for a message or another input: these follow as text. */
	bool remarks;
};

/* ---- parts of a question ---- */

static struct str cut(struct str text, size_t max)
{
	size_t n = 0;

	while (n < text.n) {
		size_t step = str_utf8_step(str_make(text.p + n, text.n - n));

		if (step == 0 || n + step > max) {
			break;
		}
		n += step;
	}
	return str_make(text.p, n);
}

static void add_title(struct jsonw *w, const char *verb, struct str what)
{
	struct buf text;

	buf_init(&text, EVENT_DATA_MAX);
	buf_add_cstr(&text, verb);
	buf_add_str(&text, cut(what, TITLE_MAX));
	jsonw_str(w, "title", buf_str(&text));
	buf_fini(&text);
}

static void add_reason(struct jsonw *w, const struct json_value *params, const char *name)
{
	struct str reason = json_as_str(json_get(params, name));

	if (reason.n > 0) {
		jsonw_str(w, "description", cut(reason, TEXT_SHOWN));
	}
}

static void add_tool(struct jsonw *w, const char *name, const struct json_value *params)
{
	jsonw_cstr(w, "tool_name", name);
	jsonw_str(w, "tool_use_id", cut(json_as_str(json_get(params, "itemId")), ADAPTER_ID_MAX));
}

static void add_option(struct jsonw *w, const char *id, const char *name, const char *kind)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", id);
	jsonw_cstr(w, "name", name);
	jsonw_cstr(w, "kind", kind);
	jsonw_end_object(w);
}

static void add_decisions(struct jsonw *w)
{
	add_option(w, "accept", "Allow", "allow_once");
	add_option(w, "acceptForSession", "Allow for this session", "allow_always");
}

static void add_refusals(struct jsonw *w)
{
	add_option(w, "decline", "Deny", "reject_once");
	add_option(w, "cancel", "Deny and end the turn", "reject_once");
}

/* accept, acceptForSession, decline or cancel. */
static const char *decision_of(const struct adapter_answer *answer)
{
	static const char *const known[] = { "accept", "acceptForSession", "decline", "cancel" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(answer->option, str_of(known[i]))) {
			return known[i];
		}
	}
	if (answer->allow) {
		return answer->scope == ADAPTER_ONCE ? "accept" : "acceptForSession";
	}
	return answer->interrupt ? "cancel" : "decline";
}

/* ---- a command ---- */

static struct str network_host(const struct json_value *params)
{
	return json_as_str(json_get(json_get(params, "networkApprovalContext"), "host"));
}

/* A command that is too long to be shown is no command that a rule could allow. */
static void add_command_input(struct jsonw *w, const struct json_value *params, struct str command)
{
	struct str host = network_host(params);

	jsonw_object(w, "input");
	if (host.n > 0) {
		jsonw_str(w, "for_command", cut(command, TEXT_SHOWN));
	} else if (command.n <= CODEX_ASK_MAX / 4) {
		jsonw_str(w, "command", command);
	} else {
		jsonw_bool(w, "truncated", true);
		jsonw_u64(w, "bytes", command.n);
	}
	jsonw_str(w, "cwd", cut(json_as_str(json_get(params, "cwd")), TEXT_SHOWN));
	if (host.n > 0) {
		jsonw_str(w, "host", cut(host, TEXT_SHOWN));
	}
	jsonw_end_object(w);
}

static void describe_command(const struct adapter *a, const struct json_value *params,
                             struct jsonw *w)
{
	struct str host = network_host(params);
	struct buf command;

	(void)a;
	buf_init(&command, ADAPTER_LINE_MAX);
	codex_command_of(json_as_str(json_get(params, "command")), &command);
	if (host.n > 0) {
		add_title(w, "Connect to ", host);
	} else {
		add_title(w, "Run ", buf_str(&command));
	}
	add_reason(w, params, "reason");
	add_tool(w, host.n > 0 ? "network" : "shell", params);
	add_command_input(w, params, buf_str(&command));
	buf_fini(&command);
}

/* "network:0": by its place in the proposals. */
static void add_network_options(const struct json_value *params, struct jsonw *w)
{
	const struct json_value *list = json_get(params, "proposedNetworkPolicyAmendments");

	for (size_t i = 0; i < json_count(list) && i < AMENDMENTS_MAX; i++) {
		struct str action = json_as_str(json_get(json_at(list, i), "action"));
		struct str host = json_as_str(json_get(json_at(list, i), "host"));
		bool allow = str_eq(action, STR_LIT("allow"));
		struct buf text;
		char id[32];

		buf_init(&text, TEXT_SHOWN);
		buf_addf(&text, "%s %" STR_FMT, allow ? "Always allow" : "Always deny",
		         STR_ARG(cut(host, TITLE_MAX)));
		(void)snprintf(id, sizeof(id), "network:%zu", i);
		add_option(w, id, buf_cstr(&text), allow ? "allow_always" : "reject_always");
		buf_fini(&text);
	}
}

static void command_options(const struct json_value *params, struct jsonw *w)
{
	const struct json_value *words = json_get(params, "proposedExecpolicyAmendment");
	struct buf text;

	add_decisions(w);
	if (json_count(words) > 0) {
		buf_init(&text, ADAPTER_LINE_MAX);
		buf_add_cstr(&text, "Always allow commands that begin with:");
		for (size_t i = 0; i < json_count(words) && text.len < TITLE_MAX; i++) {
			buf_add_char(&text, ' ');
			buf_add_str(&text, cut(json_as_str(json_at(words, i)), TITLE_MAX));
		}
		add_option(w, "acceptWithExecpolicyAmendment", buf_cstr(&text), "allow_always");
		buf_fini(&text);
	}
	add_network_options(params, w);
	add_refusals(w);
}

static bool answer_network(const struct json_value *params, struct str option, struct jsonw *w)
{
	const struct json_value *list = json_get(params, "proposedNetworkPolicyAmendments");
	struct str prefix = STR_LIT("network:");
	uint64_t i;

	if (!str_starts(option, prefix) ||
	    !parse_u64(str_make(option.p + prefix.n, option.n - prefix.n), AMENDMENTS_MAX - 1,
	               &i) ||
	    i >= json_count(list)) {
		return false;
	}
	jsonw_object(w, "decision");
	jsonw_object(w, "applyNetworkPolicyAmendment");
	adapter_say_value(w, "network_policy_amendment", json_at(list, i));
	jsonw_end_object(w);
	jsonw_end_object(w);
	return true;
}

static void answer_command(struct adapter *a, const struct json_value *params,
                           const struct adapter_answer *answer, struct jsonw *w)
{
	const struct json_value *words = json_get(params, "proposedExecpolicyAmendment");
	bool by_option = str_eq(answer->option, STR_LIT("acceptWithExecpolicyAmendment"));
	bool always = answer->option.n == 0 && answer->allow && answer->scope == ADAPTER_ALWAYS;

	(void)a;
	if (answer_network(params, answer->option, w)) {
		return;
	}
	if ((by_option || always) && json_count(words) > 0) {
		jsonw_object(w, "decision");
		jsonw_object(w, "acceptWithExecpolicyAmendment");
		adapter_say_value(w, "execpolicy_amendment", words);
		jsonw_end_object(w);
		jsonw_end_object(w);
		return;
	}
	jsonw_cstr(w, "decision", decision_of(answer));
}

/* ---- a change of files ---- */

/* Half a path is another path. */
static struct str whole_path(struct str path)
{
	return path.n <= PATH_MAX_SHOWN ? path : STR_LIT("");
}

/* All that would be written, for rules to look at; one that is empty matches none of them. */
static void add_paths(struct jsonw *w, const struct json_value *changes, struct str root)
{
	enum { PATHS_MAX = 100 };

	jsonw_array(w, "paths");
	if (json_count(changes) == 0 || json_count(changes) > PATHS_MAX) {
		jsonw_cstr(w, NULL, "");
	}
	for (size_t i = 0; i < json_count(changes) && i < PATHS_MAX; i++) {
		const struct json_value *change = json_at(changes, i);
		struct str to = json_as_str(json_get(json_get(change, "kind"), "move_path"));

		jsonw_str(w, NULL, whole_path(json_as_str(json_get(change, "path"))));
		if (to.n > 0) {
			jsonw_str(w, NULL, whole_path(to));
		}
	}
	if (root.n > 0) {
		jsonw_str(w, NULL, whole_path(root));
	}
	jsonw_end_array(w);
	if (root.n > 0) {
		jsonw_str(w, "grant_root", whole_path(root));
	}
}

static void describe_change(const struct adapter *a, const struct json_value *params,
                            struct jsonw *w)
{
	const struct codex_item *item = codex_item_find(a, json_as_str(json_get(params, "itemId")));
	const struct json_value *changes = item != NULL ? json_get(item->args, "changes") : NULL;
	struct str first = json_as_str(json_get(json_at(changes, 0), "path"));

	add_title(w, json_count(changes) > 1 ? "Change files: " : "Change ", first);
	add_reason(w, params, "reason");
	add_tool(w, "apply_patch", params);
	jsonw_object(w, "input");
	add_paths(w, changes, json_as_str(json_get(params, "grantRoot")));
	adapter_say_value(w, "diffs", changes);
	jsonw_end_object(w);
}

static void change_options(const struct json_value *params, struct jsonw *w)
{
	(void)params;
	add_decisions(w);
	add_refusals(w);
}

static void answer_change(struct adapter *a, const struct json_value *params,
                          const struct adapter_answer *answer, struct jsonw *w)
{
	(void)a;
	(void)params;
	jsonw_cstr(w, "decision", decision_of(answer));
}

/* ---- more rights ---- */

static void describe_permissions(const struct adapter *a, const struct json_value *params,
                                 struct jsonw *w)
{
	(void)a;
	add_title(w, "Give more rights", STR_LIT(""));
	add_reason(w, params, "reason");
	add_tool(w, "permissions", params);
	adapter_say_value(w, "input", json_get(params, "permissions"));
}

static void permission_options(const struct json_value *params, struct jsonw *w)
{
	(void)params;
	add_option(w, "turn", "Allow for this turn", "allow_once");
	add_option(w, "session", "Allow for this session", "allow_always");
	add_option(w, "decline", "Deny", "reject_once");
}

static void answer_permissions(struct adapter *a, const struct json_value *params,
                               const struct adapter_answer *answer, struct jsonw *w)
{
	bool deny = !answer->allow || str_eq(answer->option, STR_LIT("decline"));
	bool session = !deny && (str_eq(answer->option, STR_LIT("session")) ||
	                         (answer->option.n == 0 && answer->scope != ADAPTER_ONCE));
	const struct json_value *asked = json_get(params, "permissions"), *value;
	struct str name;
	void *at = NULL;

	(void)a;
	jsonw_object(w, "permissions");
	while (!deny && json_next(asked, &at, &name, &value)) {
		if (json_type_of(value) != JSON_T_NULL) {
			adapter_say_value(w, name.p, value);
		}
	}
	jsonw_end_object(w);
	jsonw_cstr(w, "scope", session ? "session" : "turn");
}

/* ---- questions to the person ---- */

static void add_questions(struct jsonw *w, const struct json_value *questions)
{
	enum { QUESTIONS_MAX = 16 };

	jsonw_array(w, "questions");
	for (size_t i = 0; i < json_count(questions) && i < QUESTIONS_MAX; i++) {
		const struct json_value *q = json_at(questions, i);

		jsonw_object(w, NULL);
		jsonw_str(w, "id", cut(json_as_str(json_get(q, "id")), ADAPTER_ID_MAX));
		jsonw_str(w, "header", cut(json_as_str(json_get(q, "header")), TEXT_SHOWN));
		jsonw_str(w, "question", cut(json_as_str(json_get(q, "question")), TEXT_SHOWN));
		if (json_count(json_get(q, "options")) > 0) {
			adapter_say_value(w, "options", json_get(q, "options"));
		}
		jsonw_bool(w, "secret", json_as_bool(json_get(q, "isSecret")));
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static void describe_questions(const struct adapter *a, const struct json_value *params,
                               struct jsonw *w)
{
	const struct json_value *questions = json_get(params, "questions");

	(void)a;
	add_title(w, "", json_as_str(json_get(json_at(questions, 0), "question")));
	add_tool(w, "request_user_input", params);
	add_questions(w, questions);
}

static void question_options(const struct json_value *params, struct jsonw *w)
{
	(void)params;
	add_option(w, "answer", "Answer", "allow_once");
	add_option(w, "skip", "Give no answer", "reject_once");
}

/* By the question's id, its text, or its place. */
static const struct json_value *answer_to(const struct json_value *answers,
                                          const struct json_value *question, size_t i)
{
	static const char *const names[] = { "id", "question", "header" };

	if (json_type_of(answers) == JSON_T_ARRAY) {
		return json_at(answers, i);
	}
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		struct str name = json_as_str(json_get(question, names[k]));
		const struct json_value *found = name.n > 0 ? json_get(answers, name.p) : NULL;

		if (found != NULL) {
			return found;
		}
	}
	return NULL;
}

static void answer_questions(struct adapter *a, const struct json_value *params,
                             const struct adapter_answer *answer, struct jsonw *w)
{
	const struct json_value *questions = json_get(params, "questions");

	(void)a;
	jsonw_object(w, "answers");
	for (size_t i = 0; answer->allow && i < json_count(questions); i++) {
		const struct json_value *q = json_at(questions, i);
		const struct json_value *given = answer_to(answer->answers, q, i);
		struct str id = json_as_str(json_get(q, "id"));

		if (given == NULL || id.n == 0) {
			continue;
		}
		jsonw_object(w, id.p);
		if (json_type_of(given) == JSON_T_ARRAY) {
			adapter_say_value(w, "answers", given);
		} else {
			jsonw_array(w, "answers");
			adapter_say_value(w, NULL, given);
			jsonw_end_array(w);
		}
		jsonw_end_object(w);
	}
	jsonw_end_object(w);
}

/* ---- a question of an MCP server ---- */

static void describe_elicitation(const struct adapter *a, const struct json_value *params,
                                 struct jsonw *w)
{
	struct str url = json_as_str(json_get(params, "url"));

	(void)a;
	add_title(w, "", json_as_str(json_get(params, "message")));
	jsonw_cstr(w, "tool_name", "elicitation");
	jsonw_object(w, "input");
	jsonw_str(w, "server", cut(json_as_str(json_get(params, "serverName")), TEXT_SHOWN));
	adapter_say_value(w, "schema", json_get(params, "requestedSchema"));
	if (url.n > 0) {
		jsonw_str(w, "url", cut(url, TEXT_SHOWN));
	}
	jsonw_end_object(w);
}

static void elicitation_options(const struct json_value *params, struct jsonw *w)
{
	(void)params;
	add_option(w, "accept", "Answer", "allow_once");
	add_option(w, "decline", "Decline", "reject_once");
	add_option(w, "cancel", "Cancel", "reject_once");
}

static void answer_elicitation(struct adapter *a, const struct json_value *params,
                               const struct adapter_answer *answer, struct jsonw *w)
{
	const char *decision = decision_of(answer);
	bool accept = decision[0] == 'a';

	(void)a;
	(void)params;
	jsonw_cstr(w, "action", accept ? "accept" : decision);
	if (accept && answer->answers != NULL) {
		adapter_say_value(w, "content", answer->answers);
	} else if (accept) {
		jsonw_object(w, "content");
		jsonw_end_object(w);
	} else {
		jsonw_null(w, "content");
	}
	jsonw_null(w, "_meta");
}

/* ---- the table ---- */

static const struct codex_asking askings[] = {
	{ "item/commandExecution/requestApproval", describe_command, command_options,
	  answer_command, true },
	{ "item/fileChange/requestApproval", describe_change, change_options, answer_change, true },
	{ "item/permissions/requestApproval", describe_permissions, permission_options,
	  answer_permissions, true },
	{ "item/tool/requestUserInput", describe_questions, question_options, answer_questions,
	  false },
	{ "mcpServer/elicitation/request", describe_elicitation, elicitation_options,
	  answer_elicitation, false },
};

const char *const *codex_requests(struct arena *arena)
{
	const char **names = arena_take(arena, (ARRAY_LEN(askings) + 1) * sizeof(*names));

	for (size_t i = 0; i < ARRAY_LEN(askings); i++) {
		names[i] = askings[i].method;
	}
	return names;
}

static const struct codex_asking *asking_of(struct str method)
{
	for (size_t i = 0; i < ARRAY_LEN(askings); i++) {
		if (str_eq(method, str_of(askings[i].method))) {
			return &askings[i];
		}
	}
	return NULL;
}

/* ---- open questions ---- */

static void ask_free(struct adapter *a, struct codex_ask *ask)
{
	TAILQ_REMOVE(&a->asks, ask, link);
	a->ask_count--;
	free(ask->id);
	json_value_free(ask->line);
	free(ask);
}

static void refuse(const char *id, const char *why, struct adapter_out *out)
{
	struct codex_line line;

	codex_reply_begin(&line, id);
	jsonw_object(&line.w, "error");
	jsonw_i64(&line.w, "code", -32601); /* JSON-RPC 2.0: method not found */
	jsonw_cstr(&line.w, "message", why);
	jsonw_end_object(&line.w);
	codex_line_end(&line, out);
}

static void put_question(struct adapter *a, const struct codex_ask *ask, struct adapter_out *out)
{
	const struct json_value *params = json_get(ask->line, "params");
	struct str agent = codex_agent(a, params);
	struct buf text;
	struct jsonw w;

	buf_init(&text, (size_t)4 * CODEX_ASK_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	ask->how->describe(a, params, &w);
	jsonw_array(&w, "options");
	ask->how->options(params, &w);
	jsonw_end_array(&w);
	if (agent.n > 0) {
		jsonw_str(&w, "agent_id", cut(agent, ADAPTER_ID_MAX));
	}
	jsonw_end_object(&w);
	adapter_out_ask(out, str_of(ask->id), &text);
	buf_fini(&text);
}

static struct codex_ask *find(const struct adapter *a, struct str id)
{
	struct codex_ask *ask;

	TAILQ_FOREACH (ask, &a->asks, link) {
		if (str_eq(id, str_of(ask->id))) {
			break;
		}
	}
	return ask;
}

void codex_ask(struct adapter *a, struct json_value *line, struct adapter_out *out)
{
	const struct codex_asking *how = asking_of(json_as_str(json_get(line, "method")));
	struct codex_ask *ask;
	const char *why;
	struct buf id;

	buf_init(&id, (size_t)2 * ADAPTER_LINE_MAX);
	json_format(json_get(line, "id"), &id);
	if (how == NULL) {
		adapter_say_native(out, CODEX_PROTOCOL, STR_LIT(""), line);
	}
	why = how == NULL                            ? "not supported"
	      : find(a, buf_str(&id)) != NULL        ? "a request of that id is open"
	      : a->ask_count >= ADAPTER_ASKS_MAX     ? "too many questions"
	      : id.len > ADAPTER_ID_MAX || id.failed ? "the id is too long"
	                                             : NULL;
	if (why != NULL) {
		refuse(buf_cstr(&id), why, out);
		json_value_free(line);
		buf_fini(&id);
		return;
	}
	ask = mem_calloc(1, sizeof(*ask));
	ask->id = buf_take(&id);
	ask->line = line;
	ask->how = how;
	TAILQ_INSERT_TAIL(&a->asks, ask, link);
	a->ask_count++;
	put_question(a, ask, out);
}

/* ---- answers ---- */

/* Whether the person wants something else done: codex takes no other input with a yes. */
static bool is_edited(const struct json_value *params, const struct json_value *input)
{
	struct str edited = json_as_str(json_get(input, "command"));
	struct str raw = json_as_str(json_get(params, "command"));
	struct buf shown;
	bool same;

	if (json_type_of(input) != JSON_T_OBJECT || raw.n == 0 || edited.n == 0) {
		return false;
	}
	buf_init(&shown, ADAPTER_LINE_MAX);
	codex_command_of(raw, &shown);
	same = str_eq(edited, raw) || str_eq(edited, buf_str(&shown));
	buf_fini(&shown);
	return !same;
}

static void remark(struct adapter *a, const struct adapter_answer *answer, bool edited,
                   struct adapter_out *out)
{
	struct buf text;

	buf_init(&text, CODEX_ASK_MAX);
	if (edited) {
		buf_addf(&text,
		         "Run this command in place of the one that was denied: %" STR_FMT "\n",
		         STR_ARG(json_as_str(json_get(answer->input, "command"))));
	}
	buf_add_str(&text, answer->message);
	if (!buf_failed(&text) && text.len > 0) {
		codex_remark(a, buf_str(&text), out);
	}
	buf_fini(&text);
}

void codex_answer(struct adapter *a, const struct adapter_answer *answer, struct adapter_out *out)
{
	struct codex_ask *ask = find(a, answer->ask);
	struct adapter_answer said = *answer;
	const struct json_value *params;
	struct codex_line line;
	bool edited;

	if (ask == NULL) {
		return; /* withdrawn meanwhile */
	}
	params = json_get(ask->line, "params");
	edited = answer->allow && is_edited(params, answer->input);
	if (edited) {
		said.allow = false;
		said.option = STR_LIT("decline");
	}
	codex_reply_begin(&line, ask->id);
	jsonw_object(&line.w, "result");
	ask->how->answer(a, params, &said, &line.w);
	jsonw_end_object(&line.w);
	codex_line_end(&line, out);
	if (ask->how->remarks && !said.allow && !said.interrupt) {
		remark(a, answer, edited, out);
	}
	ask_free(a, ask);
}

void codex_ask_resolved(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	struct codex_ask *ask;
	struct buf id;

	buf_init(&id, (size_t)2 * ADAPTER_LINE_MAX);
	json_format(json_get(params, "requestId"), &id);
	ask = find(a, buf_str(&id));
	buf_fini(&id);
	if (ask != NULL) {
		adapter_out_withdraw(out, str_of(ask->id));
		ask_free(a, ask);
	}
}

void codex_asks_withdraw(struct adapter *a, struct str turn, struct adapter_out *out)
{
	struct codex_ask *ask, *next;

	for (ask = TAILQ_FIRST(&a->asks); ask != NULL; ask = next) {
		const struct json_value *params = json_get(ask->line, "params");

		next = TAILQ_NEXT(ask, link);
		if (turn.n == 0 || str_eq(turn, json_as_str(json_get(params, "turnId")))) {
			adapter_out_withdraw(out, str_of(ask->id));
			ask_free(a, ask);
		}
	}
}
