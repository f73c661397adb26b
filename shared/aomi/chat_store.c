#include "aomi/chat_store.h"

#include <string.h>

#include "aomi_sql_gen.h"

static const struct text *sql(enum aomi_sql_id id)
{
	return &aomi_sql_texts[id];
}

/* The order of the columns in every query that returns chats. */
enum {
	COL_TENANT,
	COL_OWNER,
	COL_NAME,
	COL_NAMESPACE,
	COL_PART,
	COL_SESSION,
	COL_TITLE,
	COL_ARCHIVED,
	COL_MEMORY_MODE,
	COL_CLIENT_STATE,
	COL_RIG,
};

static bool from_row(const struct pg_rows *rows, size_t row, struct arena *arena, struct chat *ret)
{
#define TEXT(column) arena_str(arena, pg_str(rows, row, (column)))
	*ret = (struct chat){
		.namespace = TEXT(COL_NAMESPACE),
		.title = TEXT(COL_TITLE),
		.client_state = TEXT(COL_CLIENT_STATE),
		.rig = TEXT(COL_RIG),
		.part = pg_u64(rows, row, COL_PART),
		.archived = pg_bool(rows, row, COL_ARCHIVED),
		.memory_mode = pg_bool(rows, row, COL_MEMORY_MODE),
	};
#undef TEXT
	return str_copy(ret->key.tenant, sizeof(ret->key.tenant), pg_str(rows, row, COL_TENANT)) &&
	       str_copy(ret->key.owner, sizeof(ret->key.owner), pg_str(rows, row, COL_OWNER)) &&
	       str_copy(ret->key.name, sizeof(ret->key.name), pg_str(rows, row, COL_NAME)) &&
	       (pg_is_null(rows, row, COL_SESSION) ||
	        id_parse(pg_str(rows, row, COL_SESSION), &ret->session));
}

static enum err_code one_of(const struct pg_rows *rows, struct arena *arena, struct chat *ret,
                            struct err *err)
{
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such session");
	}
	return from_row(rows, 0, arena, ret)
	               ? ERR_OK
	               : err_set(err, ERR_INTERNAL, "a row of chats does not decode");
}

/* The first parameters of every query about one chat. */
static struct pg_params key_params(const struct chat_key *key)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, key->tenant);
	pg_param_cstr(&params, key->owner);
	pg_param_cstr(&params, key->name);
	return params;
}

enum err_code chat_get(struct pg *pg, const struct chat_key *key, struct arena *arena,
                       struct chat *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = key_params(key);
	enum aomi_sql_id query = AOMI_SQL_CHAT_GET;
	enum err_code code;

	if (key->owner[0] == '\0') {
		query = AOMI_SQL_CHAT_GET_GUEST;
		params = (struct pg_params){ 0 };
		pg_param_cstr(&params, key->name);
	}
	code = pg_query(pg, key->owner[0] == '\0' ? "" : key->tenant, sql(query), &params, &rows,
	                err);
	return code == ERR_OK ? one_of(rows, arena, ret, err) : code;
}

enum err_code chat_lock(struct pg_tx *tx, const struct chat_key *key, struct arena *arena,
                        struct chat *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = key_params(key);
	enum err_code code = pg_tx_query(tx, sql(AOMI_SQL_CHAT_LOCK), &params, &rows, err);

	return code == ERR_OK ? one_of(rows, arena, ret, err) : code;
}

enum err_code chat_ensure(struct pg *pg, const struct chat_key *key, const char *namespace,
                          struct err *err)
{
	struct pg_params params = key_params(key);

	pg_param_cstr(&params, namespace);
	return pg_query(pg, key->tenant, sql(AOMI_SQL_CHAT_ENSURE), &params, NULL, err);
}

enum err_code chat_attach(struct pg_tx *tx, const struct chat_key *key, const struct id *session,
                          const char *namespace, const char *title, struct err *err)
{
	struct pg_params params = key_params(key);

	pg_param_cstr(&params, session->s);
	pg_param_cstr(&params, namespace);
	pg_param_cstr(&params, title);
	return pg_tx_query(tx, sql(AOMI_SQL_CHAT_ATTACH), &params, NULL, err);
}

enum err_code chat_touch(struct pg *pg, const struct chat_key *key, struct str client_state,
                         struct err *err)
{
	struct pg_params params = key_params(key);

	if (client_state.n > 0) {
		pg_param_text(&params, client_state);
	} else {
		pg_param_null(&params);
	}
	return pg_query(pg, key->tenant, sql(AOMI_SQL_CHAT_TOUCH), &params, NULL, err);
}

