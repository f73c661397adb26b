/*
 * Duty: what operators said about limits and weights is brought from PostgreSQL into the queue:
 * what changed, several times a second, and everything now and then, and after a loss of Redis.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code limits_turn(struct app *app, struct err *err) MUST_CHECK;
