/*
 * Git, as the worker calls it: a fixed environment and configuration, so that neither the host's
 * settings nor anything a repository or an agent planted decides what runs.
 *
 * No hooks, no fsmonitor, no credential helper, no prompt, no ext:: transport, no gc that could
 * take objects from under a workspace; only the protocols named below.  Filters, text conversions
 * and external diffs come from configuration only, and the only configuration read is
 * <state>/gitconfig and that of a repository that is ours.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/process.h"

enum { GIT_URL_MAX = 2048, GIT_BRANCH_MAX = 250, GIT_OID_MAX = 64, GIT_PATH_MAX = 512 };

/* https://, ssh://, git://, user@host:path; with allow_local also file:// and absolute paths. No
 * credentials in it (they would end in logs). Pure. */
enum err_code git_check_url(struct str url, bool allow_local, struct err *err) MUST_CHECK;
bool git_url_is_local(struct str url);

/* git-check-ref-format(1), a little stricter. Pure. */
bool git_is_branch(struct str name);

/* 7 to 64 lower-case hex digits. Pure. */
bool git_is_commit(struct str name);

struct git {
	const char *program;
	const char *config;                                   /* path of our configuration */
	const struct process_user *user;                      /* NULL: as the worker */
	const char *cwd;                                      /* NULL: "/" */
	const char *dir;                                      /* GIT_DIR; NULL: none */
	const char *work_tree, *index, *objects, *alternates; /* NULL: none */
	uint64_t timeout_ms;
	uint64_t file_max_bytes;
};

enum { GIT_ARGS_MAX = 24 };

/* Run `git args...`; args ends with NULL. result as from process_run(); out_max bounds it. */
struct git_call {
	const char *args[GIT_ARGS_MAX];
	struct str input;
	int input_fd, output_fd; /* -1: none */
	size_t out_max;
	process_sink_fn *sink;
	void *sink_arg;
};

enum err_code git_run(const struct git *git, const struct git_call *call,
                      struct process_result *ret, struct err *err) MUST_CHECK;

/* For calls whose output does not matter. */
enum err_code git_do(const struct git *git, const char *const *args, struct err *err) MUST_CHECK;

/* One line of output, without its end, at most size - 1 bytes. */
enum err_code git_line(const struct git *git, const char *const *args, char *out, size_t size,
                       struct err *err) MUST_CHECK;

/* The text of <state>/gitconfig. */
const char *git_config_text(bool allow_local);
