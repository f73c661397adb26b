/*
 * Access tokens as credentials: what a good one says (token/bearer.h), of a login, user and
 * membership that still stand.  Those are looked up as keys are, by the id of the login, and
 * remembered as long (auth_cache.h); the token can only narrow what they allow.
 */
#pragma once

#include "auth/auth.h"

/* On a fiber. ERR_UNAUTHORIZED with a reason for the client, or what kept us from asking. */
enum err_code auth_token_check(struct auth *auth, struct str token, struct principal *ret,
                               struct err *err) MUST_CHECK;

/* A key or an access token, whichever the text is. */
enum err_code auth_text_check(struct auth *auth, struct str text, struct principal *ret,
                              struct err *err) MUST_CHECK;

/*
 * A token of another issuer (token/issuer.h): a member of its tenant, or somebody with a role.
 * Streams opened with one end after AUTH_FOREIGN_LIFE_S at the latest, and nothing can be lent to
 * them.
 */
enum { AUTH_FOREIGN_LIFE_S = 900 };

enum err_code auth_foreign_check(struct auth *auth, struct str token, struct principal *ret,
                                 struct err *err) MUST_CHECK;
