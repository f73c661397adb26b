/*
 * Snapshots in the repository of the task, for workers that share no folder.
 *
 * refs/fairlead/<sid>/snapshots/<epoch> is one commit: `workspace`, `facts.json` (what is known of
 * it) and, where that is wanted, `home`; its parent is the commit that the agent was on.  It is
 * made and pushed as the worker from `<state>/origins/<sid>`, a repository of the session's own
 * that borrows the mirror's objects: mirrors never have what an agent said.
 *
 * Who pushes looks first: where a newer epoch has a snapshot nothing is pushed (ERR_FENCED), and a
 * ref is only moved from where it was seen.  Who finds one makes it that of its own epoch and takes
 * the older ref away, so a worker that was fenced can neither move it nor be believed.
 *
 * The folder is also the note that refs may be left: it stays until they are gone.
 *
 * Whoever may write refs of the repository could make one up: what it says is checked like a
 * stranger's, and is only of the session's own files.  Everything here belongs on a fiber.
 */
#pragma once

#include "worker/snapshot.h"
#include "worker/snapshot_store.h"

enum {
	SNAPSHOT_REF_SIZE = ID_LEN + 64,
	SNAPSHOT_TENANT_MAX = 64,
};

struct snapshot_origin {
	struct workspaces *all;
	struct id sid;
	const char *tenant;
	uint64_t epoch;
	uint64_t timeout_ms; /* of each look at, push to and fetch from the repository */
	uint64_t max_bytes;  /* of what is fetched */
};

/* What a provider made that says is_pack, with its facts. with_home: what of the agent's home is in
 * it too. ret_ref: where it is. ERR_FENCED, ERR_BACKEND: git's reason, ERR_TIMEOUT. */
enum err_code snapshot_origin_put(const struct snapshot_origin *origin, const struct workspace *ws,
                                  int fd, const struct snapshot_image *image, bool with_home,
                                  struct str facts, char ret_ref[SNAPSHOT_REF_SIZE],
                                  struct err *err) MUST_CHECK;

struct snapshot_found {
	uint64_t epoch; /* that took it */
	char commit[GIT_OID_MAX + 1];
	int fd; /* a pack as put() had it; the caller closes it */
};

/* The newest of the repository that the request names. facts: as of snapshot_store_find().
 * ERR_NOT_FOUND: there is none; ERR_FENCED: it is of a later epoch; ERR_INVALID: none of ours. */
enum err_code snapshot_origin_find(const struct snapshot_origin *origin,
                                   const struct workspace_request *request,
                                   struct snapshot_found *ret, struct buf *facts,
                                   struct err *err) MUST_CHECK;

/* Whose refs may be left: the caller asks about each, and calls drop() when nobody needs them. */
struct snapshot_left {
	struct id sid;
	char tenant[SNAPSHOT_TENANT_MAX + 1];
	char url[GIT_URL_MAX + 1];
	uint64_t age_ms; /* since this worker last put or found one */
};
/* The next one after ret->sid by name, nil: the first. False: there is no more. */
bool snapshot_origin_next(struct workspaces *all, struct snapshot_left *ret);
/* All of its refs, then our note; forget: the note, whether that can be done or not. */
enum err_code snapshot_origin_drop(struct workspaces *all, const struct snapshot_left *left,
                                   bool forget, uint64_t timeout_ms, struct err *err) MUST_CHECK;
