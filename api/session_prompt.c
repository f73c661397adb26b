/*
 * POST /api/v1/sessions/{id}/prompt: more input for an agent.  Durable before it is accepted; it is
 * in the session's events once the worker gives it to the agent.
 */
#include "api/answer.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/seen.h"
#include "base/clock.h"
#include "json/write.h"
#include "rest/body.h"

static void write_answer(struct http_reply *reply, const struct id *session,
                         const struct steer_done *done)
{
	struct jsonw w;

	reply->status = 202;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", session->s);
	jsonw_bool(&w, "accepted", true);
	jsonw_cstr(&w, "commandId", done->command.s);
	jsonw_time(&w, "ts", clock_wall_us());
	jsonw_end_object(&w);
}

static bool take_prompt(struct http_request *req, struct http_reply *reply, struct steer_ask *ask)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_prompt body;
	struct err err;

	if (json_decode(req->body, &rest_prompt_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (steer_prompt(&body.texts, req->arena, &ask->payload, &err) != ERR_OK) {
		answer_problem(req, reply, "prompt", err.msg);
		return false;
	}
	return true;
}

void serve_session_prompt(struct http_request *req, struct http_reply *reply)
{
	const struct steer steer = seen_steer(req);
	struct steer_ask ask = { .verb = STEER_PROMPT };
	struct steer_session session;
	struct steer_done done;
	struct once once;
	struct err err;

	if (!take_prompt(req, reply, &ask) || !seen_now(req, reply, &session) ||
	    !once_begin(req, reply, &once)) {
		return;
	}
	if (steer_write(&steer, once.tx, &session, &ask, &done, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		once_abandon(&once);
		return;
	}
	write_answer(reply, &session.id, &done);
	if (once_commit(req, reply, &once)) {
		steer_follow(&steer, &session, &ask, &done);
	}
}
