/*
 * A server process with routes for tests: it counts what reached a handler, so that a test
 * sees what a client cannot.  It ends by draining on SIGTERM, and must end cleanly.
 */
#pragma once

#include <sys/types.h>

#include "http/http.h"

struct http_stand {
	pid_t pid;
	unsigned port; /* of the first listener */
	unsigned ports[HTTP_LISTENERS_MAX];
	bool draining;
};

/* Options that a test does not set are generous. fd_limit 0: as it is. With options.tls, which the
 * process has a copy of, SIGHUP reads the certificate again. */
struct http_stand http_stand_start(const struct http_options *wanted, unsigned fd_limit);
/* SIGTERM: the server drains. */
void http_stand_drain(struct http_stand *stand);
/* Drain if it still runs, and check that it ended cleanly. */
void http_stand_stop(struct http_stand *stand);

/* What GET /counts says under this name. */
unsigned http_stand_count(const struct http_stand *stand, const char *name);
/* Wait until it says so. */
void http_stand_await(const struct http_stand *stand, const char *name, unsigned value);
