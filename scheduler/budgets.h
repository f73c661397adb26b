/* Duty: budgets that are spent (cost/budget.h) keep sessions from starting, by gates in the queue
 * (queue/queue_gate.h), until their period ends or they are raised. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code budgets_turn(struct app *app, struct err *err) MUST_CHECK;
