/*
 * What surrounds an agent that is not trusted with its host: the words before its own command
 * that start it in bubblewrap (docs/sandbox.md says what each profile keeps out).
 *
 * In every profile but none: a user, process, IPC, host name and network namespace of its own, no
 * capabilities and no further user namespaces; the host's files read only, and of the worker's
 * state and of what is hidden only what belongs to this session; a /tmp of its own.  Its user stays
 * the agents' own, its processes stay descendants of the guard, which sees, freezes and kills them
 * from outside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "worker/process.h"

enum sandbox_profile { /* by how much they keep out; settings worker.sandbox are in this order */
	               SANDBOX_NONE,
	               SANDBOX_WORKSPACE_WRITE,
	               SANDBOX_READ_ONLY, /* of the workspace; HOME is writable, it is the session's
	                                     scratch */
};

const char *sandbox_profile_name(enum sandbox_profile profile);

enum { SANDBOX_PROXY_PORT = 3128 /* on the loopback of a sandbox */ };

/* What holds for each process, or (processes) for all of one sandbox; 0: no limit. */
struct sandbox_limits {
	uint64_t processes;
	uint64_t memory;    /* bytes of private writable memory of one process */
	uint64_t file_size; /* bytes of one file, and of each private /tmp */
};

struct sandbox_host {                    /* of a worker */
	const char *bwrap;               /* the program; NULL: this host cannot have sandboxes */
	const char *guard_path;          /* the fairlead-guard program */
	const struct process_user *user; /* who agents are; NULL: who the worker is */
	const char *state_dir;           /* of the worker */
	const char *home;                /* of the installation, "": none */
	const char *hide;                /* comma list of folders and files nobody sees, */
	const char *show; /* and of those that are seen in spite of that, read only */
	struct sandbox_limits limits;
};

/* Of one session. Paths are absolute; NULL or "": there is none. */
struct sandbox_place {
	enum sandbox_profile profile;
	const char *workspace, *home;
	const char *objects; /* of git, that the workspace borrows */
	const char *socket;  /* FAIRLEAD_AGENT_SOCKET */
	const char *egress;  /* socket of the egress proxy */
	const char *serve;   /* path below home where a socket leads to its loopback ports */
};

/* The words before the command's own; ends with NULL; of the arena. profile is not none. */
const char *const *sandbox_words(const struct sandbox_host *host, const struct sandbox_place *place,
                                 struct arena *arena);

/* Whether bubblewrap is in PATH and can do it here, as that user. Blocks or, on a fiber, waits.
 * *ret: the program, of the arena. ERR_UNSUPPORTED with the reason. */
enum err_code sandbox_find(const struct sandbox_host *host, const struct process_user *user,
                           struct arena *arena, const char **ret, struct err *err) MUST_CHECK;
