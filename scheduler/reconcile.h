/*
 * Duties: what PostgreSQL knows and Redis should.
 *
 * reconcile_admit(): sessions that were accepted and of which nobody said that they are in the
 * queue: the API died in between. reconcile_restore(): every living session, a few each turn; all
 * of them at once when this Redis is another one than before: the log is rebuilt, and what is in no
 * set of the queue is queued again.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code reconcile_admit(struct app *app, struct err *err) MUST_CHECK;
enum err_code reconcile_restore(struct app *app, struct err *err) MUST_CHECK;
