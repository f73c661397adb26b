#include "api/setup.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/browser.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/once.h"
#include "log/log.h"
#include "login/open.h"
#include "login/password.h"
#include "login/setup.h"
#include "rest/login.h"
#include "tenant/tenant_store.h"
#include "user/user_store.h"

enum { AGAIN_MS = 1000 };

void setup_offer(void *arg)
{
	const struct node *node = arg;
	const struct cred_pepper secret = cred_pepper_from(str_of(node->conf.pepper));
	char pin[SETUP_PIN_LEN + 1];
	bool made = false;
	struct err err;

	while (setup_make(node->pg, &secret, false, pin, &made, &err) != ERR_OK) {
		if (fiber_sleep(AGAIN_MS) != ERR_OK) {
			return;
		}
	}
	if (made) {
		log_warn("setup.pin",
		         "pin=%s makes the first administrator: open the page of an API node, or "
		         "POST /api/v1/setup; good for %d hours",
		         pin, SETUP_LIFE_S / 3600);
	}
}

struct first {
	struct rest_setup body;
	struct user user;
	struct login_made made;
	char email[USER_EMAIL_MAX + 1];
	char stored[CRED_STORED_SIZE];
};

/* Before the PIN is looked at: a mistake elsewhere costs no attempt. False: the reply is filled. */
static bool take_body(struct http_request *req, struct http_reply *reply, struct first *first)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_setup *body = &first->body;
	const char *rule;

	if (json_decode(req->body, &rest_setup_table, body, req->arena, problems) == ERR_OK) {
		if (!user_email_parse(body->email, first->email)) {
			json_problem_add(problems, req->arena, "email", "must be an address");
		}
		if (!user_name_ok(body->name)) {
			json_problem_add(problems, req->arena, "name",
			                 "must have no control characters");
		}
		rule = password_problem(body->password, body->email);
		if (rule != NULL) {
			json_problem_add(problems, req->arena, "password", "%s", rule);
		}
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return false;
	}
	return true;
}

static enum err_code make_admin(struct pg_tx *tx, struct first *first, struct err *err)
{
	const struct user_standing as = { AUTH_ROLE_ADMIN, NULL };
	const struct user_new wanted = { .id = first->user.id,
		                         .kind = USER_PERSON,
		                         .name = first->user.name.p,
		                         .email = first->email };
	enum err_code code = user_insert(tx, TENANT_DEFAULT, &wanted, err);

	if (code == ERR_CONFLICT) {
		return err_set(err, ERR_CONFLICT, "somebody has that address already");
	}
	if (code == ERR_OK) {
		code = user_join(tx, TENANT_DEFAULT, &wanted.id, &as, err);
	}
	if (code == ERR_OK) {
		code = user_update(tx, TENANT_DEFAULT, &first->user, err);
	}
	return code == ERR_OK ? password_set(tx, &wanted.id, first->stored, err) : code;
}

static enum err_code store(struct http_request *req, const struct cred_pepper *secret,
                           struct first *first, struct err *err)
{
	const struct login_options options = login_open(&node_of(req)->conf, node_of(req)->pg);
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	struct login_new login = browser_login(req, &first->user.id, "setup");
	const struct principal who = { .kind = AUTH_USER, .user = first->user.id };
	const struct once facts = { .object = first->user.id.s,
		                    .chain = TENANT_DEFAULT,
		                    .who = &who };
	enum err_code code = tenant_ensure(node_of(req)->pg, TENANT_DEFAULT, err);

	if (code == ERR_OK) {
		code = pg_begin(node_of(req)->pg, "", &tx, err);
	}
	if (code == ERR_OK) {
		code = setup_done(tx, secret, first->body.pin, err);
	}
	if (code == ERR_OK) {
		code = make_admin(tx, first, err);
	}
	if (code == ERR_OK) {
		code = login_create_in(tx, &options, &login, &first->made, err);
	}
	if (code == ERR_OK) {
		code = once_note(req, tx, &facts, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code;
}

static enum err_code check_needed(struct http_request *req, struct err *err)
{
	bool needed = false;
	enum err_code code = setup_needed(node_of(req)->pg, &needed, err);

	return code == ERR_OK && !needed
	               ? err_set(err, ERR_CONFLICT, "there is an administrator already")
	               : code;
}

/* The PIN is right, and the password hashed. */
static enum err_code prove(struct http_request *req, const struct cred_pepper *secret,
                           struct first *first, struct err *err)
{
	const struct app *app = node_of(req)->app;
	enum err_code code = check_needed(req, err);

	if (code == ERR_OK) {
		code = setup_try(node_of(req)->pg, secret, first->body.pin, err);
	}
	/* The PIN went with somebody who was first meanwhile, and then that is what to say. */
	if (code == ERR_GONE && check_needed(req, err) == ERR_OK) {
		(void)err_set(err, ERR_GONE, "no setup PIN counts");
	}
	code = code == ERR_GONE ? err->code : code;
	return code == ERR_OK ? hasher_hash(app->hasher, first->body.password, first->stored, err)
	                      : code;
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	switch ((int)err->code) {
	case ERR_GONE:
		answer_code(req, reply, ERR_FORBIDDEN,
		            "the setup PIN has expired or was tried too often; `fairlead admin "
		            "setup-pin` on the host prints another");
		break;
	case ERR_FORBIDDEN:
		log_warn("setup.refused", "address=%" STR_FMT, STR_ARG(req->peer));
		browser_refuse(req, reply, err->msg);
		break;
	case ERR_CONFLICT: answer_code(req, reply, err->code, err->msg); break;
	default: answer_error(req, reply, err);
	}
}

void serve_setup(struct http_request *req, struct http_reply *reply)
{
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	struct first *first = arena_take(req->arena, sizeof(*first));
	struct err err;

	*first = (struct first){ .user = { .id = id_new(), .system = true } };
	if (!browser_is_ours(req, reply) || !take_body(req, reply, first) ||
	    !browser_may_try(req, reply, "setup")) {
		return;
	}
	first->user.name = str_of(arena_strdup(req->arena, first->body.name));
	if (prove(req, &secret, first, &err) != ERR_OK ||
	    store(req, &secret, first, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	log_info("setup.done", "user=%s address=%" STR_FMT, first->user.id.s, STR_ARG(req->peer));
	reply->status = 201;
	browser_begin(req, reply, &first->made);
	cred_wipe(&first->made, sizeof(first->made));
}
