/* `fairlead admin namespace ...`, `chat ...` and `session ...` */
#include <stdio.h>
#include <string.h>

#include "aomi/chat_store.h"
#include "cli/admin.h"
#include "session/session_store.h"
#include "task/task_json.h"

enum { BODY_MAX = 64 * 1024, TITLE_MAX = 200 };

#define TENANT_JSON OPTION_TENANT, OPTION_JSON

/* ---- namespaces ---- */

static const struct column namespace_columns[] = {
	{ "NAMESPACE", "name" },
	{ "OPEN", "open" },
	{ "AGENT", "agent" },
};

static void write_namespace(struct jsonw *w, const struct namespace *namespace)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "name", namespace->name);
	jsonw_bool(w, "open", namespace->open);
	jsonw_raw(w, "agent", namespace->agent);
	jsonw_end_object(w);
}

static int run_namespaces(struct call *call)
{
	struct admin_answer answer;
	struct namespace_list list;
	struct err err;

	if (namespace_list(admin_local(call)->pg, admin_tenant_of(call), admin_arena(call), &list,
	                   &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin_items(&answer);
	for (size_t i = 0; i < list.count; i++) {
		write_namespace(&answer.w, &list.items[i]);
	}
	return admin_end_items(call, &answer, namespace_columns, ARRAY_LEN(namespace_columns));
}

/* Would a task with this agent be accepted? False: a sentence was printed. */
static bool check_agent(struct call *call, struct str agent)
{
	struct json_problems problems = { 0 };
	struct task_spec *spec = arena_take(admin_arena(call), sizeof(*spec));
	struct buf body;

	buf_init(&body, BODY_MAX);
	buf_addf(&body,
	         "{\"prompt\":\"x\",\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"
	         "\"agent\":%" STR_FMT "}",
	         STR_ARG(agent));
	if (task_decode(buf_str(&body), spec, admin_arena(call), &problems) == ERR_OK &&
	    task_session_count(spec) != 1) {
		json_problem_add(&problems, admin_arena(call), "agent.count", "must be 1");
	}
	buf_fini(&body);
	if (problems.count > 0) {
		(void)admin_wrong("%s %s", problems.items[0].field, problems.items[0].rule);
	}
	return problems.count == 0;
}

/* What it is now, where it is. */
static enum err_code find_namespace(struct call *call, const char *name, struct namespace *ret,
                                    struct err *err)
{
	enum err_code code = namespace_get(admin_local(call)->pg, admin_tenant_of(call), name,
	                                   admin_arena(call), ret, err);

	if (code == ERR_NOT_FOUND) {
		*ret = (struct namespace){ .tenant = str_of(admin_tenant_of(call)),
			                   .name = str_of(name) };
		return ERR_OK;
	}
	return code;
}

/* False: a sentence was printed. */
static bool take_namespace(const struct call *call, char out[AOMI_NAMESPACE_MAX + 1])
{
	struct str name = str_of(call->words[0]);

	if (aomi_namespace_of(name, out) && str_eq(str_of(out), name)) {
		return true;
	}
	(void)admin_wrong("a namespace must be 1 to %d lower-case letters, digits, dots, dashes "
	                  "and underscores",
	                  AOMI_NAMESPACE_MAX);
	return false;
}

static enum err_code put(struct call *call, const struct namespace *namespace, struct err *err)
{
	bool is_new;
	enum err_code code =
		namespace_put(admin_local(call)->pg, namespace, admin_actor(), &is_new, err);

	if (code == ERR_CONFLICT) {
		return err_set(err, code, "a namespace of that name is open already");
	}
	if (code == ERR_NOT_FOUND) {
		return err_set(err, code, "there is no tenant %s", admin_tenant_of(call));
	}
	return code == ERR_OK ? admin_settle(call, "namespace", namespace->name.p, err) : code;
}

static int run_set(struct call *call)
{
	const char *agent = call_text(call, OPTION_AGENT);
	char name[AOMI_NAMESPACE_MAX + 1];
	struct admin_answer answer;
	struct namespace namespace;
	struct err err;

	if (!take_namespace(call, name) || !call_either(call, OPTION_OPEN, OPTION_CLOSED)) {
		return EXIT_USAGE;
	}
	if (agent == NULL && !call_has(call, OPTION_OPEN) && !call_has(call, OPTION_CLOSED)) {
		return admin_wrong("no fields provided to update");
	}
	if (find_namespace(call, name, &namespace, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	if (agent == NULL && namespace.agent.n == 0) {
		return admin_wrong(
			"there is no such namespace: --agent must say who answers in it");
	}
	if (agent != NULL && !check_agent(call, str_of(agent))) {
		return EXIT_USAGE;
	}
	namespace.agent = agent != NULL ? str_of(agent) : namespace.agent;
	namespace.open =
		call_has(call, OPTION_OPEN) || (namespace.open && !call_has(call, OPTION_CLOSED));
	if (put(call, &namespace, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin(&answer);
	write_namespace(&answer.w, &namespace);
	return admin_end(call, &answer, namespace_columns, ARRAY_LEN(namespace_columns));
}

static int run_delete_namespace(struct call *call)
{
	char name[AOMI_NAMESPACE_MAX + 1];
	struct err err;

	if (!take_namespace(call, name)) {
		return EXIT_USAGE;
	}
	if (namespace_delete(admin_local(call)->pg, admin_tenant_of(call), name, &err) != ERR_OK ||
	    admin_settle(call, "namespace", name, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return admin_done(call, "name", name, "deleted");
}

static const struct verb namespace_verbs[] = {
	{ "list", NULL, 0, 0, run_namespaces, "The namespaces of a tenant.", { TENANT_JSON } },
	{ "set",
	  "NAME",
	  1,
	  1,
	  run_set,
	  "Have an agent answer in it, open it or close it.",
	  { OPTION_AGENT, OPTION_OPEN, OPTION_CLOSED, TENANT_JSON } },
	{ "delete",
	  "NAME",
	  1,
	  1,
	  run_delete_namespace,
	  "Remove it; the chats in it stay.",
	  { OPTION_YES, TENANT_JSON } },
};

const struct verb_group admin_namespace = {
	.command = "admin",
	.name = "namespace",
	.verbs = namespace_verbs,
	.count = ARRAY_LEN(namespace_verbs),
	.around = admin_around,
	.notes = "An open namespace may be used without a key, by everybody who reaches the API.\n",
};

/* ---- chats ---- */

static const struct column chat_columns[] = {
	{ "CHAT", "name" },       { "OWNER", "owner" }, { "NAMESPACE", "namespace" },
	{ "SESSION", "session" }, { "TITLE", "title" }, { NULL, "archived" },
	{ NULL, "part" },
};

static void write_chat(struct jsonw *w, const struct chat *chat)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "name", chat->key.name);
	jsonw_cstr(w, "owner", chat->key.owner);
	jsonw_str(w, "namespace", chat->namespace);
	if (id_is_nil(&chat->session)) {
		jsonw_null(w, "session");
	} else {
		jsonw_cstr(w, "session", chat->session.s);
	}
	jsonw_u64(w, "part", chat->part);
	jsonw_str(w, "title", chat->title);
	jsonw_bool(w, "archived", chat->archived);
	jsonw_end_object(w);
}

static int run_chats(struct call *call)
{
	const struct chat_filter filter = { .tenant = admin_tenant_of(call),
		                            .owner = call_text(call, OPTION_OWNER),
		                            .skip = call->said[OPTION_OFFSET].number,
		                            .max = call_has(call, OPTION_LIMIT)
		                                           ? call->said[OPTION_LIMIT].number
		                                           : ADMIN_LIST_MAX };
	struct admin_answer answer;
	struct chat_list list;
	struct err err;

	if (chat_list_all(admin_local(call)->pg, &filter, admin_arena(call), &list, &err) !=
	    ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin_items(&answer);
	for (size_t i = 0; i < list.count; i++) {
		write_chat(&answer.w, &list.items[i]);
	}
	return admin_end_items(call, &answer, chat_columns, ARRAY_LEN(chat_columns));
}

/* The two words. False: a sentence was printed. */
static bool take_chat(const struct call *call, struct chat_key *ret)
{
	*ret = (struct chat_key){ .tenant = "" };
	if (str_copy(ret->tenant, sizeof(ret->tenant), str_of(admin_tenant_of(call))) &&
	    str_copy(ret->owner, sizeof(ret->owner), str_of(call->words[0])) &&
	    str_copy(ret->name, sizeof(ret->name), str_of(call->words[1]))) {
		return true;
	}
	(void)admin_wrong("nothing has so long a name");
	return false;
}

static const char *object_of(const struct call *call, const struct chat_key *key)
{
	return arena_printf(admin_arena(call), "%s/%s", key->owner, key->name);
}

static enum err_code hand_over(struct call *call, struct chat_key *key, struct chat *ret,
                               struct err *err)
{
	const struct chat_hand_over to = { .owner = call_text(call, OPTION_OWNER),
		                           .title = call_text(call, OPTION_TITLE),
		                           .clear_title = call_has(call, OPTION_CLEAR_TITLE) };
	struct pg *pg = admin_local(call)->pg;
	enum err_code code = chat_hand_over(pg, key, &to, err);

	if (code == ERR_CONFLICT) {
		return err_set(err, code, "%s has a chat of that name already", to.owner);
	}
	if (code == ERR_OK && to.owner != NULL) {
		(void)str_copy(key->owner, sizeof(key->owner), str_of(to.owner));
	}
	if (code == ERR_OK) {
		code = chat_get(pg, key, admin_arena(call), ret, err);
	}
	return code == ERR_OK ? admin_settle(call, "chat", object_of(call, key), err) : code;
}

static int run_update_chat(struct call *call)
{
	const char *owner = call_text(call, OPTION_OWNER), *title = call_text(call, OPTION_TITLE);
	struct admin_answer answer;
	struct chat_key key;
	struct chat chat;
	struct err err;

	if (!call_either(call, OPTION_TITLE, OPTION_CLEAR_TITLE) || !take_chat(call, &key)) {
		return EXIT_USAGE;
	}
	if (owner == NULL && title == NULL && !call_has(call, OPTION_CLEAR_TITLE)) {
		return admin_wrong("no fields provided to update");
	}
	if (title != NULL &&
	    (title[0] == '\0' || strlen(title) > TITLE_MAX || !str_is_utf8(str_of(title)))) {
		return admin_wrong("--title must be 1 to %d bytes of UTF-8", TITLE_MAX);
	}
	if (owner != NULL &&
	    (owner[0] == '\0' || strlen(owner) >= CHAT_OWNER_SIZE || !str_is_utf8(str_of(owner)))) {
		return admin_wrong("--owner must be user:ID, owner:NAME or key:ID");
	}
	if (hand_over(call, &key, &chat, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin(&answer);
	write_chat(&answer.w, &chat);
	return admin_end(call, &answer, chat_columns, ARRAY_LEN(chat_columns));
}

static int run_delete_chat(struct call *call)
{
	struct chat_key key;
	struct err err;

	if (!take_chat(call, &key)) {
		return EXIT_USAGE;
	}
	if (chat_delete(admin_local(call)->pg, &key, &err) != ERR_OK ||
	    admin_settle(call, "chat", object_of(call, &key), &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return admin_done(call, "name", key.name, "deleted");
}

static const struct verb chat_verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_chats,
	  "Chats, the last used first.",
	  { OPTION_OWNER, OPTION_LIMIT, OPTION_OFFSET, TENANT_JSON } },
	{ "update",
	  "OWNER CHAT",
	  2,
	  2,
	  run_update_chat,
	  "Give it a title, or to somebody else.",
	  { OPTION_TITLE, OPTION_CLEAR_TITLE, OPTION_OWNER, TENANT_JSON } },
	{ "delete",
	  "OWNER CHAT",
	  2,
	  2,
	  run_delete_chat,
	  "Forget a chat; the sessions behind it stay.",
	  { OPTION_YES, TENANT_JSON } },
};

const struct verb_group admin_chat = {
	.command = "admin",
	.name = "chat",
	.verbs = chat_verbs,
	.count = ARRAY_LEN(chat_verbs),
	.around = admin_around,
	.notes =
		"A chat is what clients of AOMI call a session. OWNER is as it is listed: user:ID, "
		"owner:NAME\nor key:ID, and \"\" for those without a key.\n",
};

/* ---- sessions ---- */

static const struct column session_columns[] = {
	{ "SESSION", "id" },    { "STATUS", "status" },       { "CREATED", "createdAt" },
	{ "OWNER", "owner" },   { "NAMESPACE", "namespace" }, { "WORKER", "worker" },
	{ "PROMPT", "prompt" },
};

static void write_session(struct jsonw *w, const struct session *session)
{
	struct str rest = session->prompt;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", session->id.s);
	jsonw_cstr(w, "status", session_state_name(session->state));
	jsonw_time(w, "createdAt", session->created_us);
	jsonw_time(w, "updatedAt", session->updated_us);
	jsonw_str(w, "owner", session->owner);
	jsonw_str(w, "createdBy", session->created_by);
	jsonw_str(w, "namespace", session->namespace);
	jsonw_str(w, "worker", session->worker);
	jsonw_str(w, "prompt", str_split(&rest, '\n'));
	jsonw_end_object(w);
}

static enum err_code list_sessions(struct call *call, struct session_filter *filter,
                                   struct jsonw *w, struct err *err)
{
	uint64_t most =
		call_has(call, OPTION_LIMIT) ? call->said[OPTION_LIMIT].number : SESSION_PAGE_MAX;
	struct session_page page = { .more = true };
	enum err_code code = ERR_OK;

	filter->skip = call->said[OPTION_OFFSET].number;
	while (code == ERR_OK && page.more && most > 0) {
		filter->max = most < SESSION_PAGE_MAX ? (unsigned)most : SESSION_PAGE_MAX;
		code = session_list(admin_local(call)->pg, filter, admin_arena(call), &page, err);
		for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
			write_session(w, &page.items[i]);
			most--;
		}
		filter->skip = 0;
		filter->after = page.last;
	}
	return code;
}

static int run_sessions(struct call *call)
{
	struct session_filter filter = { .tenant = admin_tenant_of(call) };
	const char *status = call_text(call, OPTION_STATUS);
	enum session_state state;
	struct admin_answer answer;
	struct err err;

	if (status != NULL && !session_state_parse(str_of(status), &state)) {
		return admin_wrong("--status must be a state of sessions");
	}
	filter.states = status != NULL ? session_bit(state) : 0;
	if (!admin_take_namespaces(call, &filter.namespaces)) {
		return EXIT_USAGE;
	}
	admin_begin_items(&answer);
	if (list_sessions(call, &filter, &answer.w, &err) != ERR_OK) {
		buf_fini(&answer.out);
		return admin_fail(&err);
	}
	return admin_end_items(call, &answer, session_columns, ARRAY_LEN(session_columns));
}

static int run_delete_session(struct call *call)
{
	bool deleted = false;
	struct err err;
	struct id id;

	if (!admin_take_id(call, "a session id", &id)) {
		return EXIT_USAGE;
	}
	if (session_delete(admin_local(call)->pg, admin_tenant_of(call), &id, &deleted, &err) !=
	    ERR_OK) {
		return admin_fail(&err);
	}
	if (!deleted) {
		(void)fprintf(stderr, "fairlead: session not found, or it has not ended; see: "
		                      "fairlead session stop\n");
		return EXIT_FAILED;
	}
	return admin_settle(call, "session", id.s, &err) == ERR_OK
	               ? admin_done(call, "id", id.s, "deleted")
	               : admin_fail(&err);
}

static const struct verb session_verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_sessions,
	  "The sessions of a tenant, newest first.",
	  { OPTION_STATUS, OPTION_NAMESPACES, OPTION_LIMIT, OPTION_OFFSET, TENANT_JSON } },
	{ "delete",
	  "ID",
	  1,
	  1,
	  run_delete_session,
	  "Forget a session that has ended, for good, with its archived log.",
	  { OPTION_YES, TENANT_JSON } },
};

const struct verb_group admin_session = {
	.command = "admin",
	.name = "session",
	.verbs = session_verbs,
	.count = ARRAY_LEN(session_verbs),
	.around = admin_around,
	.notes = "Sessions of any tenant, also when no API runs. `fairlead session` steers them.\n",
};
