#include "login/setup.h"

#include "cred/subkey.h"
#include "login_sql_gen.h"

static const struct text *sql(enum login_sql_id id)
{
	return &login_sql_texts[id];
}

static struct cred_digest digest_of(const struct cred_pepper *secret, struct str pin)
{
	struct cred_pepper key = cred_subkey(secret, "setup");
	struct cred_digest digest = cred_digest(&pin, 1, &key);

	cred_wipe(&key, sizeof(key));
	return digest;
}

/* Hex digits above 9 are thrown away, so that all digits are as likely. */
static void make_pin(char out[SETUP_PIN_LEN + 1])
{
	char hex[2 * SETUP_PIN_LEN + 1];
	size_t n = 0;

	while (n < SETUP_PIN_LEN) {
		cred_random_hex(hex, SETUP_PIN_LEN);
		for (size_t i = 0; hex[i] != '\0' && n < SETUP_PIN_LEN; i++) {
			if (hex[i] <= '9') {
				out[n++] = hex[i];
			}
		}
	}
	out[n] = '\0';
}

enum err_code setup_needed(struct pg *pg, bool *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	const struct pg_params params = { 0 };
	enum err_code code = pg_query(pg, "", sql(LOGIN_SQL_SETUP_LOOK), &params, &rows, err);

	if (code == ERR_OK) {
		*ret = !pg_bool(rows, 0, 0);
	}
	return code;
}

enum err_code setup_make(struct pg *pg, const struct cred_pepper *secret, bool anew,
                         char ret_pin[SETUP_PIN_LEN + 1], bool *ret_made, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct cred_digest hash;
	enum err_code code;

	make_pin(ret_pin);
	hash = digest_of(secret, str_of(ret_pin));
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_u64(&params, SETUP_LIFE_S);
	pg_param_u64(&params, SETUP_ATTEMPTS);
	pg_param_bool(&params, anew);
	code = pg_query(pg, "", sql(LOGIN_SQL_SETUP_MAKE), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_made = pg_rows_count(rows) > 0;
	}
	return code;
}

enum err_code setup_try(struct pg *pg, const struct cred_pepper *secret, struct str pin,
                        struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct cred_digest shown = digest_of(secret, pin), kept;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, SETUP_ATTEMPTS);
	code = pg_query(pg, "", sql(LOGIN_SQL_SETUP_TRY), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_GONE, "no setup PIN counts");
	}
	if (!cred_digest_from(pg_bytes(rows, 0, 0), &kept) || !cred_digest_eq(&kept, &shown)) {
		return err_set(err, ERR_FORBIDDEN, "this is not the setup PIN");
	}
	return ERR_OK;
}

enum err_code setup_done(struct pg_tx *tx, const struct cred_pepper *secret, struct str pin,
                         struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct cred_digest hash = digest_of(secret, pin);
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_bytes(&params, cred_digest_str(&hash));
	code = pg_tx_query(tx, sql(LOGIN_SQL_SETUP_DONE), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		code = err_set(err, ERR_CONFLICT, "there is an administrator already");
	}
	return code;
}
