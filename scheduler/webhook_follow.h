/* What webhooks are to be told of a session (webhook/webhook_queue.h) follows its log. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

struct app;
struct log_event;
struct session_trail;

bool webhook_concerns(const struct session_trail *trail, const struct log_event *event);

/* Twice it changes nothing. */
enum err_code webhook_follow(struct app *app, const struct session_trail *trail,
                             const struct log_event *event, struct err *err) MUST_CHECK;
