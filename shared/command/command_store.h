/*
 * Commands as rows: what clients ask of a session (prompt, stop, pause, resume, an approval).
 *
 * A command is durable before it is answered.  It goes queued -> started (the worker has
 * appended command_started, before the agent gets it) -> done, failed or expired; a prompt that
 * waits can be taken back: cancelled.  One that was
 * started in an older epoch and never finished is unknown: it is asked about, not repeated.
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

enum command_state {
	COMMAND_QUEUED,
	COMMAND_STARTED,
	COMMAND_DONE,
	COMMAND_UNKNOWN,
	COMMAND_FAILED,
	COMMAND_EXPIRED,
	COMMAND_CANCELLED,
	COMMAND_STATE_COUNT
};

const char *command_state_name(enum command_state state);

struct command {
	struct id id, session;
	struct str tenant, kind, created_by;
	struct str payload; /* JSON object */
	enum command_state state;
	uint64_t seq;   /* order within the session: 1, 2, 3... */
	uint64_t epoch; /* in which it was started, 0 before */
	int64_t created_us;
};

struct command_new {
	struct id id; /* nil: a new one */
	const char *tenant;
	struct id session;
	const char *kind;
	struct str payload; /* JSON object text */
	const char *created_by;
};

/* In the caller's transaction, which from here on has the session's row locked: the order of
 * commands is the order of commits. ERR_NOT_FOUND: no such session. ERR_KEY_REUSED: the id
 * is taken. */
enum err_code command_add(struct pg_tx *tx, const struct command_new *command, struct id *ret_id,
                          uint64_t *ret_seq, struct err *err) MUST_CHECK;

/* Whether this very command, with an id of its client's, was added before; from here on nobody
 * else adds it. ERR_KEY_REUSED: another one was. The same lock, the same ERR_NOT_FOUND. */
enum err_code command_again(struct pg_tx *tx, const struct command_new *command, bool *ret_again,
                            uint64_t *ret_seq, struct err *err) MUST_CHECK;

/* Whether an answer to that permission request stands; from here on nobody else adds one. The same
 * lock, the same ERR_NOT_FOUND. */
enum err_code command_answered(struct pg_tx *tx, const char *tenant, const struct id *session,
                               struct str request, bool *ret_answered, struct err *err) MUST_CHECK;

/* The answer that stands. */
struct command_answer {
	struct id id;
	uint64_t seq;
	int64_t at_us;
	char by[128]; /* cut, if need be */
	char behavior[16];
	bool same; /* it says the same, by the same principal */
};
/* In the same transaction. ERR_NOT_FOUND: there is none. */
enum err_code command_answer_get(struct pg_tx *tx, const struct command_new *command,
                                 struct str request, struct command_answer *ret,
                                 struct err *err) MUST_CHECK;

struct command_list {
	struct command *items; /* of the arena */
	size_t count;
};

struct command_query {
	const char *tenant;
	struct id session;
	uint64_t after_seq; /* 0: from the first */
	unsigned max;
};

/* Those not finished, in order. */
enum err_code command_open(struct pg *pg, const struct command_query *query, struct arena *arena,
                           struct command_list *ret, struct err *err) MUST_CHECK;

/* Prompts that wait, in order. */
enum err_code command_prompts(struct pg *pg, const struct command_query *query, struct arena *arena,
                              struct command_list *ret, struct err *err) MUST_CHECK;

/* A prompt of a session, whatever became of it; nil: the last that was not taken back. The
 * transaction has its row locked from here on. ERR_NOT_FOUND: there is none. */
enum err_code command_prompt(struct pg_tx *tx, const char *tenant, const struct id *session,
                             const struct id *id, struct arena *arena, struct command *ret,
                             struct err *err) MUST_CHECK;

/* Another payload for one that waits. ERR_CONFLICT: it does not. */
enum err_code command_edit(struct pg_tx *tx, const char *tenant, const struct id *id,
                           struct str payload, struct err *err) MUST_CHECK;

/* For which of these sessions, of any tenants and at most 128, some command is queued. */
enum err_code command_waiting(struct pg *pg, const struct id *sessions, size_t count, bool *ret,
                              struct err *err) MUST_CHECK;

/* The prompt that must reach the agent before that one: the last that waits. Nil: none. */
enum err_code command_before(struct pg *pg, const char *tenant, const struct id *session,
                             uint64_t seq, struct id *ret, struct err *err) MUST_CHECK;

/* Of all tenants and sessions, created at least older_ms ago, not finished; in the order of
 * (session, seq), after the given one. */
struct command_due_query {
	struct id session;
	uint64_t seq;
	uint64_t older_ms;
	unsigned max;
};

struct command_due {
	struct command command;
	struct str session_state; /* of its row: a name of session/state.def */
	uint64_t leased_epoch;    /* of its newest lease or requeue; a rebuild is none */
};

struct command_due_list {
	struct command_due *items; /* of the arena */
	size_t count;
};

enum err_code command_due(struct pg *pg, const struct command_due_query *query, struct arena *arena,
                          struct command_due_list *ret, struct err *err) MUST_CHECK;

/* *ret_changed false: somebody else has it, or it is finished. Repeating in the same epoch is
 * true again. */
enum err_code command_start(struct pg *pg, const char *tenant, const struct id *id, uint64_t epoch,
                            bool *ret_changed, struct err *err) MUST_CHECK;

struct command_end {
	struct id id;
	enum command_state state; /* DONE, FAILED, EXPIRED, CANCELLED or UNKNOWN */
	struct str result;        /* JSON; {NULL, 0}: none */
};

/* A signed answer's nonce is used. *ret_fresh false: it was before. */
enum err_code command_use_nonce(struct pg_tx *tx, const char *tenant, const struct id *session,
                                struct str nonce, bool *ret_fresh, struct err *err) MUST_CHECK;

/* *ret_changed false: it was finished before, and that stands. */
enum err_code command_finish(struct pg *pg, const char *tenant, const struct command_end *end,
                             bool *ret_changed, struct err *err) MUST_CHECK;
/* The same in a transaction, which from here on has the row locked. */
enum err_code command_finish_in(struct pg_tx *tx, const char *tenant, const struct command_end *end,
                                bool *ret_changed, struct err *err) MUST_CHECK;
