/* Whoever logged in at a provider, as a user of ours: found, or made. */
#pragma once

#include "base/id.h"
#include "oidc/provider.h"
#include "pg/pg.h"

struct oidc_member {
	struct id user;
	bool made;
	bool changed; /* what the user may do is another now: the bell is due */
};

/*
 * By the name that the provider knows them under; else, once, by their address, if it is among
 * those that the provider is for; else a new user of the provider's tenant.  Then the role is set
 * that their groups have.  ERR_FORBIDDEN and why, fit for the client: disabled, or nobody gave them
 * a role.  ERR_CONFLICT: their address is somebody's for whom this provider does not speak.
 */
enum err_code oidc_member_find(struct pg *pg, const struct oidc_person *person,
                               struct oidc_member *ret, struct err *err) MUST_CHECK;

/* At which provider somebody logged in last; "" is none. Of the arena. */
enum err_code oidc_member_provider(struct pg *pg, const struct id *user, struct arena *arena,
                                   struct str *ret, struct err *err) MUST_CHECK;
