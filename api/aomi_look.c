/*
 * What a chat's clients see of it: GET /api/state, /api/events, /api/db/sessions/{session}.  Made
 * from the logs of its sessions each time; reading changes nothing.
 */
#include "api/answer.h"
#include "api/aomi.h"
#include "api/app.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "command/command_store.h"
#include "event/between.h"
#include "session/session_store.h"
#include "task/task_json.h"

enum {
	EVENTS_MAX = 2048, /* of one session: the newest */
	COMMANDS_MAX = 32,
	PARTS_ALL = CHAT_PARTS_MAX
};

/* A look at one session after the other. */
struct look {
	struct aomi_request *r;
	struct aomi_view *view;
	uint64_t classes;
	bool has_session;
	enum session_state state; /* of the newest */
};

static void take_event(void *arg, const struct log_event *event)
{
	struct look *look = arg;

	if ((look->classes >> log_event_class(event) & 1) != 0) {
		aomi_view_event(look->view, event);
	}
}

/* Where its log ends, and its row. ERR_NOT_FOUND: it was not kept. */
static enum err_code find_part(struct look *look, const struct id *sid,
                               struct steer_session *session, struct err *err)
{
	const struct steer steer = aomi_steer(look->r);
	enum err_code code = steer_find(&steer, sid, session, err);

	if (code == ERR_OK && !session->has_row) {
		code = steer_find_row(&steer, sid, &session->row, err);
		session->has_row = code == ERR_OK;
	}
	return code;
}

static enum err_code look_at_part(struct look *look, const struct chat_part *part, struct err *err)
{
	const struct node *node = node_of(look->r->req);
	struct between between = { .store = &node->store,
		                   .pg = node->pg,
		                   .sid = part->session,
		                   .tenant = look->r->key.tenant,
		                   .each = take_event,
		                   .arg = look };
	struct steer_session session;
	struct str prompt = STR_LIT("");
	uint64_t last, after;
	enum err_code code = find_part(look, &part->session, &session, err);

	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (code != ERR_OK) {
		return code;
	}
	last = session.head.found ? session.head.at.n : session.row.n;
	after = last > EVENTS_MAX ? last - EVENTS_MAX : 0;
	if (after == 0) {
		prompt = task_prompt_text(session.row.prompt, look->r->req->arena);
	}
	aomi_view_begin(look->view, part->part, prompt, session.row.created_us / 1000);
	look->has_session = true;
	look->state = session.state;
	return between_read(&between, after, CURSOR_N_MAX, err);
}

/* What was said but has not reached the agent yet is in no log. */
static enum err_code look_at_waiting(struct look *look, struct err *err)
{
	const struct command_query query = { .tenant = look->r->key.tenant,
		                             .session = look->r->chat.session,
		                             .max = COMMANDS_MAX };
	struct command_list list = { .count = 0 };
	struct arena *arena = look->r->req->arena;
	enum err_code code = ERR_OK;

	if (look->has_session && !session_is_terminal(look->state)) {
		code = command_open(node_of(look->r->req)->pg, &query, arena, &list, err);
	}
	for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
		const struct command *command = &list.items[i];
		struct err ignored;
		CLEANUP(json_value_cleanup)
		struct json_value *payload = json_parse(command->payload, &ignored);

		if (str_eq(command->kind, STR_LIT("prompt")) &&
		    !aomi_view_has_started(look->view, &command->id)) {
			aomi_view_waiting(look->view, json_as_str(json_get(payload, "prompt")),
			                  command->created_us / 1000);
		}
	}
	return code;
}

static enum err_code look_at_all(struct look *look, unsigned max, struct err *err)
{
	struct chat_part *parts;
	size_t count;
	enum err_code code = chat_parts(node_of(look->r->req)->pg, &look->r->key, max,
	                                look->r->req->arena, &parts, &count, err);

	while (code == ERR_OK && count > 0) {
		code = look_at_part(look, &parts[--count], err);
	}
	return code == ERR_OK ? look_at_waiting(look, err) : code;
}

struct aomi_view *aomi_look(struct aomi_request *r, unsigned parts, unsigned messages)
{
	const enum event_see see = event_see_of(auth_part_of(&r->acting) == AUTH_PARTICIPANT,
	                                        auth_allows(&r->acting, AUTH_ADMIN));
	struct look look = { .r = r,
		             .view = aomi_view_new(messages),
		             .classes = event_classes_seen(see) };
	struct err err;

