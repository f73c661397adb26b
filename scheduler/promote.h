/* Duty: what was delayed becomes ready when it is due; what was done long ago is forgotten. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code promote_turn(struct app *app, struct err *err) MUST_CHECK;
