/*
 * Requests to servers of others (webhooks, identity providers), from fibers: libcurl's multi
 * interface on our loop.
 *
 * Nothing is followed or sent that the caller did not name: no redirects, no proxy or password of
 * the environment, no cookies.  Certificates are checked.  What comes back is bounded in size and
 * time.  Where a connection may go is looked at when its address is known, after names were
 * resolved, so a name that means another address the next time gets nowhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct fetch;
struct loop;

enum fetch_flags {
	FETCH_PLAIN_LOOPBACK = 1, /* http: too, to this machine: for development */
	FETCH_PLAIN = 2,          /* http: too */
	FETCH_PUBLIC = 4,         /* to public addresses only: the address is a stranger's word */
	FETCH_NO_LINK = 8,        /* not to FETCH_NET_LINK: a stranger's word, on a trusted site */
};

enum { FETCH_HEADERS_MAX = 16, FETCH_HEAD_MAX = 32 * 1024, FETCH_URL_MAX = 2048 };

struct fetch_options {
	const char *ca_file; /* PEM of those who may sign servers; NULL or "": the system's */
};

struct fetch *fetch_new(struct loop *loop, const struct fetch_options *options) MUST_CHECK;
void fetch_free(struct fetch *fetch); /* no fiber may be waiting */

struct fetch_request {
	const char *method;                     /* "GET" */
	const char *url;                        /* absolute; https unless the flags say otherwise */
	const char *headers[FETCH_HEADERS_MAX]; /* "Name: value"; NULL ends */
	struct str body;                        /* { NULL, 0 }: none */
	unsigned timeout_ms;                    /* for all of it */
	size_t response_max;                    /* bytes of its body */
	unsigned flags;
	const char *socket; /* path of a Unix socket that leads to the server, of at most 107 bytes;
	                       NULL: by its address */
};

struct fetch_response {
	int status;
	struct buf headers; /* lines as they came, without the status line */
	struct buf body;
	uint64_t retry_after_s; /* Retry-After, a number or a date (RFC 9110 section 10.2.3); 0:
	                           none */
};

/* On a fiber. Any status is a success; only the lack of an answer is none. Whatever this returns,
 * fetch_response_fini() is due. ERR_INVALID: the address is none that may be asked. ERR_FORBIDDEN:
 * it leads where the flags do not allow. ERR_TOO_LARGE, ERR_TIMEOUT, ERR_UNAVAILABLE (not reached,
 * or broken off), ERR_BACKEND (its certificate is no good, or it does not speak HTTP),
 * ERR_CANCELLED. */
enum err_code fetch(struct fetch *fetch, const struct fetch_request *request,
                    struct fetch_response *ret, struct err *err) MUST_CHECK;
void fetch_response_fini(struct fetch_response *response);
/* The first header of that name; "" without one. */
struct str fetch_header(const struct fetch_response *response, const char *name);
