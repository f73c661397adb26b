/*
 * POST /api/v1/sessions/{id}/prompt and what goes with it: more input for an agent.  Durable before
 * it is accepted; it is in the session's events once the worker gives it to the agent.
 */
#include "api/answer.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "api/seen.h"
#include "api/upload.h"
#include "base/clock.h"
#include "command/command_store.h"
#include "json/value.h"
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
	struct rest_prompt body = { .mode = REST_PROMPT_QUEUE };
	struct steer_words words = { .texts = &body.prompt.texts };
	struct err err;

	if (json_decode(req->body, &rest_prompt_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (!uploads_are_there(req, reply, &body.prompt.uploads, "")) {
		return false;
	}
	words.blocks = body.prompt.blocks;
	words.steers = body.mode == REST_PROMPT_STEER;
	if (steer_words(&words, req->arena, &ask->payload, &err) != ERR_OK) {
		answer_problem(req, reply, "prompt", err.msg);
		return false;
	}
	return true;
}

static void send_ask(struct http_request *req, struct http_reply *reply,
                     struct steer_session *session, const struct steer_ask *ask)
{
	const struct steer steer = seen_steer(req);
	struct steer_done done;
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (steer_write(&steer, once.tx, session, ask, &done, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		once_abandon(&once);
		return;
	}
	write_answer(reply, &session->id, &done);
	if (once_commit(req, reply, &once)) {
		steer_follow(&steer, session, ask, &done);
	}
}

void serve_session_prompt(struct http_request *req, struct http_reply *reply)
{
	struct steer_ask ask = { .verb = STEER_PROMPT };
	struct steer_session session;

	if (take_prompt(req, reply, &ask) && seen_now(req, reply, &session)) {
		send_ask(req, reply, &session, &ask);
	}
}

/* ---- one that was asked before ---- */

static bool seen_prompt(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	if (!id_parse(req->params[1], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such prompt");
		return false;
	}
	return true;
}

void serve_prompt_retry(struct http_request *req, struct http_reply *reply)
{
	const struct steer steer = seen_steer(req);
	struct steer_ask ask = { .verb = STEER_PROMPT };
	struct steer_session session;
	struct id prompt = { "" };
	struct err err;

	if ((!str_eq(req->params[1], STR_LIT("last")) && !seen_prompt(req, reply, &prompt)) ||
	    !seen_now(req, reply, &session)) {
		return;
	}
	if (steer_prompt_again(&steer, &session.id, &prompt, &ask.payload, &err) != ERR_OK) {
		(void)steer_only_read(&err);
		answer_error(req, reply, &err);
		return;
	}
	send_ask(req, reply, &session, &ask);
}

static void write_prompt(struct jsonw *w, const struct command *row)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *payload = json_parse(row->payload, &err);
	int64_t version = json_as_i64(json_get(payload, "version"));
	bool steers = json_as_bool(json_get(payload, "steer"));
	struct buf prompt;

	buf_init(&prompt, (size_t)2 * STEER_PAYLOAD_MAX);
	json_format(json_get(payload, "prompt"), &prompt);
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", row->id.s);
	jsonw_raw(w, "prompt", buf_str(&prompt));
	jsonw_cstr(w, "mode", steers ? "steer" : "queue");
	jsonw_u64(w, "version", version > 0 ? (uint64_t)version : 1);
	jsonw_str(w, "by", row->created_by);
	jsonw_time(w, "createdAt", row->created_us);
	jsonw_end_object(w);
	buf_fini(&prompt);
}

void serve_prompt_list(struct http_request *req, struct http_reply *reply)
{
	const struct steer steer = seen_steer(req);
	struct command_list list;
	struct session row;
	struct jsonw w;
	struct err err;
	struct id id;

	if (!seen_id(req, reply, &id) || !seen_row(req, reply, &id, &row)) {
		return;
	}
	if (steer_prompts(&steer, &id, &list, &err) != ERR_OK) {
		(void)steer_only_read(&err);
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_prompt(&w, &list.items[i]);
	}
	items_end(&w, STR_LIT(""));
}

void serve_prompt_edit(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct steer steer = seen_steer(req);
	struct rest_prompt body = { .mode = REST_PROMPT_QUEUE };
	struct steer_words words = { .texts = &body.prompt.texts };
	struct steer_session session;
	struct id prompt;
	struct jsonw w;
	struct err err;

	if (json_decode(req->body, &rest_prompt_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!uploads_are_there(req, reply, &body.prompt.uploads, "")) {
		return;
	}
	words.blocks = body.prompt.blocks;
	words.steers = body.mode == REST_PROMPT_STEER;
	if (!seen_prompt(req, reply, &prompt) || !seen_now(req, reply, &session)) {
		return;
	}
	if (steer_prompt_edit(&steer, &session, &prompt, &words, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", session.id.s);
	jsonw_cstr(&w, "commandId", prompt.s);
	jsonw_end_object(&w);
}

void serve_prompt_cancel(struct http_request *req, struct http_reply *reply)
{
	const struct steer steer = seen_steer(req);
	struct steer_session session;
	struct id prompt;
	struct err err;

	if (!seen_prompt(req, reply, &prompt) || !seen_now(req, reply, &session)) {
		return;
	}
	if (steer_prompt_cancel(&steer, &session, &prompt, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
}

/* ---- what else an agent is asked ---- */

void serve_session_interrupt(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct steer_ask ask = { .verb = STEER_INTERRUPT };
	struct rest_reason body = { .reason = { NULL, 0 } };
	struct steer_session session;

	if (req->body.n > 0 &&
	    json_decode(req->body, &rest_reason_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	ask.reason = body.reason;
	if (seen_now(req, reply, &session)) {
		send_ask(req, reply, &session, &ask);
	}
}

/* {member: word} is the payload. */
static void send_word(struct http_request *req, struct http_reply *reply,
                      const struct json_table *table, enum steer_verb verb)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct steer_ask ask = { .verb = verb };
	struct steer_session session;
	struct rest_word body;
	struct buf payload;
	struct jsonw w;

	if (json_decode(req->body, table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (verb == STEER_SLASH && body.word.p[0] != '/') {
		answer_problem(req, reply, "command", "must begin with /");
		return;
	}
	buf_init(&payload, STEER_PAYLOAD_MAX * 2);
	jsonw_init(&w, &payload);
	jsonw_object(&w, NULL);
	jsonw_str(&w, table->fields[0].name, body.word);
	jsonw_end_object(&w);
	ask.payload = arena_str(req->arena, buf_str(&payload));
	buf_fini(&payload);
	if (seen_now(req, reply, &session)) {
		send_ask(req, reply, &session, &ask);
	}
}

void serve_session_model(struct http_request *req, struct http_reply *reply)
{
	send_word(req, reply, &rest_model_table, STEER_SET_MODEL);
}

void serve_session_mode(struct http_request *req, struct http_reply *reply)
{
	send_word(req, reply, &rest_mode_table, STEER_SET_PERMISSION_MODE);
}

void serve_session_slash(struct http_request *req, struct http_reply *reply)
{
	send_word(req, reply, &rest_slash_table, STEER_SLASH);
}
