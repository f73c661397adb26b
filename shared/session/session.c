#include "session/session.h"

#include <stddef.h>

static const struct {
	const char *name;
	bool terminal;
} states[SESSION_STATE_COUNT] = {
#define X(id, name, terminal) [SESSION_##id] = { name, terminal },
#include "session/state.def"
#undef X
};

static const char *const moves[SESSION_STATE_COUNT][SESSION_STATE_COUNT] = {
#define X(from, to, cause) [SESSION_##from][SESSION_##to] = (cause),
#include "session/move.def"
#undef X
};

const char *session_state_name(enum session_state state)
{
	return states[state].name;
}

bool session_state_parse(struct str name, enum session_state *ret)
{
	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		if (str_eq(name, str_of(states[i].name))) {
			*ret = (enum session_state)i;
			return true;
		}
	}
	return false;
}

bool session_is_terminal(enum session_state state)
{
	return states[state].terminal;
}

bool session_move_allowed(enum session_state from, enum session_state to)
{
	return moves[from][to] != NULL;
}

unsigned session_moves_to(enum session_state to)
{
	unsigned set = 0;

	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		if (moves[i][to] != NULL) {
			set |= 1U << i;
		}
	}
	return set;
}

const char *session_move_cause(enum session_state from, enum session_state to)
{
	return moves[from][to];
}

const char *const session_causes[] = { "attempts", "poison", "deadline", NULL };

const char *session_cause_of(struct str reason)
{
	for (unsigned i = 1; session_causes[i] != NULL; i++) {
		if (str_eq(reason, str_of(session_causes[i]))) {
			return session_causes[i];
		}
	}
	return session_causes[0];
}
