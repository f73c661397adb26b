#include "login/login.h"

#include <assert.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cred/seal.h"
#include "cred/subkey.h"
#include "login_sql_gen.h"

#define PURPOSE "login"

enum { SECRET_SIZE = 32, SECRET_HEX = 2 * SECRET_SIZE, PLAIN_SIZE = ID_LEN + SECRET_HEX };
enum { MADE_TENANT, MADE_EXPIRES };
enum { LIST_ID, LIST_MEANS, LIST_AGENT, LIST_ADDRESS, LIST_CREATED, LIST_USED, LIST_ENDS };

static const struct text *sql(enum login_sql_id id)
{
	return &login_sql_texts[id];
}

/* ---- the cookie ---- */

static struct cred_digest digest_of(const struct cred_pepper *secret, const char *word,
                                    struct str text)
{
	const struct str parts[] = { str_of(word), text };
	struct cred_pepper key = cred_subkey(secret, "logins");
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), &key);

	cred_wipe(&key, sizeof(key));
	return digest;
}

/* What a new login has: the plain bytes of its cookie. */
static void make_plain(const struct id *login, char plain[PLAIN_SIZE + 1])
{
	memcpy(plain, login->s, ID_LEN);
	cred_random_hex(plain + ID_LEN, SECRET_SIZE);
}

bool login_cookie_parse(struct str cookie, const struct cred_pepper *secret, int64_t now_us,
                        struct login_shown *ret)
{
	struct buf plain;
	bool ok;

	buf_init(&plain, PLAIN_SIZE);
	ok = cookie.n <= LOGIN_COOKIE_MAX &&
	     cred_unseal_text(secret, PURPOSE, now_us, cookie, &plain) && plain.len == PLAIN_SIZE &&
	     id_parse(str_make(plain.data, ID_LEN), &ret->login);
	if (ok) {
		ret->hash = digest_of(secret, "cookie", buf_str(&plain));
	}
	if (plain.data != NULL) {
		cred_wipe(plain.data, plain.size);
	}
	buf_fini(&plain);
	return ok;
}

void login_csrf(const struct cred_pepper *secret, const struct id *login,
                char out[LOGIN_CSRF_LEN + 1])
{
	struct cred_digest digest = digest_of(secret, "csrf", str_of(login->s));

	cred_digest_hex(&digest, out);
}

bool login_csrf_ok(const struct cred_pepper *secret, const struct id *login, struct str shown)
{
	char wanted[LOGIN_CSRF_LEN + 1];
	struct cred_digest a, b;

	if (shown.n != LOGIN_CSRF_LEN) {
		return false;
	}
	login_csrf(secret, login, wanted);
	a = cred_digest(&(struct str){ wanted, LOGIN_CSRF_LEN }, 1, secret);
	b = cred_digest(&shown, 1, secret);
	return cred_digest_eq(&a, &b);
}

/* ---- beginning ---- */

/* As much of it as is kept, without what is no UTF-8 or a control character. */
static const char *cut(const char *text, char out[LOGIN_TEXT_MAX + 1])
{
	struct str rest = str_of(text != NULL ? text : "");
	size_t n = 0;

	while (rest.n > 0) {
		size_t step = str_utf8_step(rest);

		if (n + step > LOGIN_TEXT_MAX) {
			break;
		}
		if (step > 1 || (step == 1 && rest.p[0] >= ' ' && rest.p[0] != 0x7f)) {
			memcpy(out + n, rest.p, step);
			n += step;
		}
		step = step > 0 ? step : 1;
		rest = str_make(rest.p + step, rest.n - step);
	}
	out[n] = '\0';
	return out;
}

static void seal_cookie(const struct cred_pepper *secret, const char plain[PLAIN_SIZE + 1],
                        char out[LOGIN_COOKIE_MAX + 1])
{
	struct buf text;
	bool fits;

	buf_init(&text, LOGIN_COOKIE_MAX);
	cred_seal_text(secret, PURPOSE, clock_wall_us(), str_make(plain, PLAIN_SIZE), &text);
	fits = !buf_failed(&text) && str_copy(out, LOGIN_COOKIE_MAX + 1, buf_str(&text));
	assert(fits);
	buf_fini(&text);
}

