#include "event/segment.h"
#include "log/log.h"
#include "steer/notify.h"
#include "steer/status.h"

static enum err_code refuse(enum session_state state, struct err *err)
{
	return err_set(err, ERR_ILLEGAL_MOVE, "delete is not possible: the session is %s",
	               session_state_name(state));
}

/* ret->outcome is OK, or ENDED when somebody else has cancelled it. */
static enum err_code raise(const struct steer *steer, const struct steer_session *session,
                           struct str reason, struct log_result *ret, struct err *err)
{
	const struct log_open opening = {
		.sid = session->id,
		.tenant = steer->who->tenant,
		.how = LOG_RAISE,
		.cause = "cancel",
		.token = arena_printf(steer->arena, "cancel-%s", id_new().s),
		.moves = true,
		.to = SESSION_CANCELLED,
		.data = steer_status_json(SESSION_CANCELLED, reason, steer->arena),
	};
	enum err_code code = log_open(steer->store, &opening, ret, err);

	if (code != ERR_OK) {
		return code;
	}
	if (ret->outcome == LOG_ENDED) {
		return ret->state == SESSION_CANCELLED ? ERR_OK : refuse(ret->state, err);
	}
	return log_result_err(ret, err);
}

/* The log says that it is over; the rest may be late. */
static void tell(const struct steer *steer, const struct steer_session *session,
                 const struct log_result *opened)
{
	const struct log_epoch epoch = { .sid = session->id,
		                         .tenant = steer->who->tenant,
		                         .first = opened->first,
		                         .cause = "cancel",
		                         .generation = steer->store->generation };
	struct err err;

	steer_notify(steer->store->redis, &(struct steer_note){ .tenant = steer->who->tenant,
	                                                        .sid = session->id,
	                                                        .kind = "fence",
	                                                        .epoch = opened->first.epoch });
	steer_finish_queue(steer, &session->id, "cancelled");
	if (log_epoch_store(steer->pg, &epoch, &err) != ERR_OK) {
		log_warn("epoch.unstored", "session=%s code=%s %s", session->id.s,
		         err_name(err.code), err.msg);
	}
}

enum err_code steer_cancel(const struct steer *steer, struct steer_session *session,
                           struct str reason, struct err *err)
{
	struct log_result opened;
	enum err_code code;

	if (session_is_terminal(session->state)) {
		return session->state == SESSION_CANCELLED ? ERR_OK : refuse(session->state, err);
	}
	code = raise(steer, session, reason, &opened, err);
	if (code == ERR_OK) {
		session->state = SESSION_CANCELLED;
		if (opened.outcome == LOG_OK) {
			fiber_shield();
			tell(steer, session, &opened);
			fiber_unshield();
		}
	}
	return code == ERR_TIMEOUT ? err_set(err, ERR_UNKNOWN, "no answer in time") : code;
}
