/*
 * Duty: leases.  For each living worker with a free slot: claim, raise the epoch and tell the
 * worker, tell the queue, tell PostgreSQL.  Each step may be the last one before a kill; what
 * is half done after two seconds is completed by any scheduler.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code grant_turn(struct app *app, struct err *err) MUST_CHECK;