	if (look_at_all(&look, parts, &err) != ERR_OK) {
		aomi_view_free(look.view);
		(void)steer_only_read(&err);
		answer_error(r->req, r->reply, &err);
		return NULL;
	}
	aomi_view_end(look.view, look.has_session && !id_is_nil(&r->chat.session), look.state,
	              clock_wall_us() / 1000);
	return look.view;
}

/* ---- answers ---- */

static void write_cursor(struct jsonw *w, const struct aomi_view *view)
{
	struct aomi_cursor at = aomi_view_cursor(view);
	char text[AOMI_CURSOR_SIZE];

	if (at.part > 0 && at.at.n > 0) {
		aomi_cursor_format(&at, text);
		jsonw_cstr(w, "cursor", text);
	} else {
		jsonw_null(w, "cursor");
	}
}

static void write_nothing(struct http_reply *reply)
{
	buf_add_cstr(&reply->body, "{\"messages\":[],\"system_events\":[],\"title\":null,"
	                           "\"is_processing\":false,\"cursor\":null}");
}

void aomi_answer(struct aomi_request *r, const struct aomi_cursor *after)
{
	const struct aomi_events which = { .kinds = AOMI_POLLED, .after = after };
	struct aomi_view *view = aomi_look(r, AOMI_PARTS_NOW, AOMI_MESSAGES_NOW);
	struct jsonw w;

	if (view == NULL) {
		return;
	}
	jsonw_init(&w, &r->reply->body);
	jsonw_object(&w, NULL);
	aomi_view_messages(view, &w, "messages");
	aomi_view_events(view, &which, &w, "system_events");
	jsonw_str(&w, "title", r->chat.title);
	jsonw_bool(&w, "is_processing", aomi_view_is_processing(view));
	write_cursor(&w, view);
	jsonw_end_object(&w);
	aomi_view_free(view);
}

void serve_aomi_state(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct aomi_cursor *after;
	struct rest_aomi_state query;
	struct aomi_cursor at;
	struct aomi_request r;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	if (rest_query(req, &rest_aomi_state_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (query.user_state.n > 0 && !aomi_state_ok(query.user_state)) {
		answer_problem(req, reply, "user_state",
		               "must be JSON text: {\"address\",\"chainId\",\"isConnected\","
		               "\"ensName\"}");
	} else if (aomi_take_after(&r, query.after, &at, &after)) {
		if (r.found) {
			aomi_answer(&r, after);
		} else {
			write_nothing(reply);
		}
	}
}

void serve_aomi_events(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct aomi_events which = { .kinds = AOMI_STREAMED, .all = true };
	struct rest_aomi_events query;
	struct aomi_view *view;
	struct aomi_cursor at;
	struct aomi_request r;
	uint64_t count = 0;
	struct jsonw w;

	if (!aomi_begin_found(req, reply, &r)) {
		return;
	}
	if (rest_query(req, &rest_aomi_events_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!aomi_take_after(&r, query.after, &at, &which.after)) {
		return;
	}
	if (parse_u64(query.count, UINT32_MAX, &count)) {
		which.last = (size_t)count;
	}
	view = aomi_look(&r, AOMI_PARTS_NOW, AOMI_MESSAGES_NOW);
	if (view != NULL) {
		jsonw_init(&w, &reply->body);
		aomi_view_events(view, &which, &w, NULL);
		aomi_view_free(view);
	}
}

void serve_aomi_history(struct http_request *req, struct http_reply *reply)
{
	struct aomi_view *view;
	struct aomi_request r;
	struct jsonw w;

	if (!aomi_begin_found(req, reply, &r) ||
	    (view = aomi_look(&r, PARTS_ALL, AOMI_MESSAGES_MAX)) == NULL) {
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "session_id", r.session);
	jsonw_str(&w, "title", r.chat.title);
	aomi_view_messages(view, &w, "messages");
	jsonw_bool(&w, "is_processing", aomi_view_is_processing(view));
	jsonw_u64(&w, "message_count", aomi_view_message_count(view));
	jsonw_end_object(&w);
	aomi_view_free(view);
}

void serve_aomi_history_messages(struct http_request *req, struct http_reply *reply)
{
	struct aomi_view *view;
	struct aomi_request r;
	struct jsonw w;

	if (aomi_begin_found(req, reply, &r) &&
	    (view = aomi_look(&r, PARTS_ALL, AOMI_MESSAGES_MAX)) != NULL) {
		jsonw_init(&w, &reply->body);
		aomi_view_messages(view, &w, NULL);
		aomi_view_free(view);
	}
}
