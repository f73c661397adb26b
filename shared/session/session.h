/*
 * The life of a session: its states and the only moves between them (state.def, move.def).
 * Pure.  Every move is one event in the session's log, made by the script that appends it.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

enum session_state {
#define X(id, name, terminal) SESSION_##id,
#include "session/state.def"
#undef X
	SESSION_STATE_COUNT
};

/* A set of states: bit i is state i. */
enum { SESSION_ANY = 0 };

static inline unsigned session_bit(enum session_state state)
{
	return 1U << (unsigned)state;
}

const char *session_state_name(enum session_state state); /* "queued" */
bool session_state_parse(struct str name, enum session_state *ret) MUST_CHECK;
bool session_is_terminal(enum session_state state);

bool session_move_allowed(enum session_state from, enum session_state to);
/* The set of states from which `to` may be reached. */
unsigned session_moves_to(enum session_state to);
/* What a session can have failed for in the end, NULL-terminated; and which it is, by the reason
 * that its last move gave. */
extern const char *const session_causes[];
const char *session_cause_of(struct str reason);

/* Why the move exists, NULL if it does not; for documents. */
const char *session_move_cause(enum session_state from, enum session_state to);
