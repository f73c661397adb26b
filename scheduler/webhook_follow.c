#include "scheduler/webhook_follow.h"

#include <stdio.h>

#include "event/log.h"
#include "scheduler/app.h"
#include "session/session_trail.h"
#include "webhook/webhook_queue.h"

enum { MICRO = 1000, FIRST_STATE_N = 2 };

/* Its first state is the task's acceptance, which is told as that. */
static bool is_first(const struct log_event *event)
{
	return event->at.n == FIRST_STATE_N;
}

bool webhook_concerns(const struct session_trail *trail, const struct log_event *event)
{
	return trail->hooked &&
	       (event->state.n > 0 ? !is_first(event) : webhook_tells(event->type));
}

enum err_code webhook_follow(struct app *app, const struct session_trail *trail,
                             const struct log_event *event, struct err *err)
{
	char type[WEBHOOK_EVENT_MAX + 1], cursor[CURSOR_SIZE];
	struct webhook_happened what = { .tenant = trail->tenant.p,
		                         .type = type,
		                         .session = trail->id,
		                         .cursor = cursor,
		                         .at_us = event->ts_ms * MICRO,
		                         .data = event->data };
	size_t count = 0;
	enum err_code code;

	if (event->state.n > 0) {
		(void)snprintf(type, sizeof(type), "session.%" STR_FMT, STR_ARG(event->state));
	} else {
		(void)str_copy(type, sizeof(type), event->type);
	}
	cursor_format(&event->at, cursor);
	code = webhook_emit(app->node->pg, &what, &count, err);
	if (code == ERR_OK && count > 0) {
		duty_ring(&app->duties[DUTY_WEBHOOKS]);
	}
	return code;
}
