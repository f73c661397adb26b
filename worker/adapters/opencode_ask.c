/* What opencode asks people: permissions, and questions of its question tool. */
#include <stdlib.h>

#include "worker/adapters/opencode_private.h"

enum { TITLE_MAX = 200, SHORT_MAX = 4096 };

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

static const struct json_value *props(const struct opencode_ask *ask)
{
	return json_get(ask->event, "properties");
}

/* ---- a question ---- */

static void add_option(struct jsonw *w, const char *id, struct str name, const char *kind)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", id);
	jsonw_str(w, "name", name);
	jsonw_cstr(w, "kind", kind);
	jsonw_end_object(w);
}

static void add_title(struct jsonw *w, const struct json_value *p)
{
	struct str permission = json_as_str(json_get(p, "permission"));
	struct str pattern = json_as_str(json_at(json_get(p, "patterns"), 0));
	struct str command = json_as_str(json_get(json_get(p, "metadata"), "command"));
	struct buf text;

	buf_init(&text, OPENCODE_ASK_MAX);
	buf_add_str(&text, cut(permission, TITLE_MAX));
	buf_add_cstr(&text, ": ");
	buf_add_str(&text, cut(command.n > 0 ? command : pattern, TITLE_MAX));
	jsonw_str(w, "title", buf_str(&text));
	buf_fini(&text);
}

/* The metadata, and for rules what would be read or written; a path that is not known whole is "",
 * which no rule takes. */
static void add_input(struct jsonw *w, const struct json_value *p)
{
	enum { MEMBERS_MAX = 32 };
	const struct json_value *metadata = json_get(p, "metadata"), *value;
	struct str permission = json_as_str(json_get(p, "permission"));
	struct str path = json_as_str(json_get(metadata, "filepath"));
	struct str name;
	void *at = NULL;
	size_t n = 0;

	jsonw_object(w, "input");
	while (n++ < MEMBERS_MAX && json_next(metadata, &at, &name, &value)) {
		if (!str_eq(name, STR_LIT("paths")) && name.n <= ADAPTER_ID_MAX) {
			adapter_say_value(w, name.p, value);
		}
	}
	if (!str_eq(permission, STR_LIT("bash")) && !str_eq(permission, STR_LIT("webfetch"))) {
		jsonw_array(w, "paths");
		jsonw_str(w, NULL, path.n <= SHORT_MAX ? path : STR_LIT(""));
		jsonw_end_array(w);
	}
	if (json_get(metadata, "patterns") == NULL) {
		adapter_say_value(w, "patterns", json_get(p, "patterns"));
	}
	jsonw_end_object(w);
}

static void add_permission_options(struct jsonw *w, const struct json_value *p)
{
	const struct json_value *always = json_get(p, "always");
	struct buf text;

	buf_init(&text, OPENCODE_ASK_MAX);
	buf_add_cstr(&text, "Allow for this session");
	for (size_t i = 0; i < json_count(always) && text.len < TITLE_MAX; i++) {
		buf_add_cstr(&text, i == 0 ? ": " : ", ");
		buf_add_str(&text, cut(json_as_str(json_at(always, i)), TITLE_MAX));
	}
	jsonw_array(w, "options");
	add_option(w, "once", STR_LIT("Allow"), "allow_once");
	add_option(w, "always", buf_str(&text), "allow_always");
	add_option(w, "reject", STR_LIT("Deny"), "reject_once");
	jsonw_end_array(w);
	buf_fini(&text);
}

