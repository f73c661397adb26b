/* The rows of questions to people (approval/approval_store.h) follow a session's log. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;
struct log_event;
struct json_value;
struct session_trail;

bool asks_concern(const struct log_event *event);

/* data: of the event, NULL: it is none. Twice and late it changes nothing. */
enum err_code asks_follow(struct app *app, struct session_trail *trail,
                          const struct log_event *event, const struct json_value *data,
                          struct err *err) MUST_CHECK;

/* A duty: questions whose time is over, and whose worker has not said so. */
enum err_code asks_expire_turn(struct app *app, struct err *err) MUST_CHECK;
