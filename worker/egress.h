/*
 * The only way out of a sandbox: an HTTP proxy (CONNECT, and absolute-form requests for http:) at
 * the end of a Unix socket, that lets through what its rules allow.  A host that means a private
 * address (RFC 6890), this one's among them, is not reached unless it is named as such.  What a
 * name means is looked at once, and that address is connected to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "worker/egress_rule.h"
#include "worker/turns.h"

struct fiber_group;
struct loop;

struct egress_rules {
	const char *all;     /* comma list: hosts that everybody may reach, */
	const char *tasks;   /* those that a task may name for itself, */
	const char *private; /* and those that may have private addresses */
};

struct egress_ended { /* one connection, when it is over */
	const struct egress_target *target;
	const char *why;  /* NULL: it was let through; else why not */
	uint64_t out, in; /* bytes */
};

struct egress {
	struct loop *loop;
	struct fiber_group *fibers; /* its connections; ends before this does */
	struct egress_rules rules;
	struct str tenant;
	const struct str *wishes; /* rules of the task */
	size_t wish_count;
	void *arg;
	void (*ended)(void *arg, const struct egress_ended *connection); /* on a fiber */
	/* Its own: */
	unsigned open;
	struct turns lookups;
};

/* After what is said above of it. */
void egress_init(struct egress *egress);

/* Serves what connects there; the descriptor is closed in the end. */
void egress_take(struct egress *egress, int fd);
