#include "approval/rule_store.h"

#include "approval_sql_gen.h"
#include "json/write.h"

enum { ID, PROJECT, OWNER, ALLOW, TOOL, COMMAND, PATH, HOST, CREATED_BY, CREATED };

static const struct text *sql(enum approval_sql_id id)
{
	return &approval_sql_texts[id];
}

static struct approval_rule_row from_row(const struct pg_rows *rows, size_t i, struct arena *arena)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	struct approval_rule_row row = {
		.rule = { .allow = pg_bool(rows, i, ALLOW),
		          .project = TEXT(PROJECT),
		          .user = TEXT(OWNER),
		          .tool = TEXT(TOOL),
		          .command = TEXT(COMMAND),
		          .path = TEXT(PATH),
		          .host = TEXT(HOST) },
		.created_by = TEXT(CREATED_BY),
		.created_us = pg_i64(rows, i, CREATED),
	};
#undef TEXT
	(void)!id_parse(pg_str(rows, i, ID), &row.rule.id);
	return row;
}

enum err_code approval_rule_list(struct pg *pg, const struct approval_rule_filter *filter,
                                 struct arena *arena, struct approval_rule_list *ret,
                                 struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, filter->project);
	pg_param_cstr(&params, filter->owner);
	pg_param_cstr(&params, filter->before != NULL ? filter->before->s : NULL);
	pg_param_u64(&params, (uint64_t)filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(APPROVAL_SQL_RULE_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = from_row(rows, i, arena);
	}
	return ERR_OK;
}

enum err_code approval_rule_get(struct pg *pg, const char *tenant, const struct id *id,
                                struct arena *arena, struct approval_rule_row *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	code = pg_query(pg, tenant, sql(APPROVAL_SQL_RULE_GET), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such rule");
	}
	if (code == ERR_OK) {
		*ret = from_row(rows, 0, arena);
	}
	return code;
}

enum err_code approval_rules_for(struct pg *pg, const char *tenant, struct str project,
                                 struct str owner, struct arena *arena, struct str *ret,
                                 struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;
	struct buf out;
	struct jsonw w;

	pg_param_cstr(&params, tenant);
	pg_param_text(&params, project);
	pg_param_text(&params, owner);
	code = pg_query(pg, tenant, sql(APPROVAL_SQL_RULE_FOR), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	buf_init(&out, 2 * (size_t)APPROVAL_ORDER_MAX);
	jsonw_init(&w, &out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < pg_rows_count(rows) && !buf_failed(&out); i++) {
		struct approval_rule_row row = from_row(rows, i, arena);

		if (out.len + APPROVAL_TOOL_MAX + 4 * (size_t)APPROVAL_PATTERN_MAX >
		    APPROVAL_ORDER_MAX) {
			break; /* more than their bounds let in: those that allow come last */
		}
		approval_rule_write(&w, &row.rule);
	}
	jsonw_end_array(&w);
	code = buf_failed(&out) ? err_set(err, ERR_TOO_LARGE, "the rules of %s", tenant) : ERR_OK;
	*ret = code == ERR_OK ? arena_str(arena, buf_str(&out)) : STR_LIT("[]");
	buf_fini(&out);
	return code;
}

enum err_code approval_rule_add(struct pg_tx *tx, const char *tenant,
                                const struct approval_rule *rule, const char *created_by,
                                struct id *ret_id, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, rule->id.s);
	pg_param_cstr(&params, tenant);
	pg_param_text(&params, rule->project);
	pg_param_text(&params, rule->user);
	pg_param_bool(&params, rule->allow);
	pg_param_text(&params, rule->tool);
	pg_param_text(&params, rule->command);
	pg_param_text(&params, rule->path);
	pg_param_text(&params, rule->host);
	pg_param_cstr(&params, created_by);
	pg_param_u64(&params, APPROVAL_RULES_BYTES);
	code = pg_tx_query(tx, sql(APPROVAL_SQL_RULE_ADD), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0 || !id_parse(pg_str(rows, 0, 0), ret_id)) {
		return err_set(err, ERR_CONFLICT,
		               "there are too many rules of that project and user: delete some");
	}
	return ERR_OK;
}

enum err_code approval_rule_delete(struct pg_tx *tx, const char *tenant, const struct id *id,
                                   struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, id->s);
	code = pg_tx_query(tx, sql(APPROVAL_SQL_RULE_DELETE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_NOT_FOUND, "no such rule")
	               : code;
}
