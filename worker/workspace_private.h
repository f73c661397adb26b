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
