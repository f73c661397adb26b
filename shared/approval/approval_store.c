#include "approval/approval_store.h"

#include "approval_sql_gen.h"
#include "json/value.h"
#include "json/write.h"

enum {
	SESSION,
	REQUEST,
	PROJECT,
	NAMESPACE,
	TOOL,
	QUESTION,
	STATE,
	EPOCH,
	N,
	ASKED,
	EXPIRES,
	BY,
	ANSWERED,
	SCOPE,
	RULE,
	COMMAND,
};

static const char *const state_names[APPROVAL_STATE_COUNT] = {
	[APPROVAL_OPEN] = "open",       [APPROVAL_ALLOWED] = "allowed",
	[APPROVAL_DENIED] = "denied",   [APPROVAL_WITHDRAWN] = "withdrawn",
	[APPROVAL_EXPIRED] = "expired",
};

const char *approval_state_name(enum approval_state state)
{
	return state_names[state];
}

static const struct text *sql(enum approval_sql_id id)
{
	return &approval_sql_texts[id];
}

/* ---- reading ---- */

static bool from_row(const struct pg_rows *rows, size_t i, struct arena *arena,
                     struct approval *ret)
{
	struct str state = pg_str(rows, i, STATE);
	unsigned k = 0;

#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	*ret = (struct approval){
		.request = TEXT(REQUEST),
		.project = TEXT(PROJECT),
		.namespace = TEXT(NAMESPACE),
		.tool = TEXT(TOOL),
		.question = TEXT(QUESTION),
		.epoch = pg_u64(rows, i, EPOCH),
		.n = pg_u64(rows, i, N),
		.asked_us = pg_i64(rows, i, ASKED),
		.expires_us = pg_i64(rows, i, EXPIRES),
		.answered_us = pg_i64(rows, i, ANSWERED),
		.by = TEXT(BY),
		.scope = TEXT(SCOPE),
		.rule = TEXT(RULE),
		.command = TEXT(COMMAND),
	};
#undef TEXT
	while (k < APPROVAL_STATE_COUNT && !str_eq(state, str_of(state_names[k]))) {
		k++;
	}
	ret->state = (enum approval_state)k;
	return k < APPROVAL_STATE_COUNT && id_parse(pg_str(rows, i, SESSION), &ret->session);
}

enum err_code approval_list(struct pg *pg, const struct approval_filter *filter,
                            struct arena *arena, struct approval_page *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->states);
	pg_param_cstr(&params, filter->session);
	pg_param_cstr(&params, filter->project);
	pg_param_cstr(&params, filter->tool);
	pg_param_cstr(&params, filter->namespaces);
	if (filter->before_us != 0) {
		pg_param_i64(&params, filter->before_us);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, filter->before_session);
	pg_param_cstr(&params, filter->before_request);
	pg_param_u64(&params, (uint64_t)filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(APPROVAL_SQL_APPROVAL_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		if (!from_row(rows, i, arena, &ret->items[i])) {
			return err_set(err, ERR_BACKEND, "a damaged approval");
		}
	}
	return ERR_OK;
}

enum err_code approval_get(struct pg *pg, const char *tenant, const struct id *session,
                           struct str request, struct arena *arena, struct approval *ret,
                           struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, session != NULL ? session->s : NULL);
	pg_param_text(&params, request);
	code = pg_query(pg, tenant, sql(APPROVAL_SQL_APPROVAL_GET), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such approval");
	}
	if (pg_rows_count(rows) > 1) {
		return err_set(
			err, ERR_CONFLICT,
			"several sessions have a question of that name: say SESSION:REQUEST");
	}
	return from_row(rows, 0, arena, ret) ? ERR_OK
	                                     : err_set(err, ERR_BACKEND, "a damaged approval");
}

enum err_code approval_due(struct pg *pg, uint64_t older_ms, struct arena *arena,
                           struct approval_due_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct approval_due *items;
	enum err_code code;

	pg_param_u64(&params, older_ms);
	pg_param_u64(&params, APPROVAL_DUE_MAX);
	code = pg_query(pg, "", sql(APPROVAL_SQL_APPROVAL_DUE), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	items = arena_take(arena, (pg_rows_count(rows) + 1) * sizeof(*items));
	*ret = (struct approval_due_list){ items, 0 };
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		if (id_parse(pg_str(rows, i, 0), &items[ret->count].session)) {
			items[ret->count].tenant = arena_strdup(arena, pg_str(rows, i, 1));
			items[ret->count++].request = arena_strdup(arena, pg_str(rows, i, 2));
		}
	}
	return ERR_OK;
}

/* False: there is no room for it. */
static bool add_granted(struct buf *out, bool allowed, struct str question)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(question, &err);
	const struct json_value *input = json_get(json, "input");
	struct buf item;
	struct jsonw w;
	bool fits;

	buf_init(&item, APPROVAL_GRANTED_MAX);
	jsonw_init(&w, &item);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "behavior", allowed ? "allow" : "deny");
	jsonw_str(&w, "tool_name", json_as_str(json_get(json, "tool_name")));
	if (input != NULL) {
		struct buf text;

		buf_init(&text, APPROVAL_GRANTED_MAX);
		json_format(input, &text);
		fits = !buf_failed(&text);
		jsonw_raw(&w, "input", fits ? buf_str(&text) : STR_LIT("null"));
		buf_fini(&text);
	} else {
		fits = true;
	}
	jsonw_end_object(&w);
	fits = fits && !buf_failed(&item) && out->len + item.len + 2 <= APPROVAL_GRANTED_MAX;
	if (fits) {
		buf_add_cstr(out, out->len > 1 ? "," : "");
		buf_add_str(out, buf_str(&item));
	}
	buf_fini(&item);
	return fits;
}

