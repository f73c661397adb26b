/*
 * Child processes of the worker: one spawn for the guard, one call on a fiber for git.
 *
 * A child gets exactly the environment, descriptors and user it was given, default signals and
 * a process group of its own, and dies with the worker (PDEATHSIG).  Output is bounded: what is
 * beyond the bound is read and dropped, or ends the command, as the caller asks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

/* Whom to run as. drop == false: as the worker itself. */
struct process_user {
	bool drop;
	uid_t uid;
	gid_t gid;
};

/* Look up a name ("" or NULL: drop nothing). A worker that is not root can only be itself. Blocks:
 * at start. */
enum err_code process_user_find(const char *name, struct process_user *ret,
                                struct err *err) MUST_CHECK;

/* Descriptor i of the child is fds[i]; -1: /dev/null below 3, closed from 3 on. */
enum { PROCESS_FDS = 5 };

struct process_spec {
	const char *const *argv; /* argv[0] has a slash, or is found in the worker's PATH */
	const char *const *env;
	const char *cwd;                 /* NULL: "/" */
	const struct process_user *user; /* NULL: as the worker */
	int fds[PROCESS_FDS];
	uint64_t file_max_bytes; /* RLIMIT_FSIZE; 0: none */
	bool survives_us;        /* no PDEATHSIG: it watches us itself */
};

struct process {
	pid_t pid;
	int pidfd;
};

enum err_code process_spawn(const struct process_spec *spec, struct process *ret,
                            struct err *err) MUST_CHECK;

/* Wait on the fiber and reap. *ret_status as from waitpid(). ERR_TIMEOUT, ERR_CANCELLED: still
 * there. */
enum err_code process_wait(struct process *process, uint64_t timeout_ms,
                           int *ret_status) MUST_CHECK;

/* SIGTERM, two seconds, SIGKILL, to its whole group, and reap it. Shielded from cancellation. */
void process_end(struct process *process);

/* ---- a command whose output is wanted ---- */

/* Takes what arrives on standard output; false ends the command. */
typedef bool(process_sink_fn)(void *arg, struct str bytes);

struct process_run {
	struct process_spec spec; /* fds is filled in by process_run() */
	struct str input;
	int output_fd;         /* >= 0: standard output goes there instead */
	int input_fd;          /* >= 0: instead of input */
	size_t out_max;        /* of ret_out */
	uint64_t timeout_ms;   /* in all */
	process_sink_fn *sink; /* NULL: collect into ret_out */
	void *sink_arg;
};

/* Zeroed, with no descriptors. */
struct process_run process_run_init(const char *const *argv, const char *const *env);

struct process_result {
	struct buf out;
	bool truncated; /* there was more than out_max, or the sink had enough; the status is not
	                   judged then */
	int status;
	char reason[ERR_MSG_MAX]; /* the line of standard error that says why */
};

/* ERR_OK when it ran and exited 0 (or was truncated); ERR_BACKEND with the reason when it failed;
 * ERR_TIMEOUT; ERR_CANCELLED... ret is filled in each case and needs process_result_fini(). */
enum err_code process_run(const struct process_run *run, struct process_result *ret,
                          struct err *err) MUST_CHECK;
void process_result_fini(struct process_result *result);

/* Pure: the last non-empty line of what git or another tool printed on standard error, without
 * "fatal: ". */
void process_reason(struct str text, char *out, size_t size);
