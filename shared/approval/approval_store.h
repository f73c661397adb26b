/*
 * Questions of agents to people, as rows: a projection of the sessions' logs, for lists and for
 * whoever comes later.  What decides is the log and the commands: a row may lag, and is put right
 * by whoever follows the log.  Everything here may be done twice, and late.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "pg/pg.h"

enum { APPROVAL_REQUEST_MAX = 256, APPROVAL_PAGE_MAX = 200, APPROVAL_DUE_MAX = 64 };

enum approval_state {
	APPROVAL_OPEN,
	APPROVAL_ALLOWED,
	APPROVAL_DENIED,
	APPROVAL_WITHDRAWN, /* nobody waits for the answer any more */
	APPROVAL_EXPIRED,
	APPROVAL_STATE_COUNT
};

const char *approval_state_name(enum approval_state state);

/* Of the arena; "" and 0 where there is none. */
struct approval {
	struct id session;
	struct str request, project, namespace, tool;
	struct str question; /* the data of permission_request, JSON */
	enum approval_state state;
	uint64_t epoch, n; /* of the event that asked */
	int64_t asked_us, expires_us, answered_us;
	struct str by, scope, rule, command; /* of the answer */
};

/* ---- reading ---- */

/* NULL filters nothing. */
struct approval_filter {
	const char *tenant;
	const char *states; /* comma list of names */
	const char *session, *project, *tool;
	const char *namespaces; /* comma list */
	int64_t before_us;      /* the page goes on behind this one; 0: it is the first */
	const char *before_session, *before_request;
	unsigned max;
};

struct approval_page {
	struct approval *items; /* of the arena, the last asked first */
	size_t count;
	bool more;
};

enum err_code approval_list(struct pg *pg, const struct approval_filter *filter,
                            struct arena *arena, struct approval_page *ret,
                            struct err *err) MUST_CHECK;
/* session NULL: of any. ERR_NOT_FOUND; ERR_CONFLICT: several sessions have one of that name. */
enum err_code approval_get(struct pg *pg, const char *tenant, const struct id *session,
                           struct str request, struct arena *arena, struct approval *ret,
                           struct err *err) MUST_CHECK;

struct approval_due {
	struct id session;
	const char *tenant, *request; /* of the arena */
};

struct approval_due_list {
	struct approval_due *items;
	size_t count;
};

/* Open ones of all tenants that expired so long ago, at most APPROVAL_DUE_MAX. */
enum err_code approval_due(struct pg *pg, uint64_t older_ms, struct arena *arena,
                           struct approval_due_list *ret, struct err *err) MUST_CHECK;

enum { APPROVAL_GRANTED_MAX = 16 * 1024 };

/* What was answered for the session's whole life, for the worker that has it now: a JSON array of
 * {"behavior", and of the question "tool_name" and "input"}, the newest of them, at most
 * APPROVAL_GRANTED_MAX bytes. Of the arena. */
enum err_code approval_granted(struct pg *pg, const char *tenant, const struct id *session,
                               struct arena *arena, struct str *ret, struct err *err) MUST_CHECK;

/* What an agent that is gone asked, and no event says yet that it does not wait any more: a JSON
 * array of request ids, the oldest APPROVAL_LEFT_MAX of them. Of the arena. */
enum { APPROVAL_LEFT_MAX = 64 };
enum err_code approval_left(struct pg *pg, const char *tenant, const struct id *session,
                            struct arena *arena, struct str *ret, struct err *err) MUST_CHECK;

/* ---- following ---- */

struct approval_asked {
	const char *tenant;
	struct id session;
	struct str request, tool, question;
	uint64_t epoch, n;
	int64_t asked_us, expires_us; /* expires_us 0: never */
};
enum err_code approval_asked(struct pg *pg, const struct approval_asked *asked,
                             struct err *err) MUST_CHECK;

struct approval_answer {
	const char *tenant;
	struct id session;
	struct str request, by, scope;
	struct str rule, command; /* "": none */
	enum approval_state state;
	int64_t at_us;
};
/* The first answer stays. */
enum err_code approval_answered(struct pg *pg, const struct approval_answer *answer,
                                struct err *err) MUST_CHECK;
enum err_code approval_answered_in(struct pg_tx *tx, const struct approval_answer *answer,
                                   struct err *err) MUST_CHECK;

/* A moment of a session's log. */
struct approval_moment {
	const char *tenant;
	struct id session;
	uint64_t n;
	int64_t at_us;
};
/* The answer of that command did not reach an agent that still asked. */
enum err_code approval_unanswered(struct pg *pg, const struct approval_moment *moment,
                                  const struct id *command, struct err *err) MUST_CHECK;
/* Its agent makes room, or is there again. */
enum err_code approval_held(struct pg *pg, const struct approval_moment *moment, bool held,
                            struct err *err) MUST_CHECK;

enum approval_which { APPROVAL_ALL, APPROVAL_HELD, APPROVAL_UNHELD };
/* Those that were asked before are not waited for any more. */
enum err_code approval_withdrawn(struct pg *pg, const struct approval_moment *moment,
                                 enum approval_which which, struct err *err) MUST_CHECK;