static void add_questions(struct jsonw *w, const struct json_value *questions)
{
	enum { QUESTIONS_MAX = 16 };

	jsonw_array(w, "questions");
	for (size_t i = 0; i < json_count(questions) && i < QUESTIONS_MAX; i++) {
		const struct json_value *q = json_at(questions, i);

		jsonw_object(w, NULL);
		jsonw_str(w, "question", cut(json_as_str(json_get(q, "question")), SHORT_MAX));
		jsonw_str(w, "header", cut(json_as_str(json_get(q, "header")), SHORT_MAX));
		adapter_say_value(w, "options", json_get(q, "options"));
		jsonw_bool(w, "multi_select", json_as_bool(json_get(q, "multiple")));
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	jsonw_array(w, "options");
	add_option(w, "answer", STR_LIT("Answer"), "allow_once");
	add_option(w, "skip", STR_LIT("Give no answer"), "reject_once");
	jsonw_end_array(w);
}

static void put(struct adapter *a, const struct opencode_ask *ask, struct adapter_out *out)
{
	const struct json_value *p = props(ask), *questions = json_get(p, "questions");
	struct str call = json_as_str(json_get(json_get(p, "tool"), "callID"));
	struct str agent = opencode_agent(a, p);
	struct buf text;
	struct jsonw w;

	buf_init(&text, (size_t)4 * OPENCODE_ASK_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (ask->question) {
		jsonw_str(&w, "title",
		          cut(json_as_str(json_get(json_at(questions, 0), "question")), TITLE_MAX));
		jsonw_cstr(&w, "tool_name", "question");
	} else {
		add_title(&w, p);
		jsonw_str(&w, "tool_name",
		          cut(json_as_str(json_get(p, "permission")), ADAPTER_ID_MAX));
	}
	if (call.n > 0) {
		jsonw_str(&w, "tool_use_id", cut(call, ADAPTER_ID_MAX));
	}
	if (ask->question) {
		add_questions(&w, questions);
	} else {
		add_input(&w, p);
		add_permission_options(&w, p);
	}
	if (agent.n > 0) {
		jsonw_str(&w, "agent_id", cut(agent, ADAPTER_ID_MAX));
	}
	jsonw_end_object(&w);
	adapter_out_ask(out, str_of(ask->id), &text);
	buf_fini(&text);
}

/* ---- open questions ---- */

static struct opencode_ask *find(const struct adapter *a, struct str id)
{
	struct opencode_ask *ask;

	TAILQ_FOREACH (ask, &a->asks, link) {
		if (str_eq(id, str_of(ask->id))) {
			break;
		}
	}
	return ask;
}

static void ask_free(struct adapter *a, struct opencode_ask *ask)
{
	TAILQ_REMOVE(&a->asks, ask, link);
	a->ask_count--;
	free(ask->id);
	json_value_free(ask->event);
	free(ask);
}

/* Ids become parts of paths. */
static bool is_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-')) {
			return false;
		}
	}
	return id.n > 0 && id.n <= ADAPTER_ID_MAX;
}

static void request(const struct opencode_ask *ask, const char *what, struct str body,
                    struct adapter_out *out)
{
	struct buf path;

	buf_init(&path, SHORT_MAX);
	buf_addf(&path, "POST /%s/%s/%s", ask->question ? "question" : "permission", ask->id, what);
	adapter_out_request(out, STR_LIT("answer"), buf_str(&path), body);
	buf_fini(&path);
}

static void reject(const struct opencode_ask *ask, struct str message, struct adapter_out *out)
{
	struct buf body;
	struct jsonw w;

	if (ask->question) {
		request(ask, "reject", STR_LIT(""), out);
		return;
	}
	buf_init(&body, OPENCODE_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "reply", "reject");
	if (message.n > 0) {
		jsonw_str(&w, "message", message);
	}
	jsonw_end_object(&w);
	request(ask, "reply", buf_str(&body), out);
	buf_fini(&body);
}

static void take(struct adapter *a, struct json_value *event, bool question,
                 struct adapter_out *out)
{
	struct str id = json_as_str(json_get(json_get(event, "properties"), "id"));
	struct opencode_ask *ask;

	if (!is_id(id) || find(a, id) != NULL) {
		json_value_free(event);
		return;
	}
	ask = mem_calloc(1, sizeof(*ask));
	opencode_set(&ask->id, id);
	ask->event = event;
	ask->question = question;
	TAILQ_INSERT_TAIL(&a->asks, ask, link);
	if (++a->ask_count > ADAPTER_ASKS_MAX) {
		reject(ask, STR_LIT("too many questions"), out);
		ask_free(a, ask);
		return;
	}
	put(a, ask, out);
}

void opencode_permission_asked(struct adapter *a, struct json_value *event, struct adapter_out *out)
{
	take(a, event, false, out);
}

