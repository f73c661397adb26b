#include "login/password.h"

#include <stddef.h>

#include "login_sql_gen.h"

enum { FIND_USER, FIND_STORED, FIND_DISABLED };
enum { GET_EMAIL, GET_STORED };

static const struct text *sql(enum login_sql_id id)
{
	return &login_sql_texts[id];
}

/* ---- what one may be ---- */

/* What is tried first. Those that are too short anyway are not here. */
static const char *const denied[] = {
#define X(text) text,
#include "login/denied.def"
#undef X
};

static bool is_denied(struct str password)
{
	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		if (str_eq_nocase(password, str_of(denied[i]))) {
			return true;
		}
	}
	return false;
}

/* Characters, not bytes; 0: no UTF-8. */
static size_t count_characters(struct str text)
{
	size_t count = 0;

	while (text.n > 0) {
		size_t step = str_utf8_step(text);

		if (step == 0) {
			return 0;
		}
		count++;
		text = str_make(text.p + step, text.n - step);
	}
	return count;
}

/* The same piece of up to four bytes again and again. */
static bool is_repeated(struct str password)
{
	for (size_t n = 1; n <= 4 && n < password.n; n++) {
		if (memcmp(password.p, password.p + n, password.n - n) == 0) {
			return true;
		}
	}
	return false;
}

const char *password_problem(struct str password, struct str email)
{
	struct str rest = email, name = str_split(&rest, '@');

	if (password.n > PASSWORD_MAX_BYTES) {
		return "must have at most 512 bytes";
	}
	if (count_characters(password) < PASSWORD_MIN) {
		return "must have at least 10 characters";
	}
	if (is_denied(password) || is_repeated(password)) {
		return "must not be one of those that everybody tries first";
	}
	if (str_eq_nocase(password, email) || str_eq_nocase(password, name)) {
		return "must not be the e-mail address";
	}
	return NULL;
}

/* ---- rows ---- */

static enum err_code take_stored(const struct pg_rows *rows, unsigned column,
                                 struct password_row *ret, struct err *err)
{
	ret->has_password = !pg_is_null(rows, 0, column);
	return str_copy(ret->stored, sizeof(ret->stored), pg_str(rows, 0, column))
	               ? ERR_OK
	               : err_set(err, ERR_INTERNAL, "a stored password does not decode");
}

enum err_code password_find(struct pg *pg, const char *email, struct password_row *ret,
                            struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, email);
	code = pg_query(pg, "", sql(LOGIN_SQL_PASSWORD_FIND), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0 || !id_parse(pg_str(rows, 0, FIND_USER), &ret->user)) {
		return err_set(err, ERR_NOT_FOUND, "nobody has this address");
	}
	ret->disabled = pg_bool(rows, 0, FIND_DISABLED);
	return take_stored(rows, FIND_STORED, ret, err);
}

enum err_code password_get(struct pg *pg, const struct id *user, struct arena *arena,
                           struct password_row *ret, struct str *ret_email, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, user->s);
	code = pg_query(pg, "", sql(LOGIN_SQL_PASSWORD_GET), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such person");
	}
	*ret = (struct password_row){ .user = *user };
	*ret_email = arena_str(arena, pg_str(rows, 0, GET_EMAIL));
	return take_stored(rows, GET_STORED, ret, err);
}

enum err_code password_set(struct pg_tx *tx, const struct id *user, const char *stored,
                           struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, user->s);
	pg_param_cstr(&params, stored);
	return pg_tx_query(tx, sql(LOGIN_SQL_PASSWORD_SET), &params, NULL, err);
}

enum err_code password_rehash(struct pg *pg, const struct id *user, const char *stored,
                              const char *again, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, user->s);
	pg_param_cstr(&params, stored);
	pg_param_cstr(&params, again);
	return pg_query(pg, "", sql(LOGIN_SQL_PASSWORD_REHASH), &params, NULL, err);
}
