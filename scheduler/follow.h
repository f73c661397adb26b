/* PostgreSQL follows a session's log: state, times, exit code, commands. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "session/session_trail.h"

struct app;

/*
 * Apply what the log has after the row's position; trail->state, epoch and n move along. Done twice
 * it changes nothing. *ret_caught_up: the row reflects all there is.
 */
enum err_code follow_session(struct app *app, struct session_trail *trail, bool *ret_caught_up,
                             struct err *err) MUST_CHECK;
