/*
 * Rules that answer what agents ask before a person is asked.  Pure.
 *
 * A rule says what it is about (a tool, a command, files, a host) and for whom.  Whatever it names
 * has to fit.  The two directions err on different sides: a rule that allows fits only what can be
 * told for certain, and all of it; a rule that denies fits as soon as any part does.
 *
 * Commands are compared by words, never by bytes: "git status" allows "git status -s", but not
 * "git statusx", and nothing that a shell would make something else of: no quotes, pipes,
 * substitutions or globs.  Paths are taken by their names alone (no links are followed): what keeps
 * an agent from following a link out of its workspace is its sandbox.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

struct json_value;

enum {
	APPROVAL_TOOL_MAX = 128,    /* bytes of each of these */
	APPROVAL_PATTERN_MAX = 512, /* a command, a path or a host of a rule */
	APPROVAL_PATH_MAX = 4096,   /* a path of a question */
	APPROVAL_ITEMS_MAX = 64,    /* paths, hosts or words that are looked at */
};

/* Texts are "" where anything fits. */
struct approval_rule {
	struct id id;
	bool allow;               /* else it denies */
	struct str project, user; /* whose sessions: user is the owner of their task */
	struct str tool;          /* its name; one that ends in * stands for all that begin so */
	struct str command;       /* the words that it begins with */
	struct str path; /* below the workspace: ? a letter, * within a name, ** across names */
	struct str host; /* "*.example.org" is all that is below it, without itself */
};

/* NULL, or what is wrong, and with which member: both for the client. */
const char *approval_rule_flaw(const struct approval_rule *rule, const char **ret_field);

/* Is the session one of those that it is for? */
bool approval_rule_concerns(const struct approval_rule *rule, struct str project, struct str user);

/* What an agent wants to do, as far as rules look at it. */
struct approval_question {
	struct str tool, workspace; /* workspace: its absolute path; "": not known */
	struct str line;            /* a command for a shell */
	const struct str *words;    /* or one that no shell reads */
	const struct str *paths, *hosts;
	size_t word_count, path_count, host_count;
	/* It is there, but not in a form that can be judged: nothing that allows it fits. */
	bool odd_command, odd_path, odd_host;
};

/* Of the data of a permission_request (worker/adapters/adapter_out.h). Views of json, and the
 * arena's. */
void approval_question_of(const struct json_value *json, struct str workspace, struct arena *arena,
                          struct approval_question *ret);

bool approval_rule_fits(const struct approval_rule *rule, const struct approval_question *question);

/* The first that denies it, else the first that allows it; NULL: ask. */
const struct approval_rule *approval_decide(const struct approval_rule *rules, size_t count,
                                            const struct approval_question *question);

/* What "always" means for it: ret->tool and the rest, of the arena. ERR_INVALID: no rule can say
 * it, with the reason. */
enum err_code approval_rule_suggest(const struct approval_question *question, bool allow,
                                    struct arena *arena, struct approval_rule *ret,
                                    struct err *err) MUST_CHECK;

/* ---- as JSON ---- */

struct jsonw;
struct buf;

void approval_rule_write(struct jsonw *w, const struct approval_rule *rule);
/* False: it is none, or has flaws. Views of json. */
bool approval_rule_read(const struct json_value *json, struct approval_rule *ret);