void opencode_question_asked(struct adapter *a, struct json_value *event, struct adapter_out *out)
{
	take(a, event, true, out);
}

void opencode_ask_closed(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	struct opencode_ask *ask = find(a, json_as_str(json_get(p, "requestID")));

	if (ask != NULL) { /* not by us: by another rejection, say */
		adapter_out_withdraw(out, str_of(ask->id));
		ask_free(a, ask);
	}
}

void opencode_asks_withdraw(struct adapter *a, bool tell, struct adapter_out *out)
{
	while (!TAILQ_EMPTY(&a->asks)) {
		struct opencode_ask *ask = TAILQ_FIRST(&a->asks);

		if (tell) { /* an abort leaves them open */
			reject(ask, STR_LIT(""), out);
		}
		adapter_out_withdraw(out, str_of(ask->id));
		ask_free(a, ask);
	}
}

/* ---- answers ---- */

/* By the question's text, its header, or its place. */
static const struct json_value *answer_to(const struct json_value *answers,
                                          const struct json_value *question, size_t i)
{
	static const char *const names[] = { "question", "header" };

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

static void answer_question(const struct opencode_ask *ask, const struct adapter_answer *answer,
                            struct adapter_out *out)
{
	const struct json_value *questions = json_get(props(ask), "questions");
	struct buf body;
	struct jsonw w;

	buf_init(&body, OPENCODE_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "answers");
	for (size_t i = 0; i < json_count(questions); i++) {
		const struct json_value *given =
			answer_to(answer->answers, json_at(questions, i), i);

		if (json_type_of(given) == JSON_T_ARRAY) {
			adapter_say_value(&w, NULL, given);
			continue;
		}
		jsonw_array(&w, NULL);
		if (given != NULL) {
			jsonw_str(&w, NULL, json_as_str(given));
		}
		jsonw_end_array(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	request(ask, "reply", buf_str(&body), out);
	buf_fini(&body);
}

/* A person wants another command run: opencode takes no other input with a yes. */
static struct str edited_command(const struct opencode_ask *ask, const struct json_value *input)
{
	struct str asked = json_as_str(json_get(json_get(props(ask), "metadata"), "command"));
	struct str edited = json_as_str(json_get(input, "command"));

	return asked.n == 0 || str_eq(asked, edited) ? STR_LIT("") : edited;
}

/* Without a message a rejection ends the turn. */
static void deny(const struct opencode_ask *ask, const struct adapter_answer *answer,
                 struct str edited, struct adapter_out *out)
{
	struct buf text;

	buf_init(&text, OPENCODE_BODY_MAX);
	if (edited.n > 0) {
		buf_addf(&text,
		         "Run this command in place of the one that was denied: %" STR_FMT "\n",
		         STR_ARG(edited));
	}
	buf_add_str(&text, answer->message);
	if (text.len == 0 && !answer->interrupt) {
		buf_add_cstr(&text, "The user denied this.");
	}
	reject(ask, answer->interrupt ? STR_LIT("") : buf_str(&text), out);
	buf_fini(&text);
}

void opencode_answer(struct adapter *a, const struct adapter_answer *answer,
                     struct adapter_out *out)
{
	struct opencode_ask *ask = find(a, answer->ask);
	bool always = str_eq(answer->option, STR_LIT("always")) ||
	              (answer->option.n == 0 && answer->scope != ADAPTER_ONCE);
	struct str edited;

	if (ask == NULL) {
		return; /* withdrawn meanwhile */
	}
	edited = answer->allow ? edited_command(ask, answer->input) : STR_LIT("");
	if (!answer->allow && answer->interrupt) {
		a->stop = "interrupted";
	}
	if (ask->question && answer->allow) {
		answer_question(ask, answer, out);
	} else if (!answer->allow || edited.n > 0 || str_eq(answer->option, STR_LIT("reject"))) {
		deny(ask, answer, edited, out);
	} else {
		request(ask, "reply",
		        always ? STR_LIT("{\"reply\":\"always\"}")
		               : STR_LIT("{\"reply\":\"once\"}"),
		        out);
	}
	ask_free(a, ask);
}
