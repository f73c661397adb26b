/* Users and their memberships, as rows. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "pg/pg.h"
#include "user/user.h"

struct user_new {
	struct id id; /* id_new() */
	enum user_kind kind;
	const char *name;
	const char *email; /* user_email_parse(); NULL: none */
};

/* What somebody is in a tenant. */
struct user_standing {
	enum auth_role role;
	const char *namespaces; /* auth_namespaces_parse(); NULL: all */
};

struct user_filter {
	const char *tenant;
	bool of_kind;
	enum user_kind kind;
	struct id before; /* nil: from the newest on */
	unsigned max;
};

struct user_page {
	struct user *items; /* of the arena, newest first */
	size_t count;
	bool more;
};

enum err_code user_list(struct pg *pg, const struct user_filter *filter, struct arena *arena,
                        struct user_page *ret, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: no member of the tenant has that id. */
enum err_code user_get(struct pg *pg, const char *tenant, const struct id *id, struct arena *arena,
                       struct user *ret, struct err *err) MUST_CHECK;
/* The same; it does not change until the transaction ends. */
enum err_code user_lock(struct pg_tx *tx, const char *tenant, const struct id *id,
                        struct arena *arena, struct user *ret, struct err *err) MUST_CHECK;

/* Whoever has the address (user_email_parse()), and in which tenant they are at home.
 * ERR_NOT_FOUND: nobody. */
enum err_code user_find_email(struct pg *pg, const char *email, struct arena *arena, struct id *ret,
                              struct str *ret_home, struct err *err) MUST_CHECK;

/* In a transaction of the tenant, which becomes its home. ERR_CONFLICT: somebody has the address.
 * It is seen once it has joined. */
enum err_code user_insert(struct pg_tx *tx, const char *tenant, const struct user_new *user,
                          struct err *err) MUST_CHECK;
/* ERR_CONFLICT: it is a member already. ERR_NOT_FOUND: there is no such user. */
enum err_code user_join(struct pg_tx *tx, const char *tenant, const struct id *id,
                        const struct user_standing *as, struct err *err) MUST_CHECK;
enum err_code user_stand(struct pg_tx *tx, const char *tenant, const struct id *id,
                         const struct user_standing *as, struct err *err) MUST_CHECK;
enum err_code user_leave(struct pg_tx *tx, const char *tenant, const struct id *id,
                         struct err *err) MUST_CHECK;

/* name, system and disabled, in its home. ERR_FORBIDDEN: the tenant is not. */
enum err_code user_update(struct pg_tx *tx, const char *tenant, const struct user *user,
                          struct err *err) MUST_CHECK;