enum err_code approval_granted(struct pg *pg, const char *tenant, const struct id *session,
                               struct arena *arena, struct str *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf out;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, session->s);
	pg_param_u64(&params, APPROVAL_PAGE_MAX);
	code = pg_query(pg, tenant, sql(APPROVAL_SQL_APPROVAL_GRANTED), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	buf_init(&out, APPROVAL_GRANTED_MAX);
	buf_add_char(&out, '[');
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		/* A large one is asked again; a small one behind it may still fit. */
		(void)add_granted(&out, pg_bool(rows, i, 1), pg_str(rows, i, 0));
	}
	buf_add_char(&out, ']');
	*ret = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return ERR_OK;
}

enum err_code approval_left(struct pg *pg, const char *tenant, const struct id *session,
                            struct arena *arena, struct str *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf out;
	struct jsonw w;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, session->s);
	pg_param_u64(&params, APPROVAL_LEFT_MAX);
	code = pg_query(pg, tenant, sql(APPROVAL_SQL_APPROVAL_LEFT), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	buf_init(&out, APPROVAL_GRANTED_MAX);
	jsonw_init(&w, &out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		struct id id;

		if (id_parse(pg_str(rows, i, 0), &id)) { /* no worker asked by another */
			jsonw_cstr(&w, NULL, id.s);
		}
	}
	jsonw_end_array(&w);
	*ret = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return ERR_OK;
}

/* ---- following ---- */

enum err_code approval_asked(struct pg *pg, const struct approval_asked *asked, struct err *err)
{
	struct pg_params params = { 0 };

	if (asked->request.n == 0 || asked->request.n > APPROVAL_REQUEST_MAX) {
		return ERR_OK; /* nobody could answer it */
	}
	pg_param_cstr(&params, asked->tenant);
	pg_param_cstr(&params, asked->session.s);
	pg_param_text(&params, asked->request);
	pg_param_u64(&params, asked->epoch);
	pg_param_u64(&params, asked->n);
	pg_param_text(&params, asked->tool);
	pg_param_text(&params, asked->question);
	pg_param_i64(&params, asked->asked_us);
	if (asked->expires_us != 0) {
		pg_param_i64(&params, asked->expires_us);
	} else {
		pg_param_null(&params);
	}
	return pg_query(pg, asked->tenant, sql(APPROVAL_SQL_APPROVAL_ASKED), &params, NULL, err);
}

static void add_given(struct pg_params *params, struct str text)
{
	if (text.n > 0) {
		pg_param_text(params, text);
	} else {
		pg_param_null(params);
	}
}

static void add_answer(struct pg_params *params, const struct approval_answer *answer)
{
	pg_param_cstr(params, answer->tenant);
	pg_param_cstr(params, answer->session.s);
	pg_param_text(params, answer->request);
	pg_param_cstr(params, approval_state_name(answer->state));
	pg_param_text(params, answer->by);
	pg_param_i64(params, answer->at_us);
	pg_param_text(params, answer->scope);
	add_given(params, answer->rule);
	add_given(params, answer->command);
}

enum err_code approval_answered(struct pg *pg, const struct approval_answer *answer,
                                struct err *err)
{
	struct pg_params params = { 0 };

	add_answer(&params, answer);
	return pg_query(pg, answer->tenant, sql(APPROVAL_SQL_APPROVAL_ANSWERED), &params, NULL,
	                err);
}

enum err_code approval_answered_in(struct pg_tx *tx, const struct approval_answer *answer,
                                   struct err *err)
{
	struct pg_params params = { 0 };

	add_answer(&params, answer);
	return pg_tx_query(tx, sql(APPROVAL_SQL_APPROVAL_ANSWERED), &params, NULL, err);
}

enum err_code approval_unanswered(struct pg *pg, const struct approval_moment *moment,
                                  const struct id *command, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, moment->tenant);
	pg_param_cstr(&params, moment->session.s);
	pg_param_cstr(&params, command->s);
	pg_param_i64(&params, moment->at_us);
	return pg_query(pg, moment->tenant, sql(APPROVAL_SQL_APPROVAL_UNANSWERED), &params, NULL,
	                err);
}

enum err_code approval_held(struct pg *pg, const struct approval_moment *moment, bool held,
                            struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, moment->tenant);
	pg_param_cstr(&params, moment->session.s);
	pg_param_bool(&params, held);
	return pg_query(pg, moment->tenant, sql(APPROVAL_SQL_APPROVAL_HELD), &params, NULL, err);
}

enum err_code approval_withdrawn(struct pg *pg, const struct approval_moment *moment,
                                 enum approval_which which, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, moment->tenant);
	pg_param_cstr(&params, moment->session.s);
	pg_param_u64(&params, moment->n);
	pg_param_i64(&params, moment->at_us);
	if (which == APPROVAL_ALL) {
		pg_param_null(&params);
	} else {
		pg_param_bool(&params, which == APPROVAL_HELD);
	}
	return pg_query(pg, moment->tenant, sql(APPROVAL_SQL_APPROVAL_WITHDRAWN), &params, NULL,
	                err);
}
