#include "scheduler/follow.h"

#include <inttypes.h>

#include "base/buf.h"
#include "command/command_store.h"
#include "delivery/delivery_store.h"
#include "event/segment.h"
#include "json/value.h"
#include "log/log.h"
#include "metric/metric.h"
#include "scheduler/app.h"
#include "scheduler/asks.h"
#include "scheduler/choose.h"
#include "scheduler/release.h"
#include "scheduler/spend.h"
#include "scheduler/webhook_follow.h"
#include "session/session_store.h"
#include "task/task.h"

enum {
	PAGE_BYTES = 1024 * 1024,
	JSON_MAX = 64 * 1024,
	PAGES_MAX = 64,
	FIRST_RETRY_EPOCH = 3, /* after its creation and a first lease */
	OPENING_EVENTS = 2
};

/* A member as JSON text for a column; NULL when there is none. */
static const char *member_text(const struct json_value *data, const char *name, struct buf *out)
{
	const struct json_value *member = json_get(data, name);

	if (member == NULL || json_type_of(member) == JSON_T_NULL) {
		return NULL;
	}
	json_format(member, out);
	return buf_failed(out) ? NULL : buf_cstr(out);
}

static const char *member_word(const struct json_value *data, const char *name)
{
	struct str word = json_as_str(json_get(data, name));

	return word.n > 0 ? word.p : NULL;
}

static void learn(struct app *app, const struct json_value *data)
{
	const struct json_value *took = json_get(data, "materialise");
	int64_t ms = json_as_i64(json_get(took, "ms"));

	if (took != NULL && ms > 0) {
		choose_learn(app, json_as_str(json_get(took, "repo")), (uint64_t)ms);
	}
}

/* Others wait for its end, or for that of its task. */
static enum err_code release_awaited(struct app *app, const struct session_trail *trail,
                                     const struct session_moved *moved, struct err *err)
{
	enum err_code code = release_after(app, &trail->id, err);

	return code == ERR_OK ? release_after(app, &moved->task, err) : code;
}

static enum err_code apply_move(struct app *app, struct session_trail *trail,
                                const struct log_event *event, const struct json_value *data,
                                struct err *err)
{
	const struct json_value *exit_code = json_get(data, "exitCode");
	const char *reason = member_word(data, "reason"); /* of this move, not of an earlier one */
	struct session_move move = { .id = trail->id,
		                     .epoch = event->at.epoch,
		                     .n = event->at.n,
		                     .at_us = event->ts_ms * 1000,
		                     .has_exit_code = json_is_int(exit_code),
		                     .exit_code = (int)json_as_i64(exit_code),
		                     .reason = reason != NULL ? reason : "",
		                     .worker = member_word(data, "worker") };
	struct buf changes, workspace;
	struct session_moved moved = { .moved = false };
	enum err_code code;

	if (!session_state_parse(event->state, &move.state)) {
		return err_set(err, ERR_BACKEND, "no state %" STR_FMT, STR_ARG(event->state));
	}
	if (move.state == SESSION_RUNNING) {
		int64_t attempt = json_as_i64(json_get(data, "attempt"));

		trail->attempts =
			attempt > 0 && attempt <= TASK_ATTEMPTS_MAX ? (unsigned)attempt : 1;
	}
	learn(app, data);
	move.has_attempts = trail->attempts > 0;
	move.attempts = trail->attempts;
	buf_init(&changes, JSON_MAX);
	buf_init(&workspace, JSON_MAX);
	move.changes = member_text(data, "changes", &changes);
	move.workspace = member_text(data, "workspace", &workspace);
	code = session_move(app->node->pg, trail->tenant.p, &move, &moved, err);
	buf_fini(&changes);
	buf_fini(&workspace);
	trail->state = move.state;
	if (code == ERR_OK && moved.moved && session_is_terminal(move.state)) {
		metric_inc(METRIC_SESSIONS_FINISHED, session_state_name(move.state));
		log_info("session.finished",
		         "session=%s tenant=%s state=%s epoch=%" PRIu64 " n=%" PRIu64, trail->id.s,
		         trail->tenant.p, session_state_name(move.state), move.epoch, move.n);
	}
	return code == ERR_OK && moved.awaited ? release_awaited(app, trail, &moved, err) : code;
}

static enum err_code apply_command_end(struct app *app, const struct session_trail *trail,
                                       enum command_state state, const struct json_value *data,
                                       struct err *err)
{
	struct command_end end = { .state = state };
	bool changed;
	enum err_code code;
	struct buf result;

	if (!id_parse(json_as_str(json_get(data, "command_id")), &end.id)) {
		return ERR_OK; /* of a client that speaks of commands of its own */
	}
	buf_init(&result, JSON_MAX);
	json_format(data, &result);
	if (!buf_failed(&result)) {
		end.result = buf_str(&result);
	}
	code = command_finish(app->node->pg, trail->tenant.p, &end, &changed, err);
	buf_fini(&result);
	return code;
}

static enum command_state end_of(struct str outcome)
{
	if (str_eq(outcome, STR_LIT("cancelled"))) {
		return COMMAND_CANCELLED;
	}
	return str_eq(outcome, STR_LIT("failed")) ? COMMAND_FAILED : COMMAND_DONE;
}

static enum err_code apply_command_start(struct app *app, const struct session_trail *trail,
                                         uint64_t epoch, const struct json_value *data,
                                         struct err *err)
{
	struct id id;
	bool changed;

	if (!id_parse(json_as_str(json_get(data, "command_id")), &id)) {
		return ERR_OK;
	}
	return command_start(app->node->pg, trail->tenant.p, &id, epoch, &changed, err);
}

