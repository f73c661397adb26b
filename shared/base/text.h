/*
 * A file embedded at build time by fairlead_embed(): a Lua script, a SQL statement, a page.
 * The bytes are exact, so sha1 is the digest that Redis computes for a script.
 */
#pragma once

#include <stddef.h>

struct text {
	const char *name; /* file name without its suffix */
	const char *sha1; /* 40 hex digits */
	const char *text; /* NUL-terminated for convenience */
	size_t len;
};
