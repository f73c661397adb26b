/*
 * Keeps the streams of this node in step with their keys: looks at the keys of all open streams
 * every ACCESS_LOOK_MS with one query, and at once when a bell rings (auth_bell.h); lets time run
 * out; and answers those who want a stream to go on with another key.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct access;
struct auth;
struct loop;
struct pg;
struct redis;
struct viewers;

enum { ACCESS_LOOK_MS = 500 };

struct access_options {
	struct loop *loop;
	struct auth *auth;
	struct pg *pg;
	struct redis *redis;
	const char *redis_url; /* of the bells, on a connection of their own */
	unsigned redis_timeout_ms;
	struct viewers *viewers;
};

/* NULL and err when the address of Redis is wrong. */
struct access *access_new(const struct access_options *options, struct err *err) MUST_CHECK;
/* On a fiber: nothing is asked any more; keys still end by the clock. */
void access_stop(struct access *access);
void access_free(struct access *access); /* NULL is a no-op */
