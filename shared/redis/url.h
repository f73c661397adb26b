/*
 * Where a Redis is and who we are to it, from a URL.  Pure.
 *
 *	redis://[[user]:password@]host[:port][/db]      port 6379, db 0; [::1] for IPv6
 *	unix:///path[?db=0][&user=...][&password=...]
 *
 * user, password and path are percent-decoded (RFC 3986 section 2.1).  No message repeats any part
 * of the URL: it may hold a password.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

enum { REDIS_PORT = 6379, REDIS_DB_MAX = 65535 };

struct redis_url {
	char *host;     /* NULL: a unix socket */
	char *path;     /* NULL: TCP */
	char *user;     /* NULL: the default user */
	char *password; /* NULL: no AUTH */
	unsigned port;
	unsigned db;
};

/* ERR_INVALID, or ERR_UNSUPPORTED for rediss:// (TLS). On ERR_OK redis_url_fini() frees what is in
 * it. */
enum err_code redis_url_parse(const char *text, struct redis_url *ret, struct err *err) MUST_CHECK;
void redis_url_fini(struct redis_url *url);
