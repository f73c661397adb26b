/*
 * Stop, pause, resume, delete.  A request to a running agent is a row in PostgreSQL, and then a
 * move of the session (running to stopping); the worker carries it out and moves on (stopping to
 * stopped).  A node that dies in between leaves the row, and that is enough.  Asking again while
 * the move is under way is answered like the first time.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/command.h"
#include "api/handlers.h"
#include "api/notify.h"
#include "api/once.h"
#include "api/seen.h"
#include "event/segment.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/body.h"

enum { DATA_MAX = 16 * 1024, MOVES_TRIED = 3 };

struct control {
	const char *kind;
	enum session_state to;
};

static struct str status_data(enum session_state state, struct str reason, struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	struct str data;

	buf_init(&out, DATA_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "status", session_state_name(state));
	if (reason.n > 0) {
		jsonw_str(&w, "reason", reason);
	}
	jsonw_end_object(&w);
	data = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return data;
}

static void answer_illegal(const struct http_request *req, struct http_reply *reply,
                           enum session_state state, const char *kind)
{
	answer_code(req, reply, ERR_ILLEGAL_MOVE,
	            arena_printf(req->arena, "%s is not possible: the session is %s", kind,
	                         session_state_name(state)));
}

/* ERR_ILLEGAL_MOVE: it has moved meanwhile, seen->state says where to. */
static enum err_code try_move(const struct http_request *req, struct seen *seen,
                              enum session_state to, struct str reason, struct err *err)
{
	const struct log_new event = { EVENT_TYPE_STATUS, status_data(to, reason, req->arena) };
	const struct log_batch batch = { .sid = seen->id,
		                         .tenant = app_tenant(req),
		                         .from = session_bit(seen->state),
		                         .moves = true,
		                         .to = to,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;
	enum err_code code = log_append(&node_of(req)->store, &batch, &result, err);

	if (code != ERR_OK) {
		return code;
	}
	if (result.outcome == LOG_OK) {
		seen->state = to;
	} else if (result.outcome == LOG_MOVED || result.outcome == LOG_ENDED) {
		seen->state = result.state;
		return err_set(err, ERR_ILLEGAL_MOVE, "the session is %s",
		               session_state_name(result.state));
	}
	return log_result_err(&result, err);
}

static bool take_reason(struct http_request *req, struct http_reply *reply, struct str *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_reason body = { .reason = { NULL, 0 } };

	if (req->body.n > 0 &&
	    json_decode(req->body, &rest_reason_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = body.reason;
	return true;
}

static void finish_queue(const struct http_request *req, const struct id *id, const char *reason)
{
	const struct queue queue = app_queue(node_of(req), app_tenant(req));
	const struct queue_move done = { .sid = *id, .reason = reason };
	enum queue_set set;
	struct err err;

	/* The scheduler reads the head before it leases: an item left behind is finished then. */
	if (queue_finish(&queue, &done, &set, &err) != ERR_OK && err.code != ERR_NOT_FOUND) {
		log_debug("queue.unfinished", "session=%s code=%s %s", id->s, err_name(err.code),
		          err.msg);
	}
}

static void write_moved(struct http_reply *reply, const struct seen *seen, enum session_state to,
                        const struct command_sent *sent)
{
	struct jsonw w;

	reply->status = 202;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", seen->id.s);
	jsonw_cstr(&w, "status", session_state_name(to));
	if (!id_is_nil(&sent->id)) {
		jsonw_cstr(&w, "commandId", sent->id.s);
	}
	jsonw_end_object(&w);
}

/* A session that no agent works on yet is stopped on the spot. False: the reply is filled. */
static bool stop_queued(struct http_request *req, struct http_reply *reply,
                        const struct control *what, struct str reason, struct seen *seen)
{
	struct err err;

	if (what->to == SESSION_STOPPING && seen->state == SESSION_QUEUED &&
	    try_move(req, seen, SESSION_STOPPED, reason, &err) != ERR_OK &&
	    err.code != ERR_ILLEGAL_MOVE) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

/* What the worker has to be asked for. False: the reply is filled. */
static bool ask_worker(struct http_request *req, struct http_reply *reply, struct once *once,
                       const struct control *what, struct seen *seen, struct command_sent *sent)
{
	if (seen->state != what->to && !session_move_allowed(seen->state, what->to)) {
		answer_illegal(req, reply, seen->state, what->kind);
		return false;
	}
	return command_write(req, reply, once, &seen->id, sent);
}

/* The command is durable: whatever fails here is done by the worker, which makes the move itself
 * where it is missing. */
static void carry_out(struct http_request *req, const struct control *what, struct str reason,
                      struct seen *seen, const struct command_sent *sent)
{
	struct err err;

	fiber_shield();
	for (unsigned tries = 0; tries < MOVES_TRIED && seen->state != what->to &&
	                         session_move_allowed(seen->state, what->to);
	     tries++) {
		if (try_move(req, seen, what->to, reason, &err) != ERR_OK &&
		    err.code != ERR_ILLEGAL_MOVE) {
			log_warn("session.unmoved", "session=%s to=%s code=%s %s", seen->id.s,
			         session_state_name(what->to), err_name(err.code), err.msg);
			break;
		}
	}
	command_notify(req, &seen->id, sent);
	fiber_unshield();
}

static void control(struct http_request *req, struct http_reply *reply, const struct control *what)
{
	struct command_sent sent = { .kind = what->kind };
	struct str reason;
	struct seen seen;
	struct once once;
	bool queued;

	if (!take_reason(req, reply, &reason) || !seen_now(req, reply, &seen) ||
	    !once_begin(req, reply, &once)) {
		return;
	}
	queued = seen.state == SESSION_QUEUED;
	sent.payload = command_reason(reason, req->arena);
	if (!stop_queued(req, reply, what, reason, &seen)) {
		once_abandon(&once);
		return;
	}
	queued = queued && seen.state == SESSION_STOPPED;
	if (!queued && !ask_worker(req, reply, &once, what, &seen, &sent)) {
		once_abandon(&once);
		return;
	}
	write_moved(reply, &seen, queued ? SESSION_STOPPED : what->to, &sent);
	if (!once_commit(req, reply, &once)) {
		return;
	}
	if (queued) {
		finish_queue(req, &seen.id, "stopped");
	} else {
		carry_out(req, what, reason, &seen, &sent);
	}
}

void serve_session_stop(struct http_request *req, struct http_reply *reply)
{
	control(req, reply, &(struct control){ "stop", SESSION_STOPPING });
}

void serve_session_pause(struct http_request *req, struct http_reply *reply)
{
	control(req, reply, &(struct control){ "pause", SESSION_PAUSING });
}

void serve_session_resume(struct http_request *req, struct http_reply *reply)
{
	control(req, reply, &(struct control){ "resume", SESSION_RESUMING });
}

/* ---- delete ---- */

static bool cancel(struct http_request *req, struct http_reply *reply, const struct seen *seen,
                   struct log_result *ret)
{
	const struct log_open opening = {
		.sid = seen->id,
		.tenant = app_tenant(req),
		.how = LOG_RAISE,
		.cause = "cancel",
		.token = arena_printf(req->arena, "cancel-%s", id_new().s),
		.moves = true,
		.to = SESSION_CANCELLED,
		.data = status_data(SESSION_CANCELLED, STR_LIT("deleted"), req->arena),
	};
	struct err err;

	if (log_open(&node_of(req)->store, &opening, ret, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	if (ret->outcome == LOG_ENDED && ret->state != SESSION_CANCELLED) {
		answer_illegal(req, reply, ret->state, "delete");
		return false;
	}
	if (ret->outcome != LOG_OK && ret->outcome != LOG_ENDED) {
		(void)log_result_err(ret, &err);
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

/* The log says that it is over; the rest may be late. */
static void tell_of_cancel(const struct http_request *req, const struct seen *seen,
                           const struct log_result *opened)
{
	const struct node *node = node_of(req);
	const struct log_epoch epoch = { .sid = seen->id,
		                         .tenant = app_tenant(req),
		                         .first = opened->first,
		                         .cause = "cancel",
		                         .generation = node->store.generation };
	struct err err;

	notify_worker(node, &(struct notice){ .tenant = app_tenant(req),
	                                      .sid = seen->id,
	                                      .kind = "fence",
	                                      .epoch = opened->first.epoch });
	finish_queue(req, &seen->id, "cancelled");
	if (log_epoch_store(node->pg, &epoch, &err) != ERR_OK) {
		log_warn("epoch.unstored", "session=%s code=%s %s", seen->id.s, err_name(err.code),
		         err.msg);
	}
}

void serve_session_delete(struct http_request *req, struct http_reply *reply)
{
	struct log_result opened;
	struct seen seen;

	if (!seen_now(req, reply, &seen)) {
		return;
	}
	if (session_is_terminal(seen.state) && seen.state != SESSION_CANCELLED) {
		answer_illegal(req, reply, seen.state, "delete");
		return;
	}
	if (!session_is_terminal(seen.state)) {
		if (!cancel(req, reply, &seen, &opened)) {
			return;
		}
		if (opened.outcome == LOG_OK) {
			fiber_shield();
			tell_of_cancel(req, &seen, &opened);
			fiber_unshield();
		}
	}
	reply->status = 204;
	reply->content_type = NULL;
}
