/* A duty: workers ask for what prompts refer to (upload/upload_fetch.h), and are answered. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code uploads_turn(struct app *app, struct err *err) MUST_CHECK;
