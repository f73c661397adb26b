/* Duty: logs that are older than their tenant keeps them go; one scheduler at a time. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code retain_turn(struct app *app, struct err *err) MUST_CHECK;
