/* `fairlead admin key ...` */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "cli/admin.h"
#include "user/user.h"

enum { DAY_S = 86400, MINUTE_S = 60, US = 1000000 };

#define TENANT_JSON  OPTION_TENANT, OPTION_JSON
#define UNNAMED      "made by fairlead admin"
#define USUAL_SCOPES "session:read,session:write,task:write"

static const struct column columns[] = {
	{ "KEY", "id" },
	{ "STATE", "status" },
	{ "CREATED", "createdAt" },
	{ "SCOPES", "scopes" },
	{ "NAMESPACES", "namespaces" },
	{ "OWNER", "owner" },
	{ "NAME", "name" },
	{ NULL, "ownerId" },
	{ NULL, "env" },
	{ NULL, "expiresAt" },
	{ NULL, "revokedAt" },
	{ NULL, "lastUsedAt" },
	{ NULL, "replaces" },
	{ NULL, "createdBy" },
};

static void write_text(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	}
}

static void write_time(struct jsonw *w, const char *name, int64_t us)
{
	if (us != 0) {
		jsonw_time(w, name, us);
	}
}

static void write_key(struct jsonw *w, const struct auth_key *key)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", key->id.s);
	jsonw_str(w, "name", key->name);
	jsonw_cstr(w, "status", auth_key_status(key, clock_wall_us()));
	write_text(w, "owner", key->owner);
	write_text(w, "ownerId", key->owner_id);
	jsonw_str(w, "scopes", key->scopes);
	user_write_namespaces(w, key->any_namespace, key->namespaces);
	jsonw_str(w, "env", key->env);
	write_text(w, "replaces", key->replaces);
	write_text(w, "createdBy", key->created_by);
	jsonw_time(w, "createdAt", key->created_us);
	write_time(w, "expiresAt", key->expires_us);
	write_time(w, "revokedAt", key->revoked_us);
	write_time(w, "lastUsedAt", key->last_used_us);
	jsonw_end_object(w);
}

/* ---- looking ---- */

static enum err_code list_all(struct call *call, struct jsonw *w, struct err *err)
{
	struct auth_key_filter filter = { .tenant = admin_tenant_of(call),
		                          .max = AUTH_KEYS_LISTED_MAX };
	uint64_t skip = call->said[OPTION_OFFSET].number, most = call->said[OPTION_LIMIT].number;
	struct auth_key_list page = { .more = true };
	enum err_code code = ERR_OK;

