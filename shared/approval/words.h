/* Command lines, as far as rules look at them. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Every letter is one that no shell reads anything into, so that its words are what a program
 * gets. */
bool approval_line_is_plain(struct str line);

/* Does a plain line, or a list of words, begin with the words of that prefix? */
bool approval_line_begins(struct str line, struct str prefix);
bool approval_words_begin(const struct str *words, size_t count, struct str prefix);

/* Could any command in that line begin with them, whatever a shell makes of it? It errs on the side
 * of yes, but does not see through names that are put together while it runs. */
bool approval_line_has(struct str line, struct str prefix);

/* The command of "bash -lc 'COMMAND'" and the like; false: it is no such line, or not a plain one.
 */
bool approval_line_inside(struct str line, struct str *ret);
/* Of words, the same; ret_shell: it is a shell's, whatever it does. */
bool approval_words_inside(const struct str *words, size_t count, struct str *ret, bool *ret_shell);
