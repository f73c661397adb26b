/* Users: the members of the tenant of whoever asks, and its service accounts. */
#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/access.h"
#include "rest/query.h"
#include "user/user_store.h"

/* ---- looking ---- */

static void write_page(struct http_reply *reply, const struct user_page *page)
{
	struct jsonw w;

	items_begin(reply, &w);
	for (size_t i = 0; i < page->count; i++) {
		user_write(&w, &page->items[i]);
	}
	items_end(&w, page->more ? str_of(page->items[page->count - 1].id.s) : STR_LIT(""));
}

static void answer_user(struct http_reply *reply, const struct user *user)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	user_write(&w, user);
}

static void list(struct http_request *req, struct http_reply *reply, struct user_filter *filter)
{
	struct user_page page;
	struct err err;

	if (!items_asked_before(req, reply, &filter->before, &filter->max)) {
		return;
	}
	filter->tenant = app_tenant(req);
	if (user_list(node_of(req)->pg, filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	write_page(reply, &page);
}

void serve_user_list(struct http_request *req, struct http_reply *reply)
{
	list(req, reply, &(struct user_filter){ .of_kind = false });
}

void serve_service_account_list(struct http_request *req, struct http_reply *reply)
{
	list(req, reply, &(struct user_filter){ .of_kind = true, .kind = USER_SERVICE });
}

static bool take_id(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	if (!id_parse(req->params[0], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such user");
		return false;
	}
	return true;
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_FORBIDDEN) {
		answer_code(req, reply, err->code, err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

void serve_user_get(struct http_request *req, struct http_reply *reply)
{
	struct user user;
	struct err err;
	struct id id;

	if (!take_id(req, reply, &id)) {
		return;
	}
	if (user_get(node_of(req)->pg, app_tenant(req), &id, req->arena, &user, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	answer_user(reply, &user);
}

/* ---- making ---- */

struct making {
	struct user_new user;
	struct user_standing as;
	bool is_known; /* its address is: it only joins */
};

/* False: the reply is filled. */
static bool take_body(struct http_request *req, struct http_reply *reply,
                      const struct json_table *table, struct making *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	char *email = arena_take(req->arena, USER_EMAIL_MAX + 1);
	struct rest_user body;

	if (json_decode(req->body, table, &body, req->arena, problems) == ERR_OK) {
		if (!user_name_ok(body.name)) {
			json_problem_add(problems, req->arena, "name",
			                 "must have no control characters");
		}
		if (body.email.n > 0 && !user_email_parse(body.email, email)) {
			json_problem_add(problems, req->arena, "email", "must be an address");
		}
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return false;
	}
	ret->user = (struct user_new){ .id = id_new(),
		                       .kind = table == &rest_service_table ? USER_SERVICE
		                                                            : USER_PERSON,
		                       .name = arena_strdup(req->arena, body.name),
		                       .email = body.email.n > 0 ? email : NULL };
	ret->as.role = (enum auth_role)body.role;
	return give_namespaces(req, reply, &body.namespaces, &ret->as.namespaces) &&
	       give_allowed(req, reply, auth_role_scopes(ret->as.role), ret->as.namespaces);
}

/* Whoever is at home in another tenant logs in as that tenant's administrators let them: it is for
 * those who run the installation to say that this one trusts them. */
static bool find_known(struct http_request *req, struct http_reply *reply, struct making *making)
{
	struct str home = { NULL, 0 };
	struct err err;
	enum err_code code = ERR_NOT_FOUND;

	if (making->user.email != NULL) {
		code = user_find_email(node_of(req)->pg, making->user.email, req->arena,
		                       &making->user.id, &home, &err);
	}
	if (code == ERR_OK && !str_eq(home, str_of(app_tenant(req))) &&
	    !auth_allows(app_who(req), AUTH_SYSTEM)) {
		answer_code(
			req, reply, ERR_FORBIDDEN,
			"this person is at home in another tenant: `fairlead admin user create` on "
			"the host lets them join");
		return false;
	}
	making->is_known = code == ERR_OK;
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

static enum err_code make(struct pg_tx *tx, const char *tenant, const struct making *making,
                          struct arena *arena, struct user *ret, struct err *err)
{
	enum err_code code =
		making->is_known ? ERR_OK : user_insert(tx, tenant, &making->user, err);

	if (code == ERR_OK) {
		code = user_join(tx, tenant, &making->user.id, &making->as, err);
	}
	if (code == ERR_CONFLICT) {
		return err_set(err, ERR_CONFLICT, "a member has that address already");
	}
	return code == ERR_OK ? user_lock(tx, tenant, &making->user.id, arena, ret, err) : code;
}

/* What it may do from now on, for the audit. */
static struct str detail_of(const struct http_request *req, const struct user *user)
{
	return str_of(arena_printf(req->arena, "{\"role\":\"%s\",\"disabled\":%s,\"system\":%s}",
	                           auth_role_name(user->role), user->disabled ? "true" : "false",
	                           user->system ? "true" : "false"));
}

static void create(struct http_request *req, struct http_reply *reply,
                   const struct json_table *table)
{
	struct making making;
	struct user made;
	struct once once;
	struct err err;

	if (!take_body(req, reply, table, &making) || !find_known(req, reply, &making)) {
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (make(once.tx, app_tenant(req), &making, req->arena, &made, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 201;
	answer_user(reply, &made);
	http_reply_header(reply, "Location", "/api/v1/users/%s", made.id.s);
	once.object = made.id.s;
	once.detail = detail_of(req, &made);
	if (once_commit(req, reply, &once)) {
		give_ring(req, AUTH_BELL_USER, &made.id);
		log_info("user.joined", "user=%s role=%s by=%s", made.id.s,
		         auth_role_name(made.role), auth_actor(app_who(req)));
	}
}

void serve_user_create(struct http_request *req, struct http_reply *reply)
{
	create(req, reply, &rest_user_table);
}

void serve_service_account_create(struct http_request *req, struct http_reply *reply)
{
	create(req, reply, &rest_service_table);
}

/* ---- changing ---- */

/* Does one thing to a locked user. */
typedef enum err_code(change_fn)(struct pg_tx *tx, const char *tenant, struct user *user, void *arg,
                                 struct err *err);

/* False: the reply is filled. */
static bool change(struct http_request *req, struct http_reply *reply, change_fn *how, void *arg,
                   struct user *ret)
{
	const char *tenant = app_tenant(req);
	enum err_code code;
	struct once once;
	struct err err;
	struct id id;

	if (!take_id(req, reply, &id) || !once_begin(req, reply, &once)) {
		return false;
	}
	code = user_lock(once.tx, tenant, &id, req->arena, ret, &err);
	if (code == ERR_OK) {
		code = give_check_power(app_who(req), ret, &err);
	}
	if (code == ERR_OK) {
		code = how(once.tx, tenant, ret, arg, &err);
	}
	if (code != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return false;
	}
	once.detail = detail_of(req, ret);
	if (!once_commit(req, reply, &once)) {
		return false;
	}
	give_ring(req, AUTH_BELL_USER, &id);
	return true;
}

struct wanted {
	const struct rest_user_change *body;
	struct user_standing as; /* where the body says so */
};

static enum err_code apply(struct pg_tx *tx, const char *tenant, struct user *user, void *arg,
                           struct err *err)
{
	const struct wanted *wanted = arg;
	const struct rest_user_change *body = wanted->body;
	struct user_standing as = { user->role, user->any_namespace ? NULL : user->namespaces.p };
	enum err_code code = ERR_OK;

	as.role = body->has_role ? wanted->as.role : as.role;
	as.namespaces = body->has_namespaces ? wanted->as.namespaces : as.namespaces;
	user->name = body->has_name ? body->name : user->name;
	user->disabled = body->has_disabled ? body->disabled : user->disabled;
	user->system = body->has_system ? body->system : user->system;
	if (user->system && user->kind != USER_PERSON) {
		return err_set(err, ERR_FORBIDDEN, "only a person may have system");
	}
	if (body->has_role || body->has_namespaces) {
		code = user_stand(tx, tenant, &user->id, &as, err);
	}
	if (code == ERR_OK && (body->has_name || body->has_disabled || body->has_system)) {
		code = user_update(tx, tenant, user, err);
	}
	user->role = as.role;
	user->any_namespace = as.namespaces == NULL;
	user->namespaces = str_of(as.namespaces);
	return code;
}

/* False: the reply is filled. */
static bool take_change(struct http_request *req, struct http_reply *reply,
                        struct rest_user_change *body, struct wanted *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));

	*ret = (struct wanted){ .body = body };
	if (json_decode(req->body, &rest_user_change_table, body, req->arena, problems) == ERR_OK &&
	    body->has_name && !user_name_ok(body->name)) {
		json_problem_add(problems, req->arena, "name", "must have no control characters");
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return false;
	}
	ret->as.role = (enum auth_role)body->role;
	if (body->has_namespaces &&
	    !give_namespaces(req, reply, &body->namespaces, &ret->as.namespaces)) {
		return false;
	}
	if (body->has_system && !auth_allows(app_who(req), AUTH_SYSTEM)) {
		answer_code(req, reply, ERR_FORBIDDEN, "system is given by those who have it");
		return false;
	}
	return give_allowed(req, reply, body->has_role ? auth_role_scopes(ret->as.role) : 0,
	                    body->has_namespaces ? ret->as.namespaces : app_who(req)->namespaces);
}

void serve_user_change(struct http_request *req, struct http_reply *reply)
{
	struct rest_user_change *body = arena_take(req->arena, sizeof(*body));
	struct wanted wanted;
	struct user user;

	if (take_change(req, reply, body, &wanted) && change(req, reply, apply, &wanted, &user)) {
		answer_user(reply, &user);
		log_info("user.changed", "user=%s role=%s by=%s", user.id.s,
		         auth_role_name(user.role), auth_actor(app_who(req)));
	}
}

static enum err_code leave(struct pg_tx *tx, const char *tenant, struct user *user, void *arg,
                           struct err *err)
{
	(void)arg;
	return user_leave(tx, tenant, &user->id, err);
}

void serve_user_delete(struct http_request *req, struct http_reply *reply)
{
	struct user user;

	if (change(req, reply, leave, NULL, &user)) {
		reply->status = 204;
		reply->content_type = NULL;
		log_info("user.left", "user=%s by=%s", user.id.s, auth_actor(app_who(req)));
	}
}
