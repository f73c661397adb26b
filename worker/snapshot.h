/*
 * Snapshots of a session: its workspace, and of its agent's HOME what the agent needs to go on.
 *
 * A provider turns both into one file and back; which one made a file is said in what is kept
 * beside it. There is one, git; others (ZFS and Btrfs send such a file themselves, an overlay's
 * upper directory can be packed into one) are rows of the table in snapshot.c. Where the files are
 * kept is snapshot_store.h's business.
 *
 * Everything here belongs on a fiber. Neither touches the agent's own index, HEAD or branches while
 * it works.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/workspace.h"

struct json_value;

enum { SNAPSHOT_NAMES_SIZE = 256 };

struct snapshot_of {
	struct workspaces *all;
	const struct workspace *ws;
	const char *home;        /* of the agent */
	const char *const *kept; /* what of it: files and folders below it; ends with NULL */
};

/* What a provider must know of its file; all strings are "" when there is none of it. */
struct snapshot_image {
	char commit[GIT_OID_MAX + 1];
	char tree[GIT_OID_MAX + 1];            /* of the workspace's files */
	char head[GIT_OID_MAX + 1];            /* the commit that the agent is on */
	char head_branch[GIT_BRANCH_MAX + 16]; /* its full name; "": none */
	bool has_home;
	uint64_t bytes;
	char left_out[SNAPSHOT_NAMES_SIZE]; /* some of what is not in it, for people; "": nothing */
};

/* What is called otherwise in the HOME that is loaded. */
struct snapshot_rename {
	const char *from, *to; /* a folder that is named after the workspace; NULL: none */
	/* Files; NULL: none. It says NULL of one that stays as it was. */
	const char *(*file)(struct str name, uint64_t epoch, struct arena *arena);
	uint64_t epoch;
};

struct snapshot_ops {
	const char *name;
	bool is_pack; /* its file is one of git: image->commit and what leads to it from the base */
	/* Into fd, an empty file. ERR_TOO_LARGE: more than max_bytes; what is in the file then is
	 * worthless. */
	enum err_code (*save)(const struct snapshot_of *of, int fd, uint64_t max_bytes,
	                      struct snapshot_image *ret, struct err *err);
	/* From fd into a workspace that was prepared from the same base, and a home that is empty.
	 */
	enum err_code (*load)(const struct snapshot_of *into, int fd,
	                      const struct snapshot_image *image,
	                      const struct snapshot_rename *rename, struct err *err);
};

const struct snapshot_ops *snapshot_provider(void);        /* the one that saves */
const struct snapshot_ops *snapshot_find(struct str name); /* NULL: there is none */
