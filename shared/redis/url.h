/*
 * Where a Redis is and who we are to it, from a URL.  Pure.
 *
 *	redis://[[user]:password@]host[:port][/db]      port 6379, db 0; [::1] for IPv6
 *	unix:///path[?db=0][&user=...][&password=...]
 *	sentinel://[[user]:password@]host[:port][,host[:port]...]/master
 *		[?db=0][&sentinel_user=...][&sentinel_password=...]      port 26379, at most 9
 *
 * rediss:// and sentinels:// are the same over TLS, with ?ca=... (PEM file of whom to believe, else
 * whom the system does), &certificate=...&key=... (our own), &name=... (the name that the server's
 * certificate has, where it is not the host's).
 *
 * With Sentinels user and password are for the Redis that they name.
 * user, password and path are percent-decoded (RFC 3986 section 2.1).  No message repeats any part
 * of the URL: it may hold a password.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

enum {
	REDIS_PORT = 6379,
	REDIS_SENTINEL_PORT = 26379,
	REDIS_PORT_MAX = 65535,
	REDIS_DB_MAX = 65535,
	REDIS_SENTINELS_MAX = 9,
};

struct redis_host {
	char *name;
	unsigned port;
};

struct redis_url {
	char *host;     /* NULL: a unix socket */
	char *path;     /* NULL: TCP */
	char *user;     /* NULL: the default user */
	char *password; /* NULL: no AUTH */
	unsigned port;
	unsigned db;
	char *master; /* NULL: no Sentinels; else host and path are NULL */
	char *sentinel_user, *sentinel_password;
	bool tls;
	char *ca, *certificate, *key, *name; /* NULL: not given */
	struct redis_host sentinels[REDIS_SENTINELS_MAX];
	size_t sentinel_count;
};

/* ERR_INVALID. On ERR_OK redis_url_fini() frees what is in it. */
enum err_code redis_url_parse(const char *text, struct redis_url *ret, struct err *err) MUST_CHECK;
void redis_url_fini(struct redis_url *url);

/* The URL of Sentinel i of a URL that has them; to be freed likewise. */
void redis_url_of_sentinel(const struct redis_url *url, size_t i, struct redis_url *ret);
