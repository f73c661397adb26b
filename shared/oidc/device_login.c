#include "oidc/device_login.h"

#include "cred/seal.h"
#include "cred/subkey.h"
#include "oidc_sql_gen.h"

enum { TAKEN_PROVIDER, TAKEN_SEALED, TAKEN_DUE };
enum { SEALED_MAX = 2048 };

static const struct text *sql(enum oidc_sql_id id)
{
	return &oidc_sql_texts[id];
}

static struct cred_digest hash_of(const struct cred_pepper *secret, struct str code)
{
	struct cred_pepper key = cred_subkey(secret, "device logins");
	struct cred_digest hash = cred_digest(&code, 1, &key);

	cred_wipe(&key, sizeof(key));
	return hash;
}

static void seal(const struct cred_pepper *secret, const struct cred_digest *hash, struct str code,
                 struct buf *out)
{
	struct cred_pepper key = cred_subkey(secret, "device logins");

	cred_seal(&key, cred_digest_str(hash), code, out);
	cred_wipe(&key, sizeof(key));
}

static bool unseal(const struct cred_pepper *secret, const struct cred_digest *hash,
                   struct str sealed, struct buf *out)
{
	struct cred_pepper key = cred_subkey(secret, "device logins");
	bool ok = cred_unseal(&key, cred_digest_str(hash), sealed, out);

	cred_wipe(&key, sizeof(key));
	return ok;
}

enum err_code device_login_create(struct pg *pg, const struct cred_pepper *secret,
                                  const struct device_login_new *what,
                                  char ret_code[DEVICE_CODE_LEN + 1], struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	CLEANUP(buf_fini) struct buf sealed = { 0 };
	struct pg_params params = { 0 };
	struct cred_digest hash;
	enum err_code code;

	cred_random_hex(ret_code, DEVICE_CODE_LEN / 2);
	hash = hash_of(secret, str_of(ret_code));
	buf_init(&sealed, SEALED_MAX);
	seal(secret, &hash, what->code, &sealed);
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_cstr(&params, what->provider);
	pg_param_bytes(&params, buf_str(&sealed));
	pg_param_cstr(&params, what->address);
	pg_param_u64(&params, what->interval_s);
	pg_param_u64(&params, what->expires_s);
	pg_param_u64(&params, DEVICE_LOGINS_MAX);
	pg_param_u64(&params, DEVICE_LOGINS_ADDRESS_MAX);
	code = pg_query(pg, "", sql(OIDC_SQL_DEVICE_LOGIN_CREATE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_LIMIT, "too many devices wait for somebody to log in")
	               : code;
}

enum err_code device_login_take(struct pg *pg, const struct cred_pepper *secret, struct str code,
                                struct arena *arena, struct device_login *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	CLEANUP(buf_fini) struct buf plain = { 0 };
	struct pg_params params = { 0 };
	enum err_code done;

	ret->hash = hash_of(secret, code);
	pg_param_bytes(&params, cred_digest_str(&ret->hash));
	done = pg_query(pg, "", sql(OIDC_SQL_DEVICE_LOGIN_TAKE), &params, &rows, err);
	if (done != ERR_OK) {
		return done;
	}
	buf_init(&plain, SEALED_MAX);
	if (pg_rows_count(rows) == 0 ||
	    !unseal(secret, &ret->hash, pg_bytes(rows, 0, TAKEN_SEALED), &plain)) {
		return err_set(err, ERR_NOT_FOUND, "no such device code");
	}
	ret->provider = arena_str(arena, pg_str(rows, 0, TAKEN_PROVIDER));
	ret->code = arena_str(arena, buf_str(&plain));
	ret->is_due = pg_bool(rows, 0, TAKEN_DUE);
	return ERR_OK;
}

enum err_code device_login_slow(struct pg *pg, const struct device_login *login, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_bytes(&params, cred_digest_str(&login->hash));
	pg_param_u64(&params, DEVICE_SLOWER_S);
	return pg_query(pg, "", sql(OIDC_SQL_DEVICE_LOGIN_SLOW), &params, NULL, err);
}

enum err_code device_login_end(struct pg *pg, const struct device_login *login, bool *ret_ended,
                               struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_bytes(&params, cred_digest_str(&login->hash));
	code = pg_query(pg, "", sql(OIDC_SQL_DEVICE_LOGIN_END), &params, &rows, err);
	*ret_ended = code == ERR_OK && pg_rows_affected(rows) > 0;
	return code;
}
