/* PostgreSQL follows a session's log: state, times, exit code, commands. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "session/session_trail.h"

struct app;
struct session;

/*
 * Apply what the log has after the row's position; trail->state, epoch and n move along. Done twice
 * it changes nothing. *ret_caught_up: the row reflects all there is.
 */
enum err_code follow_session(struct app *app, struct session_trail *trail, bool *ret_caught_up,
                             struct err *err) MUST_CHECK;

/*
 * Before a lease: whether rows may lack a failure that the log has, which decides how many
 * attempts are left, or a question that the next worker takes back. It has followed everything
 * before the lease afterwards; read it again when *ret_behind.
 */
enum err_code follow_before_lease(struct app *app, const struct session *row, bool *ret_behind,
                                  struct err *err) MUST_CHECK;
