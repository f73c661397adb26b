/* Answers that are JSON, for people: a list as a table, one thing as a line for each member. */
#pragma once

#include <stddef.h>

#include "base/str.h"

struct column {
	const char *title; /* NULL: only where one thing is shown */
	const char
		*member; /* of an item; a list in it is shown with commas, what is absent as "-" */
};

/* {"items": [...]}, or one object: then titles do not matter, and members that are absent are left
 * out. What came from elsewhere is printable on a terminal (printable.h). */
void table_print(struct str json, const struct column *columns, size_t count);
