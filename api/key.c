/* API keys of the tenant of whoever asks. A key is shown once, in the answer that makes it; that is
 * why these routes keep no answers for an Idempotency-Key. */
#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/access.h"
#include "rest/query.h"
#include "tenant/tenant_store.h"
#include "user/user.h"

/* ---- looking ---- */

static void write_text(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	} else {
		jsonw_null(w, name);
	}
}

static void write_time(struct jsonw *w, const char *name, int64_t us)
{
	if (us != 0) {
		jsonw_time(w, name, us);
	} else {
		jsonw_null(w, name);
	}
}

/* text: of a key that was just made, else NULL. */
static void write_key(struct jsonw *w, const struct auth_key *key, const char *text)
{
	struct str scopes = key->scopes;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", key->id.s);
	if (text != NULL) {
		jsonw_cstr(w, "key", text);
	}
	jsonw_str(w, "name", key->name);
	jsonw_cstr(w, "status", auth_key_status(key, clock_wall_us()));
	jsonw_str(w, "env", key->env);
	jsonw_array(w, "scopes");
	while (scopes.n > 0) {
		jsonw_str(w, NULL, str_split(&scopes, ','));
	}
	jsonw_end_array(w);
	user_write_namespaces(w, key->any_namespace, key->namespaces);
	write_text(w, "ownerId", key->owner_id);
	write_text(w, "owner", key->owner);
	write_text(w, "createdBy", key->created_by);
	write_text(w, "replaces", key->replaces);
	jsonw_time(w, "createdAt", key->created_us);
	write_time(w, "expiresAt", key->expires_us);
	write_time(w, "revokedAt", key->revoked_us);
	write_time(w, "lastUsedAt", key->last_used_us);
	jsonw_end_object(w);
}

static void write_page(struct http_reply *reply, const struct auth_key_list *page)
{
	struct jsonw w;

	items_begin(reply, &w);
	for (size_t i = 0; i < page->count; i++) {
		write_key(&w, &page->items[i], NULL);
	}
	items_end(&w, page->more ? str_of(page->items[page->count - 1].id.s) : STR_LIT(""));
}