/* A commit waits in the repository: scheduler/branch.h. */
static enum err_code apply_delivery(struct app *app, const struct session_trail *trail,
                                    uint64_t epoch, const struct json_value *data, struct err *err)
{
	const struct delivery_new delivery = { .session = trail->id,
		                               .epoch = epoch,
		                               .ref = json_as_str(json_get(data, "ref")),
		                               .commit = json_as_str(json_get(data, "commit")) };

	return delivery.ref.n > 0 && delivery.commit.n > 0
	               ? delivery_add(app->node->pg, trail->tenant.p, &delivery, err)
	               : ERR_OK;
}

static bool concerns(const struct session_trail *trail, const struct log_event *event)
{
	return event->state.n > 0 || str_starts(event->type, STR_LIT("command_")) ||
	       str_eq(event->type, STR_LIT("attempt_failed")) ||
	       str_eq(event->type, STR_LIT("delivery")) || asks_concern(event) ||
	       spend_concerns(event) || webhook_concerns(trail, event);
}

static enum err_code apply_state(struct app *app, struct session_trail *trail,
                                 const struct log_event *event, const struct json_value *data,
                                 struct err *err)
{
	enum event_type type;

	if (event->state.n > 0) {
		return apply_move(app, trail, event, data, err);
	}
	if (!event_type_parse(event->type, &type)) {
		return ERR_OK;
	}
	if (type == EVENT_TYPE_ATTEMPT_FAILED) {
		int64_t attempt = json_as_i64(json_get(data, "attempt"));

		return attempt > 0 && attempt <= TASK_ATTEMPTS_MAX
		               ? session_attempt_failed(app->node->pg, trail->tenant.p, &trail->id,
		                                        (unsigned)attempt, err)
		               : ERR_OK;
	}
	if (type == EVENT_TYPE_COMMAND_STARTED) {
		return apply_command_start(app, trail, event->at.epoch, data, err);
	}
	if (type == EVENT_TYPE_COMMAND_FINISHED) {
		return apply_command_end(app, trail, end_of(json_as_str(json_get(data, "outcome"))),
		                         data, err);
	}
	if (type == EVENT_TYPE_DELIVERY) {
		return apply_delivery(app, trail, event->at.epoch, data, err);
	}
	if (type == EVENT_TYPE_COMMAND_UNKNOWN) {
		return apply_command_end(app, trail, COMMAND_UNKNOWN, data, err);
	}
	return ERR_OK;
}

static enum err_code apply(struct app *app, struct session_trail *trail,
                           const struct log_event *event, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, err);
	enum err_code code = ERR_OK;

	/* The row's position moves with its state: what a scheduler that dies here has not done
	 * comes before. */
	if (asks_concern(event)) {
		code = asks_follow(app, trail, event, data, err);
	} else if (spend_concerns(event)) {
		code = spend_follow(app, trail, event, data, err);
	}
	if (code == ERR_OK && webhook_concerns(trail, event)) {
		code = webhook_follow(app, trail, event, err);
	}
	return code == ERR_OK ? apply_state(app, trail, event, data, err) : code;
}

static enum err_code apply_page(struct app *app, struct session_trail *trail,
                                const struct log_page *page, struct err *err)
{
	const struct cursor at = { trail->epoch, trail->n };
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < page->count; i++) {
		if (concerns(trail, &page->events[i])) {
			code = apply(app, trail, &page->events[i], err);
		}
	}
	if (code != ERR_OK || cursor_compare(&page->next, &at) <= 0) {
		return code;
	}
	trail->epoch = page->next.epoch; /* also past what is gone for good */
	trail->n = page->next.n;
	if (page->count > 0 && page->events[page->count - 1].state.n > 0) {
		return ERR_OK; /* the move has said so */
	}
	return session_trail_advance(app->node->pg, trail->tenant.p, &trail->id, trail->epoch,
	                             trail->n, err);
}

enum err_code follow_session(struct app *app, struct session_trail *trail, bool *ret_caught_up,
                             struct err *err)
{
	bool caught_up = false;

	for (unsigned pages = 0; !caught_up && pages < PAGES_MAX; pages++) {
		const struct log_range range = { trail->id,
			                         trail->tenant.p,
			                         { trail->epoch, trail->n },
			                         LOG_READ_MAX,
			                         PAGE_BYTES };
		struct log_page page = { 0 };
		enum err_code code =
			log_history(&app->node->store, app->node->pg, &range, &page, err);

		if (code == ERR_OK) {
			code = apply_page(app, trail, &page, err);
			caught_up = page.caught_up ||
			            (page.count == 0 && page.gap.reason == LOG_GAP_NONE);
			log_page_fini(&page);
		}
		if (code != ERR_OK) {
			return err_wrap(err, "follow %s", trail->id.s);
		}
	}
	*ret_caught_up = caught_up;
	return ERR_OK;
}

enum err_code follow_before_lease(struct app *app, const struct session *row, bool *ret_behind,
                                  struct err *err)
{
	struct arena *arena;
	struct session_trails trails = { .count = 0 };
	struct log_head head = { .found = false };
	bool caught_up;
	enum err_code code = log_head_get(&app->node->store, &row->id, row->tenant.p, &head, err);

	*ret_behind = false;
	if (code != ERR_OK || !head.found || head.at.epoch < FIRST_RETRY_EPOCH ||
	    row->n + OPENING_EVENTS >= head.at.n) {
		return code;
	}
	arena = arena_new();
	code = session_trail_get(app->node->pg, row->tenant.p, &row->id, arena, &trails, err);
	if (code == ERR_OK && trails.count > 0) {
		code = follow_session(app, &trails.items[0], &caught_up, err);
		*ret_behind = code == ERR_OK;
	}
	arena_free(arena);
	return code;
}
