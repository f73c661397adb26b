/* Passwords that change: by who knows the old one, or with a code of an administrator. */
#include "login/password.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/browser.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/once.h"
#include "audit/audit.h"
#include "json/write.h"
#include "log/log.h"
#include "login/open.h"
#include "rest/login.h"
#include "token/refresh.h"
#include "user/user_store.h"

/* The new password is kept, and what was begun with the old one ends: of the browsers all, of the
 * programs all but one (NULL: none). */
static enum err_code replace(struct pg_tx *tx, const struct id *user, const char *stored,
                             const struct id *except, struct err *err)
{
	enum err_code code = password_set(tx, user, stored, err);

	if (code == ERR_OK) {
		code = login_end_user(tx, user, NULL, "password", err);
	}
	return code == ERR_OK ? refresh_end_user(tx, user, except, "password", err) : code;
}

/* ---- by who knows it ---- */

struct change {
	struct rest_password_change body;
	struct password_row row;
	char stored[CRED_STORED_SIZE];
	struct login_made made; /* when a browser asks */
};

/* False: the reply is filled. */
static bool may_change(struct http_request *req, struct http_reply *reply, struct str *ret_email,
                       struct change *change)
{
	const struct principal *who = app_who(req);
	struct err err;

	if (who->kind != AUTH_USER ||
	    (who->means != AUTH_BY_LOGIN && who->means != AUTH_BY_TOKEN)) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "a password is changed by the person who is logged in");
		return false;
	}
	if (password_get(node_of(req)->pg, &who->user, req->arena, &change->row, ret_email, &err) !=
	    ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return browser_may_try(
		req, reply, ret_email->n > 0 ? arena_strdup(req->arena, *ret_email) : who->user.s);
}

/* The old one is right, the new one may be one, and is hashed. False: the reply is filled. */
static bool prepare(struct http_request *req, struct http_reply *reply, struct str email,
                    struct change *change)
{
	const struct app *app = node_of(req)->app;
	const char *stored = change->row.has_password ? change->row.stored : NULL;
	const char *rule = password_problem(change->body.password, email);
	bool ok = false;
	struct err err;