void serve_key_list(struct http_request *req, struct http_reply *reply)
{
	struct auth_key_filter filter = { .tenant = app_tenant(req) };
	struct auth_key_list page;
	struct err err;

	if (!items_asked_before(req, reply, &filter.before, &filter.max)) {
		return;
	}
	if (auth_key_list(node_of(req)->pg, &filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	write_page(reply, &page);
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT) {
		answer_code(req, reply, err->code, err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

/* The key in the path. False: the reply is filled. */
static bool find_key(struct http_request *req, struct http_reply *reply, struct auth_key *ret)
{
	struct err err;
	struct id id;

	if (!id_parse(req->params[0], &id)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such key");
		return false;
	}
	if (auth_key_get(node_of(req)->pg, app_tenant(req), &id, req->arena, ret, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return false;
	}
	return true;
}

static void answer_key(struct http_reply *reply, const struct auth_key *key, const char *text)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	write_key(&w, key, text);
}

void serve_key_get(struct http_request *req, struct http_reply *reply)
{
	struct auth_key key;

	if (find_key(req, reply, &key)) {
		answer_key(reply, &key, NULL);
	}
}

/* ---- making ---- */

/* False: the reply is filled. */
static bool take_scopes(struct http_request *req, struct http_reply *reply,
                        const struct json_list *given, unsigned *ret)
{
	const struct str *names = given->items;

	*ret = 0;
	for (size_t i = 0; i < given->count; i++) {
		enum auth_scope scope;

		if (!auth_scope_parse(names[i], &scope)) {
			answer_problem(req, reply, arena_printf(req->arena, "scopes[%zu]", i),
			               "is not a scope");
			return false;
		}
		*ret |= auth_bit(scope);
	}
	/* One that leaks must not be able to outlive itself. */
	if ((*ret & auth_bit(AUTH_SYSTEM)) != 0 && app_who(req)->kind == AUTH_KEY) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "a key with the scope system is made on the host (fairlead admin key "
		            "create), or by a person");
		return false;
	}
	return true;
}

/* False: the reply is filled. */
static bool take_body(struct http_request *req, struct http_reply *reply, struct auth_key_new *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_key body;
	struct id owner;

	if (json_decode(req->body, &rest_key_table, &body, req->arena, problems) == ERR_OK) {
		if (!user_name_ok(body.name)) {
			json_problem_add(problems, req->arena, "name",
			                 "must have no control characters");
		}
		if (body.expires_us != 0 && body.expires_us <= clock_wall_us()) {
			json_problem_add(problems, req->arena, "expiresAt",
			                 "must be in the future");
		}
		if (body.owner.n > 0 && !id_parse(body.owner, &owner)) {
			json_problem_add(problems, req->arena, "ownerId",
			                 "must be the id of a user");
		}
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = (struct auth_key_new){
		.tenant = app_tenant(req),
		.name = arena_strdup(req->arena, body.name),
		.expires_us = body.expires_us,
		.owner_id = body.owner.n > 0 ? arena_strdup(req->arena, str_of(owner.s)) : NULL,
		.env = node_of(req)->conf.auth_env,
		.created_by = auth_actor(app_who(req)),
	};
	return take_scopes(req, reply, &body.scopes, &ret->scopes) &&
	       give_namespaces(req, reply, &body.namespaces, &ret->namespaces) &&
	       give_allowed(req, reply, ret->scopes, ret->namespaces);
}

static const struct cred_pepper *pepper_of(const struct http_request *req)
{
	const struct app *app = node_of(req)->app;

	return &auth_options_of(app->auth)->pepper;
}

/* The only time that it is seen, but for a replay of this answer. */
static void show(struct http_reply *reply, const struct auth_key *key, const char *text)
{
	reply->status = 201;
	http_reply_header(reply, "Location", "/api/v1/keys/%s", key->id.s);
	http_reply_header(reply, "Cache-Control", "no-store");
	answer_key(reply, key, text);
}

static void refuse_new(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		answer_problem(req, reply, "ownerId", "must be a member of the tenant");
	} else {
		refuse(req, reply, err);
	}
}

/* What it may do, for the audit. */
static struct str detail_of(const struct http_request *req, const struct auth_key *key)
{
	return str_of(
		arena_printf(req->arena, "{\"scopes\":\"%" STR_FMT "\"}", STR_ARG(key->scopes)));
}

void serve_key_create(struct http_request *req, struct http_reply *reply)
{
	char text[CRED_KEY_MAX + 1] = "";
	struct auth_key_new key;
	struct auth_key made;
	struct once once;
	struct err err;
	struct id id;

	if (!take_body(req, reply, &key) || !once_begin(req, reply, &once)) {
		return;
	}
	if (auth_key_insert(once.tx, &key, pepper_of(req), text, &id, &err) != ERR_OK ||
	    auth_key_get_in(once.tx, key.tenant, &id, req->arena, &made, &err) != ERR_OK) {
		once_abandon(&once);
		refuse_new(req, reply, &err);
	} else {
		show(reply, &made, text);
		once.object = id.s;
		once.detail = detail_of(req, &made);
		if (once_commit(req, reply, &once)) {
			log_info("key.created", "key=%s by=%s", id.s, key.created_by);
		}
	}
	cred_wipe(text, sizeof(text));
}

void serve_tenant_key_create(struct http_request *req, struct http_reply *reply)
{
	char text[CRED_KEY_MAX + 1] = "", tenant[TENANT_ID_MAX + 1] = "";
	struct auth_key_new key;
	struct auth_key made;
	struct once once;
	struct err err;
	struct id id;

	if (!take_body(req, reply, &key)) {
		return;
	}
	key.tenant = tenant;
	if (!str_copy(tenant, sizeof(tenant), req->params[0]) || !tenant_id_ok(req->params[0])) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such tenant");
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (auth_key_create(node_of(req)->pg, &key, pepper_of(req), text, &id, &err) != ERR_OK ||
	    auth_key_get(node_of(req)->pg, tenant, &id, req->arena, &made, &err) != ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_NOT_FOUND) {
			(void)err_set(&err, err.code, "no such tenant, or no member of it");
		}
		refuse(req, reply, &err);
	} else {
		show(reply, &made, text);
		once.object = id.s;
		once.chain = tenant;
		once.detail = detail_of(req, &made);
		if (once_commit(req, reply, &once)) {
			log_info("key.created", "key=%s tenant=%s by=%s", id.s, tenant,
			         key.created_by);
		}
	}
	cred_wipe(text, sizeof(text));
}

/* With one that this version does not know, nobody has them all. */
static unsigned known_scopes(struct str list)
{
	unsigned set;

	return auth_scopes_parse(list, &set) ? set : AUTH_ALL;
}

/* False: the reply is filled. */
static bool take_rotation(struct http_request *req, struct http_reply *reply,
                          struct auth_key_rotation *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_rotate body = { .has_grace = false };
	struct auth_key key;

	if (req->body.n > 0 &&
	    json_decode(req->body, &rest_rotate_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (!find_key(req, reply, &key) ||
	    !give_allowed(req, reply, known_scopes(key.scopes),
	                  key.any_namespace ? NULL : key.namespaces.p)) {
		return false;
	}
	*ret = (struct auth_key_rotation){ .tenant = app_tenant(req),
		                           .id = key.id,
		                           .grace_s =
		                                   body.has_grace ? body.grace_s : AUTH_KEY_GRACE_S,
		                           .env = node_of(req)->conf.auth_env,
		                           .created_by = auth_actor(app_who(req)) };
	return true;
}

void serve_key_rotate(struct http_request *req, struct http_reply *reply)
{
	char text[CRED_KEY_MAX + 1] = "";
	struct auth_key_rotation rotation;
	struct auth_key made;
	struct once once;
	struct err err;
	struct id id;

	if (!take_rotation(req, reply, &rotation) || !once_begin(req, reply, &once)) {
		return;
	}
	if (auth_key_rotate(once.tx, &rotation, pepper_of(req), text, &id, &err) != ERR_OK ||
	    auth_key_get_in(once.tx, rotation.tenant, &id, req->arena, &made, &err) != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
	} else {
		show(reply, &made, text);
		once.detail = str_of(arena_printf(req->arena, "{\"replacedBy\":\"%s\"}", id.s));
		if (once_commit(req, reply, &once)) {
			give_ring(req, AUTH_BELL_KEY, &rotation.id);
			log_info("key.rotated", "key=%s new=%s by=%s", rotation.id.s, id.s,
			         rotation.created_by);
		}
	}
	cred_wipe(text, sizeof(text));
}

/* ---- ending ---- */

void serve_key_revoke(struct http_request *req, struct http_reply *reply)
{
	struct auth_key key;
	struct once once;
	struct err err;
	bool revoked;

	if (!find_key(req, reply, &key) || !once_begin(req, reply, &once)) {
		return;
	}
	if (auth_key_revoke(node_of(req)->pg, app_tenant(req), &key.id, &revoked, &err) != ERR_OK ||
	    auth_key_get(node_of(req)->pg, app_tenant(req), &key.id, req->arena, &key, &err) !=
	            ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	answer_key(reply, &key, NULL);
	if (!once_commit(req, reply, &once)) {
		return;
	}
	give_ring(req, AUTH_BELL_KEY, &key.id);
	log_info("key.revoked", "key=%s by=%s", key.id.s, auth_actor(app_who(req)));
}

void serve_key_delete(struct http_request *req, struct http_reply *reply)
{
	struct auth_key key;
	struct once once;
	struct err err;
	bool deleted;

	if (!find_key(req, reply, &key) || !once_begin(req, reply, &once)) {
		return;
	}
	if (auth_key_delete(node_of(req)->pg, app_tenant(req), &key.id, &deleted, &err) != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	if (!once_commit(req, reply, &once)) {
		return;
	}
	give_ring(req, AUTH_BELL_KEY, &key.id);
	log_info("key.deleted", "key=%s by=%s", key.id.s, auth_actor(app_who(req)));
}
