/* Duty: a session that no living worker can run is told so in its log, once, and told when one can.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code flag_turn(struct app *app, struct err *err) MUST_CHECK;
