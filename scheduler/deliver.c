#include "scheduler/deliver.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "command/command_store.h"
#include "json/write.h"
#include "log/log.h"
#include "scheduler/app.h"
#include "scheduler/order.h"
#include "scheduler/retake.h"
#include "session/session.h"
#include "steer/notify.h"
#include "steer/steer.h"

enum { OLDER_MS = 1000, PAGE = 128, DATA_MAX = 512 };

/* It lost its worker while it was paused: there is nobody to tell. */
static enum err_code tell_held(struct app *app, const struct command *command, struct err *err)
{
	if (str_eq(command->kind, str_of(steer_kind(STEER_RESUME)))) {
		return steer_release(app->node->redis, command->tenant.p, &command->session, err);
	}
	return str_eq(command->kind, str_of(steer_kind(STEER_STOP)))
	               ? retake_held(app, &command->session, command->tenant.p, err)
	               : ERR_OK;
}

static enum err_code tell_worker(struct app *app, const struct command *command, struct err *err)
{
	const struct queue queue = app_queue(app, command->tenant.p);
	char worker[QUEUE_WORKER_MAX + 1];
	struct queue_item item;
	enum err_code code = queue_get(&queue, &command->session, &item, err);

	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (code == ERR_OK && item.set == QUEUE_HELD &&
	    strcmp(item.reason, STEER_HOLD_PAUSED) == 0) {
		return tell_held(app, command, err);
	}
	if (code == ERR_OK && item.set != QUEUE_LEASED && item.set != QUEUE_PARKED) {
		return steer_bring_back(&queue, &item, err); /* it waits for the next lease */
	}
	if (code == ERR_OK) {
		code = lease_worker_of(app->node->redis, item.incarnation, worker, err);
	}
	if (code != ERR_OK) {
		return code == ERR_NOT_FOUND ? ERR_OK : code;
	}
	log_debug("command.again", "command=%s session=%s", command->id.s, command->session.s);
	return order_command(
		app, command,
		&(struct order_to){ worker, item.incarnation, item.epoch, item.attempt, NULL },
		err);
}

static enum err_code end_command(struct app *app, const struct command *command,
                                 enum command_state state, bool *ret_changed, struct err *err)
{
	const struct command_end end = { .id = command->id, .state = state };

	return command_finish(app->node->pg, command->tenant.p, &end, ret_changed, err);
}

static enum err_code append_unknown(struct app *app, const struct command *command, struct err *err)
{
	struct log_new event = { .type = EVENT_TYPE_COMMAND_UNKNOWN };
	const struct log_batch batch = { .sid = command->session,
		                         .tenant = command->tenant.p,
		                         .from = SESSION_ANY,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;
	enum err_code code;
	struct buf data;
	struct jsonw w;

	buf_init(&data, DATA_MAX);
	jsonw_init(&w, &data);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "command_id", command->id.s);
	jsonw_str(&w, "kind", command->kind);
	jsonw_end_object(&w);
	event.data = buf_str(&data);
	code = log_append(&app->node->store, &batch, &result, err);
	buf_fini(&data);
	return code == ERR_OK ? log_result_err(&result, err) : code;
}

/* Started in an epoch that is over: nobody knows whether it took effect. The log has it before the
 * row is free again, so that only one scheduler says so, and one that fails is followed by another.
 */
static enum err_code tell_unknown(struct app *app, const struct command *command, struct err *err)
{
	const struct command_end end = { .id = command->id, .state = COMMAND_UNKNOWN };
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	bool changed = false;
	enum err_code code = pg_begin(app->node->pg, command->tenant.p, &tx, err);

	if (code == ERR_OK) {
		code = command_finish_in(tx, command->tenant.p, &end, &changed, err);
	}
	if (code == ERR_OK && changed) {
		code = append_unknown(app, command, err);
	}
	if (code == ERR_OK) {
		struct pg_tx *done = tx;

		tx = NULL;
		code = pg_commit(done, err);
	}
	return code;
}

static enum err_code look_at(struct app *app, const struct command_due *due, struct err *err)
{
	const struct command *command = &due->command;
	bool started = command->state == COMMAND_STARTED, changed = false;
	enum session_state state;

	if (!session_state_parse(due->session_state, &state)) {
		return err_set(err, ERR_BACKEND, "no such state");
	}
	if (session_is_terminal(state)) {
		return end_command(app, command, started ? COMMAND_UNKNOWN : COMMAND_EXPIRED,
		                   &changed, err);
	}
	if (!started) {
		return tell_worker(app, command, err);
	}
	return due->leased_epoch > command->epoch ? tell_unknown(app, command, err) : ERR_OK;
}

/* A page a turn, round and round. */
enum err_code deliver_turn(struct app *app, struct err *err)
{
	const struct command_due_query query = { app->deliver_session, app->deliver_seq, OLDER_MS,
		                                 PAGE };
	struct arena *arena = arena_new();
	struct command_due_list list;
	enum err_code code = command_due(app->node->pg, &query, arena, &list, err);

	for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
		code = look_at(app, &list.items[i], err);
		if (code != ERR_OK) {
			code = duty_item_failed(list.items[i].command.id.s, code, err);
		}
	}
	if (code == ERR_OK) {
		bool more = list.count == PAGE;

		app->deliver_session =
			more ? list.items[PAGE - 1].command.session : (struct id){ "" };
		app->deliver_seq = more ? list.items[PAGE - 1].command.seq : 0;
	}
	arena_free(arena);
	return code;
}
