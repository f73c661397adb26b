#include "worker/agent_calls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "loop/fiber.h"
#include "worker/beneath.h"

enum { ID_SIZE = 24, WORDS_MAX = 256, ENV_MAX = 256, NAME_MAX_BYTES = 256, END_MS = 10000 };

struct terminal {
	TAILQ_ENTRY(terminal) link;
	struct agent_calls *calls;
	char id[ID_SIZE];
	struct runner *runner;
	struct buf output;
	size_t keep;
	bool truncated, exited, lost, released;
	unsigned users; /* fibers that wait for its end */
	struct runner_exit exit;
	struct fiber_signal changed;
	struct fiber_group fibers;
};

struct agent_calls {
	struct loop *loop;
	struct runner_options run;
	struct beneath files;
	uint64_t lease_until_ms;
	uint64_t made;
	unsigned count;
	bool stopped, read_only;
	TAILQ_HEAD(terminals, terminal) terminals;
};

void agent_calls_refuse_writes(struct agent_calls *calls)
{
	calls->read_only = true;
}

struct agent_calls *agent_calls_new(struct loop *loop, const struct runner_options *run)
{
	struct agent_calls *calls = mem_calloc(1, sizeof(*calls));

	calls->loop = loop;
	calls->run = *run;
	calls->files = (struct beneath){ .root = run->cwd, .user = &calls->run.user };
	calls->lease_until_ms = run->lease_until_ms;
	TAILQ_INIT(&calls->terminals);
	return calls;
}

static struct str member(const struct json_value *params, const char *name)
{
	return json_as_str(json_get(params, name));
}

/* ---- files ---- */

/* Lines from the line on, that many; 0: from the first, all. */
static struct str lines_of(struct str text, int64_t line, int64_t limit)
{
	struct str rest = text, first;

	for (int64_t i = 1; i < line && rest.n > 0; i++) {
		(void)str_split(&rest, '\n');
	}
	first = rest;
	for (int64_t i = 0; i < limit && rest.n > 0; i++) {
		(void)str_split(&rest, '\n');
	}
	if (limit > 0 && rest.n > 0) {
		first.n = (size_t)(rest.p - first.p);
	}
	return first.n > 0 ? first : STR_LIT("");
}

static enum err_code read_file(struct agent_calls *calls, const struct json_value *params,
                               struct jsonw *w, struct err *err)
{
	const struct json_value *line = json_get(params, "line"),
				*limit = json_get(params, "limit");
	struct buf text;
	enum err_code code;

	buf_init(&text, (size_t)2 * AGENT_CALLS_FILE_MAX);
	code = beneath_read(&calls->files, member(params, "path"), AGENT_CALLS_FILE_MAX, &text,
	                    err);
	if (code == ERR_OK && (!str_is_utf8(buf_str(&text)) ||
	                       (text.len > 0 && memchr(text.data, '\0', text.len) != NULL))) {
		code = err_set(err, ERR_INVALID, "the file is not text in UTF-8");
	}
	if (code == ERR_OK) {
		jsonw_str(w, "content",
		          lines_of(buf_str(&text), json_as_i64(line), json_as_i64(limit)));
	}
	buf_fini(&text);
	return code;
}

static enum err_code write_file(struct agent_calls *calls, const struct json_value *params,
                                struct jsonw *w, struct err *err)
{
	const struct json_value *content = json_get(params, "content");

	(void)w;
	if (json_type_of(content) != JSON_T_STRING) {
		return err_set(err, ERR_INVALID, "content must be a string");
	}
	if (calls->read_only) {
		return err_set(err, ERR_FORBIDDEN, "the workspace is read only");
	}
	return beneath_write(&calls->files, member(params, "path"), json_as_str(content), err);
}

/* ---- what a terminal prints, and its end ---- */

/* Its last bytes are kept, from the start of a character on. */
static void keep_output(struct terminal *t, struct str bytes)
{
	size_t over;

	buf_add_str(&t->output, bytes);
	over = t->output.len > t->keep ? t->output.len - t->keep : 0;
	if (over > 0) {
		while (over < t->output.len &&
		       ((unsigned char)t->output.data[over] & 0xC0) == 0x80) {
			over++;
		}
		buf_drop(&t->output, over);
		t->truncated = true;
	}
}

static void read_output(void *arg)
{
	struct terminal *t = arg;
	char *chunk = mem_calloc(1, RUNNER_CHUNK);
	enum runner_stream from;
	size_t n = 1;

	while (n > 0 && runner_read(t->runner, chunk, FIBER_NO_TIMEOUT, &n, &from) == ERR_OK) {
		keep_output(t, str_make(chunk, n));
	}
	free(chunk);
	if (!fiber_cancelled()) {
		enum err_code code = runner_wait_exit(t->runner, FIBER_NO_TIMEOUT, &t->exit);

		t->lost = code == ERR_BACKEND;
		t->exited = code == ERR_OK || code == ERR_BACKEND;
	}
	fiber_signal_raise(&t->changed);
}

