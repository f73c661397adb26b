/* Private to worker/session_*.c: snapshots in the repository of a session's task. */
#pragma once

#include "worker/session_private.h"
#include "worker/snapshot_origin.h"

/* Whether they go there, and may be looked for there. */
bool session_origin_wanted(const struct session_run *s);
bool session_origin_asked(const struct session_run *s, const struct workspace_request *request);

/* As snapshot_origin_put() and _find() do. */
enum err_code session_origin_put(struct session_run *s, int fd, const struct snapshot_image *image,
                                 struct str facts, char ret_ref[SNAPSHOT_REF_SIZE],
                                 struct err *err) MUST_CHECK;
enum err_code session_origin_find(struct session_run *s, const struct workspace_request *request,
                                  struct snapshot_found *ret, struct buf *facts,
                                  struct err *err) MUST_CHECK;
