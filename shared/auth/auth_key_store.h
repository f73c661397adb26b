/* API keys as rows. The key itself exists only in what auth_key_create() returns. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "cred/apikey.h"

enum { AUTH_KEYS_LISTED_MAX = 1000, AUTH_KEYS_WATCHED_MAX = 1000 };

struct auth_key_new {
	const char *tenant;
	const char *name;
	unsigned scopes;        /* set of auth_bit(), not empty */
	const char *namespaces; /* comma list; NULL: all */
	int64_t expires_us;     /* 0: never */
	const char *owner;      /* whose it is: a person or a program; NULL: nobody is named */
};

/* ERR_NOT_FOUND: no such tenant. ERR_INVALID: no scope, or the name or the namespaces are too long
 * or malformed. */
enum err_code auth_key_create(struct pg *pg, const struct auth_key_new *key,
                              const struct cred_pepper *pepper, char ret_text[CRED_KEY_LEN + 1],
                              struct id *ret_id, struct err *err) MUST_CHECK;

struct auth_key {
	struct id id;
	struct str name;
	struct str owner;              /* "": nobody is named */
	struct str scopes, namespaces; /* comma lists */
	bool any_namespace;
	int64_t created_us, expires_us, revoked_us, last_used_us; /* 0: not */
};

struct auth_key_list {
	struct auth_key *items; /* of the arena, newest first */
	size_t count;
};

enum err_code auth_key_list(struct pg *pg, const char *tenant, struct arena *arena,
                            struct auth_key_list *ret, struct err *err) MUST_CHECK;

/* Change what a key may do from now on. *ret_changed false: there is none with that id, or it is
 * revoked. ERR_INVALID: no scope. */
enum err_code auth_key_limit(struct pg *pg, const char *tenant, const struct id *id,
                             unsigned scopes, bool *ret_changed, struct err *err) MUST_CHECK;

/* *ret_revoked false: there is none with that id, or it was revoked before. */
enum err_code auth_key_revoke(struct pg *pg, const char *tenant, const struct id *id,
                              bool *ret_revoked, struct err *err) MUST_CHECK;

/* What a look-up by id finds, for auth_check(). */
struct auth_key_found {
	struct principal principal;
	struct cred_digest hash;
	bool usable;  /* not revoked, not expired, its tenant not disabled */
	bool expired; /* why it is not usable, if that is the only reason */
};

/* ERR_NOT_FOUND: no such id. Notes the use of a usable key, at most once a minute. */
enum err_code auth_key_find(struct pg *pg, const struct id *id, struct auth_key_found *ret,
                            struct err *err) MUST_CHECK;

/*
 * Many at once, without noting a use: ids is a comma list of count ids, at most
 * AUTH_KEYS_WATCHED_MAX; ret has room for count. Fills one for each that exists, in no order,
 * and *ret_count.
 */
enum err_code auth_keys_watch(struct pg *pg, const char *ids, size_t count,
                              struct auth_key_found *ret, size_t *ret_count,
                              struct err *err) MUST_CHECK;
