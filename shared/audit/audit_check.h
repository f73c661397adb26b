/*
 * Is the audit what was written?  Found are rows that were changed, removed, put in between or in
 * another order, newest rows and whole chains that are gone, and heads that are not ours.
 *
 * Not found is who also has the installation's secret, and who puts back an older state of the
 * database, rows and heads together: keep the end of a chain that was told once somewhere else and
 * ask for it again (anchor).
 */
#pragma once

#include "audit/audit.h"
#include "base/arena.h"

struct audit_end {
	const char *chain;
	uint64_t n;
	struct cred_digest hash;
};

struct audit_check {
	struct pg *pg;
	const struct cred_pepper *key;
	const char *chain;              /* NULL: all */
	const struct audit_end *anchor; /* a row as it was once; NULL: none */
	void *arg;
	/* What was found, row by row. n 0: the chain itself. */
	void (*found)(void *arg, const char *chain, uint64_t n, const char *what);
	/* A chain is what was written, or not. */
	void (*checked)(void *arg, const struct audit_end *end, bool is_whole);
};

/* *ret_flaws: how many were found. */
enum err_code audit_check(const struct audit_check *check, uint64_t *ret_flaws,
                          struct err *err) MUST_CHECK;
