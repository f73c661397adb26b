/* The agent of a session: its environment, its start, what it prints, its end. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "worker/agent_calls.h"
#include "worker/session_adapter.h"
#include "worker/session_limits.h"
#include "worker/session_resume.h"
#include "worker/session_sandbox.h"
#include "worker/session_secret.h"

enum {
	ENV_EXTRA = 32,
	REMOVE_TIMEOUT_MS = 60000,
	NOFILE_MAX = 65536,
};

/* ---- its environment ---- */

struct environment {
	struct arena *arena;
	const char **words;
	size_t count, max;
};

/* Whether NAME= is there already. */
static bool has_name(const struct environment *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->words[i], name, n) == 0 && env->words[i][n] == '=') {
			return true;
		}
	}
	return false;
}

/* The first to set a name wins. */
static void set_env(struct environment *env, const char *name, struct str value)
{
	if (env->count + 1 < env->max && !has_name(env, name)) {
		env->words[env->count++] =
			arena_printf(env->arena, "%s=%" STR_FMT, name, STR_ARG(value));
	}
}

static void set_from_ours(struct environment *env, const char *name)
{
	const char *value = getenv(name);

	if (value != NULL) {
		set_env(env, name, str_of(value));
	}
}

static struct str prompt_text(const struct session_run *s)
{
	const struct json_list *texts = &s->order.spec.prompt.texts;
	const struct str *blocks = texts->items;
	struct buf text;
	struct str all;

	if (s->prompt_text.p != NULL) {
		return s->prompt_text;
	}
	buf_init(&text, TASK_PROMPT_MAX + TASK_BLOCKS_MAX);
	for (size_t i = 0; i < texts->count; i++) {
		if (i > 0) {
			buf_add_char(&text, '\n');
		}
		buf_add_str(&text, blocks[i]);
	}
	all = arena_str(s->arena, buf_str(&text));
	buf_fini(&text);
	return all;
}

/* What every agent is told about where it is; a task cannot change these. */
static void set_facts(const struct session_run *s, struct environment *env)
{
	set_env(env, "FAIRLEAD_SESSION_ID", str_of(s->sid.s));
	set_env(env, "FAIRLEAD_TASK_ID", s->order.task);
	set_env(env, "FAIRLEAD_TENANT", str_of(s->tenant));
	set_env(env, "FAIRLEAD_EPOCH", str_of(arena_printf(s->arena, "%ju", (uintmax_t)s->epoch)));
	set_env(env, "FAIRLEAD_WORKSPACE", str_of(s->workspace.path));
	set_env(env, "FAIRLEAD_BASE_COMMIT", str_of(s->workspace.base));
	set_env(env, "FAIRLEAD_BRANCH", str_of(s->workspace.branch));
	if (s->adapter == NULL) { /* others are given it in their own protocol */
		set_env(env, "FAIRLEAD_PROMPT", prompt_text(s));
	}
	if (s->restored) {
		set_env(env, "FAIRLEAD_RESTORED", STR_LIT("1"));
		set_env(env, "FAIRLEAD_LOST", str_of(s->lost != NULL ? s->lost : ""));
	}
	set_env(env, "FAIRLEAD_AGENT_SOCKET", str_of(session_talk_path(s)));
}

static void set_place(const struct session_run *s, struct environment *env, const char *home)
{
	const struct process_user *user = &s->host->user;
	const struct passwd *entry = getpwuid(user->drop ? user->uid : geteuid());
	struct str name = str_of(entry != NULL ? entry->pw_name : "agent");

	set_env(env, "HOME", str_of(home));
	set_env(env, "TMPDIR", str_of(home));
	set_env(env, "USER", name);
	set_env(env, "LOGNAME", name);
	set_env(env, "SHELL", STR_LIT("/bin/sh"));
	set_env(env, "PWD", str_of(s->workspace.path));
	if (s->agent->command.pty.wanted) {
		set_env(env, "TERM", STR_LIT("xterm-256color"));
	}
	set_from_ours(env, "PATH");
	set_from_ours(env, "LANG");
	set_from_ours(env, "LC_ALL");
	set_from_ours(env, "TZ");
}

