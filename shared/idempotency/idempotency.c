#include "idempotency/idempotency.h"

#include <assert.h>

#include "cred/seal.h"
#include "idempotency_sql_gen.h"

enum {
	COL_ROUTE,
	COL_HASH,
	COL_STATUS,
	COL_MEDIA_TYPE,
	COL_RESPONSE,
	COL_HEADERS,
	COL_SEALED,
};

enum { SEALED_MAX = 1024 * 1024, HEADERS_MAX = 8 * 1024, BOUND_MAX = 1024 };

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

void idempotency_keep_headers(struct str lines, struct buf *out)
{
	static const char *const kept[] = { "Location", "ETag", "Link" };

	while (lines.n > 0) {
		struct str line = str_split(&lines, '\n'), value = line;
		struct str name = str_split(&value, ':');

		for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
			if (str_eq_nocase(name, str_of(kept[i]))) {
				buf_add_str(out, line);
				buf_add_char(out, '\n');
			}
		}
	}
}

static struct pg_params params_of(const struct idempotency_claim *claim)
{
	struct pg_params params = { 0 };

	assert(idempotency_key_ok(str_of(claim->key)));
	pg_param_cstr(&params, claim->tenant);
	pg_param_cstr(&params, claim->principal);
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

static bool is_same_request(struct pg_rows *rows, size_t row, unsigned first,
                            const struct idempotency_claim *claim)
{
	struct cred_digest stored;

	return str_eq(pg_str(rows, row, first + COL_ROUTE), str_of(claim->route)) &&
	       cred_digest_from(pg_bytes(rows, row, first + COL_HASH), &stored) &&
	       cred_digest_eq(&stored, &claim->request);
}

/* ---- secrets ---- */

/* A seal opens beside its own row only. */
static void bind(const struct idempotency_claim *claim, struct buf *out)
{
	buf_init(out, BOUND_MAX);
	buf_addf(out, "%s %s %s", claim->tenant, claim->principal, claim->key);
}

static enum err_code seal(const struct idempotency_claim *claim, struct str plain, struct buf *out,
                          struct err *err)
{
	struct buf bound;

	bind(claim, &bound);
	buf_init(out, SEALED_MAX);
	cred_seal(claim->seal, buf_str(&bound), plain, out);
	buf_fini(&bound);
	return buf_failed(out) ? err_set(err, ERR_LIMIT, "the answer is too large to be sealed")
	                       : ERR_OK;
}

static enum err_code unseal(const struct idempotency_claim *claim, struct str sealed,
                            struct arena *arena, struct str *ret, struct err *err)
{
	struct buf bound, plain;
	bool opened;

	bind(claim, &bound);
	buf_init(&plain, SEALED_MAX);
	opened = claim->seal != NULL && cred_unseal(claim->seal, buf_str(&bound), sealed, &plain);
	*ret = opened ? arena_str(arena, buf_str(&plain)) : STR_LIT("");
	cred_wipe(plain.data, plain.len);
	buf_fini(&plain);
	buf_fini(&bound);
	return opened ? ERR_OK
	              : err_set(err, ERR_CONFLICT,
	                        "it was done, but the stored answer cannot be read any more");
}

enum err_code idempotency_read(struct pg_rows *rows, size_t row, unsigned first,
                               const struct idempotency_claim *claim, struct arena *arena,
                               struct idempotency_find *ret, struct err *err)
{
	struct idempotency_answer *answer = &ret->answer;

