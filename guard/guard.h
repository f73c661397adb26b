/*
 * The life of one guarded command: what fairlead-guard does from its first child to its last.
 *
 * Everything the command leaves behind is a descendant of this process (a subreaper), and the
 * guard does not end before there is none.  It freezes all of them when the lease passes
 * without renewal, and kills them when told, when the command itself has ended, or when its
 * worker has been gone for orphan_ms after the deadline.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

struct cage;

struct guard_options {
	int control_fd;       /* stream socket to the worker */
	int env_fd;           /* "K=V\0K=V\0": the whole environment of the command */
	uint64_t deadline_ms; /* CLOCK_BOOTTIME; 0: none; when it is over nothing is begun */
	uint64_t orphan_ms;
	uint64_t grace_ms;   /* for what the command leaves behind, and for SIGTERM to the guard */
	uint64_t nproc_max;  /* RLIMIT_NPROC of the user the command runs as; 0: as it is */
	uint64_t nofile_max; /* RLIMIT_NOFILE; 0: as it is */
	bool drop;           /* run the command as uid and gid */
	uid_t uid;
	gid_t gid;
	bool pty;     /* standard input is the slave of a pty: make it the controlling terminal */
	bool wrapped; /* the command is a sandbox around another: what asks to end is for the inner
	               * one
	               */
	const char *cgroup; /* folder of the session's; NULL: it has none */
	const char *cwd;
	char **argv; /* NULL-terminated; argv[0] is looked up in the PATH of its environment */
};

/* Returns the exit code of the program. */
int guard_run(const struct guard_options *options);

/* In the child, between fork() and the command. Writes the reason to report_fd and exits 127 if it
 * fails. */
void guard_child(const struct guard_options *options, const struct cage *cage, int report_fd)
	__attribute__((noreturn));
