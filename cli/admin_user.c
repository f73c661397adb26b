/* `fairlead admin user ...` and `fairlead admin role ...` */
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "user/user_store.h"

enum { PAGE = 200 };

#define TENANT_JSON OPTION_TENANT, OPTION_JSON

static const struct column columns[] = {
	{ "USER", "id" },       { "KIND", "kind" },         { "ROLE", "role" },
	{ "NAME", "name" },     { "EMAIL", "email" },       { "NAMESPACES", "namespaces" },
	{ "SYSTEM", "system" }, { "DISABLED", "disabled" }, { NULL, "home" },
	{ NULL, "createdAt" },  { NULL, "joinedAt" },
};

static int show(struct call *call, const struct user *user)
{
	struct admin_answer answer;

	admin_begin(&answer);
	user_write(&answer.w, user);
	return admin_end(call, &answer, columns, ARRAY_LEN(columns));
}

/* ---- looking ---- */

static enum err_code list_all(struct call *call, struct jsonw *w, struct err *err)
{
	struct user_filter filter = { .tenant = admin_tenant_of(call), .max = PAGE };
	uint64_t skip = call->said[OPTION_OFFSET].number, most = call->said[OPTION_LIMIT].number;
	struct user_page page = { .more = true };
	enum err_code code = ERR_OK;

	filter.of_kind = call_has(call, OPTION_SERVICE);
	filter.kind = USER_SERVICE;
	most = most > 0 ? most : ADMIN_LIST_MAX;
	while (code == ERR_OK && page.more && most > 0) {
		code = user_list(admin_local(call)->pg, &filter, admin_arena(call), &page, err);
		for (size_t i = 0; code == ERR_OK && i < page.count && most > 0; i++) {
			filter.before = page.items[i].id;
			if (skip > 0) {
				skip--;
			} else {
				user_write(w, &page.items[i]);
				most--;
			}
		}
	}
	return code;
}

static int run_list(struct call *call)
{
	struct admin_answer answer;
	struct err err;

	admin_begin_items(&answer);
	if (list_all(call, &answer.w, &err) != ERR_OK) {
		buf_fini(&answer.out);
		return admin_fail(&err);
	}
	return admin_end_items(call, &answer, columns, ARRAY_LEN(columns));
}

/* Whom the first word names: an id, or an address. */
static enum err_code find(const struct call *call, struct id *ret, struct err *err)
{
	char email[USER_EMAIL_MAX + 1];
	struct str home;

	if (id_parse(str_of(call->words[0]), ret)) {
		return ERR_OK;
	}
	if (!user_email_parse(str_of(call->words[0]), email)) {
		return err_set(err, ERR_INVALID,
		               "\"%s\" is neither the id of a user nor an address", call->words[0]);
	}
	if (user_find_email(admin_local(call)->pg, email, admin_arena(call), ret, &home, err) ==
	    ERR_NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "user not found");
	}
	return err->code;
}

static int refuse(const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		(void)fprintf(stderr, "fairlead: user not found\n");
		return EXIT_FAILED;
	}
	return err->code == ERR_INVALID ? admin_wrong("%s", err->msg) : admin_fail(err);
}

static int run_show(struct call *call)
{
	struct user user;
	struct err err = { .code = ERR_OK };
	struct id id;

	if (find(call, &id, &err) != ERR_OK ||
	    user_get(admin_local(call)->pg, admin_tenant_of(call), &id, admin_arena(call), &user,
	             &err) != ERR_OK) {
		return refuse(&err);
	}
	return show(call, &user);
}

/* ---- making ---- */

/* What --role and --namespaces say. False: a sentence was printed. */
static bool take_standing(const struct call *call, struct user_standing *as)
{
	const char *role = call_text(call, OPTION_ROLE), *namespaces;

	if (!call_either(call, OPTION_NAMESPACES, OPTION_ANY_NAMESPACE) ||
	    !admin_take_namespaces(call, &namespaces)) {
		return false;
	}
	if (role != NULL && !auth_role_parse(str_of(role), &as->role)) {
		(void)admin_wrong("--role must be viewer, operator or admin");
		return false;
	}
	if (namespaces != NULL || call_has(call, OPTION_ANY_NAMESPACE)) {
		as->namespaces = namespaces;
	}
	return true;
}