/* In a transaction (tx), or by itself. */
static enum err_code insert(struct pg_tx *tx, const struct login_options *options,
                            const struct login_new *what, struct login_made *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	char agent[LOGIN_TEXT_MAX + 1], address[LOGIN_TEXT_MAX + 1], plain[PLAIN_SIZE + 1];
	struct pg_params params = { 0 };
	struct cred_digest hash;
	enum err_code code;

	*ret = (struct login_made){ .login = id_new() };
	make_plain(&ret->login, plain);
	hash = digest_of(&options->secret, "cookie", str_make(plain, PLAIN_SIZE));
	seal_cookie(&options->secret, plain, ret->cookie);
	cred_wipe(plain, sizeof(plain));
	pg_param_cstr(&params, ret->login.s);
	pg_param_cstr(&params, what->user->s);
	pg_param_cstr(&params, what->tenant);
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_cstr(&params, what->means);
	pg_param_cstr(&params, cut(what->agent, agent));
	pg_param_cstr(&params, cut(what->address, address));
	pg_param_u64(&params, options->idle_s);
	pg_param_u64(&params, options->life_s);
	code = tx != NULL ? pg_tx_query(tx, sql(LOGIN_SQL_LOGIN_CREATE), &params, &rows, err)
	                  : pg_query(options->pg, "", sql(LOGIN_SQL_LOGIN_CREATE), &params, &rows,
	                             err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) == 0) {
		return err_set(err, ERR_FORBIDDEN, "this person is no member, or disabled");
	}
	ret->expires_us = pg_i64(rows, 0, MADE_EXPIRES);
	return str_copy(ret->tenant, sizeof(ret->tenant), pg_str(rows, 0, MADE_TENANT))
	               ? ERR_OK
	               : err_set(err, ERR_INTERNAL, "login %s does not decode", ret->login.s);
}

enum err_code login_create(const struct login_options *options, const struct login_new *what,
                           struct login_made *ret, struct err *err)
{
	return insert(NULL, options, what, ret, err);
}

enum err_code login_create_in(struct pg_tx *tx, const struct login_options *options,
                              const struct login_new *what, struct login_made *ret, struct err *err)
{
	return insert(tx, options, what, ret, err);
}

/* ---- looking, ending ---- */

static void add_id(struct pg_params *params, const struct id *id)
{
	pg_param_cstr(params, id != NULL ? id->s : NULL);
}

enum err_code login_list(struct pg *pg, const struct login_which *which, struct arena *arena,
                         struct login_list *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, which->tenant);
	add_id(&params, which->user);
	add_id(&params, which->login);
	pg_param_u64(&params, LOGIN_LISTED_MAX);
	code = pg_query(pg, which->tenant, sql(LOGIN_SQL_LOGIN_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = (struct login_row){
			.means = arena_str(arena, pg_str(rows, i, LIST_MEANS)),
			.agent = arena_str(arena, pg_str(rows, i, LIST_AGENT)),
			.address = arena_str(arena, pg_str(rows, i, LIST_ADDRESS)),
			.created_us = pg_i64(rows, i, LIST_CREATED),
			.used_us = pg_i64(rows, i, LIST_USED),
			.ends_us = pg_i64(rows, i, LIST_ENDS),
		};
		if (!id_parse(pg_str(rows, i, LIST_ID), &ret->items[i].login)) {
			return err_set(err, ERR_INTERNAL, "login row %s does not decode",
			               pg_str(rows, i, LIST_ID).p);
		}
	}
	return ERR_OK;
}

enum err_code login_end(struct pg *pg, const struct login_which *which, const char *reason,
                        struct arena *arena, struct id **ret_ids, size_t *ret_count,
                        struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, which->tenant);
	add_id(&params, which->user);
	add_id(&params, which->login);
	add_id(&params, which->except);
	pg_param_cstr(&params, reason);
	code = pg_query(pg, which->tenant, sql(LOGIN_SQL_LOGIN_END), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = 0;
	*ret_ids = arena_take(arena, (pg_rows_count(rows) + 1) * sizeof(**ret_ids));
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		*ret_count += id_parse(pg_str(rows, i, 0), &(*ret_ids)[*ret_count]);
	}
	return ERR_OK;
}

enum err_code login_end_user(struct pg_tx *tx, const struct id *user, const struct id *except,
                             const char *reason, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, user->s);
	add_id(&params, except);
	pg_param_cstr(&params, reason);
	return pg_tx_query(tx, sql(LOGIN_SQL_LOGIN_END_USER), &params, NULL, err);
}

enum err_code login_touch(struct pg *pg, const char *ids, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, ids);
	return pg_query(pg, "", sql(LOGIN_SQL_LOGIN_TOUCH), &params, NULL, err);
}

enum err_code login_prune(struct pg *pg, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_u64(&params, LOGIN_KEPT_S);
	pg_param_u64(&params, LOGIN_PRUNED_MAX);
	return pg_query(pg, "", sql(LOGIN_SQL_LOGIN_PRUNE), &params, NULL, err);
}
