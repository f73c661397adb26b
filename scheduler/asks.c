#include "scheduler/asks.h"

#include "approval/approval_store.h"
#include "base/clock.h"
#include "event/log.h"
#include "json/value.h"
#include "log/log.h"
#include "scheduler/app.h"
#include "scheduler/duty.h"
#include "session/session_trail.h"
#include "steer/steer.h"

enum { GRACE_MS = 5000, MICRO = 1000 };

bool asks_concern(const struct log_event *event)
{
	return event->state.n > 0 || str_starts(event->type, STR_LIT("permission_")) ||
	       str_eq(event->type, STR_LIT("turn_finished")) ||
	       str_eq(event->type, STR_LIT("command_finished"));
}

static enum err_code asked(struct app *app, const struct approval_moment *moment,
                           const struct log_event *event, const struct json_value *data,
                           struct err *err)
{
	struct approval_asked row = { .tenant = moment->tenant,
		                      .session = moment->session,
		                      .request = json_as_str(json_get(data, "request_id")),
		                      .tool = json_as_str(json_get(data, "tool_name")),
		                      .question = event->data,
		                      .epoch = event->at.epoch,
		                      .n = event->at.n,
		                      .asked_us = moment->at_us };

	if (!clock_parse(json_as_str(json_get(data, "expires_at")), &row.expires_us)) {
		row.expires_us = 0;
	}
	return approval_asked(app->node->pg, &row, err);
}

static enum approval_state state_of(const struct json_value *data)
{
	struct str outcome = json_as_str(json_get(data, "outcome"));

	for (unsigned i = APPROVAL_ALLOWED; i < APPROVAL_STATE_COUNT; i++) {
		if (str_eq(outcome, str_of(approval_state_name((enum approval_state)i)))) {
			return (enum approval_state)i;
		}
	}
	return str_eq(json_as_str(json_get(data, "behavior")), STR_LIT("allow")) ? APPROVAL_ALLOWED
	                                                                         : APPROVAL_DENIED;
}

static enum err_code resolved(struct app *app, const struct approval_moment *moment,
                              const struct json_value *data, struct err *err)
{
	const struct approval_answer answer = {
		.tenant = moment->tenant,
		.session = moment->session,
		.request = json_as_str(json_get(data, "request_id")),
		.by = json_as_str(json_get(data, "by")),
		.scope = json_as_str(json_get(data, "scope")),
		.rule = json_as_str(json_get(data, "rule_id")),
		.command = json_as_str(json_get(data, "command_id")),
		.state = state_of(data),
		.at_us = moment->at_us,
	};

	return approval_answered(app->node->pg, &answer, err);
}

/* The same as event/snapshot.c says of what is pending. */
static enum err_code moved(struct app *app, const struct approval_moment *moment,
                           const struct log_event *event, const struct json_value *data,
                           struct err *err)
{
	struct pg *pg = app->node->pg;
	enum session_state state;

	if (!session_state_parse(event->state, &state)) {
		return ERR_OK;
	}
	if (session_is_terminal(state)) {
		return approval_withdrawn(pg, moment, APPROVAL_ALL, err);
	}
	if (state == SESSION_QUEUED) {
		return json_as_bool(json_get(data, "evicted"))
		               ? approval_held(pg, moment, true, err)
		               : approval_withdrawn(pg, moment, APPROVAL_UNHELD, err);
	}
	if (state != SESSION_RUNNING) {
		return ERR_OK;
	}
	return json_as_bool(json_get(data, "restored"))
	               ? approval_held(pg, moment, false, err)
	               : approval_withdrawn(pg, moment, APPROVAL_HELD, err);
}

enum err_code asks_follow(struct app *app, struct session_trail *trail,
                          const struct log_event *event, const struct json_value *data,
                          struct err *err)
{
	const struct approval_moment moment = { .tenant = trail->tenant.p,
		                                .session = trail->id,
		                                .n = event->at.n,
		                                .at_us = event->ts_ms * MICRO };
	struct id command;

	if (event->state.n > 0) {
		return trail->asks ? moved(app, &moment, event, data, err) : ERR_OK;
	}
	if (str_eq(event->type, STR_LIT("permission_request"))) {
		trail->asks = true;
		return data != NULL ? asked(app, &moment, event, data, err) : ERR_OK;
	}
	if (str_eq(event->type, STR_LIT("permission_resolved"))) {
		return resolved(app, &moment, data, err);
	}
	if (str_eq(event->type, STR_LIT("turn_finished"))) {
		return trail->asks ? approval_withdrawn(app->node->pg, &moment, APPROVAL_ALL, err)
		                   : ERR_OK;
	}
	return str_eq(json_as_str(json_get(data, "outcome")), STR_LIT("failed")) &&
	                       id_parse(json_as_str(json_get(data, "command_id")), &command)
	               ? approval_unanswered(app->node->pg, &moment, &command, err)
	               : ERR_OK;
}

/* ---- expiry ---- */

/* As a person would: the agent is told when it is there again. */
static enum err_code expire(struct app *app, const struct approval_due *due, struct arena *arena,
                            struct err *err)
{
	struct principal who = { .any_namespace = true, .key = due->session };
	const struct steer steer = {
		.store = &app->node->store, .pg = app->node->pg, .who = &who, .arena = arena
	};
	const struct steer_approval answer = { .request = str_of(due->request),
		                               .behavior = "deny",
		                               .scope = "once",
		                               .message = STR_LIT("nobody answered in time"),
		                               .outcome = "expired",
		                               .by = "expiry" };
	const struct steer_ask ask = { .verb = STEER_APPROVAL, .approval = &answer };
	struct approval_answer row = { .session = due->session,
		                       .request = answer.request,
		                       .by = STR_LIT("expiry"),
		                       .scope = STR_LIT("once"),
		                       .state = APPROVAL_EXPIRED,
		                       .at_us = clock_wall_us() };
	struct steer_session session;
	struct steer_done done;
	enum err_code code;

	(void)str_copy(who.tenant, sizeof(who.tenant), str_of(due->tenant));
	row.tenant = due->tenant;
	code = steer_find(&steer, &due->session, &session, err);
	if (code == ERR_OK) {
		code = steer_send(&steer, &session, &ask, &done, err);
	}
	if (code == ERR_GONE || code == ERR_NOT_FOUND || code == ERR_CONFLICT) {
		/* Nobody waits any more, or somebody was faster: the row only lags. */
		return approval_answered(app->node->pg, &row, err);
	}
	return code;
}

enum err_code asks_expire_turn(struct app *app, struct err *err)
{
	struct arena *arena = arena_new();
	struct approval_due_list list;
	enum err_code code = approval_due(app->node->pg, GRACE_MS, arena, &list, err);

	for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
		code = expire(app, &list.items[i], arena, err);
		if (code != ERR_OK) {
			code = duty_item_failed(list.items[i].session.s, code, err);
		}
	}
	arena_free(arena);
	return code;
}
