/* What else is said to a chat: stop, what a page has to tell, which model. */
#include "api/answer.h"
#include "api/aomi.h"
#include "api/app.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "json/write.h"
#include "log/log.h"

/* ---- POST /api/interrupt ---- */

/* An agent that is a command knows no turns: it is stopped, and the next message begins another. */
static bool has_turns(struct str agent)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(agent, &err);

	return !str_eq(json_as_str(json_get(value, "type")), STR_LIT("command"));
}

static enum err_code interrupt(struct aomi_request *r, struct steer_session *session,
                               struct err *err)
{
	const struct steer steer = aomi_steer(r);
	const struct steer_ask ask = { .verb = STEER_INTERRUPT };
	struct steer_done done;
	enum err_code code = ERR_OK;

	if (!session->has_row) {
		code = steer_find_row(&steer, &session->id, &session->row, err);
	}
	if (code == ERR_OK && !has_turns(session->row.agent)) {
		return aomi_stop(r, session, STR_LIT(AOMI_INTERRUPTED), err);
	}
	if (code == ERR_OK) {
		code = steer_send(&steer, session, &ask, &done, err);
	}
	return code == ERR_GONE ? ERR_OK : code;
}

/* *ret_works: there is something to interrupt. False: the reply is filled. */
static bool look_for_work(struct aomi_request *r, bool *ret_works)
{
	struct aomi_view *view = aomi_look(r, 1, 1);

	if (view == NULL) {
		return false;
	}
	*ret_works = aomi_view_is_processing(view);
	aomi_view_free(view);
	return true;
}

void serve_aomi_interrupt(struct http_request *req, struct http_reply *reply)
{
	struct steer_session session;
	bool lives, works = false;
	struct aomi_request r;
	struct err err;

	if (!aomi_begin_found(req, reply, &r) || !aomi_find_session(&r, &session, &lives) ||
	    !look_for_work(&r, &works)) {
		return;
	}
	if (lives && works && interrupt(&r, &session, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	aomi_answer(&r, NULL);
}

/* ---- POST /api/system ---- */

static enum err_code append(struct aomi_request *r, const struct id *sid,
                            const struct log_new *events, size_t count, struct err *err)
{
	const struct log_batch batch = {
		.sid = *sid, .tenant = r->key.tenant, .events = events, .count = count
	};
	struct log_result result;
	enum err_code code = log_append(&node_of(r->req)->store, &batch, &result, err);

	return code == ERR_OK ? log_result_err(&result, err) : code;
}

void serve_aomi_system(struct http_request *req, struct http_reply *reply)
{
	struct rest_aomi_chat asked;
	struct steer_session session;
	struct log_new events[2];
	struct aomi_request r;
	struct jsonw w;
	struct err err;
	bool lives;

	if (!aomi_begin(req, reply, &r) || !aomi_take(req, reply, &asked)) {
		return;
	}
	if (!asked.has_message || asked.message.n == 0) {
		answer_problem(req, reply, "message", "is required");
		return;
	}
	if (!r.found) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such session");
		return;
	}
	if (!aomi_find_session(&r, &session, &lives)) {
		return;
	}
	if (!lives) {
		answer_code(req, reply, ERR_CONFLICT, "nobody works on it: chat first");
		return;
	}
	events[0] = (struct log_new){ EVENT_TYPE_MESSAGE,
		                      aomi_system_message(asked.message, req->arena) };
	events[1] =
		(struct log_new){ EVENT_TYPE_NOTE, aomi_system_note(asked.message, req->arena) };
	if (events[0].data.p == NULL || events[1].data.p == NULL) {
		answer_problem(req, reply, "message", "is too large with its characters escaped");
		return;
	}
	if (append(&r, &session.id, events, ARRAY_LEN(events), &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	buf_add_cstr(&reply->body, "{\"res\":");
	aomi_message_write(&w,
	                   str_of(arena_printf(req->arena, AOMI_SYSTEM_PREFIX "%" STR_FMT,
	                                       STR_ARG(asked.message))),
	                   clock_wall_us() / 1000);
	buf_add_char(&reply->body, '}');
}

/* ---- titles ---- */

/* Those who follow the chat learn it from the log, if somebody works on it. */
static void tell_title(struct aomi_request *r, struct str title)
{
	const struct log_new event = { EVENT_TYPE_NOTE, aomi_title_note(title, r->req->arena) };
	const struct steer steer = aomi_steer(r);
	struct steer_session session;
	enum err_code code = ERR_OK;
	struct err err;

	if (id_is_nil(&r->chat.session)) {
		return;
	}
	code = steer_find(&steer, &r->chat.session, &session, &err);
	if (code == ERR_OK && !session_is_terminal(session.state)) {
		code = append(r, &session.id, &event, 1, &err);
	}
	if (code != ERR_OK) {
		log_info("chat.untold", "session=%s code=%s %s", r->chat.session.s, err_name(code),
		         err.msg);
	}
}

void serve_aomi_session_rename(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_aomi_title body;
	struct chat_change change = { .title = NULL };
	struct aomi_request r;
	struct err err;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	if (json_decode(req->body, &rest_aomi_title_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!r.found) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such session");
		return;
	}
	change.title = arena_strdup(req->arena, body.title);
	if (chat_change(node_of(req)->pg, &r.key, &change, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	tell_title(&r, body.title);
	reply->content_type = NULL;
}

/* ---- POST /api/control/model ---- */

static struct str model_json(const char *slug, struct arena *arena)
{
	return str_of(arena_printf(arena, "{\"model\":\"%s\"}", slug));
}

/* What its agent makes of it is its business. */
static void tell_model(struct aomi_request *r, const char *slug)
{
	const struct steer steer = aomi_steer(r);
	const struct steer_ask ask = { .verb = STEER_SET_MODEL,
		                       .payload = model_json(slug, r->req->arena) };
	struct steer_session session;
	struct steer_done done;
	struct err err;

	if (id_is_nil(&r->chat.session)) {
		return;
	}
	if (steer_find(&steer, &r->chat.session, &session, &err) != ERR_OK ||
	    (!session_is_terminal(session.state) &&
	     steer_send(&steer, &session, &ask, &done, &err) != ERR_OK)) {
		log_info("chat.untold", "session=%s code=%s %s", r->chat.session.s,
		         err_name(err.code), err.msg);
	}
}

static void write_model(struct http_reply *reply, const struct aomi_model *rig,
                        const struct aomi_model *baml)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "success", true);
	jsonw_cstr(&w, "rig", rig->slug);
	jsonw_cstr(&w, "baml", baml->baml);
	jsonw_end_object(&w);
}

void serve_aomi_model(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct aomi_model *rig, *baml;
	struct namespace namespace;
	struct rest_aomi_model query;
	struct chat_change change;
	struct aomi_request r;
	struct err err;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	if (rest_query(req, &rest_aomi_model_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	rig = aomi_model_find(query.rig);
	baml = query.baml.n > 0 ? aomi_model_find(query.baml) : rig;
	if (rig == NULL || baml == NULL) {
		answer_problem(req, reply, rig == NULL ? "rig" : "baml",
		               "must be a model of GET /api/control/models");
		return;
	}
	if (!aomi_choose(&r, query.namespace, query.chatbot, &namespace) ||
	    !aomi_make(&r, &namespace)) {
		return;
	}
	change = (struct chat_change){ .rig = rig->slug, .baml = baml->slug };
	if (chat_change(node_of(req)->pg, &r.key, &change, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	tell_model(&r, rig->slug);
	write_model(reply, rig, baml);
}
