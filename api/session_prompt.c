/*
 * POST /api/v1/sessions/{id}/prompt: more input for an agent.  Durable before it is accepted; it is
 * in the session's events once the worker gives it to the agent.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/command.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/seen.h"
#include "base/clock.h"
#include "json/write.h"
#include "queue/mail.h"
#include "rest/body.h"
#include "task/task.h"

/* A worker gets the payload in a note, with some words around it. */
enum { TEXT_MAX = 128 * 1024, PAYLOAD_MAX = MAIL_BODY_MAX - 1024 };

/* May it be prompted in this state: a frozen agent would not read it, one that ended never will. */
static bool may_prompt(struct http_request *req, struct http_reply *reply, enum session_state state)
{
	char *detail = arena_printf(req->arena, "the session is %s", session_state_name(state));

	if (session_is_terminal(state)) {
		answer_code(req, reply, ERR_GONE, detail);
		return false;
	}
	if (state == SESSION_PAUSED || state == SESSION_PAUSING || state == SESSION_STOPPING) {
		answer_code(req, reply, ERR_CONFLICT, detail);
		return false;
	}
	return true;
}

static struct str join_texts(const struct json_list *texts, struct arena *arena)
{
	const struct str *items = texts->items;
	struct str text;
	struct buf out;

	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < texts->count; i++) {
		buf_add_cstr(&out, i > 0 ? "\n" : "");
		buf_add_str(&out, items[i]);
	}
	text = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

static struct str payload_of(struct str text, struct arena *arena)
{
	struct jsonw w;
	struct str json;
	struct buf out;

	buf_init(&out, TEXT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "prompt", text);
	jsonw_end_object(&w);
	json = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return json;
}

static void write_answer(struct http_reply *reply, const struct id *session,
                         const struct command_sent *sent)
{
	struct jsonw w;

	reply->status = 202;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", session->s);
	jsonw_bool(&w, "accepted", true);
	jsonw_cstr(&w, "commandId", sent->id.s);
	jsonw_time(&w, "ts", clock_wall_us());
	jsonw_end_object(&w);
}

void serve_session_prompt(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct command_sent sent = { .kind = "prompt" };
	struct rest_prompt body;
	struct seen seen;
	struct once once;

	if (json_decode(req->body, &rest_prompt_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	sent.payload = payload_of(join_texts(&body.texts, req->arena), req->arena);
	if (sent.payload.n > PAYLOAD_MAX) { /* control characters are six bytes each */
		answer_problem(req, reply, "prompt", "is too large with its characters escaped");
		return;
	}
	if (!seen_now(req, reply, &seen) || !once_begin(req, reply, &once)) {
		return;
	}
	if (!may_prompt(req, reply, seen.state) ||
	    !command_write(req, reply, &once, &seen.id, &sent)) {
		once_abandon(&once);
		return;
	}
	write_answer(reply, &seen.id, &sent);
	if (!once_commit(req, reply, &once)) {
		return;
	}
	fiber_shield();
	command_notify(req, &seen.id, &sent);
	fiber_unshield();
}
