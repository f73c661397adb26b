/* What sessions used (cost/cost_store.h) follows their logs; prices follow their rows. */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct app;
struct log_event;
struct json_value;
struct session;
struct session_trail;

bool spend_concerns(const struct log_event *event);

/* data: of the event, NULL: it is none. Twice and late it changes nothing. */
enum err_code spend_follow(struct app *app, const struct session_trail *trail,
                           const struct log_event *event, const struct json_value *data,
                           struct err *err) MUST_CHECK;

/* A duty: the prices that workers find in Redis are those of the rows. */
enum err_code spend_prices_turn(struct app *app, struct err *err) MUST_CHECK;

/* What a session with a budget has spent, with those that it retries; 0 for others. */
enum err_code spend_before(struct app *app, const struct session *row, uint64_t *ret,
                           struct err *err) MUST_CHECK;
