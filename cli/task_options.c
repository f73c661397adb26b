#include "cli/task_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/str.h"
#include "json/value.h"
#include "json/write.h"

enum { TASK_COMMAND_SHOWN = 500 };

const struct option task_options_known[TASK_OPTIONS_MAX] = {
	{ "repo", required_argument, NULL, 'r' },
	{ "branch", required_argument, NULL, 'b' },
	{ "commit", required_argument, NULL, 'c' },
	{ "prompt", required_argument, NULL, 'm' },
	{ "deliver", required_argument, NULL, 'D' },
	{ "url", required_argument, NULL, 'u' },
	{ "key", required_argument, NULL, 'k' },
	{ "json", no_argument, NULL, 'j' },
	{ "detach", no_argument, NULL, 'd' },
	{ "pty", no_argument, NULL, 'p' },
	{ "agent", required_argument, NULL, 'g' },
	{ "model", required_argument, NULL, 'M' },
	{ "mode", required_argument, NULL, 'O' },
	{ "config", required_argument, NULL, 'G' },
	{ "interactive", no_argument, NULL, 'i' },
	{ "secret", required_argument, NULL, 's' },
	{ "sandbox", required_argument, NULL, 'S' },
	{ "timeout", required_argument, NULL, 't' },
	{ "count", required_argument, NULL, 'n' },
	{ "label", required_argument, NULL, 'l' },
	{ "env", required_argument, NULL, 'e' },
	{ "after", required_argument, NULL, 'a' },
	{ "not-before", required_argument, NULL, 'B' },
	{ "deadline", required_argument, NULL, 'L' },
	{ "concurrency", required_argument, NULL, 'C' },
	{ "attempts", required_argument, NULL, 'A' },
	{ "priority", required_argument, NULL, 'P' },
	{ "needs", required_argument, NULL, 'N' },
	{ "prefers", required_argument, NULL, 'F' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool add(const char *what, const char **list, size_t *count, size_t max, const char *pair)
{
	if (strchr(pair, '=') == NULL || pair[0] == '=') {
		(void)fprintf(stderr, "fairlead: --%s needs NAME=VALUE, not \"%s\"\n", what, pair);
		return false;
	}
	if (*count == max) {
		(void)fprintf(stderr, "fairlead: --%s is given more than %zu times\n", what, max);
		return false;
	}
	list[(*count)++] = pair;
	return true;
}

static bool number(const char *what, const char *text, uint64_t max, uint64_t *ret)
{
	if (parse_u64(str_of(text), max, ret) && *ret > 0) {
		return true;
	}
	(void)fprintf(stderr, "fairlead: --%s must be 1 to %llu\n", what, (unsigned long long)max);
	return false;
}

static bool take_priority(struct task_options *o)
{
	o->has_priority = parse_u64(str_of(optarg), 9, &o->priority);
	if (!o->has_priority) {
		(void)fprintf(stderr, "fairlead: --priority must be 0 to 9\n");
	}
	return o->has_priority;
}

static bool add_word(const char *what, const char **list, size_t *count, size_t max)
{
	if (*count == max) {
		(void)fprintf(stderr, "fairlead: --%s is given more than %zu times\n", what, max);
		return false;
	}
	list[(*count)++] = optarg;
	return true;
}

static bool take_config(struct task_options *o)
{
	struct err err;
	struct json_value *json = json_parse(str_of(optarg), &err);
	bool ok = json != NULL && json_type_of(json) == JSON_T_OBJECT;

	if (!ok) {
		(void)fprintf(stderr, "fairlead: --config must be a JSON object%s%s\n",
		              json == NULL ? ": " : "", json == NULL ? err.msg : "");
	}
	json_value_free(json);
	o->config = optarg;
	return ok;
}

bool task_options_take(struct task_options *o, int c)
{
	switch (c) {
	case 'r': o->repo = optarg; return true;
	case 'b': o->branch = optarg; return true;
	case 'c': o->commit = optarg; return true;
	case 'm': o->prompt = optarg; return true;
	case 'D': o->delivery = optarg; return true;
	case 'u': o->url = optarg; return true;
	case 'k': o->key = optarg; return true;
	case 'j': o->json = true; return true;
	case 'd': o->detach = true; return true;
	case 'p': o->pty = true; return true;
	case 'g': o->agent = optarg; return true;
	case 'M': o->model = optarg; return true;
	case 'O': o->mode = optarg; return true;
	case 'G': return take_config(o);
	case 'i': o->interactive = true; return true;
	case 's': return add_word("secret", o->secrets, &o->secret_count, TASK_SECRETS_MAX);
	case 'S': o->sandbox = optarg; return true;
	case 't': return number("timeout", optarg, UINT64_C(7) * 86400, &o->timeout_s);
	case 'n': return number("count", optarg, 100, &o->count);
	case 'a': o->after = optarg; return true;
	case 'B': o->not_before = optarg; return true;
	case 'L': o->deadline = optarg; return true;
	case 'C': o->concurrency = optarg; return true;
	case 'A': return number("attempts", optarg, 10, &o->attempts);
	case 'P': return take_priority(o);
	case 'N': return add_word("needs", o->needs, &o->needs_count, TASK_WORDS_MAX);
	case 'F': return add_word("prefers", o->prefers, &o->prefers_count, TASK_WORDS_MAX);
	case 'l': return add("label", o->labels, &o->label_count, TASK_LABELS_MAX, optarg);
	case 'e': return add("env", o->env, &o->env_count, TASK_ENV_MAX, optarg);
	default: return false;
	}
}

static void write_pairs(struct jsonw *w, const char *name, const char *const *pairs, size_t count)
{
	if (count == 0) {
		return;
	}
	jsonw_object(w, name);
	for (size_t i = 0; i < count; i++) {
		struct str value = str_of(pairs[i]);
		struct str key = str_split(&value, '=');

		jsonw_member(w, key, value);
	}
	jsonw_end_object(w);
}

/* A folder is named by its absolute path, so that the worker finds it. */
static void write_repo(struct jsonw *w, const struct task_options *o)
{
	char path[PATH_MAX];
	struct stat st;

	jsonw_object(w, "repo");
	jsonw_cstr(w, "mode", o->repo != NULL ? "git" : "none");
	if (o->repo != NULL) {
		bool folder = stat(o->repo, &st) == 0 && S_ISDIR(st.st_mode) &&
		              realpath(o->repo, path) != NULL;

		jsonw_cstr(w, "url", folder ? path : o->repo);
	}
	if (o->branch != NULL) {
		jsonw_cstr(w, "branch", o->branch);
	}
	if (o->commit != NULL) {
		jsonw_cstr(w, "commit", o->commit);
	}
	jsonw_end_object(w);
}

static void write_given(struct jsonw *w, const char *name, const char *value)
{
	if (value != NULL) {
		jsonw_cstr(w, name, value);
	}
}

static void write_words(struct jsonw *w, const char *name, const char *const *words, size_t count)
{
	jsonw_array(w, name);
	for (size_t i = 0; i < count; i++) {
		jsonw_cstr(w, NULL, words[i]);
	}
	jsonw_end_array(w);
}

/* Of those the words after -- are the program; of others they are the prompt. */
static bool names_program(const struct task_options *o)
{
	static const char *const types[] = { "command", "acp", "agent-sdk" };

	for (size_t i = 0; o->agent != NULL && i < ARRAY_LEN(types); i++) {
		if (strcmp(o->agent, types[i]) == 0) {
			return true;
		}
	}
	return o->agent == NULL;
}

bool task_options_check(struct task_options *o, const char *command)
{
	bool program = names_program(o);
	const char *missing = NULL;

	if (program && o->argc == 0) {
		missing = "say what to run: -- COMMAND [ARG]...";
	} else if (!program && o->argc == 0 && o->prompt == NULL) {
		missing = "say what the agent shall do: -- TEXT...";
	} else if (!program && o->argc > 0 && o->prompt != NULL) {
		missing = "--prompt and the words after -- are the same; say one";
	} else if (program && o->agent != NULL && strcmp(o->agent, "command") != 0 &&
	           o->prompt == NULL) {
		missing = "say what the agent shall do: --prompt TEXT";
	}
	if (missing != NULL) {
		(void)fprintf(stderr, "%s: %s\n", command, missing);
	}
	return missing == NULL;
}

static void write_settings(struct jsonw *w, const struct task_options *o)
{
	if (names_program(o)) {
		jsonw_array(w, "argv");
		for (int i = 0; i < o->argc; i++) {
			jsonw_cstr(w, NULL, o->argv[i]);
		}
		jsonw_end_array(w);
	}
	write_given(w, "model", o->model);
	write_given(w, "mode", o->mode);
	if (o->config != NULL) {
		jsonw_raw(w, "config", str_of(o->config));
	}
	if (o->interactive) {
		jsonw_bool(w, "interactive", true);
	}
	if (o->secret_count > 0) {
		write_words(w, "secrets", o->secrets, o->secret_count);
	}
	write_pairs(w, "env", o->env, o->env_count);
	if (o->timeout_s > 0) {
		jsonw_u64(w, "timeout_s", o->timeout_s);
	}
	if (o->pty) {
		jsonw_bool(w, "pty", true);
	}
}

static void write_agent(struct jsonw *w, const struct task_options *o)
{
	jsonw_array(w, "agents");
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", o->agent != NULL ? o->agent : "command");
	jsonw_cstr(w, "version", "latest");
	if (o->count > 0) {
		jsonw_u64(w, "count", o->count);
	}
	jsonw_object(w, "settings");
	write_settings(w, o);
	jsonw_end_object(w);
	jsonw_end_object(w);
	jsonw_end_array(w);
}

/* Without a prompt the words are it; of a command their beginning says what the task is. */
static void write_prompt(struct jsonw *w, const struct task_options *o)
{
	struct str prompt;
	struct buf line;

	if (o->prompt != NULL) {
		jsonw_cstr(w, "prompt", o->prompt);
		return;
	}
	buf_init(&line, TASK_BODY_MAX);
	for (int i = 0; i < o->argc; i++) {
		buf_addf(&line, "%s%s", i > 0 ? " " : "", o->argv[i]);
	}
	prompt = buf_str(&line);
	if (names_program(o) && prompt.n > TASK_COMMAND_SHOWN) {
		prompt.n = TASK_COMMAND_SHOWN;
		while (prompt.n > 0 && (prompt.p[prompt.n] & 0xc0) == 0x80) {
			prompt.n--;
		}
	}
	jsonw_str(w, "prompt", prompt);
	buf_fini(&line);
}

/* When it may run, how often, and where. */
static void write_terms(struct jsonw *w, const struct task_options *o)
{
	write_given(w, "queueAfter", o->after);
	write_given(w, "notBefore", o->not_before);
	write_given(w, "deadline", o->deadline);
	write_given(w, "concurrencyKey", o->concurrency);
	if (o->has_priority) {
		jsonw_u64(w, "priority", o->priority);
	}
	if (o->attempts > 0) {
		jsonw_u64(w, "maxAttempts", o->attempts);
	}
	if (o->needs_count + o->prefers_count > 0) {
		jsonw_object(w, "workers");
		write_words(w, "required", o->needs, o->needs_count);
		write_words(w, "preferred", o->prefers, o->prefers_count);
		jsonw_end_object(w);
	}
}

void task_options_write(const struct task_options *o, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	write_prompt(&w, o);
	write_repo(&w, o);
	jsonw_object(&w, "runtime");
	jsonw_cstr(&w, "type", "local");
	write_given(&w, "sandbox", o->sandbox);
	jsonw_end_object(&w);
	write_agent(&w, o);
	if (o->delivery != NULL) {
		jsonw_object(&w, "delivery");
		jsonw_cstr(&w, "mode", o->delivery);
		jsonw_end_object(&w);
	}
	write_pairs(&w, "labels", o->labels, o->label_count);
	write_terms(&w, o);
	jsonw_end_object(&w);
}
