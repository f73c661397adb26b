#include "api/once.h"

#include "api/answer.h"
#include "api/app.h"
#include "audit/audit_http.h"
#include "rest/trail.h"

/* Of a user whatever it shows, else of the key. */
static const char *name_of(const struct http_request *req)
{
	const struct principal *who = app_who(req);

	return id_is_nil(&who->user) ? arena_printf(req->arena, "k:%s", who->key.s)
	                             : arena_printf(req->arena, "u:%s", who->user.s);
}

bool once_key(struct http_request *req, struct http_reply *reply, struct once *once)
{
	const struct rest_route *route = req->route->facts;
	const struct app *app = node_of(req)->app;
	struct str key = http_header(req, "Idempotency-Key");

	if (key.p == NULL || (route->traits & REST_KEYED) == 0) {
		return true;
	}
	if (!idempotency_key_ok(key)) {
		answer_problem(req, reply, "Idempotency-Key",
		               "must be 1 to 255 visible characters");
		return false;
	}
	once->keyed = true;
	once->claim = (struct idempotency_claim){
		.tenant = app_tenant(req),
		.principal = name_of(req),
		.key = arena_strdup(req->arena, key),
		.route = route->name,
		.request = idempotency_digest(req->path, req->query, req->body),
		.seal = (route->traits & REST_SECRET) != 0 ? &app->seal : NULL,
	};
	return true;
}

bool once_found(struct http_request *req, struct http_reply *reply,
                const struct idempotency_find *found)
{
	switch (found->outcome) {
	case IDEMPOTENCY_FRESH: return true;
	case IDEMPOTENCY_REPLAY:
		reply->status = found->answer.status;
		reply->content_type = arena_strdup(req->arena, found->answer.media_type);
		buf_add_str(&reply->body, found->answer.body);
		buf_add_str(&reply->headers, found->answer.headers);
		http_reply_header(reply, "Idempotency-Replayed", "true");
		return false;
	case IDEMPOTENCY_OTHER: answer_code(req, reply, ERR_KEY_REUSED, NULL); return false;
	case IDEMPOTENCY_RUNNING: answer_code(req, reply, ERR_IN_PROGRESS, NULL); return false;
	}
	return false;
}

static bool claim(struct http_request *req, struct http_reply *reply, struct once *once)
{
	struct idempotency_find found;
	struct err err;

	if (idempotency_begin(once->tx, &once->claim, req->arena, &found.outcome, &found.answer,
	                      &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return once_found(req, reply, &found);
}

/* ---- the audit ---- */

static const struct rest_act *act_of(const struct http_request *req)
{
	const struct rest_route *route = req->route->facts;

	return rest_act((enum rest_op)(route - rest_routes));
}

enum err_code once_note(struct http_request *req, struct pg_tx *tx, const struct once *facts,
                        struct err *err)
{
	const struct rest_act *act = act_of(req);
	const struct app *app = node_of(req)->app;
	const struct principal *who = facts->who != NULL ? facts->who : app_who(req);
	struct audit_entry entry;

	if (act == NULL) {
		return ERR_OK;
	}
	entry = (struct audit_entry){
		.chain = facts->chain != NULL            ? facts->chain
		         : act->of_system || who == NULL ? AUDIT_SYSTEM
		                                         : who->tenant,
		.who = audit_who_of(req, who),
		.action = str_of(act->action),
		.object = rest_act_object(req, act, str_of(facts->object)),
		.outcome = AUDIT_DONE,
		.detail = facts->detail,
	};
	return audit_append(tx, &app->audit, &entry, err);
}

bool once_tell(struct http_request *req, struct http_reply *reply, const char *object)
{
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return false;
	}
	once.object = object;
	if (once_note(req, once.tx, &once, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return false;
	}
	if (pg_commit(once.tx, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

enum err_code once_open(struct http_request *req, struct pg_tx **ret, struct err *err)
{
	enum err_code code = pg_begin(node_of(req)->pg, "", ret, err);

	if (code == ERR_OK) {
		pg_join(node_of(req)->pg, *ret);
	}
	return code;
}

struct principal once_person(const struct id *user, const char *tenant)
{
	struct principal who = { .kind = AUTH_USER, .user = *user };

	(void)str_copy(who.tenant, sizeof(who.tenant), str_of(tenant));
	return who;
}

/* ---- the transaction ---- */

bool once_begin(struct http_request *req, struct http_reply *reply, struct once *once)
{
	struct err err;

	*once = (struct once){ .tx = NULL };
	if (!once_key(req, reply, once)) {
		return false;
	}
	if (pg_begin(node_of(req)->pg, app_who(req) != NULL ? app_tenant(req) : "", &once->tx,
	             &err) != ERR_OK) {
		/* Nothing was asked of it yet, so nothing can have happened. */
		answer_code(req, reply, err.code == ERR_CANCELLED ? err.code : ERR_UNAVAILABLE,
		            NULL);
		return false;
	}
	if (act_of(req) != NULL) {
		pg_join(node_of(req)->pg, once->tx);
	}
	if (once->keyed && !claim(req, reply, once)) {
		once_abandon(once);
		return false;
	}
	return true;
}

struct idempotency_answer once_answer(const struct http_reply *reply)
{
	return (struct idempotency_answer){
		.status = reply->status,
		.media_type = str_of(reply->content_type),
		.body = buf_str(&reply->body),
		.headers = buf_str(&reply->headers),
	};
}

void once_abandon(struct once *once)
{
	pg_tx_cleanup(&once->tx);
	once->tx = NULL;
}

bool once_commit(struct http_request *req, struct http_reply *reply, struct once *once)
{
	struct idempotency_answer answer = once_answer(reply);
	struct err err = { .code = ERR_OK };
	enum err_code code = ERR_OK;

	if (once->keyed) {
		code = idempotency_finish(once->tx, &once->claim, &answer, &err);
	}
	if (code == ERR_OK) {
		code = once_note(req, once->tx, once, &err);
	}
	if (code == ERR_OK) {
		code = pg_commit(once->tx, &err);
		once->tx = NULL;
	} else {
		once_abandon(once);
	}
	if (code == ERR_OK) {
		return true;
	}
	buf_reset(&reply->headers);
	answer_error(req, reply, &err);
	return false;
}
