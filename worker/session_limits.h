/*
 * Private to worker/session_*.c: what limits all that a session's agent runs together, and its
 * files: a cgroup of its own where the worker has them (cgroup.h), and a look at its files now and
 * then.  Each limit that it comes to is a `limit` event.
 */
#pragma once

#include "worker/cgroup.h"
#include "worker/event_text.h"
#include "worker/session_private.h"

enum { SESSION_LIMITS_MAX = CGROUP_LIMIT_COUNT + 1 };

struct session_limits {
	struct cgroup_limits max; /* its own: the worker's, or what its task asks for */
	uint64_t disk_max;
	bool asked[SESSION_LIMITS_MAX],
		lowered[SESSION_LIMITS_MAX]; /* by its task; by the worker */
	const char *cgroup;                  /* NULL: it has none */
	unsigned held;                       /* bits by enum cgroup_limit */
	struct cgroup_counts told;
	uint64_t told_ms[CGROUP_LIMIT_COUNT];
	bool killed;         /* somebody in it was, for want of memory */
	uint64_t disk_bytes; /* that its files took when they were looked at */
};

/* Before its agent is started. */
enum err_code session_limits_begin(struct session_run *s, struct err *err) MUST_CHECK;
/* NULL: it has none. */
const char *session_limits_cgroup(const struct session_run *s);
/* Those that were set, and by what they hold. */
size_t session_limits_list(const struct session_run *s,
                           struct event_text_limit ret[SESSION_LIMITS_MAX]);
/* Of what its task asked for, what it does not get. Once, when it runs. */
void session_limits_say_missing(struct session_run *s);
/* On its main fiber: tell what was refused since the last time; end it when its files are too many.
 * last: whatever there is, it has ended. */
void session_limits_tell(struct session_run *s, bool last);
/* Everything it ran has ended: without a word, its log may be out of reach. Harmless when repeated.
 */
void session_limits_end(struct session_run *s);
void session_limits_free(struct session_run *s);
/* Whether its agent's end was for want of memory. */
bool session_limits_killed(const struct session_run *s);
