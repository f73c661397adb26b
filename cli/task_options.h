/* The options of `fairlead task run`, for all commands that make tasks. */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	TASK_LABELS_MAX = 32,
	TASK_ENV_MAX = 64,
	TASK_WORDS_MAX = 16,
	TASK_SECRETS_MAX = 16,
	TASK_BODY_MAX = 512 * 1024,
	TASK_OPTIONS_MAX = 36
};

struct task_options {
	const char *url, *key;
	const char *repo, *branch, *commit, *prompt, *delivery;
	const char *labels[TASK_LABELS_MAX], *env[TASK_ENV_MAX];
	const char *needs[TASK_WORDS_MAX], *prefers[TASK_WORDS_MAX];
	const char *agent, *model, *mode, *config, *sandbox; /* agent NULL: a command */
	const char *secrets[TASK_SECRETS_MAX];
	const char *after, *not_before, *deadline, *concurrency;
	size_t label_count, env_count, secret_count, needs_count, prefers_count;
	uint64_t timeout_s, count, attempts, priority;
	bool has_priority;
	bool json, detach, pty, interactive;
	char **argv;
	int argc;
};

/* For getopt_long(), ended by a row without a name; 'h' is for the caller. */
extern const struct option task_options_known[TASK_OPTIONS_MAX];

/* One option with optarg. False: it is not good, and that was said. */
bool task_options_take(struct task_options *o, int c);

/* Are argv and argc, set by then, with the options something to run? False: they are not, and what
 * is missing was said, as of this command. */
bool task_options_check(struct task_options *o, const char *command);

/* The body of POST /api/v1/tasks; they were checked. A cap of TASK_BODY_MAX is enough for it.
 */
void task_options_write(const struct task_options *o, struct buf *out);
