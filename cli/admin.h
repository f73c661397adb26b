/* What the verbs of `fairlead admin` share. Each runs on a fiber beside a database (cli/local.h).
 */
#pragma once

#include "auth/auth_bell.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/command.h"
#include "cli/local.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cred/digest.h"
#include "json/write.h"
#include "tenant/tenant_store.h"

enum { ADMIN_ACTOR_SIZE = 80, ADMIN_LIST_MAX = 1000 };

extern const struct verb_group admin_key, admin_tenant, admin_limit, admin_user, admin_role;
extern const struct verb_group admin_namespace, admin_chat, admin_session, admin_contract;
extern const struct verb_group admin_setup, admin_audit, admin_price, admin_backup;

/* A group's `around`. */
int admin_around(struct call *call);

struct local *admin_local(const struct call *call);
/* It lives as long as the call. */
struct arena *admin_arena(const struct call *call);
/* --tenant, or the usual one. */
const char *admin_tenant_of(const struct call *call);
/* The installation's secret. ERR_NOT_FOUND: it is not known here. */
enum err_code admin_pepper(const struct call *call, struct cred_pepper *ret,
                           struct err *err) MUST_CHECK;
/* "host:<who runs this>": whoever can reach the database acts for the host. */
const char *admin_actor(void);

/*
 * The act has been done to this: it is written into the audit, and both are committed. Before that
 * nothing is told, and an act that is not settled did not happen. kind: "key"; id: what it is
 * called among them.
 */
enum err_code admin_settle(struct call *call, const char *kind, const char *id,
                           struct err *err) MUST_CHECK;

/* Prints it; EXIT_FAILED. */
int admin_fail(const struct err *err);
/* The same for words that are wrong: EXIT_USAGE. */
int admin_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What is printed in the end: JSON is written to w, and shown as such (--json) or as a table. */
struct admin_answer {
	struct buf out;
	struct jsonw w;
};
void admin_begin(struct admin_answer *answer);
void admin_begin_items(struct admin_answer *answer);
int admin_end(struct call *call, struct admin_answer *answer, const struct column *columns,
              size_t count);
int admin_end_items(struct call *call, struct admin_answer *answer, const struct column *columns,
                    size_t count);
/* {"id": id, what: true}, or the word for people. */
int admin_done(struct call *call, const char *member, const char *id, const char *what);

/* The first word. False: a sentence was printed. */
bool admin_take_id(const struct call *call, const char *what, struct id *ret);
/* All --namespaces in one list in their one form, of the arena; NULL: none were said. False: a
 * sentence was printed. */
bool admin_take_namespaces(const struct call *call, const char **ret);
/* Of a list of count: those after --offset, --limit at most. */
void admin_window(const struct call *call, size_t count, size_t *ret_from, size_t *ret_to);
