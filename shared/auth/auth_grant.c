#include "auth/auth_grant.h"

#include <stdio.h>

#include "auth_lua_gen.h"
#include "redis/redis.h"

enum {
	KEY_SIZE = 128,
	HEX_SIZE = 2 * CRED_DIGEST_SIZE + 1,
	TICKET_MS = AUTH_TICKET_S * 1000,
};

/* ---- pure ---- */

void auth_grant_encode(const struct auth_grant *grant, struct buf *out)
{
	buf_addf(out, "1\n%s\n", grant->tenant);
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		if ((grant->scopes & auth_bit((enum auth_scope)i)) != 0) {
			buf_addf(out, "%s,", auth_scope_name((enum auth_scope)i));
		}
	}
	buf_addf(out, "\n%s\n%s\n%s\n",
	         auth_part_name(grant->observes ? AUTH_OBSERVER : AUTH_PARTICIPANT),
	         grant->session.s, grant->path);
}

/* Scopes that this version does not know allow nothing here. */
static unsigned scopes_of(struct str list)
{
	unsigned set = 0;

	while (list.n > 0) {
		enum auth_scope scope;

		if (auth_scope_parse(str_split(&list, ','), &scope)) {
			set |= auth_bit(scope);
		}
	}
	return set;
}

bool auth_grant_decode(struct str text, struct auth_grant *ret)
{
	bool is_text = text.n > 0 && memchr(text.p, '\0', text.n) == NULL;
	struct str version = str_split(&text, '\n'), tenant = str_split(&text, '\n');
	struct str scopes = str_split(&text, '\n'), role = str_split(&text, '\n');
	struct str session = str_split(&text, '\n'), path = str_split(&text, '\n');
	enum auth_part parsed;

	*ret = (struct auth_grant){ .scopes = scopes_of(scopes) };
	if (!is_text || !str_eq(version, STR_LIT("1")) || text.p == NULL || text.n > 0 ||
	    tenant.n == 0 || !str_copy(ret->tenant, sizeof(ret->tenant), tenant) ||
	    !auth_part_parse(role, &parsed) ||
	    (session.n > 0 && !id_parse(session, &ret->session)) ||
	    !str_copy(ret->path, sizeof(ret->path), path)) {
		return false;
	}
	ret->observes = parsed == AUTH_OBSERVER;
	return true;
}

struct str auth_grant_path(struct str path)
{
	static const struct str prefix = { "/stream/", sizeof("/stream/") - 1 };

	return str_starts(path, prefix) ? str_make(path.p + prefix.n - 1, path.n - prefix.n + 1)
	                                : path;
}

bool auth_lent_parse(struct str text, const char *prefix, struct id *ret_key)
{
	struct str wanted = str_of(prefix), rest;

	if (text.n != AUTH_LENT_LEN || !str_starts(text, wanted)) {
		return false;
	}
	rest = str_make(text.p + wanted.n, text.n - wanted.n);
	for (size_t i = ID_LEN + 1; i < rest.n; i++) {
		char c = rest.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
			return false;
		}
	}
	return rest.p[ID_LEN] == '_' && id_parse(str_make(rest.p, ID_LEN), ret_key);
}

/* ---- what both kinds share ---- */

static void make_text(const char *prefix, const struct id *key, char ret[AUTH_LENT_LEN + 1])
{
	char secret[AUTH_SECRET_LEN + 1];

	cred_random_hex(secret, AUTH_SECRET_LEN / 2);
	(void)snprintf(ret, AUTH_LENT_LEN + 1, "%s%s_%s", prefix, key->s, secret);
	cred_wipe(secret, sizeof(secret));
}

static void hash_of(const struct auth *auth, struct str text, char ret[HEX_SIZE])
{
	struct cred_digest digest = cred_digest(&text, 1, &auth_options_of(auth)->pepper);

	cred_digest_hex(&digest, ret);
}

static enum err_code need_redis(const struct auth *auth, struct err *err)
{
	return auth_options_of(auth)->redis != NULL
	               ? ERR_OK
	               : err_set(err, ERR_UNSUPPORTED, "this process keeps no tickets");
}

static enum err_code refuse(const char *what, struct err *err)
{
	return err_set(err, ERR_UNAUTHORIZED,
	               "this %s is unknown, used or too old, or of a key that is no good", what);
}

/* The key as it is now. Looked up first: while keys cannot be looked up nothing is spent. */
static enum err_code check_key(struct auth *auth, const struct id *key, const char *what,
                               struct principal *ret, struct err *err)
{
	enum err_code code = auth_check_id(auth, key, ret, err);

	return code == ERR_UNAUTHORIZED ? refuse(what, err) : code;
}

/* Of the key as it is now, only what was lent. */
static enum err_code lend(const struct principal *now, const struct auth_grant *grant,
                          struct str path, struct principal *ret, struct err *err)
{
	if (grant->path[0] != '\0' && !str_eq(str_of(grant->path), auth_grant_path(path))) {
		return err_set(err, ERR_UNAUTHORIZED, "this credential is for another path");
	}
	if (!str_eq(str_of(grant->tenant), str_of(now->tenant))) {
		return err_set(err, ERR_UNAUTHORIZED, "this credential is of another tenant");
	}
	*ret = (struct principal){ .lent = grant->scopes,
		                   .observes = grant->observes,
		                   .session = grant->session };
	auth_renew(ret, now);
	return ERR_OK;
}

/* ---- tickets ---- */

