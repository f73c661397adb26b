/*
 * Workspaces: the directory a session's agent works in, and what came of it.
 *
 * `<state>/workspaces/<sid>` belongs to the agents' user.  It is a clone that borrows the mirror's
 * objects and has a .git of its own, not a `git worktree`: a worktree keeps its index, HEAD and
 * lock files inside the repository it belongs to, so agents would have to be able to write to the
 * mirror that all sessions share.
 *
 * What the agent changed is found with a second, private git directory (`<state>/private/<sid>`):
 * the agent's own .git, where it may plant any configuration, hook, filter or fsmonitor, is never
 * read by us. Those git processes run as the agents' user too, so a path swapped under them opens
 * nothing that the agent could not open itself; their index and objects go to a scratch directory
 * of that user, and only a checked pack leaves it.
 *
 * Everything here belongs on a fiber.  One operation at a time per workspace.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "worker/changes.h"
#include "worker/git.h"

struct workspaces;

/* Where files that were attached to prompts are, in a workspace. */
#define WORKSPACE_UPLOADS ".fairlead/uploads"

struct workspace_options {
	const char *state_dir;    /* made if it is missing; absolute */
	const char *program;      /* git; NULL: from the PATH */
	struct process_user user; /* the agents' */
	bool allow_local;         /* repositories on this host: paths and file:// */
	uint64_t fetch_timeout_ms;
	uint64_t
		lock_timeout_ms; /* of waiting for another session's fetch of the same repository */
	uint64_t git_timeout_ms; /* of any other git command */
	uint64_t fresh_ms;       /* a branch fetched less than this ago is not fetched again */
	uint64_t file_max_bytes; /* of a file that git writes for an agent; 0: no limit */
};

/* Makes the directories and the git configuration. The strings are copied. */
enum err_code workspaces_new(const struct workspace_options *options, struct workspaces **ret,
                             struct err *err) MUST_CHECK;
void workspaces_free(struct workspaces *all);

struct workspace_request {
	struct id session;
	struct str url;    /* NUL-terminated, and lives as long as the workspace; empty: repo mode
	                    * none,    an empty directory */
	struct str branch; /* empty: the default branch */
	struct str commit; /* empty: the head of the branch */
};

struct workspace {
	struct id session;
	char path[GIT_PATH_MAX]; /* where the agent works */
	char base[GIT_OID_MAX +
	          1]; /* the commit it began from; of the empty tree in repo mode none */
	char branch[GIT_BRANCH_MAX + 1];
	const char *url; /* of the request; "" in repo mode none */
	char mirror[GIT_PATH_MAX];
	char private[GIT_PATH_MAX];
};

/* A fresh one; what an earlier attempt of the session left is removed. On failure nothing is left.
 * ERR_INVALID: the request; ERR_NOT_FOUND: the branch or commit; ERR_BACKEND: git's reason. */
enum err_code workspace_prepare(struct workspaces *all, const struct workspace_request *request,
                                struct workspace *ret, struct err *err) MUST_CHECK;

/* Which files differ from `since`, and both their texts: NULL is the base, else it is the tree of
 * an earlier answer (AH-API 2.1: against the previous snapshot). The caller frees it with
 * changes_free(). */
enum err_code workspace_changes(struct workspaces *all, const struct workspace *ws,
                                const char *since, struct changes **ret,
                                struct err *err) MUST_CHECK;

/* The unified diff against the base into out, up to its cap; *ret_truncated when there is more. */
enum err_code workspace_patch(struct workspaces *all, const struct workspace *ws, struct buf *out,
                              bool *ret_truncated, struct err *err) MUST_CHECK;

struct workspace_delivery {
	char ref[GIT_PATH_MAX];       /* refs/fairlead/<sid>/<epoch> */
	char commit[GIT_OID_MAX + 1]; /* equal to the base if nothing was changed */
};

/* Commit what is not committed yet, on top of the agent's own commits if they descend from the
 * base, else of the base, and push it to refs/fairlead/<sid>/<epoch> of the repository, and nowhere
 * else. Safe to repeat. ERR_UNSUPPORTED in repo mode none. */
enum err_code workspace_deliver_branch(struct workspaces *all, const struct workspace *ws,
                                       uint64_t epoch, struct str message,
                                       struct workspace_delivery *ret, struct err *err) MUST_CHECK;

/* A branch of a user's repository, and where it shall be. */
struct workspace_target {
	struct str url, commit, branch;
	bool (*may)(void *arg); /* asked at the last moment: may anything leave this host? */
	void *arg;
};

/* Move the branch forward to the commit, or make it. It is there: ERR_OK. ERR_CONFLICT: the
 * repository refuses that for good (the branch has other commits by now, ...); ERR_UNAVAILABLE: not
 * now; others as from mirror_prepare(). */
enum err_code workspace_deliver_to(struct workspaces *all, const struct workspace_target *target,
                                   struct err *err) MUST_CHECK;

/* Remove all of a session's files. No process of its agent may be left. */
enum err_code workspace_remove(struct workspaces *all, const struct id *session,
                               struct err *err) MUST_CHECK;

/* At start: remove the workspaces of all sessions that keep() does not want. */
enum err_code workspaces_sweep(struct workspaces *all,
                               bool (*keep)(const struct id *session, void *arg), void *arg,
                               struct err *err) MUST_CHECK;
