/* Duty: commands that wait. Their worker hears of them again; those of ended sessions end too. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code deliver_turn(struct app *app, struct err *err) MUST_CHECK;
