/*
 * Duty: sessions that wait for another one to end.  The queue holds them until then; whoever sees
 * the end in the log lets them go, and a slow walk finds what nobody saw.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"

struct app;

enum err_code release_turn(struct app *app, struct err *err) MUST_CHECK;
/* What waits for this session or task, if it has ended. */
enum err_code release_after(struct app *app, const struct id *ended, struct err *err) MUST_CHECK;
