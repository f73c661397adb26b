/*
 * Who a request acts for, and what it may do.  Everything is denied unless there is a
 * scope for it (scope.def): a key has scopes, a member of a tenant has those of its role
 * (role.def). This is the one place that turns a credential into a principal; auth_http.h reads it
 * from a request and answers refusals.
 *
 * Looked-up keys, wrong ones too, are remembered for up to a second in a table of fixed size
 * (auth_cache.h), so a revoked key works for at most that long, and where its bell is heard no
 * longer than that takes.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "cred/digest.h"
#include "pg/pg.h"

struct buf;
struct bearers;
struct issuers;
struct redis;

enum auth_scope {
#define X(id, name, help) AUTH_##id,
#include "auth/scope.def"
#undef X
	AUTH_SCOPE_COUNT
};

static inline unsigned auth_bit(enum auth_scope scope)
{
	return 1U << (unsigned)scope;
}

/* All that there is in one tenant: whatever needs no system. */
#define AUTH_SCOPES_OF_TENANT ((1U << AUTH_SYSTEM) - 1)
_Static_assert(AUTH_SYSTEM == AUTH_SCOPE_COUNT - 1, "system is the last scope");

const char *auth_scope_name(enum auth_scope scope); /* "session:read" */
const char *auth_scope_help(enum auth_scope scope);
bool auth_scope_parse(struct str name, enum auth_scope *ret) MUST_CHECK;
/* "session:read,task:write" to a set; false when one is unknown or the list is empty. */
bool auth_scopes_parse(struct str list, unsigned *ret) MUST_CHECK;
void auth_scopes_format(unsigned scopes, struct buf *out); /* the same list */

enum {
	AUTH_TENANT_MAX = 64,
	AUTH_NAMESPACES_MAX = 512,
	AUTH_KEY_NAME_MAX = 128,
	AUTH_OWNER_MAX = 64,
};

#define AUTH_ALL UINT_MAX

/* What a member of a tenant is there: a set of scopes with a name, the least first. */
enum auth_role {
#define X(id, name, scopes, help) AUTH_ROLE_##id,
#include "auth/role.def"
#undef X
	AUTH_ROLE_COUNT
};

const char *auth_role_name(enum auth_role role); /* "operator" */
const char *auth_role_help(enum auth_role role);
unsigned auth_role_scopes(enum auth_role role);
bool auth_role_parse(struct str name, enum auth_role *ret) MUST_CHECK;
/* What a set really allows: admin stands for all of its tenant. Sets are compared in this form. */
unsigned auth_scopes_meant(unsigned set);

/* On whose behalf: a key that nobody owns stands for itself. */
enum auth_kind { AUTH_KEY, AUTH_USER, AUTH_SERVICE };

/* What somebody who follows a session is there: who may change it, or only look. */
enum auth_part { AUTH_OBSERVER, AUTH_PARTICIPANT };

/* What the request showed: the key itself, what was lent to it (auth_grant.h), an access token, or
 * the cookie of a browser login. */
enum auth_means { AUTH_BY_KEY, AUTH_BY_TICKET, AUTH_BY_COOKIE, AUTH_BY_TOKEN, AUTH_BY_LOGIN };

struct principal {
	char tenant[AUTH_TENANT_MAX + 1];
	enum auth_kind kind;
	enum auth_role
		role;    /* of the user in the tenant; means nothing when the kind is AUTH_KEY */
	struct id user;  /* nil: none */
	struct id key;   /* nil: none */
	struct id login; /* of the browser, or of the family of tokens; nil: none */
	char name[AUTH_KEY_NAME_MAX + 1]; /* of the key, else of the user */
	char owner[AUTH_OWNER_MAX + 1];   /* whose key it is; "": nobody was named */
	unsigned scopes;                  /* set of auth_bit() */
	unsigned lent;                    /* of what the key may do, only this; AUTH_ALL: all */
	bool any_namespace;
	char namespaces[AUTH_NAMESPACES_MAX + 1]; /* comma list, when not any */
	int64_t expires_us;                       /* wall clock; 0: never */
	enum auth_means means;
	bool observes;     /* wants to be no more than an observer */
	struct id session; /* the only one that it may follow; nil: any */
};

bool auth_allows(const struct principal *principal, enum auth_scope scope);
/* A comma list of namespaces in the form in which they are kept and compared: trimmed, lower-case,
 * none twice. False: one is empty or has other characters than letters, digits and ._-, or there
 * are too many. */
bool auth_namespaces_parse(struct str list, char ret[AUTH_NAMESPACES_MAX + 1]) MUST_CHECK;
/* Leave it those namespaces that are on the list too. False: the list does not fit. */
bool auth_namespaces_cut(struct principal *principal, struct str list) MUST_CHECK;
/* May it give somebody these scopes in these namespaces (NULL: all)? Nobody gives more than they
 * have. */
bool auth_may_give(const struct principal *principal, unsigned scopes, const char *namespaces);
/* Who acts, as it is written down: the id of the key, else of the user, else what an issuer calls
 * them. */
const char *auth_actor(const struct principal *principal);
/* What its right hangs on, and what can be looked up again by its id: the key, else the login.
 * Nil: it hangs on nothing of ours (a token of another issuer). */
const struct id *auth_lender(const struct principal *principal);

bool auth_allows_namespace(const struct principal *principal, struct str name);
bool auth_allows_session(const struct principal *principal, const struct id *session);
/* A participant has the scope session:write and did not ask for less. */
enum auth_part auth_part_of(const struct principal *principal);
const char *auth_part_name(enum auth_part part); /* "observer" */
bool auth_part_parse(struct str name, enum auth_part *ret) MUST_CHECK;
/* What the key may do has changed to what `key` may: and so what was lent of it. */
void auth_renew(struct principal *principal, const struct principal *key);
/* Are both of one tenant and, as far as keys say, of one owner? */
bool auth_same_user(const struct principal *a, const struct principal *b);

struct auth;

struct auth_options {
	struct pg *pg;
	struct cred_pepper pepper;
	unsigned cache_ms;         /* at most 1000; 0: ask every time */
	struct redis *redis;       /* of tickets and cookies; NULL: there are none */
	const char *origins;       /* of pages of others that may follow streams: a comma list */
	uint64_t cookie_life_ms;   /* without use */
	unsigned tickets_a_minute; /* of one key; 0: no limit */
	struct bearers *bearers;   /* for access tokens; NULL: they are not taken. Borrowed */
	struct issuers *issuers;   /* for those of others; NULL: they are not taken. Borrowed */
};

struct auth *auth_new(const struct auth_options *options) MUST_CHECK;
void auth_free(struct auth *auth);

/* ERR_UNAUTHORIZED with a reason for the client (it does not tell unknown from revoked), or what
 * kept us from asking. A key that is known but no good: *ret says whose it is, and may do nothing.
 */
enum err_code auth_check(struct auth *auth, struct str key, struct principal *ret,
                         struct err *err) MUST_CHECK;

/* The same for a key, or a login (token/refresh.h), that is known by its id only: it was shown
 * before. */
enum err_code auth_check_id(struct auth *auth, const struct id *key, struct principal *ret,
                            struct err *err) MUST_CHECK;

struct auth_bell;
/* Somebody rang: who is named is looked up anew; NULL: bells may have been missed. */
void auth_heard(struct auth *auth, const struct auth_bell *bell);
/* On a fiber, now and then: writes down which keys were used since. A record for people: what could
 * not be written is forgotten. */
void auth_note_uses(struct auth *auth);

const struct auth_options *auth_options_of(const struct auth *auth);