static const char *const *make_environment(const struct session_run *s, const char *home)
{
	const struct json_list *given = &s->agent->command.env;
	const struct json_pair *pairs = given->items;
	const struct adapter_launch *launch = s->adapter != NULL ? &s->adapter->launch : NULL;
	size_t more = launch != NULL ? launch->env_count : 0;
	const struct adapter_pair *secrets;
	size_t secret_count = session_secrets_env(s, &secrets);
	struct environment env = { .arena = s->arena,
		                   .max = given->count + secret_count + more + ENV_EXTRA };

	env.words = arena_take(s->arena, env.max * sizeof(*env.words));
	set_facts(s, &env);
	for (size_t i = 0; i < given->count; i++) {
		set_env(&env, arena_strdup(s->arena, pairs[i].name), pairs[i].value);
	}
	for (size_t i = 0; i < secret_count; i++) {
		set_env(&env, arena_strdup(s->arena, secrets[i].name), secrets[i].value);
	}
	for (size_t i = 0; i < more; i++) {
		set_env(&env, arena_strdup(s->arena, launch->env[i].name), launch->env[i].value);
	}
	set_place(s, &env, home);
	return env.words;
}

static const char *const *make_argv(const struct session_run *s)
{
	const struct json_list *given = &s->agent->command.argv;
	const struct str *words = given->items;
	const char **argv;

	if (s->adapter != NULL) {
		return s->adapter->launch.argv;
	}
	argv = arena_take(s->arena, (given->count + 1) * sizeof(*argv));
	for (size_t i = 0; i < given->count; i++) {
		argv[i] = arena_strdup(s->arena, words[i]);
	}
	return argv;
}

/* ---- its home: outside the workspace, so that what tools keep there is no change of it ---- */

const char *session_home_path(const struct session_run *s)
{
	return arena_printf(s->arena, "%s/%s", s->host->home_dir, s->sid.s);
}

