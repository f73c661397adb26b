/* Duty: leases that ran out. What a lost worker held is queued again, then it is forgotten. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code sweep_turn(struct app *app, struct err *err) MUST_CHECK;
