#include "token/signing.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "cred/jwt.h"
#include "cred/seal.h"
#include "cred/subkey.h"
#include "loop/fiber.h"
#include "token_sql_gen.h"

enum { MICRO = 1000000, WAIT_MS = 10000 };
enum { ROW_KID, ROW_ALG, ROW_SEALED, ROW_ACTIVATES, ROW_RETIRES, ROW_NOW };

struct signing_key {
	struct cred_jwk *jwk;
	struct signing_span span;
};

struct signing_ring {
	size_t count;
	struct signing_key keys[SIGNING_KEYS_MAX];
	int64_t now_us; /* by the database's clock, when it was read */
};

struct signing {
	struct signing_options options;
	struct cred_pepper seal;
	struct signing_ring ring;
	uint64_t looked_ms; /* 0: never */
	uint64_t epoch;
	bool looking; /* a fiber does, and others may wait for what it finds */
	struct fiber_signal looked;
	struct err failed; /* of the last look; code ERR_OK: it did not */
};

static const struct text *sql(enum token_sql_id id)
{
	return &token_sql_texts[id];
}

/* ---- pure ---- */

bool signing_plan(const struct signing_span *spans, size_t count, int64_t now_us, uint64_t life_s,
                  struct signing_span *ret)
{
	const int64_t life_us = (int64_t)life_s * MICRO;
	int64_t until_us = now_us; /* somebody signs until then */

	for (size_t i = 0; i < count; i++) {
		if (spans[i].activates_us <= until_us && spans[i].retires_us > until_us) {
			until_us = spans[i].retires_us;
		}
	}
	if (until_us > now_us + (int64_t)SIGNING_LEAD_S * MICRO) {
		return false;
	}
	*ret = (struct signing_span){ until_us, until_us + life_us };
	return true;
}

/* ---- rows ---- */

/* A token may be taken for as long as clocks may differ after its end. */
static int64_t of_use_s(const struct signing *signing)
{
	return (int64_t)signing->options.access_s + 2 * CRED_LEEWAY_S;
}

static void drop(struct signing_ring *ring)
{
	for (size_t i = 0; i < ring->count; i++) {
		cred_jwk_free(ring->keys[i].jwk);
	}
	ring->count = 0;
}

/* NULL: sealed with another pepper, or by somebody else. */
static struct cred_jwk *open_key(const struct signing *signing, struct str kid, struct str alg,
                                 struct str sealed)
{
	CLEANUP(buf_fini) struct buf der = { 0 };
	struct cred_jwk *jwk = NULL;
	enum cred_alg known;

	buf_init(&der, CRED_DER_MAX);
	if (cred_alg_parse(alg, &known) && cred_unseal(&signing->seal, kid, sealed, &der)) {
		jwk = cred_jwk_import(buf_str(&der), known, kid.p);
	}
	if (der.data != NULL) {
		cred_wipe(der.data, der.size);
	}
	return jwk;
}

static void read_rows(const struct signing *signing, struct pg_rows *rows, struct signing_ring *ret)
{
	for (size_t i = 0; i < pg_rows_count(rows) && ret->count < SIGNING_KEYS_MAX; i++) {
		struct cred_jwk *jwk =
			open_key(signing, pg_str(rows, i, ROW_KID), pg_str(rows, i, ROW_ALG),
		                 pg_bytes(rows, i, ROW_SEALED));

		/* Not when the transaction began: that may have waited for the lock since. */
		ret->now_us = pg_i64(rows, i, ROW_NOW);
		if (jwk != NULL) {
			ret->keys[ret->count++] =
				(struct signing_key){ jwk,
				                      { pg_i64(rows, i, ROW_ACTIVATES),
				                        pg_i64(rows, i, ROW_RETIRES) } };
		}
	}
}

static enum err_code list(struct signing *signing, struct pg_tx *tx, struct signing_ring *ret,
                          struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_i64(&params, of_use_s(signing));
	code = tx != NULL ? pg_tx_query(tx, sql(TOKEN_SQL_SIGNING_LIST), &params, &rows, err)
	                  : pg_query(signing->options.pg, "", sql(TOKEN_SQL_SIGNING_LIST), &params,
	                             &rows, err);
	ret->count = 0;
	if (code == ERR_OK) {
		read_rows(signing, rows, ret);
	}
	return code;
}

