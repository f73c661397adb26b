/*
 * Files below one directory, opened as somebody else: what an agent asks the worker to read or
 * write for it.  The agent makes the names and may change the directories meanwhile; nothing
 * outside of the directory can be reached (openat2(2), RESOLVE_BENEATH), nor what that user could
 * not open.
 *
 * Regular files only.  Blocks for as long as a local file system takes.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/process.h"

struct beneath {
	const char *root;                /* absolute; below which everything is */
	const struct process_user *user; /* as whom */
};

/* What is below the root in an absolute path, or in one that is relative to it; "." for the root.
 * ERR_INVALID: it is outside. It is of path. */
enum err_code beneath_name(const struct beneath *in, struct str path, struct str *ret,
                           struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_LIMIT (larger than max), ERR_INVALID: no regular file, or
 * outside. Adds to out, which has to have the room. */
enum err_code beneath_read(const struct beneath *in, struct str path, size_t max, struct buf *out,
                           struct err *err) MUST_CHECK;

/* Its whole text; it and the directories before it are made if they are not there. */
enum err_code beneath_write(const struct beneath *in, struct str path, struct str text,
                            struct err *err) MUST_CHECK;

/* The same at the end of one that is there. */
enum err_code beneath_append(const struct beneath *in, struct str path, struct str text,
                             struct err *err) MUST_CHECK;

/* Whether it is a directory there. */
enum err_code beneath_directory(const struct beneath *in, struct str path,
                                struct err *err) MUST_CHECK;
