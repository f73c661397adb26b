#include "auth/auth.h"

#include <stdlib.h>

#include "auth/auth_cache.h"
#include "auth/auth_key_store.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "login/login.h"

/* Between two notes; of those beyond the use is noted the next time. */
enum { USED_MAX = 512 };

struct auth {
	struct auth_options options;
	struct auth_cache *cache;
	struct id used[USED_MAX]; /* to be noted */
	size_t used_count;
};

const struct auth_options *auth_options_of(const struct auth *auth)
{
	return &auth->options;
}

struct auth_cache *auth_cache_of(struct auth *auth)
{
	return auth->cache;
}

struct auth *auth_new(const struct auth_options *options)
{
	struct auth *auth = mem_calloc(1, sizeof(*auth));

	auth->options = *options;
	auth->cache = auth_cache_new(options->cache_ms);
	return auth;
}

void auth_free(struct auth *auth)
{
	if (auth != NULL) {
		auth_cache_free(auth->cache);
		cred_wipe(auth, sizeof(*auth));
		free(auth);
	}
}

static void add_use(struct auth *auth, const struct id *key)
{
	for (size_t i = 0; i < auth->used_count; i++) {
		if (id_eq(&auth->used[i], key)) {
			return;
		}
	}
	if (auth->used_count < USED_MAX) {
		auth->used[auth->used_count++] = *key;
	}
}

void auth_note_uses(struct auth *auth)
{
	struct buf ids;
	struct err err;

	if (auth->used_count == 0) {
		return;
	}
	buf_init(&ids, USED_MAX * (ID_LEN + 1) + 1);
	for (size_t i = 0; i < auth->used_count; i++) {
		buf_addf(&ids, "%s%s", i > 0 ? "," : "", auth->used[i].s);
	}
	auth->used_count = 0;
	(void)!auth_keys_touch(auth->options.pg, buf_cstr(&ids), &err);
	(void)!login_touch(auth->options.pg, buf_cstr(&ids), &err);
	buf_fini(&ids);
}

void auth_heard(struct auth *auth, const struct auth_bell *bell)
{
	if (bell != NULL) {
		auth_cache_forget(auth->cache, bell);
	} else {
		auth_cache_clear(auth->cache);
	}
}

/* Ask the database. ERR_OK with ret->known false: not a key that may be used. hash NULL: it was
 * shown before. */
static enum err_code look_up(struct auth *auth, const struct id *id, const struct cred_digest *hash,
                             struct auth_cached *ret, struct err *err)
{
	struct auth_key_found found;
	enum err_code code = auth_key_find(auth->options.pg, id, &found, err);

	*ret = (struct auth_cached){ .known = false };
	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (code != ERR_OK) {
		return err_wrap(err, "key look-up");
	}
	ret->known = found.usable;
	if (hash != NULL) {
		ret->known = cred_digest_eq(hash, &found.hash) && found.usable;
	}
	if (ret->known && found.stale) {
		add_use(auth, id);
	}
	ret->principal = found.principal;
	return ERR_OK;
}

/* Whom a credential that is no good was of: may do nothing, for the audit. */
static struct principal stranger(const struct principal *of)
{
	struct principal who = {
		.kind = of->kind, .key = of->key, .user = of->user, .login = of->login
	};

	(void)str_copy(who.tenant, sizeof(who.tenant), str_of(of->tenant));
	(void)str_copy(who.name, sizeof(who.name), str_of(of->name));
	return who;
}

enum err_code auth_fetch(struct auth *auth, const struct cred_mark *mark, const struct id *id,
                         const struct cred_digest *hash, struct auth_cached *ret, struct err *err)
{
	uint64_t turn = auth_cache_turn(auth->cache);
	enum err_code code = look_up(auth, id, hash, ret, err);

	if (code == ERR_OK) {
		auth_cache_put(auth->cache, mark, turn, ret);
	}
	return code;
}

bool auth_still_counts(const struct auth_cached *found)
{
	return found->known &&
	       (found->principal.expires_us == 0 || found->principal.expires_us > clock_wall_us());
}

static enum err_code take(const struct auth_cached *found, struct principal *ret, struct err *err)
{
	if (!auth_still_counts(found)) {
		*ret = stranger(&found->principal);
		return err_set(err, ERR_UNAUTHORIZED, "this key is unknown, expired or revoked");
	}
	*ret = found->principal;
	return ERR_OK;
}

/* What nobody has shown a moment ago. */
static enum err_code check_new(struct auth *auth, struct str key, const struct cred_mark *mark,
                               struct auth_cached *ret, struct err *err)
{
	struct cred_digest hash;
	struct cred_key parsed;
	enum err_code code;

	switch (cred_key_parse(key, &parsed)) {
	case CRED_KEY_OK: break;
	case CRED_KEY_FOREIGN:
		return err_set(err, ERR_UNAUTHORIZED, "this is not a key of Fairlead");
	case CRED_KEY_MISTYPED:
		return err_set(err, ERR_UNAUTHORIZED, "this key is cut short or mistyped");
	}
	hash = cred_key_hash(&parsed, &auth->options.pepper);
	code = auth_fetch(auth, mark, &parsed.id, &hash, ret, err);
	cred_wipe(&parsed, sizeof(parsed));
	return code;
}

enum err_code auth_check(struct auth *auth, struct str key, struct principal *ret, struct err *err)
{
	/* What is too long for a key is not worth hashing; what was parsed once is not again. */
	struct str shown = key.n <= CRED_KEY_MAX ? key : STR_LIT("");
	struct cred_mark mark = auth_cache_mark(auth->cache, AUTH_CACHE_KEY, shown);
	const struct auth_cached *found = auth_cache_find(auth->cache, &mark);
	struct auth_cached fresh;
	enum err_code code = ERR_OK;

	if (found == NULL) {
		code = check_new(auth, key, &mark, &fresh, err);
		found = &fresh;
	}
	return code == ERR_OK ? take(found, ret, err) : code;
}

enum err_code auth_fetch_id(struct auth *auth, const struct id *id, struct auth_cached *ret,
                            struct err *err)
{
	struct cred_mark mark = auth_cache_mark(auth->cache, AUTH_CACHE_ID, str_of(id->s));
	const struct auth_cached *found = auth_cache_find(auth->cache, &mark);

	if (found != NULL) {
		*ret = *found;
		return ERR_OK;
	}
	return auth_fetch(auth, &mark, id, NULL, ret, err);
}

enum err_code auth_check_id(struct auth *auth, const struct id *key, struct principal *ret,
                            struct err *err)
{
	struct auth_cached found;
	enum err_code code = auth_fetch_id(auth, key, &found, err);

	return code == ERR_OK ? take(&found, ret, err) : code;
}
