#include "auth/auth_token.h"

#include "auth/auth_cache.h"
#include "base/clock.h"
#include "token/bearer.h"

enum { US_A_MS = 1000 };

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
	return auth_scopes_meant(set);
}

static enum err_code refuse(struct err *err)
{
	return err_set(err, ERR_UNAUTHORIZED, "the login of this token has ended");
}

/* What the token leaves of what its login may. */
static void narrow(const struct bearer *bearer, struct principal *who)
{
	who->means = AUTH_BY_TOKEN;
	who->expires_us = bearer->expires_us;
	if (bearer->scopes[0] != '\0') {
		who->lent = scopes_of(str_of(bearer->scopes));
		who->scopes = auth_scopes_meant(who->scopes) & who->lent;
	}
}

/* Whom a token that was verified stands for; *ret_lasts: for as long as it may be remembered. */
static enum err_code find_login(struct auth *auth, const struct bearer *bearer,
                                struct auth_cached *ret, bool *ret_lasts, struct err *err)
{
	const struct principal *who = &ret->principal;
	enum err_code code = auth_fetch_id(auth, &bearer->login, ret, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!auth_still_counts(ret) || !id_eq(&who->login, &bearer->login) ||
	    !id_eq(&who->user, &bearer->user) || strcmp(who->tenant, bearer->tenant) != 0) {
		return refuse(err);
	}
	*ret_lasts = who->expires_us == 0 ||
	             who->expires_us > clock_wall_us() + AUTH_CACHE_MS_MAX * US_A_MS;
	narrow(bearer, &ret->principal);
	return ERR_OK;
}

static enum err_code check_new(struct auth *auth, struct str token, const struct cred_mark *mark,
                               uint64_t epoch, struct principal *ret, struct err *err)
{
	struct bearers *bearers = auth_options_of(auth)->bearers;
	uint64_t turn = auth_cache_turn(auth_cache_of(auth));
	struct auth_cached found;
	struct bearer bearer;
	bool is_foreign, lasts;
	enum err_code code = bearer_verify(bearers, token, &bearer, &is_foreign, err);

	if (is_foreign && auth_options_of(auth)->issuers != NULL) {
		return auth_foreign_check(auth, token, ret, err);
	}
	if (code == ERR_OK) {
		code = find_login(auth, &bearer, &found, &lasts, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	*ret = found.principal;
	if (lasts) {
		found.epoch = epoch; /* from before: what goes meanwhile is not kept */
		auth_cache_put(auth_cache_of(auth), mark, turn, &found);
	}
	return ERR_OK;
}

enum err_code auth_token_check(struct auth *auth, struct str token, struct principal *ret,
                               struct err *err)
{
	struct bearers *bearers = auth_options_of(auth)->bearers;
	struct auth_cache *cache = auth_cache_of(auth);
	const struct auth_cached *found;
	struct cred_mark mark;
	uint64_t epoch;

	if (bearers == NULL) {
		return err_set(err, ERR_UNAUTHORIZED, "access tokens are not taken here");
	}
	mark = auth_cache_mark(cache, AUTH_CACHE_TOKEN, token);
	epoch = bearer_epoch(bearers);
	found = auth_cache_find(cache, &mark);
	/* After its end it is good for a little while, if a clock is behind: that is looked at. */
	if (found != NULL && found->epoch == epoch && auth_still_counts(found)) {
		*ret = found->principal;
		return ERR_OK;
	}
	return check_new(auth, token, &mark, epoch, ret, err);
}

/* Keys of ours begin alike and have no dots; a token has two. */
enum err_code auth_text_check(struct auth *auth, struct str text, struct principal *ret,
                              struct err *err)
{
	bool is_token = text.n > 0 && memchr(text.p, '.', text.n) != NULL;

	return is_token ? auth_token_check(auth, text, ret, err) : auth_check(auth, text, ret, err);
}
