/*
 * Logins of browsers: a row each, and a cookie.
 *
 * The cookie is sealed (cred/seal.h) and has the id of the row and 32 random bytes, of which the
 * row keeps a keyed hash.  Whoever takes a cookie looks at the row (auth/auth_login.h): one that
 * was ended is no login any more.  A login has no more rights than its user had when it began, so
 * who is given more logs in again, and gets another cookie.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "cred/digest.h"
#include "pg/pg.h"

/* RFC 6265bis section 4.1.3.2: over TLS no other host can set it. */
#define LOGIN_COOKIE     "fairlead"
#define LOGIN_COOKIE_TLS "__Host-fairlead"

enum {
	LOGIN_COOKIE_MAX = 192,
	LOGIN_CSRF_LEN = 2 * CRED_DIGEST_SIZE,
	LOGIN_TENANT_MAX = 64,
	LOGIN_TEXT_MAX = 256, /* of what is kept about the client */
	LOGIN_LISTED_MAX = 1000,
	LOGIN_KEPT_S = 7 * 86400, /* a login is remembered this long after its end */
	LOGIN_PRUNED_MAX = 1000,  /* at once */
};

struct login_options {
	struct pg *pg;
	struct cred_pepper secret; /* of the installation */
	uint64_t idle_s, life_s;   /* without use, and in all */
};

/* ---- pure ---- */

/* What a cookie says. */
struct login_shown {
	struct id login;
	struct cred_digest hash; /* as the row keeps it */
};

/* False: it is none of ours, or older than any login. */
bool login_cookie_parse(struct str cookie, const struct cred_pepper *secret, int64_t now_us,
                        struct login_shown *ret) MUST_CHECK;

/* What a page shows beside the cookie when it changes something: of one login, and known only to
 * who could read an answer to it. */
void login_csrf(const struct cred_pepper *secret, const struct id *login,
                char out[LOGIN_CSRF_LEN + 1]);
bool login_csrf_ok(const struct cred_pepper *secret, const struct id *login,
                   struct str shown) MUST_CHECK;

/* ---- rows ---- */

struct login_new {
	const struct id *user;
	const char *tenant;  /* NULL: its home, else where it became a member first */
	const char *means;   /* how they proved who they are: "password", "oidc:<provider>" */
	const char *agent;   /* User-Agent; cut */
	const char *address; /* where it came from */
};

struct login_made {
	struct id login;
	char tenant[LOGIN_TENANT_MAX + 1];
	char cookie[LOGIN_COOKIE_MAX + 1]; /* wipe it after use */
	int64_t expires_us;                /* whatever is done */
};

/* ERR_FORBIDDEN: no person, not a member of the tenant, or disabled. */
enum err_code login_create(const struct login_options *options, const struct login_new *what,
                           struct login_made *ret, struct err *err) MUST_CHECK;
/* The same in a transaction across tenants. */
enum err_code login_create_in(struct pg_tx *tx, const struct login_options *options,
                              const struct login_new *what, struct login_made *ret,
                              struct err *err) MUST_CHECK;

struct login_row {
	struct id login;
	struct str means, agent, address;
	int64_t created_us, used_us, ends_us; /* ends: unless it is used before */
};

struct login_list {
	struct login_row *items; /* of the arena, newest first */
	size_t count;
};

/* Which of a tenant. */
struct login_which {
	const char *tenant;
	const struct id *user;   /* NULL: anybody's */
	const struct id *login;  /* NULL: all */
	const struct id *except; /* NULL: none */
};

/* Of those that are alive; except is not looked at. */
enum err_code login_list(struct pg *pg, const struct login_which *which, struct arena *arena,
                         struct login_list *ret, struct err *err) MUST_CHECK;

/* What ends. ret_ids, of the arena, and ret_count: whose bells are due. */
enum err_code login_end(struct pg *pg, const struct login_which *which, const char *reason,
                        struct arena *arena, struct id **ret_ids, size_t *ret_count,
                        struct err *err) MUST_CHECK;

/* All of a person, in all tenants, but one (NULL: none): in a transaction across tenants. The bell
 * that is due is the user's. */
enum err_code login_end_user(struct pg_tx *tx, const struct id *user, const struct id *except,
                             const char *reason, struct err *err) MUST_CHECK;

/* Note that these were used, at most once a minute: ids is a comma list. */
enum err_code login_touch(struct pg *pg, const char *ids, struct err *err) MUST_CHECK;

/* A duty: forget those that ended long ago. */
enum err_code login_prune(struct pg *pg, struct err *err) MUST_CHECK;
