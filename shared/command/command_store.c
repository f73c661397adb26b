#include "command/command_store.h"

#include <assert.h>

#include "base/buf.h"
#include "command_sql_gen.h"

enum { SESSIONS_MAX = 128 };

enum {
	COL_ID,
	COL_TENANT,
	COL_SESSION,
	COL_KIND,
	COL_PAYLOAD,
	COL_STATE,
	COL_SEQ,
	COL_EPOCH,
	COL_CREATED_BY,
	COL_CREATED,
	COL_SESSION_STATE,
	COL_LEASED_EPOCH,
};

static const char *const state_names[COMMAND_STATE_COUNT] = {
	[COMMAND_QUEUED] = "queued",       [COMMAND_STARTED] = "started",
	[COMMAND_DONE] = "done",           [COMMAND_UNKNOWN] = "unknown",
	[COMMAND_FAILED] = "failed",       [COMMAND_EXPIRED] = "expired",
	[COMMAND_CANCELLED] = "cancelled",
};

static const struct text *sql(enum command_sql_id id)
{
	return &command_sql_texts[id];
}

const char *command_state_name(enum command_state state)
{
	return state_names[state];
}

static enum err_code lock_session(struct pg_tx *tx, const char *tenant, const struct id *session,
                                  struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, session->s);
	pg_param_cstr(&params, tenant);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_LOCK), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no session %s", session->s);
	}
	return code;
}

enum err_code command_add(struct pg_tx *tx, const struct command_new *command, struct id *ret_id,
                          uint64_t *ret_seq, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct id id = id_is_nil(&command->id) ? id_new() : command->id;
	enum err_code code;

	/* Two statements: the second one's snapshot must see what the lock waited for. */
	code = lock_session(tx, command->tenant, &command->session, err);
	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, id.s);
	pg_param_cstr(&params, command->tenant);
	pg_param_cstr(&params, command->session.s);
	pg_param_cstr(&params, command->kind);
	pg_param_text(&params, command->payload);
	pg_param_cstr(&params, command->created_by);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_ADD), &params, &rows, err);
	if (code == ERR_CONFLICT) {
		return err_set(err, ERR_KEY_REUSED, "another command has the id %s", id.s);
	}
	if (code == ERR_OK) {
		*ret_id = id;
		*ret_seq = pg_u64(rows, 0, 0);
	}
	return code;
}

enum err_code command_again(struct pg_tx *tx, const struct command_new *command, bool *ret_again,
                            uint64_t *ret_seq, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code = lock_session(tx, command->tenant, &command->session, err);

	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, command->id.s);
	pg_param_cstr(&params, command->session.s);
	pg_param_cstr(&params, command->kind);
	pg_param_text(&params, command->payload);
	pg_param_cstr(&params, command->tenant);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_AGAIN), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_again = pg_rows_count(rows) > 0;
	if (*ret_again && !pg_bool(rows, 0, 1)) {
		return err_set(err, ERR_KEY_REUSED, "another command has the id %s", command->id.s);
	}
	*ret_seq = *ret_again ? pg_u64(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err_code command_answered(struct pg_tx *tx, const char *tenant, const struct id *session,
                               struct str request, bool *ret_answered, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code = lock_session(tx, tenant, session, err);

	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, session->s);
	pg_param_text(&params, request);
	pg_param_cstr(&params, tenant);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_ANSWERED), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_answered = pg_rows_count(rows) > 0;
	}
	return code;
}

static void copy_cut(char *out, size_t size, struct str text)
{
	while (text.n >= size || !str_is_utf8(text)) {
		text.n--;
	}
	(void)str_copy(out, size, text);
}

enum err_code command_answer_get(struct pg_tx *tx, const struct command_new *command,
                                 struct str request, struct command_answer *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, command->session.s);
	pg_param_text(&params, request);
	pg_param_cstr(&params, command->tenant);
	pg_param_text(&params, command->payload);
	pg_param_cstr(&params, command->created_by);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_ANSWER), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0 || !id_parse(pg_str(rows, 0, 0), &ret->id)) {
		return err_set(err, ERR_NOT_FOUND, "no answer");
	}
	ret->seq = pg_u64(rows, 0, 1);
	ret->at_us = pg_i64(rows, 0, 2);
	copy_cut(ret->by, sizeof(ret->by), pg_str(rows, 0, 3));
	copy_cut(ret->behavior, sizeof(ret->behavior), pg_str(rows, 0, 4));
	ret->same = pg_bool(rows, 0, 5);
	return ERR_OK;
}

