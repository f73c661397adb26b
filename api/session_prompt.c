/* POST /api/v1/sessions/{id}/prompt: more input for an agent. Durable before it is accepted. */
#include "api/answer.h"
#include "api/app.h"
#include "api/command.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/seen.h"
#include "base/clock.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/body.h"
#include "task/task.h"

enum { TEXT_MAX = 128 * 1024 };

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

/* {"text":...}, or for the log {"role":"user","content":...,"command_id":...}. */
static struct str text_object(struct str text, const struct id *command, struct arena *arena)
{
	struct jsonw w;
	struct str json;
	struct buf out;

	buf_init(&out, TEXT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	if (command != NULL) {
		jsonw_cstr(&w, "role", "user");
		jsonw_cstr(&w, "command_id", command->s);
	}
	jsonw_str(&w, command != NULL ? "content" : "text", text);
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

/* Readers of the log see what was asked. The command is accepted whether or not this works. */
static void show(const struct http_request *req, const struct seen *seen, struct str text,
                 const struct command_sent *sent)
{
	const struct log_new event = { EVENT_TYPE_MESSAGE,
		                       text_object(text, &sent->id, req->arena) };
	const struct log_batch batch = {
		.sid = seen->id, .tenant = app_tenant(req), .events = &event, .count = 1
	};
	struct log_result result;
	struct err err;
	enum err_code code = log_append(&node_of(req)->store, &batch, &result, &err);

	if (code == ERR_OK) {
		code = log_result_err(&result, &err);
	}
	if (code != ERR_OK) {
		log_warn("prompt.unshown", "session=%s command=%s code=%s %s", seen->id.s,
		         sent->id.s, err_name(code), err.msg);
	}
}

void serve_session_prompt(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct command_sent sent = { .kind = "prompt" };
	struct rest_prompt body;
	struct seen seen;
	struct once once;
	struct str text;

	if (json_decode(req->body, &rest_prompt_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!seen_now(req, reply, &seen) || !once_begin(req, reply, &once)) {
		return;
	}
	text = join_texts(&body.texts, req->arena);
	sent.payload = text_object(text, NULL, req->arena);
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
	show(req, &seen, text, &sent);
	command_notify(req, &seen.id, &sent);
	fiber_unshield();
}
