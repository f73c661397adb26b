/*
 * Chats and the namespaces that they are in, as rows: a chat is what a client of the AOMI surface
 * calls a session, and sessions of ours carry it on one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aomi/aomi.h"
#include "auth/auth.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "pg/pg.h"

/* ---- namespaces ---- */

struct namespace
{
	struct str tenant, name;
	struct str agent; /* JSON, as in the body of a task */
	bool open;        /* it may be used without a key */
};

struct namespace_list {
	struct namespace *items; /* of the arena */
	size_t count;
};

enum { NAMESPACES_OPEN_MAX = 100 };

/* ERR_NOT_FOUND: the tenant has none of that name. */
enum err_code namespace_get(struct pg *pg, const char *tenant, const char *name,
                            struct arena *arena, struct namespace *ret, struct err *err) MUST_CHECK;
/* Of whichever tenant. ERR_NOT_FOUND: none that is open is called so. */
enum err_code namespace_get_open(struct pg *pg, const char *name, struct arena *arena,
                                 struct namespace *ret, struct err *err) MUST_CHECK;
enum err_code namespace_list(struct pg *pg, const char *tenant, struct arena *arena,
                             struct namespace_list *ret, struct err *err) MUST_CHECK;
/* Those that are open, at most so many. */
enum err_code namespace_list_open(struct pg *pg, unsigned max, struct arena *arena,
                                  struct namespace_list *ret, struct err *err) MUST_CHECK;
/* ERR_CONFLICT: it is open elsewhere. */
enum err_code namespace_put(struct pg *pg, const struct namespace *namespace, const char *who,
                            bool *ret_new, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: there was none. Its chats stay. */
enum err_code namespace_delete(struct pg *pg, const char *tenant, const char *name,
                               struct err *err) MUST_CHECK;

/* ---- chats ---- */

enum { CHAT_OWNER_SIZE = 160, CHAT_NAME_SIZE = AOMI_ID_MAX + 1, CHAT_PARTS_MAX = 32 };

/* Whose, and which. */
struct chat_key {
	char tenant[AUTH_TENANT_MAX + 1]; /* "": a guest's, wherever it is */
	char owner[CHAT_OWNER_SIZE];      /* "": a guest's */
	char name[CHAT_NAME_SIZE];
};

struct chat {
	struct chat_key key;
	struct str namespace, title;
	struct str client_state; /* JSON; "": none */
	struct str rig;          /* "": not chosen */
	uint64_t part;
	struct id session; /* the last one; nil: none yet, or it was let go */
	bool archived, memory_mode;
};

struct chat_list {
	struct chat *items; /* of the arena */
	size_t count;
};

/* ERR_NOT_FOUND: no such chat; a guest's also when its namespace is open no more. */
enum err_code chat_get(struct pg *pg, const struct chat_key *key, struct arena *arena,
                       struct chat *ret, struct err *err) MUST_CHECK;
/* Make it unless it is there. */
enum err_code chat_ensure(struct pg *pg, const struct chat_key *key, const char *namespace,
                          struct err *err) MUST_CHECK;
/* In a transaction: nobody else attaches a session to it from here on. */
enum err_code chat_lock(struct pg_tx *tx, const struct chat_key *key, struct arena *arena,
                        struct chat *ret, struct err *err) MUST_CHECK;
/* The session carries it on, in that namespace. title NULL: it stays; one of the user's does. */
enum err_code chat_attach(struct pg_tx *tx, const struct chat_key *key, const struct id *session,
                          const char *namespace, const char *title, struct err *err) MUST_CHECK;
/* It was used. client_state {NULL, 0}: that stays. */
enum err_code chat_touch(struct pg *pg, const struct chat_key *key, struct str client_state,
                         struct err *err) MUST_CHECK;

struct chat_change {
	const char *title; /* the user's; NULL: it stays */
	bool has_archived, archived;
	bool has_memory_mode, memory_mode;
	const char *rig, *baml; /* NULL: they stay */
};
/* ERR_NOT_FOUND: no such chat. */
enum err_code chat_change(struct pg *pg, const struct chat_key *key,
                          const struct chat_change *change, struct err *err) MUST_CHECK;
/* Its next message begins another session. */
enum err_code chat_detach(struct pg *pg, const struct chat_key *key, struct err *err) MUST_CHECK;
/* Its row; its sessions stay. */
enum err_code chat_delete(struct pg *pg, const struct chat_key *key, struct err *err) MUST_CHECK;

struct chat_part {
	uint64_t part;
	struct id session;
};
/* The newest first, at most max. */
enum err_code chat_parts(struct pg *pg, const struct chat_key *key, unsigned max,
                         struct arena *arena, struct chat_part **ret, size_t *ret_count,
                         struct err *err) MUST_CHECK;

/* Those of an owner, the last used first. */
enum err_code chat_list(struct pg *pg, const char *tenant, const char *owner, uint64_t max,
                        struct arena *arena, struct chat_list *ret, struct err *err) MUST_CHECK;
enum err_code chat_count(struct pg *pg, const char *tenant, const char *owner, uint64_t *ret,
                         struct err *err) MUST_CHECK;

/* Of all owners of a tenant: the sessions that go on. */
enum err_code chat_living(struct pg *pg, const char *tenant, unsigned max, struct arena *arena,
                          struct id **ret, size_t *ret_count, struct err *err) MUST_CHECK;
/* A duty of schedulers: whoever began one without a key cannot delete it, and is not asked. */
enum { CHAT_GUEST_KEPT_S = 30 * 86400, CHAT_PRUNED_MAX = 1000 };
enum err_code chat_prune(struct pg *pg, struct err *err) MUST_CHECK;
/* *ret: how many. */
enum err_code chat_delete_all(struct pg *pg, const char *tenant, uint64_t *ret,
                              struct err *err) MUST_CHECK;

struct chat_filter {
	const char *tenant;
	const char *owner; /* NULL: of all */
	uint64_t skip, max;
};
/* For the host's operator: the last used first. */
enum err_code chat_list_all(struct pg *pg, const struct chat_filter *filter, struct arena *arena,
                            struct chat_list *ret, struct err *err) MUST_CHECK;

struct chat_hand_over {
	const char *owner; /* NULL: it stays */
	const char *title; /* NULL: it stays */
	bool clear_title;  /* the next message gives it one */
};
/* ERR_NOT_FOUND: no such chat. ERR_CONFLICT: that owner has one of this name. */
enum err_code chat_hand_over(struct pg *pg, const struct chat_key *key,
                             const struct chat_hand_over *to, struct err *err) MUST_CHECK;
