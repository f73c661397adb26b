/* Reading the audit, and writing it for others: JSON, a line of JSON each, CSV (RFC 4180). */
#pragma once

#include "audit/audit_row.h"
#include "base/arena.h"
#include "base/buf.h"

enum { AUDIT_LISTED_MAX = 1000 };

struct audit_filter {
	const char *chain;  /* NULL: all */
	const char *actor;  /* an id; NULL: any, like those that follow */
	const char *action; /* "key.create", or "key." for all that begin so */
	const char *object, *outcome;
	int64_t since_us, until_us; /* 0: any */
	uint64_t before;            /* seq; 0: from the newest */
	unsigned max;
};

struct audit_list {
	struct audit_row *items; /* of the arena, newest first */
	size_t count;
	bool more;
};

/* For who acts for `tenant`; "": across tenants. */
enum err_code audit_list(struct pg *pg, const char *tenant, const struct audit_filter *filter,
                         struct arena *arena, struct audit_list *ret, struct err *err) MUST_CHECK;

struct jsonw;
void audit_write_json(struct jsonw *w, const struct audit_row *row);
void audit_write_line(struct buf *out, const struct audit_row *row); /* with its newline */
void audit_write_csv_head(struct buf *out);
void audit_write_csv(struct buf *out, const struct audit_row *row);
