/* Codes that set a password. */
#include "cred/subkey.h"
#include "login/password.h"
#include "login_sql_gen.h"

enum { CODE_DIGITS = 20, CODE_GROUP = 5 };
enum { USE_USER, USE_EMAIL };

/* Crockford's base 32: nothing that is mistaken for something else. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static struct cred_digest digest_of(const struct cred_pepper *secret, struct str plain)
{
	struct cred_pepper key = cred_subkey(secret, "password codes");
	struct cred_digest digest = cred_digest(&plain, 1, &key);

	cred_wipe(&key, sizeof(key));
	return digest;
}

static unsigned digit_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

/* Two hex digits have eight random bits, of which five make a digit. */
static void make_code(char plain[CODE_DIGITS + 1])
{
	char hex[2 * CODE_DIGITS + 1];

	cred_random_hex(hex, CODE_DIGITS);
	for (size_t i = 0; i < CODE_DIGITS; i++) {
		plain[i] = digits[(digit_value(hex[2 * i]) << 4 | digit_value(hex[2 * i + 1])) %
		                  (sizeof(digits) - 1)];
	}
	plain[CODE_DIGITS] = '\0';
	cred_wipe(hex, sizeof(hex));
}

static void space_out(const char plain[CODE_DIGITS + 1], char out[PASSWORD_CODE_LEN + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < CODE_DIGITS; i++) {
		if (i > 0 && i % CODE_GROUP == 0) {
			out[n++] = '-';
		}
		out[n++] = plain[i];
	}
	out[n] = '\0';
}

/* As people write it. False: it is none. */
static bool read_code(struct str text, char plain[CODE_DIGITS + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '-' || c == ' ') {
			continue;
		}
		if (n == CODE_DIGITS) {
			return false;
		}
		plain[n++] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	plain[n] = '\0';
	return n == CODE_DIGITS;
}

enum err_code password_code_create(struct pg *pg, const struct cred_pepper *secret,
                                   const struct password_code_new *what,
                                   char ret_code[PASSWORD_CODE_LEN + 1], int64_t *ret_ends_us,
                                   struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	char plain[CODE_DIGITS + 1];
	struct cred_digest hash;
	enum err_code code;

	make_code(plain);
	hash = digest_of(secret, str_of(plain));
	space_out(plain, ret_code);
	cred_wipe(plain, sizeof(plain));
	pg_param_cstr(&params, what->tenant);
	pg_param_cstr(&params, what->user->s);
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_cstr(&params, what->by);
	pg_param_u64(&params, PASSWORD_CODE_S);
	pg_param_bool(&params, what->any);
	/* Across tenants, to see what else the person is a member of. */
	code = pg_query(pg, "", &login_sql_texts[LOGIN_SQL_PASSWORD_CODE_CREATE], &params, &rows,
	                err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_FORBIDDEN,
		               "only the home of a person who is nowhere else a member, and has no "
		               "system, may do that; else it needs the scope system");
	}
	if (code == ERR_OK) {
		*ret_ends_us = pg_i64(rows, 0, 0);
	}
	return code;
}

enum err_code password_code_use(struct pg_tx *tx, const struct cred_pepper *secret, struct str code,
                                struct arena *arena, struct id *ret_user, struct str *ret_email,
                                struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	char plain[CODE_DIGITS + 1];
	struct cred_digest hash;
	enum err_code outcome;

	if (!read_code(code, plain)) {
		return err_set(err, ERR_NOT_FOUND, "this code does not count");
	}
	hash = digest_of(secret, str_of(plain));
	pg_param_bytes(&params, cred_digest_str(&hash));
	outcome =
		pg_tx_query(tx, &login_sql_texts[LOGIN_SQL_PASSWORD_CODE_USE], &params, &rows, err);
	if (outcome != ERR_OK) {
		return outcome;
	}
	if (pg_rows_count(rows) == 0 || !id_parse(pg_str(rows, 0, USE_USER), ret_user)) {
		return err_set(err, ERR_NOT_FOUND, "this code does not count");
	}
	*ret_email = arena_str(arena, pg_str(rows, 0, USE_EMAIL));
	return ERR_OK;
}