static enum err_code insert(struct signing *signing, struct pg_tx *tx,
                            const struct signing_span *span, struct err *err)
{
	CLEANUP(buf_fini) struct buf der = { 0 };
	CLEANUP(buf_fini) struct buf sealed = { 0 };
	const struct id kid = id_new();
	CLEANUP(cred_jwk_cleanup) struct cred_jwk *jwk = cred_jwk_generate(kid.s);
	struct pg_params params = { 0 };

	buf_init(&der, CRED_DER_MAX);
	buf_init(&sealed, CRED_DER_MAX + CRED_SEAL_EXTRA);
	if (jwk == NULL || !cred_jwk_export(jwk, &der)) {
		return err_set(err, ERR_INTERNAL, "no signing key could be made");
	}
	cred_seal(&signing->seal, str_of(kid.s), buf_str(&der), &sealed);
	cred_wipe(der.data, der.size);
	pg_param_cstr(&params, kid.s);
	pg_param_cstr(&params, cred_alg_name(cred_jwk_alg(jwk)));
	pg_param_bytes(&params, buf_str(&sealed));
	pg_param_i64(&params, span->activates_us);
	pg_param_i64(&params, span->retires_us);
	return pg_tx_query(tx, sql(TOKEN_SQL_SIGNING_CREATE), &params, NULL, err);
}

static bool plan(const struct signing *signing, const struct signing_ring *ring,
                 struct signing_span *ret)
{
	struct signing_span spans[SIGNING_KEYS_MAX];

	for (size_t i = 0; i < ring->count; i++) {
		spans[i] = ring->keys[i].span;
	}
	return signing_plan(spans, ring->count, ring->now_us, signing->options.life_s, ret);
}

/* ---- making ---- */

static enum err_code run(struct pg_tx *tx, enum token_sql_id id, int64_t value, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_i64(&params, value);
	return pg_tx_query(tx, sql(id), &params, NULL, err);
}

/* What the lock protects: looking, and then making what is missing. */
static enum err_code make_due(struct signing *signing, struct pg_tx *tx, struct err *err)
{
	const struct pg_params none = { 0 };
	struct signing_ring ring = { .count = 0 };
	struct signing_span span;
	enum err_code code = pg_tx_query(tx, sql(TOKEN_SQL_SIGNING_LOCK), &none, NULL, err);

	if (code == ERR_OK) {
		code = list(signing, tx, &ring, err);
	}
	if (code == ERR_OK && plan(signing, &ring, &span)) {
		code = insert(signing, tx, &span, err);
	}
	drop(&ring);
	return code == ERR_OK ? run(tx, TOKEN_SQL_SIGNING_PRUNE, of_use_s(signing), err) : code;
}