enum err_code command_use_nonce(struct pg_tx *tx, const char *tenant, const struct id *session,
                                struct str nonce, bool *ret_fresh, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, session->s);
	pg_param_text(&params, nonce);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_NONCE), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_fresh = pg_rows_affected(rows) > 0;
	}
	return code;
}

static bool state_parse(struct str name, enum command_state *ret)
{
	for (unsigned i = 0; i < COMMAND_STATE_COUNT; i++) {
		if (str_eq(name, str_of(state_names[i]))) {
			*ret = (enum command_state)i;
			return true;
		}
	}
	return false;
}

static bool from_row(const struct pg_rows *rows, size_t row, struct arena *arena,
                     struct command *ret)
{
	*ret = (struct command){
		.tenant = arena_str(arena, pg_str(rows, row, COL_TENANT)),
		.kind = arena_str(arena, pg_str(rows, row, COL_KIND)),
		.created_by = arena_str(arena, pg_str(rows, row, COL_CREATED_BY)),
		.payload = arena_str(arena, pg_str(rows, row, COL_PAYLOAD)),
		.seq = pg_u64(rows, row, COL_SEQ),
		.epoch = pg_u64(rows, row, COL_EPOCH),
		.created_us = pg_i64(rows, row, COL_CREATED),
	};
	return id_parse(pg_str(rows, row, COL_ID), &ret->id) &&
	       id_parse(pg_str(rows, row, COL_SESSION), &ret->session) &&
	       state_parse(pg_str(rows, row, COL_STATE), &ret->state);
}

enum err_code command_waiting(struct pg *pg, const struct id *sessions, size_t count, bool *ret,
                              struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf list;

	assert(count <= SESSIONS_MAX);
	buf_init(&list, SESSIONS_MAX * sizeof(struct id));
	for (size_t i = 0; i < count; i++) {
		buf_addf(&list, "%s%s", i > 0 ? "," : "", sessions[i].s);
		ret[i] = false;
	}
	pg_param_cstr(&params, buf_cstr(&list));
	code = pg_query(pg, "", sql(COMMAND_SQL_COMMAND_WAITING), &params, &rows, err);
	buf_fini(&list);
	for (size_t row = 0; code == ERR_OK && row < pg_rows_count(rows); row++) {
		for (size_t i = 0; i < count; i++) {
			ret[i] = ret[i] || str_eq(pg_str(rows, row, 0), str_of(sessions[i].s));
		}
	}
	return code;
}

enum err_code command_before(struct pg *pg, const char *tenant, const struct id *session,
                             uint64_t seq, struct id *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, session->s);
	pg_param_u64(&params, seq);
	pg_param_cstr(&params, tenant);
	code = pg_query(pg, tenant, sql(COMMAND_SQL_COMMAND_BEFORE), &params, &rows, err);
	if (code != ERR_OK || pg_rows_count(rows) == 0 || !id_parse(pg_str(rows, 0, 0), ret)) {
		*ret = (struct id){ "" };
	}
	return code;
}

static enum err_code take_rows(const struct pg_rows *rows, struct arena *arena,
                               struct command_list *ret, struct err *err)
{
	struct command_list list = { .count = pg_rows_count(rows) };

	list.items = arena_take(arena, list.count * sizeof(*list.items));
	for (size_t i = 0; i < list.count; i++) {
		if (!from_row(rows, i, arena, &list.items[i])) {
			return err_set(err, ERR_INTERNAL, "command row %s does not decode",
			               pg_str(rows, i, COL_ID).p);
		}
	}
	*ret = list;
	return ERR_OK;
}

enum err_code command_open(struct pg *pg, const struct command_query *query, struct arena *arena,
                           struct command_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, query->session.s);
	pg_param_u64(&params, query->after_seq);
	pg_param_u64(&params, query->max);
	pg_param_cstr(&params, query->tenant);
	code = pg_query(pg, query->tenant, sql(COMMAND_SQL_COMMAND_OPEN), &params, &rows, err);
	return code == ERR_OK ? take_rows(rows, arena, ret, err) : code;
}

