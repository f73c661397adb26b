/* Duty: Redis has the cordons that PostgreSQL has, and workers that are to be drained know it. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code cordon_turn(struct app *app, struct err *err) MUST_CHECK;
