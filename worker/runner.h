/*
 * One running command under fairlead-guard: what the worker holds of a session's agent.
 *
 * Output is pulled: while the caller does not ask for the next chunk, the pipe fills and the
 * command waits in its write(), so memory stays bounded however much it prints.  The guard
 * outlives this process on purpose (it freezes, then kills the command when the worker is
 * gone); runner_free() ends both.
 *
 * All functions but runner_renew() and the signals belong on a fiber.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/process.h"

struct loop;
struct runner;

enum { RUNNER_CHUNK = 65536 };

struct runner_options {
	const char *guard_path;  /* the fairlead-guard program */
	const char *const *argv; /* argv[0] is looked up in the PATH of env */
	const char *const *env;  /* the whole environment of the command */
	const char *cwd;
	const char *cgroup;       /* folder of the session's (cgroup.h); NULL: it has none */
	struct process_user user; /* whom the command runs as */
	uint64_t lease_until_ms;  /* clock_mono_ms(); 0: no lease */
	uint64_t orphan_ms;       /* how long it stays frozen after the worker was lost */
	uint64_t grace_ms;        /* for what the command leaves behind */
	uint64_t nproc_max;       /* processes of its user on this host; 0: no limit of ours */
	uint64_t nofile_max;      /* descriptors; 0: no limit of ours */
	bool wrapped;             /* argv is a sandbox around the command (sandbox.h) */
	bool pty;                 /* one terminal instead of three pipes */
	unsigned short columns, rows;
};

enum runner_stream { RUNNER_STDOUT, RUNNER_STDERR };

struct runner_exit {
	bool by_signal;
	int code; /* exit code, or signal number */
};

/* Waits until the command runs or could not be started (ERR_INVALID with the reason: no such
 * program, not permitted; ERR_FENCED: the lease was over). The options are not needed afterwards.
 */
enum err_code runner_start(struct loop *loop, const struct runner_options *options,
                           struct runner **ret, struct err *err) MUST_CHECK;

/* Kills what still runs, waits until it is gone, closes and frees. Never while another fiber uses
 * it. */
void runner_free(struct runner *runner);

/* The next chunk of output. *ret_n == 0: both streams have ended. One fiber at a time. */
enum err_code runner_read(struct runner *runner, char out[RUNNER_CHUNK], uint64_t timeout_ms,
                          size_t *ret_n, enum runner_stream *ret_stream) MUST_CHECK;

/* All of it, as fast as the command reads; ERR_GONE when it reads no more. With a pty these are key
 * strokes. */
enum err_code runner_write_stdin(struct runner *runner, struct str bytes,
                                 uint64_t timeout_ms) MUST_CHECK;
void runner_close_stdin(struct runner *runner); /* end of file; with a pty the EOF character */
void runner_resize(struct runner *runner, unsigned short columns,
                   unsigned short rows); /* pty only */

/* The lease now lasts until then (clock_mono_ms); thaws what its end had frozen. */
void runner_renew(struct runner *runner, uint64_t lease_until_ms);

/* Wait until every descendant is stopped or runs again. A thaw is ERR_CONFLICT while the lease is
 * over. */
enum err_code runner_freeze(struct runner *runner, uint64_t timeout_ms) MUST_CHECK;
enum err_code runner_thaw(struct runner *runner, uint64_t timeout_ms) MUST_CHECK;
bool runner_is_frozen(const struct runner *runner);

void runner_signal(struct runner *runner, int signo);       /* to the command's process group */
void runner_stop(struct runner *runner, uint64_t grace_ms); /* SIGTERM, then SIGKILL, to all */
void runner_kill(struct runner *runner);
void runner_fenced(struct runner *runner); /* another worker has the session: kill */

/* Calls ended(arg) once, from the loop or at once, when the command has ended or its guard is gone;
 * runner_wait_exit() does not wait any more then. */
bool runner_exit_of(const struct runner *runner, struct runner_exit *ret); /* false: it has not */
void runner_on_end(struct runner *runner, void (*ended)(void *arg), void *arg);

/* Wait for the end of the command itself. ERR_BACKEND when its guard died first. */
enum err_code runner_wait_exit(struct runner *runner, uint64_t timeout_ms,
                               struct runner_exit *ret) MUST_CHECK;

/* Wait until no descendant is left. */
enum err_code runner_wait_gone(struct runner *runner, uint64_t timeout_ms) MUST_CHECK;
