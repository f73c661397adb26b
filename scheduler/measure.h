/* Duty: the depth of the queue, for /metrics. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code measure_turn(struct app *app, struct err *err) MUST_CHECK;