	most = most > 0 ? most : ADMIN_LIST_MAX;
	while (code == ERR_OK && page.more && most > 0) {
		code = auth_key_list(admin_local(call)->pg, &filter, admin_arena(call), &page, err);
		for (size_t i = 0; code == ERR_OK && i < page.count && most > 0; i++) {
			const struct auth_key *key = &page.items[i];

			filter.before = key->id;
			if (call_has(call, OPTION_ACTIVE) &&
			    strcmp(auth_key_status(key, clock_wall_us()), "usable") != 0) {
				continue;
			}
			if (skip > 0) {
				skip--;
			} else {
				write_key(w, key);
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

static int show(struct call *call, const struct auth_key *key)
{
	struct admin_answer answer;

	admin_begin(&answer);
	write_key(&answer.w, key);
	return admin_end(call, &answer, columns, ARRAY_LEN(columns));
}

static bool take_id(const struct call *call, struct id *ret)
{
	return admin_take_id(call, "a key id", ret);
}

static int run_show(struct call *call)
{
	struct auth_key key;
	struct err err;
	struct id id;

	if (!take_id(call, &id)) {
		return EXIT_USAGE;
	}
	return auth_key_get(admin_local(call)->pg, admin_tenant_of(call), &id, admin_arena(call),
	                    &key, &err) == ERR_OK
	               ? show(call, &key)
	               : admin_fail(&err);
}

/* ---- making ---- */

static enum err_code create(struct call *call, const struct auth_key_new *key,
                            char text[CRED_KEY_MAX + 1], struct id *ret_id, struct err *err)
{
	struct pg *pg = admin_local(call)->pg;
	struct cred_pepper pepper;
	enum err_code code = admin_pepper(call, &pepper, err);

	if (code == ERR_OK) {
		code = tenant_ensure(pg, key->tenant, err);
	}
	if (code == ERR_OK) {
		code = auth_key_create(pg, key, &pepper, text, ret_id, err);
		cred_wipe(&pepper, sizeof(pepper));
	}
	return code == ERR_OK ? admin_settle(call, "key", ret_id->s, err) : code;
}

/* The only time that it is seen. */
static int tell(const struct call *call, const struct id *id, char text[CRED_KEY_MAX + 1])
{
	if (call_has(call, OPTION_JSON)) {
		(void)printf("{\"id\":\"%s\",\"key\":\"%s\"}\n", id->s, text);
	} else {
		(void)printf("%s\n", text);
	}
	cred_wipe(text, CRED_KEY_MAX + 1);
	return EXIT_DONE;
}

/* False: a sentence was printed. */
static bool take_env(const struct call *call, const char **ret)
{
	*ret = call_text(call, OPTION_ENV);
	if (*ret != NULL && !cred_env_ok(str_of(*ret))) {
		(void)admin_wrong("--env must be 1 to %d lower-case letters and digits",
		                  CRED_ENV_MAX);
		return false;
	}
	return true;
}

static bool take_new(struct call *call, struct auth_key_new *key)
{
	const uint64_t days = call->said[OPTION_DAYS].number;
	const uint64_t minutes = call->said[OPTION_MINUTES].number;
	struct id owner;

	if (!admin_take_namespaces(call, &key->namespaces) || !take_env(call, &key->env)) {
		return false;
	}
	if (call_has(call, OPTION_OWNER_ID) &&
	    !id_parse(str_of(call_text(call, OPTION_OWNER_ID)), &owner)) {
		(void)admin_wrong("--owner-id must be the id of a user; see: fairlead admin user "
		                  "list");
		return false;
	}
	key->owner_id = call_text(call, OPTION_OWNER_ID);
	if (days > 0 || minutes > 0) {
		key->expires_us =
			clock_wall_us() + (int64_t)(days * DAY_S + minutes * MINUTE_S) * US;
	}
	return true;
}

static int run_create(struct call *call)
{
	const char *name = call_text(call, OPTION_NAME), *scopes = call_text(call, OPTION_SCOPE);
	struct auth_key_new key = { .tenant = admin_tenant_of(call),
		                    .name = name != NULL ? name : UNNAMED,
		                    .owner = call_text(call, OPTION_OWNER),
		                    .created_by = admin_actor() };
	char text[CRED_KEY_MAX + 1];
	struct err err;
	struct id id;

	if (!auth_scopes_parse(str_of(scopes != NULL ? scopes : USUAL_SCOPES), &key.scopes)) {
		(void)admin_wrong("--scope must be a comma list of scopes; "
		                  "fairlead admin key --help names them");
		return EXIT_USAGE;
	}
	if (!take_new(call, &key)) {
		return EXIT_USAGE;
	}
	return create(call, &key, text, &id, &err) == ERR_OK ? tell(call, &id, text)
	                                                     : admin_fail(&err);
}

static int run_ensure_admin(struct call *call)
{
	const struct auth_key_new key = { .tenant = admin_tenant_of(call),
		                          .name = "first admin key",
		                          .scopes = auth_bit(AUTH_ADMIN) | auth_bit(AUTH_SYSTEM),
		                          .created_by = admin_actor() };
	char path[HOME_PATH_MAX], text[CRED_KEY_MAX + 1], line[CRED_KEY_MAX + 2];
	struct err err;
	struct id id;

	if (home_path(path, admin_local(call)->home.dir, "admin.key", &err) != ERR_OK) {
		return admin_fail(&err);
	}
	if (access(path, F_OK) != 0) {
		if (create(call, &key, text, &id, &err) != ERR_OK) {
			return admin_fail(&err);
		}
		(void)snprintf(line, sizeof(line), "%s\n", text);
		if (home_write(path, 0600, NULL, line, strlen(line), &err) != ERR_OK) {
			return admin_fail(&err);
		}
	}
	(void)printf("%s\n", path);
	return EXIT_DONE;
}

static enum err_code rotate(struct call *call, const struct auth_key_rotation *rotation,
                            char text[CRED_KEY_MAX + 1], struct id *ret_id, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	struct cred_pepper pepper;
	enum err_code code = admin_pepper(call, &pepper, err);

	if (code == ERR_OK) {
		code = pg_begin(admin_local(call)->pg, rotation->tenant, &tx, err);
	}
	if (code == ERR_OK) {
		code = auth_key_rotate(tx, rotation, &pepper, text, ret_id, err);
		cred_wipe(&pepper, sizeof(pepper));
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code == ERR_OK ? admin_settle(call, "key", rotation->id.s, err) : code;
}

static int run_rotate(struct call *call)
{
	struct auth_key_rotation rotation = { .tenant = admin_tenant_of(call),
		                              .grace_s = call_has(call, OPTION_GRACE)
		                                                 ? call->said[OPTION_GRACE].number
		                                                 : AUTH_KEY_GRACE_S,
		                              .created_by = admin_actor() };
	char text[CRED_KEY_MAX + 1];
	struct err err;
	struct id id;

	if (!call_either(call, OPTION_GRACE, OPTION_NOW) || !take_id(call, &rotation.id) ||
	    !take_env(call, &rotation.env)) {
		return EXIT_USAGE;
	}
	rotation.grace_s = call_has(call, OPTION_NOW) ? 0 : rotation.grace_s;
	if (rotate(call, &rotation, text, &id, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	local_ring(admin_local(call), AUTH_BELL_KEY, &rotation.id);
	return tell(call, &id, text);
}

/* ---- changing and ending ---- */

/* What happened to the one key. */
static int settle(struct call *call, const struct id *id, bool done, const char *what,
                  const char *why_not)
{
	struct err err;

	if (!done) {
		if (call_has(call, OPTION_JSON)) {
			(void)printf("{\"id\":\"%s\",\"%s\":false}\n", id->s, what);
		} else {
			(void)printf("%s\n", why_not);
		}
		return EXIT_FAILED;
	}
	if (admin_settle(call, "key", id->s, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	local_ring(admin_local(call), AUTH_BELL_KEY, id);
	return admin_done(call, "id", id->s, what);
}

static int run_revoke(struct call *call)
{
	bool revoked = false;
	struct err err;
	struct id id;

	if (!take_id(call, &id)) {
		return EXIT_USAGE;
	}
	if (auth_key_revoke(admin_local(call)->pg, admin_tenant_of(call), &id, &revoked, &err) !=
	    ERR_OK) {
		return admin_fail(&err);
	}
	return settle(call, &id, revoked, "revoked",
	              "there is no such key, or it was revoked before");
}

static int run_delete(struct call *call)
{
	bool deleted = false;
	struct err err;
	struct id id;

	if (!take_id(call, &id)) {
		return EXIT_USAGE;
	}
	if (auth_key_delete(admin_local(call)->pg, admin_tenant_of(call), &id, &deleted, &err) !=
	    ERR_OK) {
		return admin_fail(&err);
	}
	return settle(call, &id, deleted, "deleted", "there is no such key");
}

static int run_limit(struct call *call)
{
	bool changed = false;
	unsigned scopes;
	struct err err;
	struct id id;

	if (!take_id(call, &id)) {
		return EXIT_USAGE;
	}
	if (!call_has(call, OPTION_SCOPE) ||
	    !auth_scopes_parse(str_of(call_text(call, OPTION_SCOPE)), &scopes)) {
		return admin_wrong("--scope must be given: a comma list of scopes; "
		                   "fairlead admin key --help names them");
	}
	if (auth_key_limit(admin_local(call)->pg, admin_tenant_of(call), &id, scopes, &changed,
	                   &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return settle(call, &id, changed, "changed", "there is no such key, or it is revoked");
}

/* False: a sentence was printed. */
static bool take_change(const struct call *call, struct auth_key_change *ret)
{
	if (!call_either(call, OPTION_NAME, OPTION_CLEAR_NAME) ||
	    !call_either(call, OPTION_NAMESPACES, OPTION_ANY_NAMESPACE) ||
	    !admin_take_namespaces(call, &ret->namespaces)) {
		return false;
	}
	ret->name = call_has(call, OPTION_CLEAR_NAME) ? UNNAMED : call_text(call, OPTION_NAME);
	ret->has_namespaces = ret->namespaces != NULL || call_has(call, OPTION_ANY_NAMESPACE);
	if (ret->name == NULL && !ret->has_namespaces) {
		(void)admin_wrong("no fields provided to update");
		return false;
	}
	return true;
}

static int run_update(struct call *call)
{
	struct auth_key_change change;
	bool changed = false;
	struct err err;
	struct id id;

	if (call_has(call, OPTION_INACTIVE)) {
		if (call_has(call, OPTION_NAME) || call_has(call, OPTION_CLEAR_NAME) ||
		    call_has(call, OPTION_NAMESPACES) || call_has(call, OPTION_ANY_NAMESPACE)) {
			return admin_wrong("--inactive ends a key: nothing else of it is changed");
		}
		return run_revoke(call);
	}
	if (!take_id(call, &id) || !take_change(call, &change)) {
		return EXIT_USAGE;
	}
	if (auth_key_change(admin_local(call)->pg, admin_tenant_of(call), &id, &change, &changed,
	                    &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return settle(call, &id, changed, "changed", "there is no such key, or it is revoked");
}

/* ---- table ---- */

static const struct verb verbs[] = {
	{ "create",
	  NULL,
	  0,
	  0,
	  run_create,
	  "Make a key and print it: it is shown once.",
	  { OPTION_NAME, OPTION_SCOPE, OPTION_NAMESPACES, OPTION_OWNER, OPTION_OWNER_ID,
	    OPTION_DAYS, OPTION_MINUTES, OPTION_ENV, TENANT_JSON } },
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "The keys of a tenant, newest first.",
	  { OPTION_ACTIVE, OPTION_LIMIT, OPTION_OFFSET, TENANT_JSON } },
	{ "show", "ID", 1, 1, run_show, "One key, without what is secret.", { TENANT_JSON } },
	{ "update",
	  "ID",
	  1,
	  1,
	  run_update,
	  "Change what a key is called and where it may act.",
	  { OPTION_NAME, OPTION_CLEAR_NAME, OPTION_NAMESPACES, OPTION_ANY_NAMESPACE,
	    OPTION_INACTIVE, TENANT_JSON } },
	{ "limit",
	  "ID",
	  1,
	  1,
	  run_limit,
	  "Give a key other scopes, for open streams too.",
	  { OPTION_SCOPE, TENANT_JSON } },
	{ "rotate",
	  "ID",
	  1,
	  1,
	  run_rotate,
	  "Replace a key by one that may do the same; the old one stays good for a while.",
	  { OPTION_GRACE, OPTION_NOW, OPTION_ENV, TENANT_JSON } },
	{ "revoke",
	  "ID",
	  1,
	  1,
	  run_revoke,
	  "End a key for good. Streams that use it end within a second.",
	  { TENANT_JSON } },
	{ "delete",
	  "ID",
	  1,
	  1,
	  run_delete,
	  "End a key, and forget it.",
	  { OPTION_YES, TENANT_JSON } },
	{ "ensure-admin",
	  NULL,
	  0,
	  0,
	  run_ensure_admin,
	  "Keep a key with the scopes admin and system in this machine's home; prints its file.",
	  { OPTION_TENANT } },
};

static void list_scopes(struct buf *out)
{
	for (unsigned scope = 0; scope < AUTH_SCOPE_COUNT; scope++) {
		buf_addf(out, "  %-14s %s\n", auth_scope_name((enum auth_scope)scope),
		         auth_scope_help((enum auth_scope)scope));
	}
}

const struct verb_group admin_key = {
	.command = "admin",
	.name = "key",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes = "Talks to the database at FAIRLEAD_PG_URL with FAIRLEAD_PEPPER[_FILE]; without "
		 "them to the\nsystem that `fairlead up` runs here. Keys of one owner are one "
		 "user: a stream may go on with\nanother of them. A key that has ended stays "
		 "ended. create makes the tenant too, if it is not there. Scopes:\n",
	.more = list_scopes,
};
