#include "idempotency/idempotency.h"

#include <assert.h>

#include "idempotency_sql_gen.h"

enum { COL_ROUTE, COL_HASH, COL_STATUS, COL_MEDIA_TYPE, COL_RESPONSE };

static const struct text *sql(enum idempotency_sql_id id)
{
	return &idempotency_sql_texts[id];
}

bool idempotency_key_ok(struct str key)
{
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] <= ' ' || key.p[i] > '~') {
			return false;
		}
	}
	return key.n >= 1 && key.n <= IDEMPOTENCY_KEY_MAX;
}

struct cred_digest idempotency_digest(struct str path, struct str query, struct str body)
{
	const struct str parts[] = { path, query, body };

	return cred_digest(parts, ARRAY_LEN(parts), NULL);
}

static struct pg_params params_of(const struct idempotency_claim *claim)
{
	struct pg_params params = { 0 };

	assert(idempotency_key_ok(str_of(claim->key)));
	pg_param_cstr(&params, claim->tenant);
	pg_param_cstr(&params, claim->key);
	return params;
}

static enum err_code take_lock(struct pg_tx *tx, const struct pg_params *params, bool *ret,
                               struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	enum err_code code =
		pg_tx_query(tx, sql(IDEMPOTENCY_SQL_IDEMPOTENCY_LOCK), params, &rows, err);

	if (code == ERR_OK) {
		*ret = pg_bool(rows, 0, 0);
	}
	return code;
}

static bool is_same_request(struct pg_rows *rows, const struct idempotency_claim *claim)
{
	struct cred_digest stored;

	return str_eq(pg_str(rows, 0, COL_ROUTE), str_of(claim->route)) &&
	       cred_digest_from(pg_bytes(rows, 0, COL_HASH), &stored) &&
	       cred_digest_eq(&stored, &claim->request);
}

enum err_code idempotency_begin(struct pg_tx *tx, const struct idempotency_claim *claim,
                                struct arena *arena, enum idempotency_outcome *ret_outcome,
                                struct idempotency_answer *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = params_of(claim);
	enum err_code code;
	bool locked = false;

	code = take_lock(tx, &params, &locked, err);
	if (code != ERR_OK) {
		return code;
	}
	/* A statement of its own: its snapshot sees what the last holder of the lock committed. */
	code = pg_tx_query(tx, sql(IDEMPOTENCY_SQL_IDEMPOTENCY_FIND), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		*ret_outcome = locked ? IDEMPOTENCY_FRESH : IDEMPOTENCY_RUNNING;
		return ERR_OK;
	}
	if (!is_same_request(rows, claim)) {
		*ret_outcome = IDEMPOTENCY_OTHER;
		return ERR_OK;
	}
	*ret = (struct idempotency_answer){
		.status = (int)pg_i64(rows, 0, COL_STATUS),
		.media_type = arena_str(arena, pg_str(rows, 0, COL_MEDIA_TYPE)),
		.body = arena_str(arena, pg_bytes(rows, 0, COL_RESPONSE)),
	};
	*ret_outcome = IDEMPOTENCY_REPLAY;
	return ERR_OK;
}

enum err_code idempotency_finish(struct pg_tx *tx, const struct idempotency_claim *claim,
                                 const struct idempotency_answer *answer, struct err *err)
{
	struct pg_params params = params_of(claim);

	if (answer->status >= 500) {
		return ERR_OK;
	}
	pg_param_cstr(&params, claim->route);
	pg_param_bytes(&params, cred_digest_str(&claim->request));
	pg_param_i64(&params, answer->status);
	pg_param_text(&params, answer->media_type);
	pg_param_bytes(&params, answer->body);
	pg_param_i64(&params, IDEMPOTENCY_KEEP_S);
	return pg_tx_query(tx, sql(IDEMPOTENCY_SQL_IDEMPOTENCY_SAVE), &params, NULL, err);
}

enum err_code idempotency_purge(struct pg *pg, unsigned max, uint64_t *ret_count, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, max);
	code = pg_query(pg, "", sql(IDEMPOTENCY_SQL_IDEMPOTENCY_PURGE), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_count = pg_rows_affected(rows);
	}
	return code;
}
