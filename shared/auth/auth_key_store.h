/* API keys as rows. The key itself exists only in what auth_key_create(), auth_key_insert()
 * and auth_key_rotate() return. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "cred/apikey.h"

enum {
	AUTH_KEYS_LISTED_MAX = 1000,
	AUTH_KEYS_WATCHED_MAX = 1000,
	AUTH_KEY_GRACE_S = 24 * 3600, /* unless another is asked for */
	AUTH_KEY_GRACE_MAX_S = 30 * 24 * 3600,
};

struct auth_key_new {
	const char *tenant;
	const char *name;
	unsigned scopes;        /* set of auth_bit(), not empty */
	const char *namespaces; /* comma list; NULL: all */
	int64_t expires_us;     /* 0: never */
	const char *owner;      /* whose it is: a person or a program; NULL: nobody is named */
	const char *owner_id;   /* the user that it acts for, a member of the tenant; NULL: none */
	const char *env;        /* cred_env_ok(); NULL: the usual one */
	const char *created_by; /* the principal; NULL: the host's operator */
};

/* ERR_NOT_FOUND: no such tenant, or the owner is no member. ERR_INVALID: no scope, or the name or
 * the namespaces are too long or malformed. */
enum err_code auth_key_create(struct pg *pg, const struct auth_key_new *key,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_MAX + 1],
                              struct id *ret_id, struct err *err) MUST_CHECK;

/* The same in a transaction of the tenant. */
enum err_code auth_key_insert(struct pg_tx *tx, const struct auth_key_new *key,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_MAX + 1],
                              struct id *ret_id, struct err *err) MUST_CHECK;

struct auth_key {
	struct id id;
	struct str name;
	struct str owner, owner_id;    /* "": nobody is named */
	struct str scopes, namespaces; /* comma lists */
	struct str env;
	struct str replaces, created_by; /* "": none */
	bool any_namespace;
	int64_t created_us, expires_us, revoked_us, last_used_us; /* 0: not */
	bool suspended; /* its owner is disabled, or no member any more */
};

/* "usable", "suspended", "expired" or "revoked". */
const char *auth_key_status(const struct auth_key *key, int64_t now_us);

struct auth_key_filter {
	const char *tenant;
	struct id before; /* nil: from the newest on */
	unsigned max;     /* at most AUTH_KEYS_LISTED_MAX */
};

struct auth_key_list {
	struct auth_key *items; /* of the arena, newest first */
	size_t count;
	bool more;
};

enum err_code auth_key_list(struct pg *pg, const struct auth_key_filter *filter,
                            struct arena *arena, struct auth_key_list *ret,
                            struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: the tenant has none with that id. */
enum err_code auth_key_get(struct pg *pg, const char *tenant, const struct id *id,
                           struct arena *arena, struct auth_key *ret, struct err *err) MUST_CHECK;
enum err_code auth_key_get_in(struct pg_tx *tx, const char *tenant, const struct id *id,
                              struct arena *arena, struct auth_key *ret,
                              struct err *err) MUST_CHECK;

/* Change what a key may do from now on. *ret_changed false: there is none with that id, or it is
 * revoked. ERR_INVALID: no scope. */
enum err_code auth_key_limit(struct pg *pg, const char *tenant, const struct id *id,
                             unsigned scopes, bool *ret_changed, struct err *err) MUST_CHECK;

struct auth_key_change {
	const char *name; /* NULL: it stays */
	bool has_namespaces;
	const char *namespaces; /* auth_namespaces_parse(); NULL: all */
};

/* Change what a key is called and where it may act. *ret_changed false: there is none with that id,
 * or it is revoked. ERR_INVALID: it cannot be called that. */
enum err_code auth_key_change(struct pg *pg, const char *tenant, const struct id *id,
                              const struct auth_key_change *change, bool *ret_changed,
                              struct err *err) MUST_CHECK;

/* *ret_revoked false: there is none with that id, or it was revoked before. */
enum err_code auth_key_revoke(struct pg *pg, const char *tenant, const struct id *id,
                              bool *ret_revoked, struct err *err) MUST_CHECK;

/* *ret_deleted false: there is none with that id. */
enum err_code auth_key_delete(struct pg *pg, const char *tenant, const struct id *id,
                              bool *ret_deleted, struct err *err) MUST_CHECK;

struct auth_key_rotation {
	const char *tenant;
	struct id id;
	uint64_t grace_s;       /* how long the old one stays good; at most AUTH_KEY_GRACE_MAX_S */
	const char *env;        /* of the new one; NULL: the usual */
	const char *created_by; /* NULL: the host's operator */
};

/* A new key that may do the same, for as long as the old one was made for; the old one ends after
 * the grace. In a transaction of the tenant. ERR_CONFLICT: there is none, it is no good any more,
 * was replaced before, or its owner has gone. */
enum err_code auth_key_rotate(struct pg_tx *tx, const struct auth_key_rotation *rotation,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_MAX + 1],
                              struct id *ret_id, struct err *err) MUST_CHECK;

/* What a look-up by id finds, for auth_check(). */
struct auth_key_found {
	struct principal principal;
	struct cred_digest hash;
	bool usable;  /* not revoked, not expired, its tenant not disabled, its owner a member */
	bool expired; /* why it is not usable, if that is the only reason */
	bool stale;   /* its use was not noted within the last minute */
};

/* Also by the id of a login: then the principal has that, and no key. ERR_NOT_FOUND: no such id. */
enum err_code auth_key_find(struct pg *pg, const struct id *id, struct auth_key_found *ret,
                            struct err *err) MUST_CHECK;

/* Note that these were used just now, at most once a minute: ids is a comma list. */
enum err_code auth_keys_touch(struct pg *pg, const char *ids, struct err *err) MUST_CHECK;

/*
 * Many at once, keys and logins, without noting a use: ids is a comma list of count ids, at most
 * AUTH_KEYS_WATCHED_MAX; ret has room for count. Fills one for each that exists, in no order,
 * and *ret_count.
 */
enum err_code auth_keys_watch(struct pg *pg, const char *ids, size_t count,
                              struct auth_key_found *ret, size_t *ret_count,
                              struct err *err) MUST_CHECK;
