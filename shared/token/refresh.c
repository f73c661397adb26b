#include "token/refresh.h"

#include <inttypes.h>
#include <stdio.h>

#include "cred/subkey.h"
#include "token_sql_gen.h"

enum { TURN_MAX = 99999999, HEX_SIZE = 2 * CRED_DIGEST_SIZE + 1 };
enum { MADE_ID, MADE_TENANT, MADE_USER, MADE_SCOPES, MADE_EXPIRES };
enum { LIST_ID, LIST_CLIENT, LIST_ADDRESS, LIST_SCOPES, LIST_CREATED, LIST_USED, LIST_EXPIRES };

static const struct text *sql(enum token_sql_id id)
{
	return &token_sql_texts[id];
}

/* ---- the text ---- */

static struct cred_digest digest_of(const struct cred_pepper *secret, const char *word,
                                    struct str text)
{
	const struct str parts[] = { str_of(word), text };
	struct cred_pepper key = cred_subkey(secret, "tokens");
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), &key);

	cred_wipe(&key, sizeof(key));
	return digest;
}

/* The first half of the hash over what is in front of it. */
static void check_of(const struct cred_pepper *secret, struct str covered, char out[HEX_SIZE])
{
	struct cred_digest digest = digest_of(secret, "check", covered);

	cred_digest_hex(&digest, out);
	out[REFRESH_CHECK_LEN] = '\0';
}

