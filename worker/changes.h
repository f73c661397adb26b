/*
 * What a session changed, read from git's output: which files, how many lines, and the text
 * of both sides, whole or (when either is large) its first and last lines.
 *
 * Pure: bytes that git printed in, structs out.  All text is valid UTF-8 and lives until
 * changes_free().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
	CHANGES_FILES_MAX = 1000,           /* the rest is only counted */
	CHANGES_TEXT_MAX = 8 * 1024 * 1024, /* of all sides together; the rest has no text */
	CHANGE_LARGE_BYTES = 64 * 1024,     /* AH-API 2.1: more than this, or ... */
	CHANGE_LARGE_LINES = 2000,          /* ... than this on either side is a large diff */
	CHANGE_HEAD_LINES = 200,            /* at most CHANGE_LARGE_BYTES of them */
	CHANGE_TAIL_LINES = 50,
	CHANGE_OID_MAX = 64,
};

enum change_status { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED, CHANGE_TYPE_CHANGED };

struct change_side {
	char oid[CHANGE_OID_MAX + 1]; /* "" when this side does not exist */
	unsigned mode; /* of git: 0100644, 0100755, 0120000 (link), 0160000 (submodule) */
	bool known;    /* the rest is filled in */
	uint64_t bytes, lines;
	struct str text;       /* empty for a large side */
	struct str head, tail; /* of every side of a large change, and of none else */
};

struct change {
	struct str path;
	enum change_status status;
	bool binary;
	uint64_t lines_added, lines_removed;
	bool has_text; /* both sides are known; not so for binary files, submodules, and past
	                  CHANGES_TEXT_MAX */
	bool large;    /* head and tail instead of text */
	struct change_side before, after;
};

struct changes {
	struct change *list;
	size_t count;
	size_t total;    /* including those past CHANGES_FILES_MAX; a lower bound if cut */
	bool cut;        /* git's own list was longer than we read */
	bool unreadable; /* some file could not be read; reason says which */
	char reason[ERR_MSG_MAX];
	char tree[CHANGE_OID_MAX +
	          1]; /* the state that was compared: where the next comparison may begin */
	struct changes_private *private;
};

struct changes *changes_new(void) MUST_CHECK;
void changes_free(struct changes *changes);

/* The output of `git diff --raw --numstat -z --no-abbrev --no-renames`. cut: there was more. */
enum err_code changes_parse(struct changes *changes, struct str diff, bool cut,
                            struct err *err) MUST_CHECK;

/* The object ids whose text is wanted, one a line, in the order in which changes_feed() expects
 * them. */
void changes_wanted(struct changes *changes, struct buf *out);

/* The output of `git cat-file --batch` for them, in pieces. False: no more is wanted. A
 * process_sink_fn. */
bool changes_feed(void *changes, struct str bytes);
