/*
 * How PostgreSQL's own programs (pg_dump, pg_restore) reach the database that a connection string
 * names: by their environment, since a password in arguments is shown to everybody on the host.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

enum { PG_ENVIRON_MAX = 40 };

struct pg_environ {
	char *pairs[PG_ENVIRON_MAX]; /* "PGHOST=..." */
	size_t count;
};

/* They see the rows of all tenants. What has no variable (keepalives) is left out. ERR_INVALID:
 * libpq cannot read the string. */
enum err_code pg_environ(const char *url, struct pg_environ *ret, struct err *err) MUST_CHECK;
void pg_environ_fini(struct pg_environ *environ);
