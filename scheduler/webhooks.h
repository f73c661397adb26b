/*
 * Duty: webhooks are told what there is to tell them.
 *
 * A turn takes as many messages as there is room for, and does not wait for their ends: one
 * server that never answers costs its own turns only.  What a scheduler that died had taken is
 * taken again when its time is over: a message may arrive twice, with the same id.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code webhooks_turn(struct app *app, struct err *err) MUST_CHECK;
