/*
 * The cgroup (version 2) that one guard has its command in, where the worker has one for the
 * session: a child of that, made and removed by the guard.  What the walk of tree.h does one
 * process at a time the kernel does here for all at once, so that nobody outruns it; who is not
 * in it (a host without such cgroups) is left to the walk alone.
 *
 * Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, cgroup.kill and cgroup.freeze.
 */
#pragma once

#include <stdbool.h>

enum { CAGE_NAME_SIZE = 16 };

struct cage {
	int parent, dir;           /* -1: there is none */
	char name[CAGE_NAME_SIZE]; /* below the parent */
	bool frozen;               /* the kernel was told, and took it */
};

/* Make one below the folder of a session's cgroup; NULL: there is none to be. False: errno says
 * why. */
bool cage_open(struct cage *cage, const char *parent);
/* Remove it: nobody is left in it. Harmless where there is none. */
void cage_close(struct cage *cage);

/* The calling process moves in, and whoever it starts is in it too. True where there is none. */
bool cage_join(const struct cage *cage);
/* Nobody in it runs, until it is told otherwise; it may take a moment. */
void cage_freeze(struct cage *cage);
void cage_thaw(struct cage *cage);
/* SIGKILL to all of them, those too that are just being made. */
void cage_kill(const struct cage *cage);