static void free_terminal(struct terminal *t)
{
	fiber_shield();
	if (t->runner != NULL) {
		runner_kill(t->runner);
	}
	fiber_group_cancel(&t->fibers, ERR_CANCELLED);
	(void)!fiber_group_wait(&t->fibers, END_MS);
	if (t->runner != NULL) {
		runner_free(t->runner);
	}
	fiber_unshield();
	t->calls->count--;
	buf_fini(&t->output);
	free(t);
}

void agent_calls_free(struct agent_calls *calls)
{
	struct terminal *t;

	if (calls == NULL) {
		return;
	}
	while ((t = TAILQ_FIRST(&calls->terminals)) != NULL) {
		TAILQ_REMOVE(&calls->terminals, t, link);
		free_terminal(t);
	}
	free(calls);
}

/* ---- terminals ---- */

static struct terminal *find(struct agent_calls *calls, const struct json_value *params,
                             struct err *err)
{
	struct str id = member(params, "terminalId");
	struct terminal *t;

	TAILQ_FOREACH (t, &calls->terminals, link) {
		if (str_eq(str_of(t->id), id)) {
			return t;
		}
	}
	(void)err_set(err, ERR_NOT_FOUND, "terminalId is not known");
	return NULL;
}

static bool is_plain(struct str word)
{
	for (size_t i = 0; i < word.n; i++) {
		if (strchr(" \t\n|&;<>()$`\\\"'*?[]#~{}", word.p[i]) != NULL) {
			return false;
		}
	}
	return true;
}

/* A command with arguments is what it is; one without that is more than a word is for a shell: many
 * agents give a whole line. */
static enum err_code make_argv(const struct agent_calls *calls, const struct json_value *params,
                               struct arena *arena, const char *const **ret, struct err *err)
{
	const struct json_value *args = json_get(params, "args");
	struct str command = member(params, "command");
	size_t before = 0, n = 0;
	const char **argv;

	if (command.n == 0 || json_count(args) > WORDS_MAX) {
		return err_set(err, ERR_INVALID,
		               command.n == 0 ? "command must not be empty"
		                              : "args must be an array of at most 256 strings");
	}
	while (calls->run.argv != NULL && calls->run.argv[before] != NULL) {
		before++;
	}
	argv = arena_take(arena, (before + WORDS_MAX + 4) * sizeof(*argv));
	for (; n < before; n++) {
		argv[n] = calls->run.argv[n];
	}
	if (json_count(args) == 0 && !is_plain(command)) {
		argv[n++] = "/bin/sh";
		argv[n++] = "-c";
	}
	argv[n++] = arena_strdup(arena, command);
	for (size_t i = 0; i < json_count(args); i++) {
		if (json_type_of(json_at(args, i)) != JSON_T_STRING) {
			return err_set(err, ERR_INVALID, "args must be an array of strings");
		}
		argv[n++] = arena_strdup(arena, json_as_str(json_at(args, i)));
	}
	*ret = argv;
	return ERR_OK;
}

static bool is_set(const char *word, struct str name)
{
	return strncmp(word, name.p, name.n) == 0 && word[name.n] == '=';
}

/* What the agent has, where the call does not say otherwise. */
static enum err_code make_env(const struct agent_calls *calls, const struct json_value *params,
                              struct arena *arena, const char *const **ret, struct err *err)
{
	const struct json_value *given = json_get(params, "env");
	size_t ours = 0, n = 0;
	const char **env;

	while (calls->run.env[ours] != NULL) {
		ours++;
	}
	if (json_count(given) > ENV_MAX) {
		return err_set(err, ERR_INVALID, "env must have at most %d members", ENV_MAX);
	}
	env = arena_take(arena, (ours + json_count(given) + 1) * sizeof(*env));
	for (size_t i = 0; i < json_count(given); i++) {
		struct str name = member(json_at(given, i), "name");
		struct str value = member(json_at(given, i), "value");

		if (name.n == 0 || name.n > NAME_MAX_BYTES || memchr(name.p, '=', name.n) != NULL) {
			return err_set(err, ERR_INVALID, "env[%zu].name must be a name", i);
		}
		env[n++] = arena_printf(arena, "%" STR_FMT "=%" STR_FMT, STR_ARG(name),
		                        STR_ARG(value));
	}
	for (size_t i = 0; i < ours; i++) {
		bool taken = false;

		for (size_t k = 0; k < json_count(given) && !taken; k++) {
			taken = is_set(calls->run.env[i], member(json_at(given, k), "name"));
		}
		if (!taken) {
			env[n++] = calls->run.env[i];
		}
	}
	*ret = env;
	return ERR_OK;
}