	if (pg_is_null(rows, row, first + COL_ROUTE)) {
		ret->outcome = IDEMPOTENCY_RUNNING;
		return ERR_OK;
	}
	if (!is_same_request(rows, row, first, claim)) {
		ret->outcome = IDEMPOTENCY_OTHER;
		return ERR_OK;
	}
	ret->outcome = IDEMPOTENCY_REPLAY;
	*answer = (struct idempotency_answer){
		.status = (int)pg_i64(rows, row, first + COL_STATUS),
		.media_type = arena_str(arena, pg_str(rows, row, first + COL_MEDIA_TYPE)),
		.body = arena_str(arena, pg_bytes(rows, row, first + COL_RESPONSE)),
		.headers = arena_str(arena, pg_str(rows, row, first + COL_HEADERS)),
	};
	return pg_bool(rows, row, first + COL_SEALED)
	               ? unseal(claim, answer->body, arena, &answer->body, err)
	               : ERR_OK;
}

enum err_code idempotency_begin(struct pg_tx *tx, const struct idempotency_claim *claim,
                                struct arena *arena, enum idempotency_outcome *ret_outcome,
                                struct idempotency_answer *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = params_of(claim);
	struct idempotency_find found;
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
	code = idempotency_read(rows, 0, 0, claim, arena, &found, err);
	if (code == ERR_OK) {
		*ret_outcome = found.outcome;
		*ret = found.answer;
	}
	return code;
}

/* ---- many at a time ---- */

const struct text *const idempotency_locks =
	&idempotency_sql_texts[IDEMPOTENCY_SQL_IDEMPOTENCY_LOCK_ALL];

void idempotency_write(struct jsonw *w, const struct idempotency_claim *claim,
                       const struct idempotency_answer *answer, unsigned lock)
{
	char hash[2 * CRED_DIGEST_SIZE + 1];
	struct buf headers;

	assert(claim->seal == NULL && idempotency_key_ok(str_of(claim->key)));
	cred_digest_hex(&claim->request, hash);
	buf_init(&headers, HEADERS_MAX);
	idempotency_keep_headers(answer->headers, &headers);
	jsonw_u64(w, "lock", lock);
	jsonw_cstr(w, "once_of", claim->principal);
	jsonw_cstr(w, "once_key", claim->key);
	jsonw_cstr(w, "once_route", claim->route);
	jsonw_cstr(w, "once_hash", hash);
	jsonw_i64(w, "once_status", answer->status);
	jsonw_str(w, "once_type", answer->media_type);
	jsonw_str(w, "once_response", answer->body);
	jsonw_str(w, "once_headers", headers.len > 0 ? buf_str(&headers) : STR_LIT(""));
	jsonw_u64(w, "once_s", IDEMPOTENCY_KEEP_S);
	buf_fini(&headers);
}

static enum err_code save(struct pg_tx *tx, const struct idempotency_claim *claim,
                          const struct idempotency_answer *answer, struct err *err)
{
	struct pg_params params = params_of(claim);

	pg_param_cstr(&params, claim->route);
	pg_param_bytes(&params, cred_digest_str(&claim->request));
	pg_param_i64(&params, answer->status);
	pg_param_text(&params, answer->media_type);
	pg_param_bytes(&params, answer->body);
	pg_param_text(&params, answer->headers);
	pg_param_bool(&params, claim->seal != NULL);
	pg_param_i64(&params, IDEMPOTENCY_KEEP_S);
	return pg_tx_query(tx, sql(IDEMPOTENCY_SQL_IDEMPOTENCY_SAVE), &params, NULL, err);
}

enum err_code idempotency_finish(struct pg_tx *tx, const struct idempotency_claim *claim,
                                 const struct idempotency_answer *answer, struct err *err)
{
	struct idempotency_answer kept = *answer;
	struct buf headers, sealed;
	enum err_code code = ERR_OK;

	if (answer->status >= 500) {
		return ERR_OK;
	}
	buf_init(&headers, HEADERS_MAX);
	buf_init(&sealed, SEALED_MAX);
	idempotency_keep_headers(answer->headers, &headers);
	kept.headers = headers.len > 0 ? buf_str(&headers) : STR_LIT("");
	if (claim->seal != NULL) {
		code = seal(claim, answer->body, &sealed, err);
		kept.body = buf_str(&sealed);
	}
	if (code == ERR_OK) {
		code = save(tx, claim, &kept, err);
	}
	buf_fini(&sealed);
	buf_fini(&headers);
	return code;
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