static void param_bool_given(struct pg_params *params, bool given, bool value)
{
	if (given) {
		pg_param_bool(params, value);
	} else {
		pg_param_null(params);
	}
}

/* For queries that change or delete the one row. */
static enum err_code change_one(struct pg *pg, const char *tenant, enum aomi_sql_id query,
                                const struct pg_params *params, const char *what, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = pg_query(pg, tenant, sql(query), params, &rows, err);

	if (code == ERR_OK && pg_rows_affected(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such %s", what);
	}
	return code;
}

enum err_code chat_change(struct pg *pg, const struct chat_key *key,
                          const struct chat_change *change, struct err *err)
{
	struct pg_params params = key_params(key);

	pg_param_cstr(&params, change->title);
	param_bool_given(&params, change->has_archived, change->archived);
	param_bool_given(&params, change->has_memory_mode, change->memory_mode);
	pg_param_cstr(&params, change->rig);
	pg_param_cstr(&params, change->baml);
	return change_one(pg, key->tenant, AOMI_SQL_CHAT_CHANGE, &params, "session", err);
}

enum err_code chat_detach(struct pg *pg, const struct chat_key *key, struct err *err)
{
	struct pg_params params = key_params(key);

	return change_one(pg, key->tenant, AOMI_SQL_CHAT_DETACH, &params, "session", err);
}

enum err_code chat_delete(struct pg *pg, const struct chat_key *key, struct err *err)
{
	struct pg_params params = key_params(key);

	return change_one(pg, key->tenant, AOMI_SQL_CHAT_DELETE, &params, "session", err);
}

enum err_code chat_parts(struct pg *pg, const struct chat_key *key, unsigned max,
                         struct arena *arena, struct chat_part **ret, size_t *ret_count,
                         struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = key_params(key);
	struct chat_part *parts;
	enum err_code code;

	pg_param_u64(&params, max);
	code = pg_query(pg, key->tenant, sql(AOMI_SQL_CHAT_PARTS), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = pg_rows_count(rows);
	*ret = parts = arena_take(arena, (*ret_count + 1) * sizeof(*parts));
	for (size_t i = 0; i < *ret_count; i++) {
		parts[i].part = pg_u64(rows, i, 0);
		if (!id_parse(pg_str(rows, i, 1), &parts[i].session)) {
			return err_set(err, ERR_INTERNAL, "a part of a chat does not decode");
		}
	}
	return ERR_OK;
}

static enum err_code chats_of(struct pg_rows *rows, struct arena *arena, struct chat_list *ret,
                              struct err *err)
{
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		if (!from_row(rows, i, arena, &ret->items[i])) {
			return err_set(err, ERR_INTERNAL, "a row of chats does not decode");
		}
	}
	return ERR_OK;
}

enum err_code chat_list(struct pg *pg, const char *tenant, const char *owner, uint64_t max,
                        struct arena *arena, struct chat_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, owner);
	pg_param_u64(&params, max);
	code = pg_query(pg, tenant, sql(AOMI_SQL_CHAT_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	return chats_of(rows, arena, ret, err);
}

enum err_code chat_list_all(struct pg *pg, const struct chat_filter *filter, struct arena *arena,
                            struct chat_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->owner);
	pg_param_u64(&params, filter->skip);
	pg_param_u64(&params, filter->max);
	code = pg_query(pg, filter->tenant, sql(AOMI_SQL_CHAT_LIST_ALL), &params, &rows, err);
	return code == ERR_OK ? chats_of(rows, arena, ret, err) : code;
}

enum err_code chat_hand_over(struct pg *pg, const struct chat_key *key,
                             const struct chat_hand_over *to, struct err *err)
{
	struct pg_params params = key_params(key);

	pg_param_cstr(&params, to->owner);
	pg_param_cstr(&params, to->title);
	pg_param_bool(&params, to->clear_title);
	return change_one(pg, key->tenant, AOMI_SQL_CHAT_HAND_OVER, &params, "chat", err);
}

enum err_code chat_count(struct pg *pg, const char *tenant, const char *owner, uint64_t *ret,
                         struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, owner);
	code = pg_query(pg, tenant, sql(AOMI_SQL_CHAT_COUNT), &params, &rows, err);
	if (code == ERR_OK) {
		*ret = pg_u64(rows, 0, 0);
	}
	return code;
}