void session_home_remove(struct session_run *s)
{
	const char *const argv[] = { "rm", "-rf", "--one-file-system", "--", session_home_path(s),
		                     NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	struct err err;

	run.timeout_ms = REMOVE_TIMEOUT_MS;
	if (process_run(&run, &result, &err) != ERR_OK) {
		log_warn("session.home", "%s", err.msg);
	}
	process_result_fini(&result);
	s->has_home = false;
}

enum err_code session_home_make(struct session_run *s, struct err *err)
{
	const struct process_user *user = &s->host->user;
	const char *path = session_home_path(s);

	if (access(path, F_OK) == 0 || errno != ENOENT) {
		session_home_remove(s);
	}
	if (mkdir(path, 0700) != 0 || (user->drop && chown(path, user->uid, user->gid) != 0)) {
		return err_set(err, ERR_UNAVAILABLE, "home %s: %s", path, strerror(errno));
	}
	s->has_home = true;
	return ERR_OK;
}

/* ---- its start and its end ---- */

static void on_end(void *arg)
{
	struct session_run *s = arg;

	s->guard_died = !runner_exit_of(s->runner, &s->exit);
	s->exited = true;
	fiber_signal_raise(&s->prompted);
	fiber_signal_raise(&s->wake);
	if (s->adapter != NULL) {
		session_adapter_exited(s);
	}
}

/* To the guard 0 would mean that there is no lease to respect. */
uint64_t session_lease_until(const struct session_run *s)
{
	uint64_t until_ms = s->host->lease->until_ms;

	return until_ms > 0 && !s->doubted ? until_ms : 1;
}

static struct runner_options options_of(const struct session_run *s, const char *home)
{
	const struct task_command *command = &s->agent->command;
	const struct session_host *host = s->host;

	return (struct runner_options){
		.guard_path = host->guard_path,
		.argv = make_argv(s),
		.env = make_environment(s, home),
		.cgroup = session_limits_cgroup(s),
		.cwd = s->workspace.path,
		.user = host->user,
		.orphan_ms = host->orphan_ms,
		.grace_ms = host->grace_ms,
		.nproc_max = host->processes_max,
		.nofile_max = NOFILE_MAX,
		.pty = command->pty.wanted,
		.columns = (unsigned short)command->pty.cols,
		.rows = (unsigned short)command->pty.rows,
	};
}

enum err_code session_agent_start(struct session_run *s, struct err *err)
{
	const char *home = session_home_path(s);
	struct runner_options options;
	enum err_code code = s->has_home ? ERR_OK : session_home_make(s, err);

	if (code == ERR_OK) {
		code = session_secrets_write(s, home, err);
	}
	if (code == ERR_OK && s->agent->type != TASK_AGENT_COMMAND) {
		code = session_adapter_open(s, home, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	code = session_talk_start(s, err);
	code = code == ERR_OK ? session_limits_begin(s, err) : code;
	if (code != ERR_OK) {
		return code;
	}
	options = options_of(s, home);
	code = session_sandbox_wrap(s, home, &options, err);
	if (code != ERR_OK) {
		return code;
	}
	if (s->adapter != NULL) {
		session_calls_open(s, &options);
	}
	do {
		options.lease_until_ms = session_lease_until(s);
		code = runner_start(s->host->loop, &options, &s->runner, err);
	} while (code == ERR_FENCED && session_await_right(s));
	if (code != ERR_OK) {
		return code;
	}
	/* It was renewed while the agent was being started: nobody told this guard. */
	session_agent_renew(s, session_lease_until(s));
	session_breaker_started(s);
	s->output_ms = clock_mono_ms();
	session_times_begin(s);
	if (s->agent->command.timeout_s > 0) {
		s->timeout_at_ms = s->output_ms + s->agent->command.timeout_s * 1000;
	}
	(void)fiber_start(s->host->loop, &s->children, "output", session_output, s);
	runner_on_end(s->runner, on_end, s);
	(void)fiber_start(s->host->loop, &s->children, "prompts",
	                  s->adapter != NULL ? session_adapter_prompts : session_prompts_write, s);
	return ERR_OK;
}

void session_agent_renew(struct session_run *s, uint64_t lease_until_ms)
{
	runner_renew(s->runner, lease_until_ms);
	if (s->calls != NULL) {
		agent_calls_renew(s->calls, lease_until_ms);
	}
}

void session_agent_fenced(struct session_run *s)
{
	runner_fenced(s->runner);
	if (s->calls != NULL) {
		agent_calls_fenced(s->calls);
	}
}

/* The agent first: it makes no new command then. */
enum err_code session_agent_freeze(struct session_run *s)
{
	enum err_code code = runner_freeze(s->runner, SESSION_FREEZE_MS);

	if (code == ERR_OK && s->calls != NULL) {
		code = agent_calls_freeze(s->calls, SESSION_FREEZE_MS);
		if (code != ERR_OK) {
			(void)!session_agent_thaw(s);
		}
	}
	return code;
}

enum err_code session_agent_thaw(struct session_run *s)
{
	enum err_code code =
		s->calls != NULL ? agent_calls_thaw(s->calls, SESSION_FREEZE_MS) : ERR_OK;

	return code == ERR_OK ? runner_thaw(s->runner, SESSION_FREEZE_MS) : code;
}

void session_agent_stop(struct session_run *s, enum session_fate fate, const char *reason)
{
	if (s->fate != FATE_OPEN) {
		return;
	}
	s->fate = fate;
	(void)str_copy(s->reason, sizeof(s->reason), str_of(reason));
	if (s->runner != NULL && !s->exited) {
		runner_stop(s->runner, s->host->grace_ms);
	}
	fiber_signal_raise(&s->wake);
}
