/*
 * Duties: the archiver and follower.  Sessions whose doorbell said that they moved, at once; all
 * that are not archived to their end, by a slow walk.  For each: the row follows the log
 * (follow.h), then the log is copied to PostgreSQL and trimmed.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code archive_moves(struct app *app, struct err *err) MUST_CHECK; /* several fibers do */
enum err_code archive_sweep(struct app *app, struct err *err) MUST_CHECK;