static enum err_code make(struct signing *signing, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	enum err_code code = pg_begin(signing->options.pg, "", &tx, err);

	if (code == ERR_OK) {
		code = make_due(signing, tx, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code;
}

static enum err_code replace(struct signing *signing, struct pg_tx *tx, bool at_once,
                             struct err *err)
{
	const struct pg_params none = { 0 };
	const int64_t lead_us = at_once ? 0 : (int64_t)SIGNING_LEAD_S * MICRO;
	struct signing_ring ring = { .count = 0 };
	struct signing_span span;
	enum err_code code = pg_tx_query(tx, sql(TOKEN_SQL_SIGNING_LOCK), &none, NULL, err);

	if (code == ERR_OK) {
		code = list(signing, tx, &ring, err);
	}
	if (code == ERR_OK) {
		span.activates_us = ring.now_us + lead_us;
		span.retires_us = span.activates_us + (int64_t)signing->options.life_s * MICRO;
		code = at_once ? run(tx, TOKEN_SQL_SIGNING_PRUNE, -1, err)
		               : run(tx, TOKEN_SQL_SIGNING_RETIRE, span.activates_us, err);
	}
	if (code == ERR_OK) {
		code = insert(signing, tx, &span, err);
	}
	drop(&ring);
	return code;
}

enum err_code signing_rotate(struct signing *signing, bool at_once, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	enum err_code code = pg_begin(signing->options.pg, "", &tx, err);

	if (code == ERR_OK) {
		code = replace(signing, tx, at_once, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	signing->looked_ms = 0;
	return code;
}

/* ---- looking ---- */

static bool has(const struct signing_ring *ring, const char *kid)
{
	for (size_t i = 0; i < ring->count; i++) {
		if (strcmp(cred_jwk_kid(ring->keys[i].jwk), kid) == 0) {
			return true;
		}
	}
	return false;
}

static void adopt(struct signing *signing, struct signing_ring *fresh)
{
	for (size_t i = 0; i < signing->ring.count; i++) {
		if (!has(fresh, cred_jwk_kid(signing->ring.keys[i].jwk))) {
			signing->epoch++;
		}
	}
	drop(&signing->ring);
	signing->ring = *fresh;
}

static enum err_code look(struct signing *signing, struct err *err)
{
	struct signing_ring fresh = { .count = 0 };
	struct signing_span span;
	enum err_code code = list(signing, NULL, &fresh, err);

	if (code == ERR_OK && plan(signing, &fresh, &span)) {
		code = make(signing, err);
		drop(&fresh);
		if (code == ERR_OK) {
			code = list(signing, NULL, &fresh, err);
		}
	}
	if (code == ERR_OK) {
		adopt(signing, &fresh);
	} else {
		drop(&fresh);
	}
	return code;
}

/* For what another fiber finds. The signal may still be raised from a time when nobody waited. */
static enum err_code await(struct signing *signing, struct err *err)
{
	enum err_code code = ERR_OK;

	while (signing->looking && code == ERR_OK) {
		code = fiber_signal_wait(&signing->looked, WAIT_MS);
	}
	if (code != ERR_OK) {
		return err_set(err, code, "signing keys are still looked for");
	}
	if (signing->failed.code != ERR_OK) {
		*err = signing->failed;
	}
	return signing->failed.code;
}

enum err_code signing_look(struct signing *signing, bool missed, struct err *err)
{
	const uint64_t now_ms = clock_mono_ms(), before_ms = signing->looked_ms;
	enum err_code code;

	/* Whoever has no use for what there is waits: their token may be as good as any. */
	if (signing->looking && (missed || signing->ring.count == 0)) {
		return await(signing, err);
	}
	if (before_ms != 0 && now_ms - before_ms < (missed ? SIGNING_MISS_MS : SIGNING_LOOK_MS)) {
		return ERR_OK;
	}
	signing->looked_ms = now_ms; /* those who come meanwhile go on with what there is */
	signing->looking = true;
	code = look(signing, err);
	signing->looking = false;
	signing->failed = (struct err){ .code = ERR_OK };
	if (code != ERR_OK) {
		signing->failed = *err;
	}
	fiber_signal_raise(&signing->looked);
	if (code != ERR_OK) {
		signing->looked_ms = before_ms;
		return signing->ring.count > 0 && !missed ? ERR_OK : err_wrap(err, "signing keys");
	}
	return ERR_OK;
}

/* ---- using ---- */

const struct cred_jwk *signing_current(const struct signing *signing, int64_t now_us)
{
	const int64_t leeway_us = (int64_t)CRED_LEEWAY_S * MICRO;
	const struct cred_jwk *newest = NULL;

	/* The first key of all is active by the database's clock, which may be ahead of ours. */
	for (size_t i = 0; i < signing->ring.count; i++) {
		const struct signing_key *key = &signing->ring.keys[i];

		if (key->span.retires_us > now_us &&
		    (key->span.activates_us <= now_us ||
		     (newest == NULL && key->span.activates_us <= now_us + leeway_us))) {
			newest = key->jwk;
		}
	}
	return newest;
}

static bool is_of_use(const struct signing *signing, const struct signing_key *key, int64_t now_us)
{
	return key->span.retires_us + of_use_s(signing) * MICRO > now_us;
}

const struct cred_jwk *signing_find(const struct signing *signing, const char *kid,
                                    enum cred_alg alg, int64_t now_us)
{
	for (size_t i = 0; i < signing->ring.count; i++) {
		const struct signing_key *key = &signing->ring.keys[i];

		if (cred_jwk_alg(key->jwk) == alg && strcmp(cred_jwk_kid(key->jwk), kid) == 0 &&
		    is_of_use(signing, key, now_us)) {
			return key->jwk;
		}
	}
	return NULL;
}

uint64_t signing_epoch(const struct signing *signing)
{
	return signing->epoch;
}

void signing_publish(const struct signing *signing, int64_t now_us, struct buf *out)
{
	bool first = true;

	buf_add_cstr(out, "{\"keys\":[");
	for (size_t i = 0; i < signing->ring.count; i++) {
		if (is_of_use(signing, &signing->ring.keys[i], now_us)) {
			buf_add_cstr(out, first ? "" : ",");
			cred_jwk_format(signing->ring.keys[i].jwk, out);
			first = false;
		}
	}
	buf_add_cstr(out, "]}");
}

struct signing *signing_new(const struct signing_options *options)
{
	struct signing *signing = mem_calloc(1, sizeof(*signing));

	signing->options = *options;
	signing->seal = cred_subkey(&options->secret, "signing keys");
	fiber_signal_init(&signing->looked);
	return signing;
}

void signing_free(struct signing *signing)
{
	if (signing != NULL) {
		drop(&signing->ring);
		cred_wipe(signing, sizeof(*signing));
		free(signing);
	}
}
