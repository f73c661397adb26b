/*
 * A copy of a new session's row as text, for who hands it over before it could read the row: what
 * the order to run it is made of, and nothing that moves.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

struct session;

enum { SESSION_COPY_MAX = 8 * 1024 };

/* id, task, tenant, project, owner, agent, prompt, repo, runtime, delivery, traceparent,
 * max_attempts of a session that nobody has begun. "": it is longer than SESSION_COPY_MAX, or
 * begun, or not all of its row was read. The text is the arena's. */
struct str session_copy_write(const struct session *session, struct arena *arena);

/* False: it is no such copy. The rest of *ret is as of a session that nobody has begun; the
 * arena's. */
bool session_copy_read(struct str text, struct arena *arena, struct session *ret) MUST_CHECK;