static enum err_code make(struct call *call, struct user_new *user, const struct user_standing *as,
                          struct user *ret, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	struct pg *pg = admin_local(call)->pg;
	const char *tenant = admin_tenant_of(call);
	enum err_code code = ERR_NOT_FOUND;
	struct str home;
	bool is_known;

	if (user->email != NULL) {
		code = user_find_email(pg, user->email, admin_arena(call), &user->id, &home, err);
	}
	is_known = code == ERR_OK;
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		return code;
	}
	if ((code = tenant_ensure(pg, tenant, err)) == ERR_OK &&
	    (code = pg_begin(pg, tenant, &tx, err)) == ERR_OK && !is_known) {
		code = user_insert(tx, tenant, user, err);
	}
	if (code == ERR_OK) {
		code = user_join(tx, tenant, &user->id, as, err);
	}
	if (code == ERR_CONFLICT) {
		return err_set(err, code, "a member has that address already");
	}
	if (code == ERR_OK) {
		code = user_lock(tx, tenant, &user->id, admin_arena(call), ret, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code;
}

static int run_create(struct call *call)
{
	const char *name = call_text(call, OPTION_NAME), *address = call_text(call, OPTION_EMAIL);
	struct user_new new = { .id = id_new(), .kind = USER_PERSON, .name = name };
	struct user_standing as = { .role = AUTH_ROLE_VIEWER };
	char email[USER_EMAIL_MAX + 1];
	struct user user;
	struct err err;

	if (name == NULL || !user_name_ok(str_of(name))) {
		return admin_wrong("--name must be given: 1 to %d bytes without control characters",
		                   USER_NAME_MAX);
	}
	if (address != NULL && !user_email_parse(str_of(address), email)) {
		return admin_wrong("--email must be an address");
	}
	if (!call_either(call, OPTION_SERVICE, OPTION_EMAIL) || !take_standing(call, &as)) {
		return EXIT_USAGE;
	}
	new.kind = call_has(call, OPTION_SERVICE) ? USER_SERVICE : USER_PERSON;
	new.email = address != NULL ? email : NULL;
	if (make(call, &new, &as, &user, &err) != ERR_OK ||
	    admin_settle(call, "user", user.id.s, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	local_ring(admin_local(call), AUTH_BELL_USER, &user.id);
	return show(call, &user);
}

/* ---- changing ---- */

struct wanted {
	struct call *call;
	struct user_standing as;
	bool stands; /* as is meant */
};

typedef enum err_code(change_fn)(struct pg_tx *tx, const char *tenant, struct user *user, void *arg,
                                 struct err *err);

static enum err_code change(struct call *call, change_fn *how, void *arg, struct user *ret,
                            struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	const char *tenant = admin_tenant_of(call);
	enum err_code code;
	struct id id;

	err->code = ERR_OK;
	code = find(call, &id, err);
	if (code == ERR_OK) {
		code = pg_begin(admin_local(call)->pg, tenant, &tx, err);
	}
	if (code == ERR_OK) {
		code = user_lock(tx, tenant, &id, admin_arena(call), ret, err);
	}
	if (code == ERR_OK) {
		code = how(tx, tenant, ret, arg, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	if (code == ERR_OK) {
		code = admin_settle(call, "user", id.s, err);
	}
	if (code == ERR_OK) {
		local_ring(admin_local(call), AUTH_BELL_USER, &id);
	}
	return code;
}

static void apply_words(const struct call *call, struct user *user)
{
	const char *name = call_text(call, OPTION_NAME);

	if (call_has(call, OPTION_CLEAR_NAME)) {
		user->name = user->email.n > 0 && user->email.n <= USER_NAME_MAX
		                     ? user->email
		                     : str_of(user->id.s);
	}
	user->name = name != NULL ? str_of(name) : user->name;
	user->disabled = call_has(call, OPTION_DISABLE) ||
	                 (user->disabled && !call_has(call, OPTION_ENABLE));
	user->system = call_has(call, OPTION_SYSTEM) ||
	               (user->system && !call_has(call, OPTION_NO_SYSTEM));
}

static bool is_of_user(const struct call *call)
{
	return call_has(call, OPTION_NAME) || call_has(call, OPTION_CLEAR_NAME) ||
	       call_has(call, OPTION_DISABLE) || call_has(call, OPTION_ENABLE) ||
	       call_has(call, OPTION_SYSTEM) || call_has(call, OPTION_NO_SYSTEM);
}

static enum err_code apply(struct pg_tx *tx, const char *tenant, struct user *user, void *arg,
                           struct err *err)
{
	struct wanted *wanted = arg;
	struct user_standing as = { user->role, user->any_namespace ? NULL : user->namespaces.p };
	const struct call *call = wanted->call;
	enum err_code code = ERR_OK;

	as.role = call_has(call, OPTION_ROLE) ? wanted->as.role : as.role;
	if (call_has(call, OPTION_NAMESPACES) || call_has(call, OPTION_ANY_NAMESPACE)) {
		as.namespaces = wanted->as.namespaces;
	}
	apply_words(call, user);
	if (user->system && user->kind != USER_PERSON) {
		return err_set(err, ERR_FORBIDDEN, "only a person may have system");
	}
	if (wanted->stands) {
		code = user_stand(tx, tenant, &user->id, &as, err);
	}
	if (code == ERR_OK && is_of_user(call)) {
		code = user_update(tx, tenant, user, err);
	}
	user->role = as.role;
	user->any_namespace = as.namespaces == NULL;
	user->namespaces = str_of(as.namespaces);
	return code;
}

static int update(struct call *call, struct wanted *wanted)
{
	struct user user;
	struct err err;

	if (change(call, apply, wanted, &user, &err) != ERR_OK) {
		return refuse(&err);
	}
	return show(call, &user);
}

static int run_update(struct call *call)
{
	const char *name = call_text(call, OPTION_NAME);
	struct wanted wanted = { .call = call };

	if (!call_either(call, OPTION_NAME, OPTION_CLEAR_NAME) ||
	    !call_either(call, OPTION_ENABLE, OPTION_DISABLE) ||
	    !call_either(call, OPTION_SYSTEM, OPTION_NO_SYSTEM) ||
	    !take_standing(call, &wanted.as)) {
		return EXIT_USAGE;
	}
	if (name != NULL && !user_name_ok(str_of(name))) {
		return admin_wrong("--name must be 1 to %d bytes without control characters",
		                   USER_NAME_MAX);
	}
	wanted.stands = call_has(call, OPTION_ROLE) || call_has(call, OPTION_NAMESPACES) ||
	                call_has(call, OPTION_ANY_NAMESPACE);
	if (!wanted.stands && !is_of_user(call)) {
		return admin_wrong("no fields provided to update");
	}
	return update(call, &wanted);
}

static enum err_code leave(struct pg_tx *tx, const char *tenant, struct user *user, void *arg,
                           struct err *err)
{
	(void)arg;
	return user_leave(tx, tenant, &user->id, err);
}

static int run_delete(struct call *call)
{
	struct user user;
	struct err err;

	if (change(call, leave, NULL, &user, &err) != ERR_OK) {
		return refuse(&err);
	}
	return admin_done(call, "id", user.id.s, "deleted");
}

static const struct verb verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "The members of a tenant, newest first.",
	  { OPTION_SERVICE, OPTION_LIMIT, OPTION_OFFSET, TENANT_JSON } },
	{ "show", "USER", 1, 1, run_show, "One member.", { TENANT_JSON } },
	{ "create",
	  NULL,
	  0,
	  0,
	  run_create,
	  "Make a person or a service account a member; a viewer, unless --role says more.",
	  { OPTION_NAME, OPTION_EMAIL, OPTION_ROLE, OPTION_NAMESPACES, OPTION_ANY_NAMESPACE,
	    OPTION_SERVICE, TENANT_JSON } },
	{ "update",
	  "USER",
	  1,
	  1,
	  run_update,
	  "Change what a member is and may do. A name that is taken away is the address again, "
	  "or the id.",
	  { OPTION_NAME, OPTION_CLEAR_NAME, OPTION_ROLE, OPTION_NAMESPACES, OPTION_ANY_NAMESPACE,
	    OPTION_DISABLE, OPTION_ENABLE, OPTION_SYSTEM, OPTION_NO_SYSTEM, TENANT_JSON } },
	{ "delete",
	  "USER",
	  1,
	  1,
	  run_delete,
	  "End a membership; what keys acted for it in the tenant end with it.",
	  { OPTION_YES, TENANT_JSON } },
};

const struct verb_group admin_user = {
	.command = "admin",
	.name = "user",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes = "USER is an id or an address. What a user may do changes within a second, in open "
		 "streams too.\nOnly the tenant that made a user renames or disables it.\n",
};

/* ---- roles ---- */

static const struct column role_columns[] = {
	{ "ROLE", "name" },
	{ "SCOPES", "scopes" },
	{ "HELP", "help" },
};

static int run_roles(struct call *call)
{
	struct admin_answer answer;

	admin_begin_items(&answer);
	for (unsigned role = 0; role < AUTH_ROLE_COUNT; role++) {
		unsigned scopes = auth_role_scopes((enum auth_role)role);

		jsonw_object(&answer.w, NULL);
		jsonw_cstr(&answer.w, "name", auth_role_name((enum auth_role)role));
		jsonw_array(&answer.w, "scopes");
		for (unsigned scope = 0; scope < AUTH_SCOPE_COUNT; scope++) {
			if ((scopes & auth_bit((enum auth_scope)scope)) != 0) {
				jsonw_cstr(&answer.w, NULL,
				           auth_scope_name((enum auth_scope)scope));
			}
		}
		jsonw_end_array(&answer.w);
		jsonw_cstr(&answer.w, "help", auth_role_help((enum auth_role)role));
		jsonw_end_object(&answer.w);
	}
	return admin_end_items(call, &answer, role_columns, ARRAY_LEN(role_columns));
}

static int run_give(struct call *call)
{
	struct wanted wanted = { .call = call, .stands = true };

	call->said[OPTION_ROLE] = (struct said){ .values = { call->words[1] }, .count = 1 };
	return take_standing(call, &wanted.as) ? update(call, &wanted) : EXIT_USAGE;
}

static int run_without_database(struct call *call)
{
	return call->verb->run == run_roles ? run_roles(call) : admin_around(call);
}

static const struct verb role_verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_roles,
	  "What roles there are, the least first.",
	  { OPTION_JSON } },
	{ "give", "USER ROLE", 2, 2, run_give, "Give a member a role.", { TENANT_JSON } },
};

const struct verb_group admin_role = {
	.command = "admin",
	.name = "role",
	.verbs = role_verbs,
	.count = ARRAY_LEN(role_verbs),
	.around = run_without_database,
	.notes =
		"A role is a set of scopes; which routes each may use is in docs/permissions.md.\n",
};