static enum err_code make_cwd(struct agent_calls *calls, const struct json_value *params,
                              struct arena *arena, const char **ret, struct err *err)
{
	struct str cwd = member(params, "cwd"), below;
	enum err_code code = ERR_OK;

	if (cwd.n == 0) {
		*ret = calls->run.cwd;
		return ERR_OK;
	}
	code = beneath_directory(&calls->files, cwd, err);
	if (code == ERR_OK) {
		code = beneath_name(&calls->files, cwd, &below, err);
	}
	if (code == ERR_OK) {
		*ret = arena_printf(arena, "%s/%" STR_FMT, calls->run.cwd, STR_ARG(below));
	}
	return code;
}

static struct terminal *make_terminal(struct agent_calls *calls, const struct json_value *params)
{
	const struct json_value *limit = json_get(params, "outputByteLimit");
	struct terminal *t = mem_calloc(1, sizeof(*t));

	t->calls = calls;
	t->keep = AGENT_CALLS_OUTPUT_MAX;
	if (json_is_int(limit) && json_as_i64(limit) >= 0 &&
	    json_as_i64(limit) < AGENT_CALLS_OUTPUT_MAX) {
		t->keep = (size_t)json_as_i64(limit);
	}
	(void)snprintf(t->id, sizeof(t->id), "term-%ju", (uintmax_t)++calls->made);
	buf_init(&t->output, (size_t)AGENT_CALLS_OUTPUT_MAX + RUNNER_CHUNK);
	fiber_signal_init(&t->changed);
	calls->count++;
	return t;
}

static enum err_code start(struct terminal *t, const struct json_value *params, struct arena *arena,
                           struct err *err)
{
	struct agent_calls *calls = t->calls;
	struct runner_options run = calls->run;
	enum err_code code = make_argv(calls, params, arena, &run.argv, err);

	code = code != ERR_OK ? code : make_env(calls, params, arena, &run.env, err);
	code = code != ERR_OK ? code : make_cwd(calls, params, arena, &run.cwd, err);
	if (code != ERR_OK) {
		return code;
	}
	run.lease_until_ms = calls->lease_until_ms;
	run.pty = false;
	code = runner_start(calls->loop, &run, &t->runner, err);
	if (code == ERR_OK) {
		/* It was renewed while this was being started: nobody told this guard. */
		runner_renew(t->runner, calls->lease_until_ms);
		runner_close_stdin(t->runner);
		(void)fiber_start(calls->loop, &t->fibers, "terminal", read_output, t);
	}
	return code;
}

static enum err_code create(struct agent_calls *calls, const struct json_value *params,
                            struct jsonw *w, struct err *err)
{
	struct terminal *t;
	struct arena *arena;
	enum err_code code;

	if (calls->stopped) {
		return err_set(err, ERR_GONE, "the agent has ended");
	}
	if (calls->count >= AGENT_CALLS_TERMINALS_MAX) {
		return err_set(err, ERR_LIMIT, "at most %d terminals at a time: release some",
		               AGENT_CALLS_TERMINALS_MAX);
	}
	t = make_terminal(calls, params);
	arena = arena_new();
	code = start(t, params, arena, err);
	arena_free(arena);
	if (code != ERR_OK) {
		free_terminal(t);
		return code;
	}
	if (calls->stopped) { /* meanwhile */
		runner_kill(t->runner);
	}
	TAILQ_INSERT_TAIL(&calls->terminals, t, link);
	jsonw_cstr(w, "terminalId", t->id);
	return ERR_OK;
}

static void add_exit(const struct terminal *t, struct jsonw *w)
{
	char name[ID_SIZE];

	if (t->lost || t->exit.by_signal) {
		jsonw_null(w, "exitCode");
		(void)snprintf(name, sizeof(name), "SIG%s",
		               t->lost ? "KILL" : sigabbrev_np(t->exit.code));
		jsonw_cstr(w, "signal", name);
	} else {
		jsonw_i64(w, "exitCode", t->exit.code);
		jsonw_null(w, "signal");
	}
}

static enum err_code output(struct agent_calls *calls, const struct json_value *params,
                            struct jsonw *w, struct err *err)
{
	const struct terminal *t = find(calls, params, err);
	struct str text;

	if (t == NULL) {
		return ERR_NOT_FOUND;
	}
	text = buf_str(&t->output);
	jsonw_str(w, "output", text.n > 0 ? text : STR_LIT(""));
	jsonw_bool(w, "truncated", t->truncated);
	if (t->exited) {
		jsonw_object(w, "exitStatus");
		add_exit(t, w);
		jsonw_end_object(w);
	}
	return ERR_OK;
}

static enum err_code wait_for_exit(struct agent_calls *calls, const struct json_value *params,
                                   struct jsonw *w, struct err *err)
{
	struct terminal *t = find(calls, params, err);
	enum err_code code = t != NULL ? ERR_OK : ERR_NOT_FOUND;

