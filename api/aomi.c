#include "api/aomi.h"

#include "api/answer.h"
#include "api/app.h"

/* ---- which chat ---- */

static struct auth *auth_of(const struct http_request *req)
{
	return ((struct app *)node_of(req)->app)->auth;
}

static bool may_use(const struct principal *who, struct str namespace)
{
	return aomi_is_guest(who) || who->any_namespace || auth_allows_namespace(who, namespace);
}

static bool find_chat(struct aomi_request *r)
{
	const struct principal *who = app_who(r->req);
	struct err err;
	enum err_code code = chat_get(node_of(r->req)->pg, &r->key, r->req->arena, &r->chat, &err);

	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		(void)steer_only_read(&err);
		answer_error(r->req, r->reply, &err);
		return false;
	}
	if (code == ERR_OK) {
		r->found = may_use(who, r->chat.namespace);
		r->hidden = !r->found;
		r->key = r->chat.key;
		r->acting = aomi_acting(who, r->key.tenant);
	}
	return true;
}

bool aomi_begin(struct http_request *req, struct http_reply *reply, struct aomi_request *ret)
{
	const struct principal *who = app_who(req);
	const char *field, *rule;

	*ret = (struct aomi_request){ .req = req, .reply = reply };
	rule = aomi_session_of(req, aomi_is_guest(who), &ret->session, &field);
	if (rule != NULL) {
		answer_problem(req, reply, field, rule);
		return false;
	}
	aomi_chat_key(auth_of(req), who, ret->session, &ret->key);
	return find_chat(ret);
}

bool aomi_begin_found(struct http_request *req, struct http_reply *reply, struct aomi_request *ret)
{
	if (!aomi_begin(req, reply, ret)) {
		return false;
	}
	if (!ret->found) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such session");
	}
	return ret->found;
}

/* ---- which namespace ---- */

/* Whether there is one of that name or not: who may not use it is not told. */
static void refuse(struct aomi_request *r)
{
	if (aomi_is_guest(app_who(r->req)) && !aomi_shows_key(r->req)) {
		answer_code(r->req, r->reply, ERR_UNAUTHORIZED,
		            "this namespace needs a key: send it as X-API-Key");
		http_reply_header(r->reply, "WWW-Authenticate", "ApiKey realm=\"fairlead\"");
	} else {
		answer_code(r->req, r->reply, ERR_FORBIDDEN, "this key may not use that namespace");
	}
}

static enum err_code find_namespace(struct aomi_request *r, const char *name, struct namespace *ret,
                                    struct err *err)
{
	const struct principal *who = app_who(r->req);
	struct pg *pg = node_of(r->req)->pg;
	enum err_code code;

	if (!may_use(who, str_of(name))) {
		return err_set(err, ERR_NOT_FOUND, "not with this key");
	}
	if (!aomi_is_guest(who)) {
		return namespace_get(pg, who->tenant, name, r->req->arena, ret, err);
	}
	code = namespace_get_open(pg, name, r->req->arena, ret, err);
	/* The chat is another tenant's. */
	if (code == ERR_OK && r->found && !str_eq(ret->tenant, str_of(r->key.tenant))) {
		return err_set(err, ERR_NOT_FOUND, "not for this chat");
	}
	return code;
}

bool aomi_choose(struct aomi_request *r, struct str namespace, struct str chatbot,
                 struct namespace *ret)
{
	char name[AOMI_NAMESPACE_MAX + 1];
	const char *rule = aomi_namespace_pick(namespace, chatbot, name);
	enum err_code code;
	struct err err;

	if (rule != NULL) {
		answer_problem(r->req, r->reply, "namespace", rule);
		return false;
	}
	if (name[0] == '\0') {
		struct str own =
			r->found || r->hidden ? r->chat.namespace : STR_LIT(AOMI_NAMESPACE_DEFAULT);

		(void)str_copy(name, sizeof(name), own);
	}
	code = find_namespace(r, name, ret, &err);
	if (code == ERR_NOT_FOUND) {
		refuse(r);
	} else if (code != ERR_OK) {
		(void)steer_only_read(&err);
		answer_error(r->req, r->reply, &err);
	}
	return code == ERR_OK;
}

bool aomi_make(struct aomi_request *r, const struct namespace *namespace)
{
	struct err err;

	if (r->found || r->hidden) {
		return true;
	}
	(void)str_copy(r->key.tenant, sizeof(r->key.tenant), namespace->tenant);
	if (chat_ensure(node_of(r->req)->pg, &r->key, namespace->name.p, &err) != ERR_OK) {
		answer_error(r->req, r->reply, &err);
		return false;
	}
	if (!find_chat(r)) {
		return false;
	}
	if (!r->found) { /* it was closed meanwhile */
		refuse(r);
	}
	return r->found;
}

/* ---- parameters ---- */

bool aomi_take(struct http_request *req, struct http_reply *reply, struct rest_aomi_chat *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	enum err_code code = rest_query(req, &rest_aomi_chat_table, ret, problems);

	if (code == ERR_OK && req->body.n > 0) {
		if (req->query.n > 0) {
			answer_problem(req, reply, "",
			               "must not be given together with parameters in the query");
			return false;
		}
		code = json_decode(req->body, &rest_aomi_chat_body, ret, req->arena, problems);
	}
	if (code != ERR_OK) {
		answer_problems(req, reply, problems);
	}
	return code == ERR_OK;
}

bool aomi_take_after(struct aomi_request *r, struct str text, struct aomi_cursor *at,
                     const struct aomi_cursor **ret_after)
{
	*ret_after = NULL;
	if (text.n == 0) {
		return true;
	}
	if (!aomi_cursor_parse(text, at)) {
		answer_problem(r->req, r->reply, "after",
		               "must be the cursor of an earlier answer, like 1.2-17");
		return false;
	}
	*ret_after = at;
	return true;
}

/* ---- its session ---- */

struct steer aomi_steer(const struct aomi_request *r)
{
	const struct node *node = node_of(r->req);

	return (struct steer){
		.store = &node->store, .pg = node->pg, .who = &r->acting, .arena = r->req->arena
	};
}

bool aomi_find_session(struct aomi_request *r, struct steer_session *ret, bool *ret_lives)
{
	const struct steer steer = aomi_steer(r);
	struct err err;
	enum err_code code = ERR_NOT_FOUND;

	*ret_lives = false;
	if (!id_is_nil(&r->chat.session)) {
		code = steer_find(&steer, &r->chat.session, ret, &err);
	}
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		answer_error(r->req, r->reply, &err);
		return false;
	}
	*ret_lives = code == ERR_OK && !session_is_terminal(ret->state);
	return true;
}

enum err_code aomi_stop(struct aomi_request *r, struct steer_session *session, struct str reason,
                        struct err *err)
{
	const struct steer steer = aomi_steer(r);
	const struct steer_ask ask = { .verb = STEER_STOP, .reason = reason };
	struct steer_done done;
	enum err_code code = steer_send(&steer, session, &ask, &done, err);

	/* It has ended by itself. */
	return code == ERR_GONE || code == ERR_ILLEGAL_MOVE ? ERR_OK : code;
}
