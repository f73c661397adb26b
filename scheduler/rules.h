/* What the worker of a session answers by itself: rules, and what was said for its whole life. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct app;
struct session;

/* For its order, an object of JSON; of the arena. again: it has run before. */
enum err_code rules_for_order(struct app *app, const struct session *row, bool again,
                              struct arena *arena, struct str *ret, struct err *err) MUST_CHECK;
