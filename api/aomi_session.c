/* Chats as the AOMI surface lists, keeps and forgets them. */
#include "api/answer.h"
#include "api/aomi.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"

enum { CLEANED_AT_ONCE = 1000 };

static void write_chat(struct jsonw *w, struct str session, const struct chat *chat)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "session_id", session);
	jsonw_str(w, "title", chat->title);
	jsonw_bool(w, "is_archived", chat->archived);
	jsonw_end_object(w);
}

static struct str owner_of(const struct http_request *req)
{
	struct chat_key *key = arena_take(req->arena, sizeof(*key));

	aomi_chat_key(((struct app *)node_of(req)->app)->auth, app_who(req), STR_LIT(""), key);
	return str_of(key->owner);
}

void serve_aomi_session_list(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	struct chat_list list = { .count = 0 };
	struct rest_aomi_sessions query;
	struct jsonw w;
	struct err err;

	if (rest_query(req, &rest_aomi_sessions_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	/* Guests know theirs by their ids, and by nothing else. */
	if (!aomi_is_guest(who) && chat_list(node_of(req)->pg, who->tenant, owner_of(req).p,
	                                     query.limit, req->arena, &list, &err) != ERR_OK) {
		(void)steer_only_read(&err);
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < list.count; i++) {
		const struct chat *chat = &list.items[i];

		if (who->any_namespace || auth_allows_namespace(who, chat->namespace)) {
			write_chat(&w, str_of(chat->key.name), chat);
		}
	}
	jsonw_end_array(&w);
}

void serve_aomi_session_create(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_aomi_new body = { .namespace = STR_LIT("") };
	struct namespace namespace;
	struct aomi_request r;
	struct jsonw w;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	if (req->body.n > 0 &&
	    json_decode(req->body, &rest_aomi_new_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!aomi_choose(&r, body.namespace, STR_LIT(""), &namespace) ||
	    !aomi_make(&r, &namespace)) {
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "session_id", r.session);
	jsonw_str(&w, "title", r.chat.title);
	jsonw_end_object(&w);
}

void serve_aomi_session_get(struct http_request *req, struct http_reply *reply)
{
	struct aomi_request r;
	struct jsonw w;

	if (aomi_begin_found(req, reply, &r)) {
		jsonw_init(&w, &reply->body);
		write_chat(&w, r.session, &r.chat);
	}
}

/* ---- changes ---- */

static void archive(struct http_request *req, struct http_reply *reply, bool archived)
{
	const struct chat_change change = { .has_archived = true, .archived = archived };
	struct aomi_request r;
	struct err err;

	if (!aomi_begin_found(req, reply, &r)) {
		return;
	}
	if (chat_change(node_of(req)->pg, &r.key, &change, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	reply->content_type = NULL;
}

void serve_aomi_session_archive(struct http_request *req, struct http_reply *reply)
{
	archive(req, reply, true);
}

void serve_aomi_session_unarchive(struct http_request *req, struct http_reply *reply)
{
	archive(req, reply, false);
}

void serve_aomi_memory(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct chat_change change = { .has_memory_mode = true };
	struct rest_aomi_memory query;
	struct namespace namespace;
	struct aomi_request r;
	struct err err;
	struct jsonw w;

	if (!aomi_begin(req, reply, &r)) {
		return;
	}
	if (rest_query(req, &rest_aomi_memory_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	change.memory_mode = str_eq(query.memory_mode, STR_LIT("true"));
	if (!aomi_choose(&r, STR_LIT(""), STR_LIT(""), &namespace) || !aomi_make(&r, &namespace)) {
		return;
	}
	if (chat_change(node_of(req)->pg, &r.key, &change, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "success", true);
	jsonw_cstr(&w, "message",
	           change.memory_mode ? "Memory mode enabled for session"
	                              : "Memory mode disabled for session");
	jsonw_object(&w, "data");
	jsonw_str(&w, "session_id", r.session);
	jsonw_bool(&w, "memory_mode", change.memory_mode);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

/* ---- ends ---- */

/* Nobody works on it any more. False: the reply is filled. */
static bool end_session(struct aomi_request *r)
{
	struct steer_session session;
	struct err err;
	bool lives;

	if (!aomi_find_session(r, &session, &lives)) {
		return false;
	}
	if (lives && aomi_stop(r, &session, STR_LIT("the chat was closed"), &err) != ERR_OK) {
		answer_error(r->req, r->reply, &err);
		return false;
	}
	return true;
}

void serve_aomi_session_close(struct http_request *req, struct http_reply *reply)
{
	struct aomi_request r;
	struct err err;

	if (!aomi_begin_found(req, reply, &r) || !end_session(&r)) {
		return;
	}
	if (chat_detach(node_of(req)->pg, &r.key, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	reply->content_type = NULL;
}

void serve_aomi_session_delete(struct http_request *req, struct http_reply *reply)
{
	struct aomi_request r;
	struct err err;
	struct jsonw w;

	if (!aomi_begin_found(req, reply, &r) || !end_session(&r)) {
		return;
	}
	if (chat_delete(node_of(req)->pg, &r.key, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "success", true);
	jsonw_cstr(&w, "message",
	           arena_printf(req->arena, "Session %" STR_FMT " deleted successfully",
	                        STR_ARG(r.session)));
	jsonw_end_object(&w);
}

/* ---- all of a tenant ---- */

/* Those that cannot be stopped now are in nobody's chat any more; they end like any other. */
static enum err_code stop_all(struct http_request *req, struct err *err)
{
	struct aomi_request r = { .req = req, .acting = *app_who(req) };
	struct pg *pg = node_of(req)->pg;
	struct id *ids;
	size_t count;
	enum err_code code =
		chat_living(pg, app_tenant(req), CLEANED_AT_ONCE, req->arena, &ids, &count, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		const struct steer steer = aomi_steer(&r);
		struct steer_session session;
		struct err one;

		if (steer_find(&steer, &ids[i], &session, &one) != ERR_OK ||
		    (!session_is_terminal(session.state) &&
		     aomi_stop(&r, &session, STR_LIT("all chats were closed"), &one) != ERR_OK)) {
			log_warn("chat.unstopped", "session=%s code=%s %s", ids[i].s,
			         err_name(one.code), one.msg);
		}
	}
	return code;
}

void serve_aomi_cleanup_all(struct http_request *req, struct http_reply *reply)
{
	uint64_t count = 0;
	struct err err;
	struct jsonw w;

	if (!once_tell(req, reply, NULL)) {
		return;
	}
	if (stop_all(req, &err) != ERR_OK ||
	    chat_delete_all(node_of(req)->pg, app_tenant(req), &count, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	log_info("chat.cleaned", "chats=%llu", (unsigned long long)count);
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "success", true);
	jsonw_cstr(&w, "message", "All sessions cleaned up successfully");
	jsonw_u64(&w, "sessions_deleted", count);
	jsonw_end_object(&w);
}

void serve_aomi_stats(struct http_request *req, struct http_reply *reply)
{
	uint64_t count;
	struct err err;
	struct jsonw w;

	if (chat_count(node_of(req)->pg, app_tenant(req), owner_of(req).p, &count, &err) !=
	    ERR_OK) {
		(void)steer_only_read(&err);
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "session_count", count);
	jsonw_end_object(&w);
}
