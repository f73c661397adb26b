/*
 * One bare mirror per repository on this host, fetched once for all sessions that need it.
 *
 * `<state>/mirrors/<hash of the URL>.git`, written by the worker only, readable by agents (their
 * workspaces borrow its objects).  Nothing is ever removed from its object store: a workspace may
 * still borrow it.
 *
 * One lock file per repository.  What is already there needs no lock; two sessions that
 * need the same missing commit wait for one fetch, and the second finds what the first brought;
 * fetches of two commits of one repository would fight for its refs, so a lock per commit would
 * gain nothing.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/git.h"

struct mirror_options {
	const char *state_dir;
	const char *program; /* git */
	const char *config;
	bool allow_local;
	uint64_t fetch_timeout_ms; /* of one clone or fetch */
	uint64_t lock_timeout_ms;
	uint64_t fresh_ms; /* a branch fetched less than this ago is not fetched again */
	uint64_t git_timeout_ms;
};

struct mirror {
	char path[GIT_PATH_MAX];
	char base[GIT_OID_MAX + 1]; /* the commit that was asked for */
	char branch[GIT_BRANCH_MAX +
	            1]; /* "" when a tag, or a commit without a branch, was asked for */
};

/* Bring the repository here, as far as it is needed, and find the commit. branch and commit may be
 * empty; empty both is the remote's default branch. ERR_NOT_FOUND: no such branch or commit;
 * ERR_BACKEND: what git said; ERR_TIMEOUT. */
enum err_code mirror_prepare(const struct mirror_options *options, struct str url,
                             struct str branch, struct str commit, struct mirror *ret,
                             struct err *err) MUST_CHECK;

/* The git that works in a mirror, as the worker. */
struct git mirror_git(const struct mirror_options *options, const char *path);