enum err_code auth_ticket_issue(struct auth *auth, const struct principal *by,
                                const struct auth_grant *grant, char ret[AUTH_LENT_LEN + 1],
                                struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &auth_lua_texts[AUTH_LUA_TICKET_ISSUE];
	char hash[HEX_SIZE];
	struct buf value;
	enum err_code code = need_redis(auth, err);

	if (code != ERR_OK) {
		return code;
	}
	if (id_is_nil(auth_lender(by))) {
		return err_set(err, ERR_FORBIDDEN, "a token of another issuer lends nothing");
	}
	make_text(AUTH_TICKET_PREFIX, auth_lender(by), ret);
	hash_of(auth, str_of(ret), hash);
	buf_init(&value, AUTH_GRANT_SIZE_MAX);
	auth_grant_encode(grant, &value);
	redis_script_begin(cmd, script, 2);
	redis_argf(cmd, "{k:%s}:ticket:%s", auth_lender(by)->s, hash);
	redis_argf(cmd, "{k:%s}:tickets", auth_lender(by)->s);
	redis_arg(cmd, buf_str(&value));
	redis_arg_u64(cmd, TICKET_MS);
	redis_arg_u64(cmd, auth_options_of(auth)->tickets_a_minute);
	code = redis_script(auth_options_of(auth)->redis, script, cmd, &reply, err);
	buf_fini(&value);
	if (code == ERR_OK && redis_reply_int(reply) != 1) {
		code = err_set(err, ERR_LIMIT,
		               "more than %u tickets of this key within a minute "
		               "(limit.tickets_key)",
		               auth_options_of(auth)->tickets_a_minute);
	}
	return code;
}

enum err_code auth_ticket_use(struct auth *auth, struct str ticket, struct str path,
                              struct principal *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct principal now;
	struct auth_grant grant;
	char hash[HEX_SIZE];
	struct id key;
	enum err_code code = need_redis(auth, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!auth_lent_parse(ticket, AUTH_TICKET_PREFIX, &key)) {
		return err_set(err, ERR_UNAUTHORIZED,
		               "ticket must be one of POST /api/v1/stream-tickets");
	}
	code = check_key(auth, &key, "ticket", &now, err);
	if (code != ERR_OK) {
		return code;
	}
	hash_of(auth, ticket, hash);
	redis_arg_cstr(cmd, "GETDEL");
	redis_argf(cmd, "{k:%s}:ticket:%s", key.s, hash);
	code = redis_call(auth_options_of(auth)->redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "ticket");
	}
	if (redis_reply_type(reply) != REDIS_STRING ||
	    !auth_grant_decode(redis_reply_str(reply), &grant)) {
		return refuse("ticket", err);
	}
	code = lend(&now, &grant, path, ret, err);
	ret->means = AUTH_BY_TICKET;
	return code;
}

/* ---- cookies ---- */

enum err_code auth_cookie_give(struct auth *auth, const struct principal *by, struct str path,
                               char ret[AUTH_LENT_LEN + 1], struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &auth_lua_texts[AUTH_LUA_COOKIE_KEEP];
	struct auth_grant grant = { .scopes = by->scopes,
		                    .observes = by->observes,
		                    .session = by->session };
	char hash[HEX_SIZE];
	struct buf value;
	enum err_code code = need_redis(auth, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!str_copy(grant.path, sizeof(grant.path), auth_grant_path(path))) {
		return err_set(err, ERR_INVALID, "the path is too long for a cookie");
	}
	(void)str_copy(grant.tenant, sizeof(grant.tenant), str_of(by->tenant));
	make_text(AUTH_COOKIE_PREFIX, auth_lender(by), ret);
	hash_of(auth, str_of(ret), hash);
	buf_init(&value, AUTH_GRANT_SIZE_MAX);
	auth_grant_encode(&grant, &value);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "{k:%s}:cookies", auth_lender(by)->s);
	redis_arg_cstr(cmd, hash);
	redis_arg(cmd, buf_str(&value));
	redis_arg_u64(cmd, auth_options_of(auth)->cookie_life_ms);
	redis_arg_u64(cmd, AUTH_COOKIES_OF_KEY);
	code = redis_script(auth_options_of(auth)->redis, script, cmd, &reply, err);
	buf_fini(&value);
	return code;
}

enum err_code auth_cookie_use(struct auth *auth, struct str cookie, struct str path,
                              struct principal *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &auth_lua_texts[AUTH_LUA_COOKIE_USE];
	struct principal now;
	struct auth_grant grant;
	char hash[HEX_SIZE];
	struct id key;
	enum err_code code = need_redis(auth, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!auth_lent_parse(cookie, AUTH_COOKIE_PREFIX, &key)) {
		return refuse("cookie", err);
	}
	code = check_key(auth, &key, "cookie", &now, err);
	if (code != ERR_OK) {
		return code;
	}
	hash_of(auth, cookie, hash);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "{k:%s}:cookies", key.s);
	redis_arg_cstr(cmd, hash);
	redis_arg_u64(cmd, auth_options_of(auth)->cookie_life_ms);
	code = redis_script(auth_options_of(auth)->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "cookie");
	}
	if (redis_reply_type(reply) != REDIS_STRING ||
	    !auth_grant_decode(redis_reply_str(reply), &grant)) {
		return refuse("cookie", err);
	}
	code = lend(&now, &grant, path, ret, err);
	ret->means = AUTH_BY_COOKIE;
	return code;
}
