#include "scheduler/release.h"

#include "log/log.h"
#include "scheduler/app.h"
#include "session/session_wait.h"
#include "steer/publish.h"

/* In that order: who dies in between leaves it to be let go again, which changes nothing. What is
 * not in the queue yet will be held when it comes, and is let go on a later walk. */
static enum err_code let_go(struct app *app, const struct session_wait *wait, struct err *err)
{
	const struct queue queue = app_queue(app, wait->tenant);
	const struct queue_move move = { .sid = wait->id };
	struct queue_item item;
	enum queue_set set;
	enum err_code code = queue_get(&queue, &wait->id, &item, err);

	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (code == ERR_OK && item.set == QUEUE_HELD &&
	    str_starts(str_of(item.reason), STR_LIT(STEER_HOLD_AFTER))) {
		code = queue_release(&queue, &move, &set, err);
		if (code == ERR_OK) {
			log_info("session.released", "session=%s after=%s", wait->id.s,
			         wait->after.s);
		}
	}
	return code == ERR_OK ? session_after_met(app->node->pg, wait, err) : code;
}

static enum err_code look_at(struct app *app, const struct session_waits *waits, struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < waits->count; i++) {
		code = waits->items[i].met ? let_go(app, &waits->items[i], err) : ERR_OK;
		if (code != ERR_OK) {
			code = duty_item_failed(waits->items[i].id.s, code, err);
		}
	}
	return code;
}

enum err_code release_after(struct app *app, const struct id *ended, struct err *err)
{
	struct session_waits waits = { .count = 0 };
	struct session_wait last;
	enum err_code code;

	do {
		code = session_after_walk(app->node->pg, ended, waits.count > 0 ? &last : NULL,
		                          &waits, err);
		if (code == ERR_OK) {
			code = look_at(app, &waits, err);
		}
		if (waits.count > 0) {
			last = waits.items[waits.count - 1];
		}
	} while (code == ERR_OK && waits.count == SESSION_WAITS_MAX);
	return code;
}

/* A page a turn, round and round. */
enum err_code release_turn(struct app *app, struct err *err)
{
	struct session_waits waits;
	enum err_code code = session_after_walk(
		app->node->pg, NULL, id_is_nil(&app->released.id) ? NULL : &app->released, &waits,
		err);

	if (code == ERR_OK) {
		code = look_at(app, &waits, err);
	}
	if (code == ERR_OK) {
		app->released = waits.count == SESSION_WAITS_MAX
		                        ? waits.items[SESSION_WAITS_MAX - 1]
		                        : (struct session_wait){ .met = false };
	}
	return code;
}