enum err_code chat_living(struct pg *pg, const char *tenant, unsigned max, struct arena *arena,
                          struct id **ret, size_t *ret_count, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct id *ids;

	pg_param_cstr(&params, tenant);
	pg_param_u64(&params, max);
	code = pg_query(pg, tenant, sql(AOMI_SQL_CHAT_LIVING), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = pg_rows_count(rows);
	*ret = ids = arena_take(arena, (*ret_count + 1) * sizeof(*ids));
	for (size_t i = 0; i < *ret_count; i++) {
		if (!id_parse(pg_str(rows, i, 0), &ids[i])) {
			return err_set(err, ERR_INTERNAL, "the session of a chat does not decode");
		}
	}
	return ERR_OK;
}

enum err_code chat_delete_all(struct pg *pg, const char *tenant, uint64_t *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(AOMI_SQL_CHAT_DELETE_ALL), &params, &rows, err);
	if (code == ERR_OK) {
		*ret = pg_rows_affected(rows);
	}
	return code;
}

enum err_code chat_prune(struct pg *pg, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_u64(&params, CHAT_GUEST_KEPT_S);
	pg_param_u64(&params, CHAT_PRUNED_MAX);
	return pg_query(pg, "", sql(AOMI_SQL_CHAT_PRUNE), &params, NULL, err);
}

/* ---- namespaces ---- */

enum { NS_TENANT, NS_NAME, NS_AGENT, NS_OPEN };

static void namespaces_of(const struct pg_rows *rows, struct arena *arena,
                          struct namespace_list *ret)
{
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = (struct namespace){
			.tenant = arena_str(arena, pg_str(rows, i, NS_TENANT)),
			.name = arena_str(arena, pg_str(rows, i, NS_NAME)),
			.agent = arena_str(arena, pg_str(rows, i, NS_AGENT)),
			.open = pg_bool(rows, i, NS_OPEN),
		};
	}
}

/* Which, and of whom; tenant "": of all. */
struct question {
	enum aomi_sql_id query;
	const char *tenant;
	struct pg_params params;
};

static enum err_code query_namespaces(struct pg *pg, const struct question *question,
                                      struct arena *arena, struct namespace_list *ret,
                                      struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code =
		pg_query(pg, question->tenant, sql(question->query), &question->params, &rows, err);

	if (code == ERR_OK) {
		namespaces_of(rows, arena, ret);
	}
	return code;
}

static enum err_code query_namespace(struct pg *pg, const struct question *question,
                                     struct arena *arena, struct namespace *ret, struct err *err)
{
	struct namespace_list list;
	enum err_code code = query_namespaces(pg, question, arena, &list, err);

	if (code == ERR_OK && list.count == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such namespace");
	}
	if (code == ERR_OK) {
		*ret = list.items[0];
	}
	return code;
}

enum err_code namespace_get(struct pg *pg, const char *tenant, const char *name,
                            struct arena *arena, struct namespace *ret, struct err *err)
{
	struct question question = { .query = AOMI_SQL_NAMESPACE_GET, .tenant = tenant };

	pg_param_cstr(&question.params, tenant);
	pg_param_cstr(&question.params, name);
	return query_namespace(pg, &question, arena, ret, err);
}

enum err_code namespace_get_open(struct pg *pg, const char *name, struct arena *arena,
                                 struct namespace *ret, struct err *err)
{
	struct question question = { .query = AOMI_SQL_NAMESPACE_OPEN, .tenant = "" };

	pg_param_cstr(&question.params, name);
	return query_namespace(pg, &question, arena, ret, err);
}

enum err_code namespace_list(struct pg *pg, const char *tenant, struct arena *arena,
                             struct namespace_list *ret, struct err *err)
{
	struct question question = { .query = AOMI_SQL_NAMESPACE_LIST, .tenant = tenant };

	pg_param_cstr(&question.params, tenant);
	return query_namespaces(pg, &question, arena, ret, err);
}

enum err_code namespace_list_open(struct pg *pg, unsigned max, struct arena *arena,
                                  struct namespace_list *ret, struct err *err)
{
	struct question question = { .query = AOMI_SQL_NAMESPACE_LIST_OPEN, .tenant = "" };

	pg_param_u64(&question.params, max);
	return query_namespaces(pg, &question, arena, ret, err);
}

enum err_code namespace_put(struct pg *pg, const struct namespace *namespace, const char *who,
                            bool *ret_new, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_text(&params, namespace->tenant);
	pg_param_text(&params, namespace->name);
	pg_param_text(&params, namespace->agent);
	pg_param_bool(&params, namespace->open);
	pg_param_cstr(&params, who);
	code = pg_query(pg, namespace->tenant.p, sql(AOMI_SQL_NAMESPACE_PUT), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_new = pg_bool(rows, 0, 0);
	}
	return code;
}

enum err_code namespace_delete(struct pg *pg, const char *tenant, const char *name, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, name);
	return change_one(pg, tenant, AOMI_SQL_NAMESPACE_DELETE, &params, "namespace", err);
}
