/*
 * The descendants of this process, found by reading /proc, and what can be done to all of
 * them.  Works on any Linux, with or without cgroups: because the caller is a subreaper,
 * whoever leaves by setsid() or a double fork is its descendant all the same.
 *
 * A process is signalled through a pidfd after its start time was compared, so a process id
 * that was used again in between is never hit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree_process {
	pid_t pid;
	pid_t parent;
	uint64_t start;   /* clock ticks since boot: with pid, the identity of a process */
	unsigned threads; /* a zombie with more than one still runs */
	char state;       /* as in proc(5) */
	bool descendant;
};

/* Zero it to begin. */
struct tree {
	struct tree_process *all; /* of the last scan */
	size_t count, size;
	struct tree_process *held; /* those that we stopped, parents first */
	size_t held_count, held_size;
	int lists; /* the kernel lists children: 1; it does not: -1; 0: not looked at */
};

void tree_fini(struct tree *tree);

/* Read one line of /proc/<pid>/stat; pure. */
bool tree_parse_stat(const char *line, size_t len, struct tree_process *ret);

/* SIGSTOP to every descendant until two scans in a row find nobody who moves (up to about 0.3 s).
 * Call it again while frozen: a stranger may have continued one. */
void tree_freeze(struct tree *tree);

/* SIGCONT to those that tree_freeze() stopped (not to those that were stopped before), children
 * first, so that no parent sees its child stopped. */
void tree_thaw(struct tree *tree);

/* The signal once to every descendant there is now. */
void tree_signal(struct tree *tree, int signo);

/* SIGKILL to every descendant, stopped first so that a fork bomb cannot outrun it. One round: the
 * caller repeats it until it has no child left to wait for. */
void tree_kill(struct tree *tree);