enum err_code command_prompts(struct pg *pg, const struct command_query *query, struct arena *arena,
                              struct command_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, query->session.s);
	pg_param_u64(&params, query->max);
	pg_param_cstr(&params, query->tenant);
	code = pg_query(pg, query->tenant, sql(COMMAND_SQL_COMMAND_PROMPTS), &params, &rows, err);
	return code == ERR_OK ? take_rows(rows, arena, ret, err) : code;
}

enum err_code command_prompt(struct pg_tx *tx, const char *tenant, const struct id *session,
                             const struct id *id, struct arena *arena, struct command *ret,
                             struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct command_list list = { .count = 0 };
	enum err_code code;

	pg_param_cstr(&params, session->s);
	pg_param_cstr(&params, id->s);
	pg_param_cstr(&params, tenant);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_PROMPT), &params, &rows, err);
	if (code == ERR_OK) {
		code = take_rows(rows, arena, &list, err);
	}
	if (code == ERR_OK && list.count == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such prompt");
	}
	if (code == ERR_OK) {
		*ret = list.items[0];
	}
	return code;
}

enum err_code command_edit(struct pg_tx *tx, const char *tenant, const struct id *id,
                           struct str payload, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, id->s);
	pg_param_text(&params, payload);
	pg_param_cstr(&params, tenant);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_EDIT), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_CONFLICT, "the prompt does not wait any more")
	               : code;
}

enum err_code command_due(struct pg *pg, const struct command_due_query *query, struct arena *arena,
                          struct command_due_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct command_due_list list;
	enum err_code code;

	pg_param_cstr(&params, query->session.s);
	pg_param_u64(&params, query->seq);
	pg_param_u64(&params, query->older_ms);
	pg_param_u64(&params, query->max);
	code = pg_query(pg, "", sql(COMMAND_SQL_COMMAND_DUE), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	list.count = pg_rows_count(rows);
	list.items = arena_take(arena, list.count * sizeof(*list.items));
	for (size_t i = 0; i < list.count; i++) {
		struct command_due *due = &list.items[i];

		if (!from_row(rows, i, arena, &due->command)) {
			return err_set(err, ERR_INTERNAL, "command row %s does not decode",
			               pg_str(rows, i, COL_ID).p);
		}
		due->session_state = arena_str(arena, pg_str(rows, i, COL_SESSION_STATE));
		due->leased_epoch = pg_u64(rows, i, COL_LEASED_EPOCH);
	}
	*ret = list;
	return ERR_OK;
}

static enum err_code change(struct pg *pg, const char *tenant, enum command_sql_id id,
                            const struct pg_params *params, bool *ret_changed, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code = pg_query(pg, tenant, sql(id), params, &rows, err);

	if (code == ERR_OK) {
		*ret_changed = pg_rows_affected(rows) > 0;
	}
	return code;
}

enum err_code command_start(struct pg *pg, const char *tenant, const struct id *id, uint64_t epoch,
                            bool *ret_changed, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, id->s);
	pg_param_u64(&params, epoch);
	pg_param_cstr(&params, tenant);
	return change(pg, tenant, COMMAND_SQL_COMMAND_START, &params, ret_changed, err);
}

static void end_params(const char *tenant, const struct command_end *end, struct pg_params *params)
{
	assert(end->state != COMMAND_QUEUED && end->state != COMMAND_STARTED);
	pg_param_cstr(params, end->id.s);
	pg_param_cstr(params, command_state_name(end->state));
	if (end->result.n > 0) {
		pg_param_text(params, end->result);
	} else {
		pg_param_null(params);
	}
	pg_param_cstr(params, tenant);
}

enum err_code command_finish(struct pg *pg, const char *tenant, const struct command_end *end,
                             bool *ret_changed, struct err *err)
{
	struct pg_params params = { 0 };

	end_params(tenant, end, &params);
	return change(pg, tenant, COMMAND_SQL_COMMAND_FINISH, &params, ret_changed, err);
}

enum err_code command_finish_in(struct pg_tx *tx, const char *tenant, const struct command_end *end,
                                bool *ret_changed, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	end_params(tenant, end, &params);
	code = pg_tx_query(tx, sql(COMMAND_SQL_COMMAND_FINISH), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_changed = pg_rows_affected(rows) > 0;
	}
	return code;
}
