/*
 * Events as lines on a terminal: what the agent printed goes to stdout, what happened to
 * the session goes to stderr, colours only where a person looks. On a terminal what came from
 * elsewhere is printable (printable.h); a pipe or a file gets it as it is.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"

struct render {
	bool json;          /* one JSON object a line, all to stdout */
	bool colour;        /* of stderr and stdout, decided by render_init() */
	bool progress_open; /* a progress line on the terminal waits to be overwritten */
	int exit_code;      /* of the agent; -1 while unknown */
	char status[24];    /* the last state seen */
};

void render_init(struct render *render, bool json);
void render_event(struct render *render, struct str type, struct str data);
/* Text from elsewhere, as it is, or to a terminal printable; a colour that it sets ends with it. */
void render_text(FILE *to, struct str text);
void render_note(struct render *render, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
