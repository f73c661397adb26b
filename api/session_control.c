/* Stop, pause, resume, delete (steer/steer.h). */
#include "api/answer.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/seen.h"
#include "json/write.h"
#include "rest/body.h"

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

static void write_moved(struct http_reply *reply, const struct id *session,
                        const struct steer_done *done)
{
	struct jsonw w;

	reply->status = 202;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", session->s);
	jsonw_cstr(&w, "status", session_state_name(done->state));
	if (!id_is_nil(&done->command)) {
		jsonw_cstr(&w, "commandId", done->command.s);
	}
	jsonw_end_object(&w);
}

static void control(struct http_request *req, struct http_reply *reply, enum steer_verb verb)
{
	const struct steer steer = seen_steer(req);
	struct steer_ask ask = { .verb = verb };
	struct steer_session session;
	struct steer_done done;
	struct once once;
	struct err err;

	if (!take_reason(req, reply, &ask.reason) || !seen_now(req, reply, &session) ||
	    !once_begin(req, reply, &once)) {
		return;
	}
	if (steer_write(&steer, once.tx, &session, &ask, &done, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		once_abandon(&once);
		return;
	}
	write_moved(reply, &session.id, &done);
	if (once_commit(req, reply, &once)) {
		steer_follow(&steer, &session, &ask, &done);
	}
}

void serve_session_stop(struct http_request *req, struct http_reply *reply)
{
	control(req, reply, STEER_STOP);
}

void serve_session_pause(struct http_request *req, struct http_reply *reply)
{
	control(req, reply, STEER_PAUSE);
}

void serve_session_resume(struct http_request *req, struct http_reply *reply)
{
	control(req, reply, STEER_RESUME);
}

void serve_session_delete(struct http_request *req, struct http_reply *reply)
{
	const struct steer steer = seen_steer(req);
	struct steer_session session;
	struct err err;

	if (!seen_now(req, reply, &session) || !once_tell(req, reply, session.id.s)) {
		return;
	}
	if (steer_cancel(&steer, &session, STR_LIT("deleted"), &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
}
