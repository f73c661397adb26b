/* What the parts of workspace share; nobody else includes it. */
#pragma once

#include "worker/mirror.h"
#include "worker/workspace.h"

struct workspaces {
	struct workspace_options options; /* its strings are those below */
	char *state_dir;
	char *program;
	char *config;
};

static inline struct mirror_options workspaces_mirror_options(const struct workspaces *all)
{
	return (struct mirror_options){
		.state_dir = all->state_dir,
		.program = all->program,
		.config = all->config,
		.allow_local = all->options.allow_local,
		.fetch_timeout_ms = all->options.fetch_timeout_ms,
		.lock_timeout_ms = all->options.lock_timeout_ms,
		.fresh_ms = all->options.fresh_ms,
		.git_timeout_ms = all->options.git_timeout_ms,
	};
}

/* The git that looks at a workspace: the agents' user, our configuration, an index and objects of
 * its own. */
struct workspace_scratch {
	const struct workspaces *all;
	const struct workspace *ws;
	struct git git;
	char dir[GIT_PATH_MAX + 32], index[GIT_PATH_MAX + 32], objects[GIT_PATH_MAX + 32],
		alternates[2 * GIT_PATH_MAX + 32];
};

void workspace_scratch_init(struct workspace_scratch *s, const struct workspaces *all,
                            const struct workspace *ws);

/* All files into the index. Files that the agent made unreadable are left out, and said to be (in
 * changes, unless that is NULL); the rest counts. */
enum err_code workspace_add_all(const struct workspace_scratch *s, struct changes *changes,
                                struct err *err) MUST_CHECK;

/* The agent's own HEAD if it descends from the base, else the base. This alone asks the agent's
 * .git, as the agent; a lie gets it a commit of its own making. */
void workspace_parent(const struct workspace_scratch *s, const struct workspace *ws,
                      char parent[GIT_OID_MAX + 1]);

/* Who pushes to a repository on this host: its owner, so that neither its hooks nor its files
 * become root's. Of others: the worker. */
struct process_user workspace_owner_of(struct str url);
/* `git push --porcelain`: ERR_CONFLICT with what it says that was refused. */
enum err_code workspace_push(const struct git *git, const struct git_call *call,
                             struct err *err) MUST_CHECK;
