#include "auth/auth_token.h"

#include "token/bearer.h"

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

enum err_code auth_token_check(struct auth *auth, struct str token, struct principal *ret,
                               struct err *err)
{
	struct bearers *bearers = auth_options_of(auth)->bearers;
	struct principal now;
	struct bearer bearer;
	bool is_foreign;
	enum err_code code;

	if (bearers == NULL) {
		return err_set(err, ERR_UNAUTHORIZED, "access tokens are not taken here");
	}
	code = bearer_verify(bearers, token, &bearer, &is_foreign, err);
	if (is_foreign && auth_options_of(auth)->issuers != NULL) {
		return auth_foreign_check(auth, token, ret, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	code = auth_check_id(auth, &bearer.login, &now, err);
	if (code != ERR_OK) {
		return code == ERR_UNAUTHORIZED ? refuse(err) : code;
	}
	if (!id_eq(&now.login, &bearer.login) || !id_eq(&now.user, &bearer.user) ||
	    strcmp(now.tenant, bearer.tenant) != 0) {
		return refuse(err);
	}
	*ret = now;
	ret->means = AUTH_BY_TOKEN;
	ret->expires_us = bearer.expires_us;
	if (bearer.scopes[0] != '\0') {
		ret->lent = scopes_of(str_of(bearer.scopes));
		ret->scopes = auth_scopes_meant(now.scopes) & ret->lent;
	}
	return ERR_OK;
}

/* Keys of ours begin alike and have no dots; a token has two. */
enum err_code auth_text_check(struct auth *auth, struct str text, struct principal *ret,
                              struct err *err)
{
	bool is_token = text.n > 0 && memchr(text.p, '.', text.n) != NULL;

	return is_token ? auth_token_check(auth, text, ret, err) : auth_check(auth, text, ret, err);
}
