/*
 * Who did what, in rows that can only be added: a chain for each tenant, and AUDIT_SYSTEM for what
 * is of no tenant (workers, tenants, issuers, signing keys).
 *
 * A row's hash is BLAKE2b-256 (RFC 7693) over its fields, each with its length in front, and the
 * hash of the row before; where a chain ends is kept beside it with a MAC under a key that the
 * database does not have.  So whoever can write the database but does not have the installation's
 * secret cannot change, remove or reorder rows, the newest ones included, without audit_check()
 * finding it (audit_check.h says what is left).
 *
 * A row is added in the transaction of the act, as the last thing before its commit: an act that
 * happened has its row, whatever is killed. The chain is locked from there to the commit, so acts
 * of one tenant wait for each other only that long.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "cred/digest.h"
#include "pg/pg.h"

#define AUDIT_SYSTEM "." /* the chain of no tenant; no tenant is called that */

enum {
	AUDIT_WORD_MAX = 64,
	AUDIT_NAME_MAX = 128,
	AUDIT_OBJECT_MAX = 256,
	AUDIT_DETAIL_MAX = 4096,
};

enum audit_outcome { AUDIT_DONE, AUDIT_DENIED, AUDIT_FAILED, AUDIT_OUTCOME_COUNT };
const char *audit_outcome_name(unsigned outcome); /* "done"; NULL beyond the last */

/* Who, and from where. */
struct audit_who {
	struct str kind;    /* "key", "user", "service", "host", "nobody" */
	struct str id;      /* of the key, else of the user; "host:NAME" */
	struct str name;    /* for people */
	struct str address; /* "": on this host */
	struct str agent;   /* the User-Agent */
	struct str request;
};

/* What is too long is cut, and what is no text replaced. */
struct audit_entry {
	const char *chain; /* the tenant, or AUDIT_SYSTEM */
	struct audit_who who;
	struct str action; /* "key.create" */
	struct str object; /* "key:01J..."; "": none */
	enum audit_outcome outcome;
	struct str detail; /* a JSON object; "": none. Never a secret */
};

/* The key of the MACs, of an installation's secret. */
struct cred_pepper audit_key(const struct cred_pepper *secret);

/* The last statement of the transaction. */
enum err_code audit_append(struct pg_tx *tx, const struct cred_pepper *key,
                           const struct audit_entry *entry, struct err *err) MUST_CHECK;

/* The same in a transaction of its own, for what does not write PostgreSQL. */
enum err_code audit_write(struct pg *pg, const struct cred_pepper *key,
                          const struct audit_entry *entry, struct err *err) MUST_CHECK;