static void format(const struct cred_pepper *secret, const struct id *login, uint64_t turn,
                   char out[REFRESH_LEN + 1])
{
	char random[REFRESH_SECRET_LEN + 1], check[HEX_SIZE], id[ID_LEN + 1];
	size_t n;

	for (size_t i = 0; i <= ID_LEN; i++) {
		char c = login->s[i];

		id[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	cred_random_hex(random, REFRESH_SECRET_LEN / 2);
	(void)snprintf(out, REFRESH_LEN + 1, REFRESH_PREFIX "%s_%08" PRIu64 "_%s", id, turn,
	               random);
	n = strlen(out);
	check_of(secret, str_make(out, n), check);
	(void)snprintf(out + n, REFRESH_LEN + 1 - n, "_%s", check);
	cred_wipe(random, sizeof(random));
}

static struct str cut(struct str *rest, size_t n)
{
	struct str part = str_make(rest->p, n);

	*rest = str_make(rest->p + n + 1, rest->n > n ? rest->n - n - 1 : 0);
	return part;
}

bool refresh_parse(struct str text, const struct cred_pepper *secret, struct refresh_text *ret)
{
	struct str prefix = STR_LIT(REFRESH_PREFIX), rest, id, turn;
	const size_t covered_n = REFRESH_LEN - REFRESH_CHECK_LEN - 1;
	struct cred_digest given = { { 0 } }, made = { { 0 } };
	char check[HEX_SIZE];

	if (text.n != REFRESH_LEN || !str_starts(text, prefix)) {
		return false;
	}
	check_of(secret, str_make(text.p, covered_n), check);
	memcpy(given.bytes, text.p + covered_n + 1, REFRESH_CHECK_LEN);
	memcpy(made.bytes, check, REFRESH_CHECK_LEN);
	if (text.p[covered_n] != '_' || !cred_digest_eq(&given, &made)) {
		return false;
	}
	rest = str_make(text.p + prefix.n, text.n - prefix.n);
	id = cut(&rest, ID_LEN);
	turn = cut(&rest, REFRESH_TURN_LEN);
	ret->hash = digest_of(secret, "refresh", text);
	return id_parse(id, &ret->login) && parse_u64(turn, TURN_MAX, &ret->turn);
}

_Static_assert((int)REFRESH_CHECK_LEN == (int)CRED_DIGEST_SIZE,
               "both checks fit a digest for comparing");

/* ---- rows ---- */

static enum err_code read_made(struct pg_rows *rows, struct refreshed *ret, struct err *err)
{
	struct bearer *bearer = &ret->bearer;

	*bearer = (struct bearer){ .expires_us = 0 };
	ret->expires_us = pg_i64(rows, 0, MADE_EXPIRES);
	if (!id_parse(pg_str(rows, 0, MADE_ID), &bearer->login) ||
	    !id_parse(pg_str(rows, 0, MADE_USER), &bearer->user) ||
	    !str_copy(bearer->tenant, sizeof(bearer->tenant), pg_str(rows, 0, MADE_TENANT)) ||
	    !str_copy(bearer->scopes, sizeof(bearer->scopes), pg_str(rows, 0, MADE_SCOPES))) {
		return err_set(err, ERR_INTERNAL, "login row %s does not decode",
		               pg_str(rows, 0, MADE_ID).p);
	}
	return ERR_OK;
}

/* As much of it as is kept, without what is no UTF-8 or a control character. */
static void add_cut(struct pg_params *params, const char *text, char out[REFRESH_CLIENT_MAX + 1])
{
	struct str rest = str_of(text != NULL ? text : "");
	size_t n = 0;

	while (rest.n > 0) {
		size_t step = str_utf8_step(rest);

		if (n + step > REFRESH_CLIENT_MAX) {
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
	pg_param_cstr(params, out);
}

enum err_code refresh_begin(const struct refresh_options *options, const struct refresh_new *what,
                            struct refreshed *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	char client[REFRESH_CLIENT_MAX + 1], address[REFRESH_CLIENT_MAX + 1];
	struct pg_params params = { 0 };
	const struct id login = id_new();
	struct cred_digest hash;
	enum err_code code;

	format(&options->secret, &login, 1, ret->text);
	hash = digest_of(&options->secret, "refresh", str_of(ret->text));
	pg_param_cstr(&params, login.s);
	pg_param_cstr(&params, what->tenant);
	pg_param_cstr(&params, what->user->s);
	pg_param_cstr(&params, what->scopes);
	add_cut(&params, what->client, client);
	add_cut(&params, what->address, address);
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_u64(&params, options->idle_s);
	pg_param_u64(&params, options->life_s);
	pg_param_cstr(&params, what->key != NULL ? what->key->s : NULL);
	pg_param_cstr(&params, what->namespaces);
	code = pg_query(options->pg, what->tenant, sql(TOKEN_SQL_REFRESH_CREATE), &params, &rows,
	                err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		code = err_set(err, ERR_FORBIDDEN, "the user is no member of this tenant");
	}
	return code == ERR_OK ? read_made(rows, ret, err) : code;
}

static enum err_code refuse(struct err *err)
{
	return err_set(err, ERR_UNAUTHORIZED,
	               "this refresh token is unknown, used, expired or revoked");
}

/* It did not count: because it was replaced? */
static enum err_code look_whether_reused(const struct refresh_options *options,
                                         const struct refresh_text *shown, struct id *ret_ended,
                                         struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, shown->login.s);
	pg_param_u64(&params, shown->turn);
	code = pg_query(options->pg, "", sql(TOKEN_SQL_REFRESH_REUSED), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	if (pg_rows_count(rows) > 0) {
		*ret_ended = shown->login;
	}
	return refuse(err);
}

enum err_code refresh_use(const struct refresh_options *options, struct str text,
                          struct refreshed *ret, struct id *ret_ended, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct refresh_text shown;
	struct cred_digest next;
	enum err_code code;

	*ret_ended = (struct id){ "" };
	if (!refresh_parse(text, &options->secret, &shown) || shown.turn >= TURN_MAX) {
		return refuse(err);
	}
	format(&options->secret, &shown.login, shown.turn + 1, ret->text);
	next = digest_of(&options->secret, "refresh", str_of(ret->text));
	pg_param_cstr(&params, shown.login.s);
	pg_param_u64(&params, shown.turn);
	pg_param_bytes(&params, cred_digest_str(&shown.hash));
	pg_param_bytes(&params, cred_digest_str(&next));
	pg_param_u64(&params, options->idle_s);
	code = pg_query(options->pg, "", sql(TOKEN_SQL_REFRESH_USE), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return look_whether_reused(options, &shown, ret_ended, err);
	}
	return code == ERR_OK ? read_made(rows, ret, err) : code;
}

enum err_code refresh_return(const struct refresh_options *options, struct str text,
                             struct id *ret_ended, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	struct refresh_text shown;
	enum err_code code;

	*ret_ended = (struct id){ "" };
	if (!refresh_parse(text, &options->secret, &shown)) {
		return ERR_OK;
	}
	pg_param_cstr(&params, shown.login.s);
	pg_param_u64(&params, shown.turn);
	pg_param_bytes(&params, cred_digest_str(&shown.hash));
	code = pg_query(options->pg, "", sql(TOKEN_SQL_REFRESH_RETURN), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) > 0) {
		*ret_ended = shown.login;
	}
	return code;
}

enum err_code refresh_list(struct pg *pg, const char *tenant, const struct id *user,
                           struct arena *arena, struct refresh_list *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, user->s);
	pg_param_u64(&params, REFRESH_LISTED_MAX);
	code = pg_query(pg, tenant, sql(TOKEN_SQL_REFRESH_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = (struct refresh_row){
			.client = arena_str(arena, pg_str(rows, i, LIST_CLIENT)),
			.address = arena_str(arena, pg_str(rows, i, LIST_ADDRESS)),
			.scopes = arena_str(arena, pg_str(rows, i, LIST_SCOPES)),
			.created_us = pg_i64(rows, i, LIST_CREATED),
			.used_us = pg_i64(rows, i, LIST_USED),
			.expires_us = pg_i64(rows, i, LIST_EXPIRES),
		};
		if (!id_parse(pg_str(rows, i, LIST_ID), &ret->items[i].login)) {
			return err_set(err, ERR_INTERNAL, "login row %s does not decode",
			               pg_str(rows, i, LIST_ID).p);
		}
	}
	return ERR_OK;
}

enum err_code refresh_end(struct pg *pg, const char *tenant, const struct id *user,
                          const struct id *login, struct arena *arena, struct refresh_ended *ret,
                          struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, user != NULL ? user->s : NULL);
	pg_param_cstr(&params, login != NULL ? login->s : NULL);
	pg_param_cstr(&params, "revoked");
	code = pg_query(pg, tenant, sql(TOKEN_SQL_REFRESH_REVOKE), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->count = 0;
	ret->items = arena_take(arena, (pg_rows_count(rows) + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		ret->count += id_parse(pg_str(rows, i, 0), &ret->items[ret->count]);
	}
	return ERR_OK;
}

enum err_code refresh_end_user(struct pg_tx *tx, const struct id *user, const struct id *except,
                               const char *reason, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, user->s);
	pg_param_cstr(&params, except != NULL ? except->s : NULL);
	pg_param_cstr(&params, reason);
	return pg_tx_query(tx, sql(TOKEN_SQL_REFRESH_END_USER), &params, NULL, err);
}

enum err_code refresh_prune(struct pg *pg, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_u64(&params, REFRESH_KEPT_S);
	pg_param_u64(&params, REFRESH_PRUNED_MAX);
	return pg_query(pg, "", sql(TOKEN_SQL_REFRESH_PRUNE), &params, NULL, err);
}