	if (t == NULL) {
		return code;
	}
	t->users++;
	while (code == ERR_OK && !t->exited && !t->released) {
		code = fiber_signal_wait(&t->changed, FIBER_NO_TIMEOUT);
	}
	t->users--;
	if (code != ERR_OK || !t->exited) {
		code = err_set(err, code != ERR_OK ? code : ERR_GONE, "the terminal was released");
	} else {
		add_exit(t, w);
	}
	fiber_signal_raise(&t->changed);
	return code;
}

/* The command ends; what it printed is still there. */
static enum err_code kill_command(struct agent_calls *calls, const struct json_value *params,
                                  struct jsonw *w, struct err *err)
{
	const struct terminal *t = find(calls, params, err);

	(void)w;
	if (t == NULL) {
		return ERR_NOT_FOUND;
	}
	if (!t->exited) {
		runner_kill(t->runner);
	}
	return ERR_OK;
}

static enum err_code release(struct agent_calls *calls, const struct json_value *params,
                             struct jsonw *w, struct err *err)
{
	struct terminal *t = find(calls, params, err);

	(void)w;
	if (t == NULL) {
		return ERR_NOT_FOUND;
	}
	TAILQ_REMOVE(&calls->terminals, t, link);
	t->released = true;
	fiber_shield();
	while (t->users > 0) {
		fiber_signal_raise(&t->changed);
		(void)!fiber_yield();
	}
	fiber_unshield();
	free_terminal(t);
	return ERR_OK;
}

/* ---- all of them ---- */

enum err_code agent_calls_do(struct agent_calls *calls, struct str method, struct str params,
                             struct buf *ret, struct err *err)
{
	static const struct {
		const char *name;
		enum err_code (*fn)(struct agent_calls *calls, const struct json_value *params,
		                    struct jsonw *w, struct err *err);
	} rows[] = {
		{ "fs/read_text_file", read_file },
		{ "fs/write_text_file", write_file },
		{ "terminal/create", create },
		{ "terminal/output", output },
		{ "terminal/kill", kill_command },
		{ "terminal/release", release },
		{ "terminal/wait_for_exit", wait_for_exit },
	};
	enum err_code code = ERR_UNSUPPORTED;
	struct json_value *json = json_parse(params, err);
	struct jsonw w;

	if (json == NULL) {
		return ERR_INVALID;
	}
	(void)err_set(err, code, "method is not known");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (str_eq(method, str_of(rows[i].name))) {
			jsonw_init(&w, ret);
			jsonw_object(&w, NULL);
			code = rows[i].fn(calls, json, &w, err);
			jsonw_end_object(&w);
		}
	}
	json_value_free(json);
	if (code == ERR_OK && buf_failed(ret)) {
		code = err_set(err, ERR_LIMIT, "the result is too large");
	}
	return code;
}

void agent_calls_stop(struct agent_calls *calls)
{
	struct terminal *t;

	calls->stopped = true;
	TAILQ_FOREACH (t, &calls->terminals, link) {
		if (!t->exited) {
			runner_kill(t->runner);
		}
	}
}

void agent_calls_renew(struct agent_calls *calls, uint64_t lease_until_ms)
{
	struct terminal *t;

	calls->lease_until_ms = lease_until_ms;
	TAILQ_FOREACH (t, &calls->terminals, link) {
		runner_renew(t->runner, lease_until_ms);
	}
}

void agent_calls_fenced(struct agent_calls *calls)
{
	struct terminal *t;

	TAILQ_FOREACH (t, &calls->terminals, link) {
		runner_fenced(t->runner);
	}
}

typedef enum err_code(runner_fn)(struct runner *runner, uint64_t timeout_ms);

/* Terminals may come and go while one is waited for. */
static enum err_code each(struct agent_calls *calls, runner_fn *fn, uint64_t timeout_ms)
{
	enum err_code code = ERR_OK;
	struct terminal *t = TAILQ_FIRST(&calls->terminals), *next;

	while (t != NULL) {
		enum err_code one = ERR_OK;

		t->users++;
		if (!t->exited) {
			one = fn(t->runner, timeout_ms);
		}
		t->users--;
		next = t->released ? TAILQ_FIRST(&calls->terminals) : TAILQ_NEXT(t, link);
		code = code == ERR_OK && !t->exited && !t->released ? one : code;
		t = next;
	}
	return code;
}

enum err_code agent_calls_freeze(struct agent_calls *calls, uint64_t timeout_ms)
{
	return each(calls, runner_freeze, timeout_ms);
}

enum err_code agent_calls_thaw(struct agent_calls *calls, uint64_t timeout_ms)
{
	return each(calls, runner_thaw, timeout_ms);
}
