#include "scheduler/deadline.h"

#include <inttypes.h>
#include <stdio.h>

#include "log/log.h"
#include "scheduler/app.h"
#include "scheduler/opening.h"
#include "scheduler/retake.h"
#include "session/session_wait.h"
#include "steer/notify.h"
#include "steer/steer.h"

enum { TOKEN_SIZE = 64 };

static const char reason[] = "deadline";

/* The epoch is raised, so a worker that was about to start it is refused. */
static enum err_code fail(struct app *app, const struct session_overdue *overdue,
                          const struct log_head *head, struct err *err)
{
	char token[TOKEN_SIZE];
	const struct opening opening = { .sid = overdue->id,
		                         .tenant = overdue->tenant,
		                         .cause = reason,
		                         .token = token,
		                         .epoch = head->at.epoch,
		                         .moves = true,
		                         .to = SESSION_FAILED,
		                         .reason = reason };
	struct log_result result;
	enum err_code code;

	(void)snprintf(token, sizeof(token), "deadline-%" PRIu64, head->at.epoch);
	code = opening_make(app, &opening, &result, err);
	if (code != ERR_OK || result.outcome != LOG_OK) {
		return code; /* it moved: the next turn sees where it is */
	}
	log_info("session.overdue", "session=%s was=%s", overdue->id.s,
	         session_state_name(head->state));
	steer_notify(app->node->redis, &(struct steer_note){ .tenant = overdue->tenant,
	                                                     .sid = overdue->id,
	                                                     .kind = "fence",
	                                                     .epoch = result.epoch });
	return retake_finish(app, &overdue->id, overdue->tenant, err);
}

/* Named by the session itself: whoever asks again asks the same. */
static enum err_code stop(struct app *app, const struct session_overdue *overdue,
                          const struct log_head *head, struct err *err)
{
	struct principal who = { .any_namespace = true, .key = overdue->id };
	struct steer_session session = { .id = overdue->id, .head = *head, .state = head->state };
	const struct steer_ask ask = { .verb = STEER_STOP,
		                       .reason = STR_LIT(reason),
		                       .command = overdue->id };
	struct arena *arena = arena_new();
	const struct steer steer = {
		.store = &app->node->store, .pg = app->node->pg, .who = &who, .arena = arena
	};
	struct steer_done done;
	enum err_code code;

	(void)str_copy(who.tenant, sizeof(who.tenant), str_of(overdue->tenant));
	code = steer_send(&steer, &session, &ask, &done, err);
	arena_free(arena);
	if (code == ERR_OK && !done.repeated) {
		log_info("session.overdue", "session=%s was=%s", overdue->id.s,
		         session_state_name(head->state));
	}
	return code == ERR_ILLEGAL_MOVE || code == ERR_GONE ? ERR_OK : code;
}

static enum err_code look_at(struct app *app, const struct session_overdue *overdue,
                             struct err *err)
{
	struct log_head head;
	enum err_code code = opening_head(app, &overdue->id, overdue->tenant, &head, err);

	if (code != ERR_OK || !head.found) {
		return code;
	}
	switch (head.state) {
	case SESSION_QUEUED:
	case SESSION_PROVISIONING: return fail(app, overdue, &head, err);
	case SESSION_RUNNING:
	case SESSION_PAUSING:
	case SESSION_PAUSED:
	case SESSION_RESUMING: return stop(app, overdue, &head, err);
	case SESSION_STOPPING:
	case SESSION_STOPPED:
	case SESSION_COMPLETED:
	case SESSION_FAILED:
	case SESSION_CANCELLED:
	case SESSION_STATE_COUNT: break;
	}
	return ERR_OK;
}

/* A page a turn, round and round. */
enum err_code deadline_turn(struct app *app, struct err *err)
{
	struct session_overdues overdue;
	enum err_code code = session_overdue_walk(
		app->node->pg, id_is_nil(&app->overdue.id) ? NULL : &app->overdue, &overdue, err);

	for (size_t i = 0; code == ERR_OK && i < overdue.count; i++) {
		code = look_at(app, &overdue.items[i], err);
		if (code != ERR_OK) {
			code = duty_item_failed(overdue.items[i].id.s, code, err);
		}
	}
	if (code == ERR_OK) {
		app->overdue = overdue.count == SESSION_WAITS_MAX
		                       ? overdue.items[SESSION_WAITS_MAX - 1]
		                       : (struct session_overdue){ .deadline_us = 0 };
	}
	return code;
}
