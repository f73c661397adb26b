/*
 * Duty: sessions that live past their deadline.  One that has not started fails; one that runs is
 * asked to stop, with the deadline as the reason.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code deadline_turn(struct app *app, struct err *err) MUST_CHECK;
