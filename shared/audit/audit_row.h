/* Rows as they are hashed and read back; private to this folder, and to who checks it. */
#pragma once

#include "audit/audit.h"

struct audit_row {
	uint64_t seq, n;
	int64_t at_us;
	struct str chain;
	struct audit_who who;
	struct str action, object, outcome, detail;
	struct str prev, hash; /* bytes */
};

/* Of all of it but seq and the hash itself. Pure. */
struct cred_digest audit_row_hash(const struct audit_row *row);
/* Of where a chain ends. Pure. */
struct cred_digest audit_head_mac(const struct cred_pepper *key, struct str chain, uint64_t n,
                                  struct str hash);
/* The i-th of audit_read or audit_list; it points into rows. */
struct audit_row audit_row_from(struct pg_rows *rows, size_t i);
