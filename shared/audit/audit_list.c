#include "audit/audit_list.h"

#include "audit_sql_gen.h"
#include "base/clock.h"
#include "json/write.h"

static void optional(struct pg_params *params, int64_t number)
{
	if (number == 0) {
		pg_param_null(params);
	} else {
		pg_param_i64(params, number);
	}
}

static struct audit_row keep(const struct audit_row *row, struct arena *arena)
{
	struct audit_row kept = *row;

	kept.chain = arena_str(arena, row->chain);
	kept.who.kind = arena_str(arena, row->who.kind);
	kept.who.id = arena_str(arena, row->who.id);
	kept.who.name = arena_str(arena, row->who.name);
	kept.who.address = arena_str(arena, row->who.address);
	kept.who.agent = arena_str(arena, row->who.agent);
	kept.who.request = arena_str(arena, row->who.request);
	kept.action = arena_str(arena, row->action);
	kept.object = arena_str(arena, row->object);
	kept.outcome = arena_str(arena, row->outcome);
	kept.detail = arena_str(arena, row->detail);
	kept.prev = arena_str(arena, row->prev);
	kept.hash = arena_str(arena, row->hash);
	return kept;
}

enum err_code audit_list(struct pg *pg, const char *tenant, const struct audit_filter *filter,
                         struct arena *arena, struct audit_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->chain);
	optional(&params, (int64_t)filter->before);
	pg_param_cstr(&params, filter->actor);
	pg_param_cstr(&params, filter->action);
	pg_param_cstr(&params, filter->object);
	pg_param_cstr(&params, filter->outcome);
	optional(&params, filter->since_us);
	optional(&params, filter->until_us);
	pg_param_u64(&params, filter->max + 1);
	code = pg_query(pg, tenant, &audit_sql_texts[AUDIT_SQL_AUDIT_LIST], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		const struct audit_row row = audit_row_from(rows, i);

		ret->items[i] = keep(&row, arena);
	}
	return ERR_OK;
}

static void hex_of(const struct audit_row *row, char out[2 * CRED_DIGEST_SIZE + 1])
{
	struct cred_digest hash;

	out[0] = '\0';
	if (cred_digest_from(row->hash, &hash)) {
		cred_digest_hex(&hash, out);
	}
}

void audit_write_json(struct jsonw *w, const struct audit_row *row)
{
	char hash[2 * CRED_DIGEST_SIZE + 1];

	hex_of(row, hash);
	jsonw_object(w, NULL);
	jsonw_str(w, "tenant", row->chain);
	jsonw_u64(w, "n", row->n);
	jsonw_time(w, "at", row->at_us);
	jsonw_object(w, "actor");
	jsonw_str(w, "kind", row->who.kind);
	jsonw_str(w, "id", row->who.id);
	jsonw_str(w, "name", row->who.name);
	jsonw_end_object(w);
	jsonw_str(w, "address", row->who.address);
	jsonw_str(w, "userAgent", row->who.agent);
	jsonw_str(w, "action", row->action);
	jsonw_str(w, "object", row->object);
	jsonw_str(w, "outcome", row->outcome);
	jsonw_str(w, "requestId", row->who.request);
	jsonw_raw(w, "detail", row->detail);
	jsonw_cstr(w, "hash", hash);
	jsonw_end_object(w);
}

void audit_write_line(struct buf *out, const struct audit_row *row)
{
	struct jsonw w;

	jsonw_init(&w, out);
	audit_write_json(&w, row);
	buf_add_char(out, '\n');
}

/* A spreadsheet takes what begins with one of these for a formula. */
static bool is_formula(struct str text)
{
	return text.n > 0 && memchr("=+-@\t\r", text.p[0], 6) != NULL;
}

static void add_field(struct buf *out, struct str text)
{
	buf_add_char(out, '"');
	if (is_formula(text)) {
		buf_add_char(out, '\'');
	}
	for (size_t i = 0; i < text.n; i++) {
		buf_add_cstr(out, text.p[i] == '"' ? "\"" : "");
		buf_add_char(out, text.p[i]);
	}
	buf_add_char(out, '"');
}

void audit_write_csv_head(struct buf *out)
{
	buf_add_cstr(out, "tenant,n,at,actorKind,actor,actorName,address,userAgent,action,object,"
	                  "outcome,requestId,detail,hash\r\n");
}

void audit_write_csv(struct buf *out, const struct audit_row *row)
{
	char hash[2 * CRED_DIGEST_SIZE + 1], at[CLOCK_RFC3339_SIZE];
	const struct str fields[] = { row->who.kind,    row->who.id,    row->who.name,
		                      row->who.address, row->who.agent, row->action,
		                      row->object,      row->outcome,   row->who.request,
		                      row->detail };

	hex_of(row, hash);
	clock_format(row->at_us, at);
	add_field(out, row->chain);
	buf_add_char(out, ',');
	buf_add_u64(out, row->n);
	buf_addf(out, ",%s", at);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		buf_add_char(out, ',');
		add_field(out, fields[i]);
	}
	buf_addf(out, ",%s\r\n", hash);
}
