/*
 * Commands of one, two and three words (`whoami`, `session stop`, `admin key create`) as rows:
 * adding one is a row in the table of its noun, and what is said of it under --help, in shell
 * completion and in docs/cli.md comes from there.  The tables are in cli/verbs.c, the options in
 * cli/option.def.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/buf.h"

enum option_id {
	OPTION_NONE, /* ends a row's list */
#define X(id, name, value, most, help) OPTION_##id,
#include "cli/option.def"
#undef X
	OPTION_COUNT
};

enum { VERB_OPTIONS_MAX = 28, VERB_SAID_MAX = 16, VERB_WORDS_ANY = 1000 };

/* One option as it was said. */
struct said {
	const char *values[VERB_SAID_MAX]; /* "" where it takes none */
	size_t count;                      /* 0: it was not said */
	uint64_t number;                   /* of the last, where it takes one */
};

struct call;
typedef int(verb_fn)(struct call *call);

struct verb {
	const char *name;  /* NULL, of the only one: the command itself */
	const char *words; /* as usage shows them; NULL: none */
	int least, most;   /* how many */
	verb_fn *run;
	const char *help;
	enum option_id options[VERB_OPTIONS_MAX]; /* --help is everywhere */
};

struct verb_group {
	const char *command; /* "admin" */
	const char *name;    /* "key"; NULL: the verbs follow the command */
	const struct verb *verbs;
	size_t count;
	verb_fn *around;   /* runs call->verb->run() in what it needs, call->host; NULL: nothing */
	const char *notes; /* under the usage; NULL: nothing */
	void (*more)(struct buf *out); /* and what is in other tables; NULL: nothing */
};

struct call {
	const struct verb_group *group;
	const struct verb *verb;
	struct said said[OPTION_COUNT];
	char **words;
	int word_count;
	void *host;
};

/* Ends with NULL. */
extern const struct verb_group *const verb_groups[];

/* NULL: it was not said. Of several the last. */
const char *call_text(const struct call *call, enum option_id option);
static inline bool call_has(const struct call *call, enum option_id option)
{
	return call->said[option].count > 0;
}
/* Prints the usage of its verb and returns EXIT_USAGE. */
int call_misused(const struct call *call);
/* "cannot set --a and --b together" and false, if both are. */
bool call_either(const struct call *call, enum option_id a, enum option_id b) MUST_CHECK;

/* The whole of a command: argv[0] is "fairlead" and its name. Returns the exit status. */
int verb_main(const char *command, int argc, char **argv);

/* What may follow these words, separated by spaces; for shell completion. "" when they are none of
 * a table's. */
void verb_complete(int argc, char **argv, struct buf *out);
/* Their part of docs/cli.md. */
void verb_document(struct buf *out);
