/*
 * Duty: the times of schedules.
 *
 * A time that has come is one transaction: the task and its sessions, the row (schedule, time) that
 * says what became of it, and the next time. So any number of schedulers may look at it at once,
 * and one that dies has done all of it or nothing; the sessions' logs and places in the queue,
 * which follow, are the reconciler's too.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum { FIRE_MS = 500 };

enum err_code fire_turn(struct app *app, struct err *err) MUST_CHECK;
