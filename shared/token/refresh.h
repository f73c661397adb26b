/*
 * Refresh tokens: what a program shows to get the next access token, and with it the next refresh
 *token.
 *
 *	fl_refresh_<login>_<turn>_<secret>_<check>
 *
 *	login   a ULID in lower case: of the row; all tokens of one login share it
 *	turn    8 digits: which of them this is
 *	secret  256 random bits in hex
 *	check   half of a keyed hash over the rest: told from invented ones without asking anybody
 *
 * Each counts once (RFC 9700 section 4.14.2).  One that comes back after it was replaced was
 *stolen, or its thief was faster: nobody can tell, so the login ends, and with it its access
 *tokens.  There is no grace for an answer that got lost: such a login begins anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "cred/digest.h"
#include "pg/pg.h"
#include "token/bearer.h"

#define REFRESH_PREFIX "fl_refresh_"

enum {
	REFRESH_TURN_LEN = 8,
	REFRESH_SECRET_LEN = 64,
	REFRESH_CHECK_LEN = 32,
	REFRESH_LEN = sizeof(REFRESH_PREFIX) - 1 + ID_LEN + 1 + REFRESH_TURN_LEN + 1 +
	              REFRESH_SECRET_LEN + 1 + REFRESH_CHECK_LEN,
	REFRESH_CLIENT_MAX = 256,
	REFRESH_LISTED_MAX = 1000,
	REFRESH_PRUNED_MAX = 1000,  /* at a time */
	REFRESH_KEPT_S = 7 * 86400, /* a login is remembered this long after its end */
};

struct refresh_options {
	struct pg *pg;
	struct cred_pepper secret; /* of the installation */
	uint64_t idle_s, life_s;   /* without use, and in all */
};

/* A text that is well-formed. Pure. */
struct refresh_text {
	struct id login;
	uint64_t turn;
	struct cred_digest hash; /* as the row keeps it */
};
bool refresh_parse(struct str text, const struct cred_pepper *secret,
                   struct refresh_text *ret) MUST_CHECK;

struct refresh_new {
	const char *tenant;
	const struct id *user;
	const struct id *key;   /* that begins it, and with which it ends; NULL: none */
	const char *scopes;     /* comma list: no more than this; NULL: what the user may */
	const char *namespaces; /* comma list: no others; NULL: those of the user */
	const char *client;     /* what says of itself that it is, for people; cut */
	const char *address;    /* where it came from; cut */
};

/* What a token is good for: the next access token's facts, and the next refresh token. */
struct refreshed {
	char text[REFRESH_LEN + 1]; /* wipe it after use */
	struct bearer bearer;       /* its end is not set */
	int64_t expires_us;         /* of the login, whatever is done */
};

/* ERR_FORBIDDEN: not a member of the tenant, or disabled. */
enum err_code refresh_begin(const struct refresh_options *options, const struct refresh_new *what,
                            struct refreshed *ret, struct err *err) MUST_CHECK;
/* ERR_UNAUTHORIZED: it does not count. ret_ended (never NULL): the login that ended because it came
 * back, whose bell is due; nil: none. */
enum err_code refresh_use(const struct refresh_options *options, struct str text,
                          struct refreshed *ret, struct id *ret_ended, struct err *err) MUST_CHECK;
/* The login ends by its own token. *ret_ended nil: it was none that counts. */
enum err_code refresh_return(const struct refresh_options *options, struct str text,
                             struct id *ret_ended, struct err *err) MUST_CHECK;

struct refresh_row {
	struct id login;
	struct str client, address, scopes; /* scopes: comma list; "": all of the user */
	int64_t created_us, used_us, expires_us;
};

struct refresh_list {
	struct refresh_row *items; /* of the arena, newest first */
	size_t count;
};

/* Of those that are alive. */
enum err_code refresh_list(struct pg *pg, const char *tenant, const struct id *user,
                           struct arena *arena, struct refresh_list *ret,
                           struct err *err) MUST_CHECK;

struct refresh_ended {
	struct id *items; /* of the arena */
	size_t count;
};

/* End logins of a tenant: of a user (NULL: of anybody), one (NULL: all). ret: whose bells are due.
 */
enum err_code refresh_end(struct pg *pg, const char *tenant, const struct id *user,
                          const struct id *login, struct arena *arena, struct refresh_ended *ret,
                          struct err *err) MUST_CHECK;

/* All of a user, in all tenants, but one (NULL: none): in a transaction across tenants. The bell
 * that is due is the user's. */
enum err_code refresh_end_user(struct pg_tx *tx, const struct id *user, const struct id *except,
                               const char *reason, struct err *err) MUST_CHECK;

/* A duty: forget some of those that ended long ago. */
enum err_code refresh_prune(struct pg *pg, struct err *err) MUST_CHECK;
