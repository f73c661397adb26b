/*
 * Slash commands that are answered here, whatever the agent: /help, /status, /cost and /model.  The
 * others are the agent's own, or prompts for those who have none.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/session_adapter.h"

enum { TEXT_MAX = 64 * 1024, LISTED_MAX = 200 };

/* "/name rest" */
static struct str take_name(const struct session_note *note, struct str *ret_rest)
{
	struct str line = json_as_str(json_get(note->payload, "command"));
	struct str name;

	if (str_starts(line, STR_LIT("/"))) {
		line.p++;
		line.n--;
	}
	name = str_split(&line, ' ');
	*ret_rest = line.n > 0 ? str_trim(line) : STR_LIT("");
	return str_trim(name);
}

typedef void(answer_fn)(const struct session_run *s, const struct json_value *capabilities,
                        struct buf *out);

static answer_fn help, status, cost, model;

static const struct {
	const char *name;
	answer_fn *answer;
	const char *help;
} locals[] = {
	{ "help", help, "the commands that there are" },
	{ "status", status, "what the session does" },
	{ "cost", cost, "what it has used so far" },
	{ "model", model, "which model it uses" },
};

/* ---- answers ---- */

static void help(const struct session_run *s, const struct json_value *capabilities,
                 struct buf *out)
{
	const struct json_value *list = json_get(capabilities, "commands");

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
		buf_addf(out, "/%s: %s\n", locals[i].name, locals[i].help);
	}
	for (size_t i = 0; i < json_count(list) && i < LISTED_MAX; i++) {
		const struct json_value *item = json_at(list, i);
		struct str name = json_type_of(item) == JSON_T_STRING
		                          ? json_as_str(item)
		                          : json_as_str(json_get(item, "name"));
		struct str what = json_as_str(json_get(item, "description"));

		buf_addf(out, "%s%" STR_FMT "%s%" STR_FMT "\n",
		         str_starts(name, STR_LIT("/")) ? "" : "/", STR_ARG(name),
		         what.n > 0 ? ": " : "", STR_ARG(what));
	}
}

static void model(const struct session_run *s, const struct json_value *capabilities,
                  struct buf *out)
{
	struct str now = json_as_str(json_get(capabilities, "model"));

	if (now.n == 0) {
		now = s->agent->command.model;
	}
	if (now.n > 0) {
		buf_addf(out, "model: %" STR_FMT "\n", STR_ARG(now));
	} else {
		buf_add_cstr(out, "model: the agent's default\n");
	}
}

static void status(const struct session_run *s, const struct json_value *capabilities,
                   struct buf *out)
{
	const struct session_note *note;
	unsigned waiting = 0;

	TAILQ_FOREACH (note, &s->prompts, link) {
		waiting++;
	}
	buf_addf(out, "agent: %s\n", task_agent_types[s->agent->type]);
	model(s, capabilities, out);
	buf_addf(out, "turns: %llu%s\n", (unsigned long long)s->turn,
	         s->turn_open ? ", one runs" : "");
	buf_addf(out, "prompts that wait: %u\n", waiting);
	if (s->paused) {
		buf_add_cstr(out, "it is paused\n");
	}
}

static void cost(const struct session_run *s, const struct json_value *capabilities,
                 struct buf *out)
{
	const struct session_usage *used = s->adapter != NULL ? &s->adapter->usage : NULL;

	(void)capabilities;
	if (used == NULL) {
		buf_add_cstr(out, "agents of type command do not tell what they use\n");
		return;
	}
	buf_addf(out, "input tokens: %llu\noutput tokens: %llu\n", (unsigned long long)used->input,
	         (unsigned long long)used->output);
	buf_addf(out, "read from the cache: %llu\nwritten to it: %llu\n",
	         (unsigned long long)used->cache_read, (unsigned long long)used->cache_write);
	buf_addf(out, "cost: %.4f USD\n", used->usd);
}

/* ---- which ---- */

static answer_fn *find(const struct session_note *note)
{
	struct str rest;
	struct str name = take_name(note, &rest);

	for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
		/* With something behind it, it asks for more than to be told. */
		if (str_eq(name, str_of(locals[i].name)) && rest.n == 0) {
			return locals[i].answer;
		}
	}
	return NULL;
}

enum session_slash session_slash_of(const struct session_run *s, const struct session_note *note)
{
	const struct adapter_ops *ops =
		s->agent != NULL ? adapter_find(str_of(task_agent_types[s->agent->type])) : NULL;

	if (find(note) != NULL) {
		return SLASH_LOCAL;
	}
	return ops != NULL && (ops->features & ADAPTER_SLASH) != 0 ? SLASH_NATIVE : SLASH_PASSED;
}

const char *session_slash_answer(struct session_run *s, struct session_note *note)
{
	const char *told = s->adapter != NULL ? s->adapter->capabilities : NULL;
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *capabilities = told != NULL ? json_parse(str_of(told), &err) : NULL;
	struct buf text, json;
	struct jsonw w;

	if (s->agent == NULL) {
		return "the session has not begun";
	}
	buf_init(&text, TEXT_MAX);
	buf_init(&json, (size_t)8 * TEXT_MAX);
	find(note)(s, capabilities, &text);
	jsonw_init(&w, &json);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "source", "local");
	jsonw_str(&w, "text", buf_str(&text));
	jsonw_end_object(&w);
	note->result = buf_take(&json);
	buf_fini(&text);
	return NULL;
}