	if (rule != NULL) {
		answer_problem(req, reply, "password", rule);
		return false;
	}
	if (hasher_check(app->hasher, stored, change->body.current, &ok, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	if (!ok) {
		answer_code(req, reply, ERR_FORBIDDEN, "the password until now is another one");
		return false;
	}
	if (hasher_hash(app->hasher, change->body.password, change->stored, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

static enum err_code store(struct http_request *req, struct change *change, struct err *err)
{
	const struct login_options options = login_open(&node_of(req)->conf, node_of(req)->pg);
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	const struct principal *who = app_who(req);
	struct login_new again = browser_login(req, &who->user, "password");
	enum err_code code = pg_begin(node_of(req)->pg, "", &tx, err);

	again.tenant = who->tenant;
	if (code == ERR_OK) {
		code = replace(tx, &who->user, change->stored, &who->login, err);
	}
	if (code == ERR_OK && who->means == AUTH_BY_LOGIN) {
		code = login_create_in(tx, &options, &again, &change->made, err);
	}
	if (code == ERR_OK) {
		code = once_note(req, tx, &(struct once){ .object = who->user.s }, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code;
}

void serve_password_change(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct change *change = arena_take(req->arena, sizeof(*change));
	const struct principal *who = app_who(req);
	struct str email;
	struct err err;

	*change = (struct change){ .stored = "" };
	if (json_decode(req->body, &rest_password_change_table, &change->body, req->arena,
	                problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!may_change(req, reply, &email, change) || !prepare(req, reply, email, change)) {
		return;
	}
	if (store(req, change, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	give_ring(req, AUTH_BELL_USER, &who->user);
	log_info("password.changed", "user=%s", who->user.s);
	if (who->means == AUTH_BY_LOGIN) {
		browser_begin(req, reply, &change->made);
	} else {
		browser_tell(req, reply, who);
	}
	cred_wipe(&change->made, sizeof(change->made));
}

/* ---- with a code ---- */

static void answer_new_code(struct http_request *req, struct http_reply *reply,
                            const struct id *user, const char *text, int64_t ends_us)
{
	struct jsonw w;

	reply->status = 201;
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "user", user->s);
	jsonw_cstr(&w, "code", text);
	jsonw_cstr(&w, "path", arena_printf(req->arena, "/#password=%s", text));
	jsonw_time(&w, "expiresAt", ends_us);
	jsonw_end_object(&w);
}

void serve_password_code(struct http_request *req, struct http_reply *reply)
{
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	const struct principal *who = app_who(req);
	struct id id = { "" };
	struct password_code_new wanted = { .tenant = who->tenant,
		                            .user = &id,
		                            .by = auth_actor(who),
		                            .any = auth_allows(who, AUTH_SYSTEM) };
	char text[PASSWORD_CODE_LEN + 1];
	int64_t ends_us = 0;
	struct user user;
	struct once once;
	struct err err;
	enum err_code code;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	code = id_parse(req->params[0], &id)
	               ? user_get(node_of(req)->pg, who->tenant, &id, req->arena, &user, &err)
	               : err_set(&err, ERR_NOT_FOUND, "no such user");
	if (code == ERR_OK && user.kind != USER_PERSON) {
		code = err_set(&err, ERR_FORBIDDEN, "a service account has no password");
	}
	if (code == ERR_OK) {
		code = give_check_power(who, &user, &err);
	}
	if (code == ERR_OK) {
		code = password_code_create(node_of(req)->pg, &secret, &wanted, text, &ends_us,
		                            &err);
	}
	if (code != ERR_OK) {
		once_abandon(&once);
	}
	if (code == ERR_NOT_FOUND || code == ERR_FORBIDDEN) {
		answer_code(req, reply, code, code == ERR_NOT_FOUND ? "no such user" : err.msg);
	} else if (code != ERR_OK) {
		answer_error(req, reply, &err);
	} else {
		answer_new_code(req, reply, &id, text, ends_us);
		if (once_commit(req, reply, &once)) {
			log_info("password.code", "user=%s by=%s", id.s, auth_actor(who));
		}
	}
}

/* In a transaction that ends without it, or with the new password. */
static enum err_code use_code(struct http_request *req, struct str code, const char *stored,
                              struct id *ret_user, struct str *ret_email, struct err *err)
{
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	enum err_code outcome = pg_begin(node_of(req)->pg, "", &tx, err);

	if (outcome == ERR_OK) {
		outcome =
			password_code_use(tx, &secret, code, req->arena, ret_user, ret_email, err);
	}
	if (outcome == ERR_OK && stored != NULL) {
		struct principal who = { .kind = AUTH_USER, .user = *ret_user };
		const struct once facts = { .object = ret_user->s,
			                    .chain = AUDIT_SYSTEM,
			                    .who = &who };

		outcome = replace(tx, ret_user, stored, NULL, err);
		if (outcome == ERR_OK) {
			outcome = once_note(req, tx, &facts, err);
		}
		if (outcome == ERR_OK) {
			outcome = pg_commit(tx, err);
			tx = NULL;
		}
	}
	return outcome;
}

static void refuse_code(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		browser_refuse(req, reply, "this code is unknown, used or expired");
	} else {
		answer_error(req, reply, err);
	}
}

/* It is looked at first, so that only who has one makes us hash. */
void serve_auth_password(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct app *app = node_of(req)->app;
	char stored[CRED_STORED_SIZE];
	struct rest_password_code body;
	const char *rule;
	struct str email;
	struct id user;
	struct err err;

	if (json_decode(req->body, &rest_password_code_table, &body, req->arena, problems) !=
	    ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (use_code(req, body.code, NULL, &user, &email, &err) != ERR_OK) {
		refuse_code(req, reply, &err);
		return;
	}
	rule = password_problem(body.password, email);
	if (rule != NULL) {
		answer_problem(req, reply, "password", rule);
		return;
	}
	if (hasher_hash(app->hasher, body.password, stored, &err) != ERR_OK ||
	    use_code(req, body.code, stored, &user, &email, &err) != ERR_OK) {
		refuse_code(req, reply, &err);
		return;
	}
	give_ring(req, AUTH_BELL_USER, &user);
	log_info("password.set", "user=%s", user.s);
	reply->status = 204;
	reply->content_type = NULL;
}
