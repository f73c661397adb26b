/*
 * Bugs of the protocol, planted one at a time to see that the simulator finds them: a change of a
 * script's text, or a switch that a player asks for.
 */
#pragma once

#include <stddef.h>

#include "base/str.h"

enum bug {
	BUG_NONE,
#define X(id, name, script, from, to) BUG_##id,
#include "tests/sim/bug.def"
#undef X
	BUG_COUNT
};

const char *bug_name(enum bug bug);
enum bug bug_of(const char *name); /* BUG_COUNT: none */
/* The script as this bug has it, for free(); NULL: it is not of this script. Aborts when the text
 * to change is not there any more. */
char *bug_plant(enum bug bug, const char *script, struct str text, size_t *ret_len);
